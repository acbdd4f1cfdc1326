"""The one row that a CI job opens: some records, sealed under a key of their own. Pure.

    key ─┬─ HMAC "arcrun/v1/ci/name" ── what the row is called
         └─ HKDF "arcrun/v1/ci" ── AES-256-GCM of the row

It is apart from the synced vault: who has this key has these records, and nothing else of it.
The platform sees that there is such a row, how large it is, and who fetches it when.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol.keys import BLOCK, NAME_DIGITS, PREFIX, Sealed
from arcrun_auth.protocol.portable import merged
from arcrun_auth.protocol.words import VERSION, canonical, parsed
from arcrun_auth.seal import decrypt, encode, encrypt, hkdf, pad, unpad
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.tokens import Credential

    Bodies = Mapping[Key, dict[str, Any]]


def row_name(key: bytes) -> str:
    """What the row of this key is called: whoever has the key knows it, and nobody else does."""
    return PREFIX + hmac.digest(key, b"arcrun/v1/ci/name", "sha256").hex()[:NAME_DIGITS]


def text_of(bodies: Bodies) -> bytes:
    """What the row says; the same for the same records."""
    records = [{"key": key.parts, "body": bodies[key]} for key in sorted(bodies)]
    return canonical({"v": VERSION, "kind": "ci", "records": records})


def mac(key: bytes, text: bytes) -> str:
    """Tells texts apart, and tells nobody without the key what they are."""
    return hmac.digest(hkdf(key, b"arcrun/v1/ci/base"), text, "sha256").hex()


def seal(key: bytes, text: bytes) -> Sealed:
    """The row's content."""
    return Sealed(*encrypt(_sealing(key), pad(text, BLOCK), b""))


def opened(key: bytes, sealed: Sealed) -> dict[Key, Credential]:
    """The records of the row, each at generation 1. ValueError for what this key has not sealed,
    or for another version."""
    data = parsed(unpad(decrypt(_sealing(key), sealed.iv, sealed.data, b"")), v=VERSION, kind="ci")
    found = {}
    try:
        for each in data["records"]:
            name = Key(*each["key"])
            found[name] = merged(None, name, each["body"]).replace(generation=1)
    except (KeyError, TypeError) as error:
        raise ValueError("no records of ours") from error
    return found


def _sealing(key: bytes) -> bytes:
    return hkdf(key, encode(b"arcrun/v1/ci", row_name(key).encode()))
