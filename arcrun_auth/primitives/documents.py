"""The JSON documents by which machines identify themselves, told apart by their `type`. Pure.

    service_account               a key of the account's own           AIP-4112
    authorized_user               a login that somebody made before    AIP-4113
    external_account              a workload of another platform       AIP-4117
    impersonated_service_account  one of these, acting as an account

What in them names a host is compared with what the recipe says, and never followed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth import members
from arcrun_auth.errors import AuthError, HostNotAllowed, printable
from arcrun_auth.template import Template

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any
    from urllib.parse import SplitResult

    from arcrun_auth.recipe.model import Jwt
    from arcrun_auth.tokens import Secret

OWN_KEY = "service_account"
USER = "authorized_user"
WORKLOAD = "external_account"
ACTING = "impersonated_service_account"

ACTING_URL = "service_account_impersonation_url"
"""Which member says where a token of another account is asked for?"""

_NEEDED = {
    OWN_KEY: (),  # what the recipe's assertion names
    USER: ("client_id", "client_secret", "refresh_token"),
    WORKLOAD: ("audience", "subject_token_type", "credential_source"),
    ACTING: ("source_credentials", ACTING_URL),
}
_OBJECTS = ("credential_source", "source_credentials")
_ACCOUNT = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+")


def read(text: Secret) -> dict[str, Any]:
    """The document. AuthError says what else it is, or what is wrong with it."""
    raw = text.reveal().strip()
    data = members.parsed(raw)
    if data is None:
        raise _fault(_no_object(raw))
    return check(data)


def check(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a document that was read already."""
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in _NEEDED:
        raise _fault(_other(data))
    missing = [name for name in _NEEDED[kind] if not _holds(data, name)]
    if missing:
        raise _fault(f"It has no {missing[0]}. Take the whole file, as it was made.")
    return dict(data)


def _holds(data: Mapping[str, Any], name: str) -> bool:
    """Whether it has that member: an object where one is wanted, else a text."""
    found = data.get(name)
    return bool(found) and isinstance(found, dict if name in _OBJECTS else str)


def check_members(data: Mapping[str, Any], key: str, jwt: Jwt) -> None:
    """AuthError where the document lacks what the assertion of an account names of it."""
    for text in (*jwt.claims.values(), f"{{{{secret.{jwt.key}}}}}"):
        for space, name, _ in Template.parse(text, strict=True).placeholders:
            of, dot, member = name.partition(".")
            if space == "secret" and dot and of == key and not _holds(data, member):
                raise _fault(f"It has no {member}. Take the whole file, as it was made.")


def unfolded(data: Mapping[str, Any]) -> tuple[dict[str, Any], str, list[str]]:
    """Whose token is to be had first, the account that it is to act as (empty for none), and
    those that stand between the two."""
    if data["type"] in (OWN_KEY, USER):
        return dict(data), "", []
    target = _account(data)
    if data["type"] == WORKLOAD:
        return dict(data), target, []
    source, between = data["source_credentials"], data.get("delegates") or []
    if source.get("type") == ACTING:
        raise _fault("Its source_credentials are none.")
    if not isinstance(between, list) or not all(isinstance(name, str) for name in between):
        raise _fault("Its delegates are no list of accounts.")
    url = {ACTING_URL: data[ACTING_URL]}
    return {**check(source), **url}, target, between


def account_in(document: Mapping[str, Any]) -> str:
    """The account in the URL that the document wants asked for its token; empty for none.

    >>> account_in({"service_account_impersonation_url": "https://a.example/x/bot@b.example:get"})
    'bot@b.example'
    """
    last = _split(document.get(ACTING_URL)).path.rpartition("/")[2]
    return last.rpartition(":")[0]


def _account(data: Mapping[str, Any]) -> str:
    """The same, checked."""
    if not data.get(ACTING_URL):
        return ""
    found = account_in(data)
    if not _ACCOUNT.fullmatch(found):
        raise _fault(f"Its {ACTING_URL} names no account.")
    return found


def agreed(data: Mapping[str, Any], name: str, ours: str) -> None:
    """HostNotAllowed where the document would send a token to another host than the recipe's."""
    theirs = data.get(name)
    if not theirs:
        return
    host = _split(theirs).netloc.lower()
    if host != urlsplit(ours).netloc.lower():
        raise HostNotAllowed(
            f"The document's {name} is on {printable(host, 253) or 'no host'}, and the recipe "
            f"knows only {urlsplit(ours).netloc}. Nothing was sent.",
            host=host,
            hint="write a recipe of your own that names it: arcrun recipes add FILE takes it over",
        )


def _split(url: object) -> SplitResult:
    """The parts of a URL; empty ones where it is none."""
    try:
        return urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        return urlsplit("")


def _fault(what: str) -> AuthError:
    return AuthError(f"This is no document of a service account, a workload or a login. {what}")


def _no_object(raw: str) -> str:
    if raw.startswith("{") and not raw.endswith("}"):
        return "It is JSON that breaks off: part of the file is missing."
    if "-----BEGIN" in raw[:64]:
        return "It is a bare PEM: the JSON file is wanted, which holds the key and whose it is."
    return "It is no JSON." if raw else "It is empty."


def _other(data: Mapping[str, Any]) -> str:
    if "installed" in data or "web" in data:
        return "It is an OAuth client, which somebody logs in with: give it as --client-file."
    kind = data.get("type")
    if not isinstance(kind, str):
        return "It does not say its type."
    known = ", ".join(_NEEDED)
    return f"Its type is {printable(kind, 60)!r}, and the known ones are: {known}."
