"""Getting a document about an API: from a file, or from the address that somebody typed.

One address is asked, and where it is an issuer's, the well-known places below it. No redirect
is followed, and nothing that a document refers to is fetched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth._http import MAX_ANSWER, send_token
from arcrun_auth.drafting import kind_of
from arcrun_auth.drafting.document import MAX_BYTES, read
from arcrun_auth.drafting.metadata import check_place
from arcrun_auth.errors import AuthError, ProviderUnavailable, RecipeError, may_pass
from arcrun_auth.errors import printable as shown
from arcrun_auth.hosts import bare, fence_of
from arcrun_auth.oauth.metadata import origin, well_known
from arcrun_auth.oauth.requests import get_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.hosts import Fence

_OK = 200
_REDIRECTS = (301, 302, 303, 307, 308)


def document(source: str, allow: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """What a file or an https address holds, as plain data, and the address it was got from.

    `allow` are exact origins that may be private or plain http. An issuer (RFC 8414, OIDC) is
    asked for its metadata. Raises RecipeError for what is no such document, HostNotAllowed,
    ProviderUnavailable.
    """
    if "://" in source:
        return _from_address(source, allow)
    try:
        with open(source, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(
            f"This file cannot be read: {error.strerror}.", path=shown(source)
        ) from None
    found = read(raw, shown(source))
    if not kind_of(found):
        raise _neither(source)
    return found, ""


def _from_address(url: str, allow: Sequence[str]) -> tuple[dict[str, Any], str]:
    try:
        fence = fence_of(url, allow)
    except ValueError as error:  # not repeated: there may be a password in it
        raise RecipeError(f"What --from names cannot be asked: {error}.") from None
    answer = _got(url, fence)
    if answer.status == _OK and not answer.body.lstrip().startswith(b"<"):
        found = read(answer.body, shown(bare(url)))
        if kind_of(found) == "metadata":
            check_place(found, url)
        if kind_of(found):
            return found, url
    for place in well_known(url) if origin(url) and "?" not in url else ():
        told = _got(place, fence)
        try:
            found = read(told.body, place) if told.status == _OK else {}
        except RecipeError:  # a page for people
            continue
        if kind_of(found) == "metadata":
            check_place(found, place)
            return found, place
    raise _nothing(url, answer)


def _got(url: str, fence: Fence) -> Answer:
    try:
        answer = send_token(get_request(url), guard=fence)
    except ProviderUnavailable as error:
        if error.status == _OK:
            error.hint = f"download what has more than {MAX_ANSWER >> 20} MB, and give the file"
        raise
    if may_pass(answer.status):
        raise ProviderUnavailable(
            f"{shown(bare(url), 100)} could not answer now (HTTP {answer.status}).",
            status=answer.status,
        )
    return answer


def _nothing(url: str, answer: Answer) -> AuthError:
    target = answer.headers.get("location", "")
    if answer.status in _REDIRECTS and target:
        return RecipeError(
            "This address leads to another one, which was not followed.", path=shown(bare(url)),
            hint=f"if you trust it: --from {shown(bare(target))}",
        )  # fmt: skip
    if answer.status != _OK:
        return RecipeError(f"This address answered with {answer.status}.", path=shown(bare(url)))
    return _neither(bare(url))


def _neither(source: str) -> RecipeError:
    return RecipeError(
        "This is neither an OpenAPI document nor an issuer, and no metadata of one.",
        path=shown(source),
    )
