"""Items of the OS keyring that command-line tools put there, by the names that we know.

Not by listing it: that would ask its owner to unlock what is nobody's business here.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from arcrun_auth.importers import gh
from arcrun_auth.importers.model import Found, Unreadable, read_file
from arcrun_auth.stores.keyring_backend import Unavailable
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.importers.model import Where
    from arcrun_auth.importers.services import Services
    from arcrun_auth.stores.keyring_backend import OSKeyring

NAME = "keyring"
TITLE = "items of the OS keyring"

ITEMS = (
    ("gh:github.com", "", "github", "gh"),
    ("glab:gitlab.com:token", "", "gitlab", "glab"),
    ("glab:gitlab.com", "", "gitlab", "glab"),
)
"""Item and user, the service that it is for, and the program that put it there."""

_ENCODED = "go-keyring-base64:"
"""What do programs in Go write before a value that the keychain of macOS must not change?"""


def find(where: Where, services: Services, keyring: OSKeyring) -> Iterator[Found]:
    """What lies there. One finding that says so where the keyring does not answer."""
    items = [*ITEMS, *(("gh:github.com", user, "github", "gh") for user in _users(where))]
    seen = set()
    for item, user, service, program in items:
        try:
            value = _decoded(keyring.get(user, service=item))
        except Unavailable as error:
            yield Found(NAME, "", "", "item", why_not=error.message, hint="arcrun doctor")
            return
        known = services.first([service])
        way = services.key_way(known) if known else None
        if not value or (item, value) in seen or way is None:
            continue
        seen.add((item, value))
        yield Found(
            NAME,
            "",
            f"{item}, user {user}" if user else item,
            "key",
            service=known,
            method=way[0],
            name=user or program,
            secrets={way[1]: Secret(value)},
        )


def _users(where: Where) -> list[str]:
    """gh keeps an item for each of its users; which there are stands in its file."""
    for path in gh.IMPORTER.places(where):
        try:
            file = read_file(path)
        except Unreadable:
            continue
        if file is not None:
            return gh.users(file)
    return []


def _decoded(value: str | None) -> str:
    text = value or ""
    if not text.startswith(_ENCODED):
        return text.strip()
    try:
        return base64.b64decode(text.removeprefix(_ENCODED), validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""
