"""The identity token of a CI job: OpenID Connect, by which a job logs in without a stored secret.

A CI system gives it to its jobs in one of three ways: by a request to an address that stands in
the environment, in a variable, or in a file. It is signed for one audience, and ends soon.
"""

from __future__ import annotations

import json
import os
import re
import time
from base64 import urlsafe_b64decode
from urllib.parse import quote, urlsplit

from arcrun_auth.errors import AuthError, ProviderUnavailable, TokenRefused
from arcrun_auth.tokens import Secret, Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

REQUEST_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable

MAX_BYTES = 1 << 16
"""How long may a token in a file be?"""

_OK = 200
_TRANSIENT = (408, 429)
# RFC 7515 §3.1: three parts of base64url, none of them empty.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

_HINT = "GitHub Actions: permissions: id-token: write; elsewhere: --variable NAME or --file PATH"


def identity_token(
    audience: str,
    *,
    variable: str | None = None,
    file: str | None = None,
    environ: Mapping[str, str] | None = None,
    allow: Sequence[str] = (),
    clock: Callable[[], float] = time.time,
) -> Token:
    """The identity token of this job for `audience`: `token.access_token`, `token.expires_at`.

    From the environment's `variable`, from a `file`, or else by the request that
    `ACTIONS_ID_TOKEN_REQUEST_URL` and `_TOKEN` describe, which goes to exactly that host:
    https and public, or one of `allow`.

    Raises AuthError where there is none, or one that is not for `audience` or has ended;
    TokenRefused, ProviderUnavailable and HostNotAllowed for a request.
    """
    environ = os.environ if environ is None else environ
    if variable is not None:
        text, where = environ.get(variable, ""), f"the variable {variable}"
    elif file is not None:
        text, where = _read(file), file
    else:
        text, where = _request(audience, environ, allow), "the answer"
    return read_token(text.strip(), audience, where=where, now=clock())


def read_token(text: str, audience: str, *, where: str, now: float) -> Token:
    """A JWT as a token, if it is one for `audience` that has not ended; AuthError if not.

    Its signature is not checked: whoever it is shown to does that. To be wrong here can only
    mean that a good token is refused.
    """
    claims = _claims(text)
    if claims is None:
        raise AuthError(f"There is no identity token (a JWT) in {where}.", hint=_HINT)
    meant = claims.get("aud")
    if audience not in (meant if isinstance(meant, list) else [meant]):
        raise AuthError(
            f"The identity token in {where} is for another audience than {audience!r}.",
            hint="the job's configuration names the audience of each token (aud)",
        )
    end = claims.get("exp")
    expires = float(end) if isinstance(end, int | float) else None
    if expires is not None and expires <= now:
        raise AuthError(
            f"The identity token in {where} has ended.",
            hint="it holds for some minutes only: ask for it right before it is used",
        )
    return Token(text, token_type="JWT", expires=expires)  # noqa: S106 - RFC 8693 §3's word


def _claims(text: str) -> dict[str, Any] | None:
    if not _COMPACT.fullmatch(text):
        return None
    body = text.split(".")[1]
    try:
        found = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise AuthError(f"The file {path} cannot be read: {reason}.") from None
    return text if len(text) <= MAX_BYTES else ""


def _request(audience: str, environ: Mapping[str, str], allow: Sequence[str]) -> str:
    from arcrun_auth._http import send_token
    from arcrun_auth.hosts import Fence
    from arcrun_auth.oauth.call import TokenCall

    url, bearer = environ.get(REQUEST_URL, ""), environ.get(REQUEST_TOKEN, "")
    if not url or not bearer:
        raise AuthError("This is no CI job that may ask for an identity token.", hint=_HINT)
    try:
        fence = Fence([urlsplit(url).netloc], allow)
    except ValueError:
        raise AuthError(f"{REQUEST_URL} holds no address.", hint=_HINT) from None
    call = TokenCall(
        f"{url}{'&' if '?' in url else '?'}audience={quote(audience, safe='')}",
        method="GET",
        headers={"authorization": f"bearer {bearer}"},
        content=None,
        secrets=(Secret(bearer),),
    )
    answer = send_token(call, guard=fence)
    if answer.status == _OK:
        return _value(answer.body)
    said = f"The CI system answered with HTTP {answer.status} instead of an identity token."
    if answer.status in _TRANSIENT or answer.status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
        raise ProviderUnavailable(said, status=answer.status, sent=True)
    raise TokenRefused(said, hint=_HINT)


def _value(body: bytes) -> str:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    value = found.get("value") if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""
