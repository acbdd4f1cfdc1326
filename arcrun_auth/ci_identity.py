"""The identity token of a CI job: OpenID Connect, by which a job logs in without a stored secret.

A CI system gives it to its jobs in one of three ways: by a request to an address that stands in
the environment, in a variable, or in a file. It is signed for one audience, and ends soon.
"""

from __future__ import annotations

import math
import os
import re
import time
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable
from arcrun_auth.members import parsed
from arcrun_auth.tokens import Token
from arcrun_auth.workload import Place, read_small, subject_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REQUEST_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105 - the name of a variable

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
    ProviderUnavailable and HostNotAllowed for a request.
    """
    environ = os.environ if environ is None else environ
    now = clock()
    if variable is not None:
        text, where = environ.get(variable, ""), f"the variable {variable}"
    elif file is not None:
        text, where = read_small(file) or "", file
    else:
        text, where = _asked(audience, Place(environ=environ, now=now, allow=allow)), "the answer"
    return read_token(text.strip(), audience, where=where, now=now)


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
    expires = _seconds(claims.get("exp"))
    if expires is not None and expires <= now:
        raise AuthError(
            f"The identity token in {where} has ended.",
            hint="it holds for some minutes only: ask for it right before it is used",
        )
    return Token(text, token_type="JWT", expires=expires)  # noqa: S106 - RFC 8693 §3's word


def _seconds(value: object) -> float | None:
    """A date as in RFC 7519 §2; None where there is none, or one that no clock reaches."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def _claims(text: str) -> dict[str, Any] | None:
    if not _COMPACT.fullmatch(text):
        return None
    body = text.split(".")[1]
    try:
        return parsed(urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode())
    except ValueError:
        return None


def _asked(audience: str, place: Place) -> str:
    url, bearer = (place.environ.get(name, "") for name in (REQUEST_URL, REQUEST_TOKEN))
    if not url or not bearer:
        raise AuthError("This is no CI job that may ask for an identity token.", hint=_HINT)
    source = {
        "url": f"{url}{'&' if '?' in url else '?'}audience={quote(audience, safe='')}",
        "headers": {"authorization": f"bearer {bearer}"},
        "format": {"type": "json", "subject_token_field_name": "value"},
    }
    try:
        return subject_token({"credential_source": source}, place).reveal()
    except (HostNotAllowed, ProviderUnavailable):
        raise
    except AuthError as error:
        error.hint = _HINT
        raise
