"""The keys of a synced vault, and what its rows are called. Pure.

    root ─┬─ HKDF "arcrun/v1/sync/names" ── HMAC of what a row is: its name, which tells nothing
          ├─ HKDF "arcrun/v1/sync/meta" ── HKDF <name> ── AES-256-GCM of head, log, trail, members
          └─ HKDF "arcrun/v1/sync/base" ── HMAC of a record's content, to see that it has changed
    VK_e ─── HKDF <name> ── AES-256-GCM of one record, for the epoch e

`root` lives as long as the vault. Each epoch has a content key of its own, and which one opens a
row stands in the signed log: AES-GCM commits to no key, so none is ever tried.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from arcrun_auth.seal import KEY_BYTES, NONCE_BYTES, decrypt, encode, encrypt, hkdf, pad, unpad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.tokens import Key

PREFIX = "s_"
"""What every row of sync begins with; those of the platform's SDK may not."""
NAME_DIGITS = 40
BLOCK = 256
"""To a multiple of how many bytes is a row padded?"""
BEACON = PREFIX + "0" * NAME_DIGITS
"""The row that says that an account has a vault: of two who found one at once, one is told."""


@dataclass(frozen=True)
class Sealed:
    """A row's content as it is sent: `data` is the ciphertext with its tag."""

    iv: bytes
    data: bytes

    @property
    def hash(self) -> str:
        """What the log says of it."""
        return sha256(self.iv + self.data).hexdigest()

    @property
    def wire(self) -> tuple[str, str]:
        """(encrypted, iv), both in base64."""
        return b64encode(self.data).decode(), b64encode(self.iv).decode()

    @classmethod
    def of(cls, encrypted: str, iv: str) -> Sealed:
        """The inverse of `wire`. ValueError where it is no base64."""
        return cls(b64decode(iv, validate=True), b64decode(encrypted, validate=True))


class VaultKeys:
    """All keys of one vault that a device holds. Shows nothing.

    >>> keys = VaultKeys.fresh("ab" * 32)
    >>> sealed = keys.seal_meta(keys.members, b"who may write here")
    >>> keys.open_meta(keys.members, sealed)
    b'who may write here'
    """

    def __init__(self, vault: str, root: bytes, contents: Mapping[int, bytes]) -> None:
        """`vault` is its id; `contents` are the content keys by epoch. ValueError for no key."""
        if not contents or any(len(key) != KEY_BYTES for key in (root, *contents.values())):
            raise ValueError("a vault has a root key and content keys of 32 bytes")
        self.vault = vault
        self.root = root
        self.contents = dict(contents)
        self._names = hkdf(root, b"arcrun/v1/sync/names")
        self._meta = hkdf(root, b"arcrun/v1/sync/meta")
        self._base = hkdf(root, b"arcrun/v1/sync/base")

    @classmethod
    def fresh(cls, vault: str) -> VaultKeys:
        """Of a vault that is being founded."""
        return cls(vault, os.urandom(KEY_BYTES), {1: os.urandom(KEY_BYTES)})

    def __repr__(self) -> str:
        return f"VaultKeys(vault={self.vault[:8]!r}, epoch={self.epoch})"

    @property
    def epoch(self) -> int:
        """The newest one that we hold a key of."""
        return max(self.contents)

    # -- names -------------------------------------------------------------------------------

    def name(self, *what: bytes) -> str:
        """The name of the row that is `what`."""
        return PREFIX + hmac.digest(self._names, encode(*what), "sha256").hex()[:NAME_DIGITS]

    def record(self, key: Key) -> str:
        return self.name(b"rec", *(part.encode() for part in key.parts))

    def head(self, dev: str) -> str:
        return self.name(b"head", dev.encode())

    def segment(self, dev: str, gen: int, number: int) -> str:
        return self.name(b"seg", dev.encode(), b"%d" % gen, b"%d" % number)

    def trail(self, dev: str, number: int) -> str:
        return self.name(b"trail", dev.encode(), b"%d" % number)

    @property
    def members(self) -> str:
        return self.name(b"members")

    def wrap(self, dev: str) -> str:
        return self.name(b"wrap", dev.encode())

    # -- contents ----------------------------------------------------------------------------

    def seal(self, name: str, plain: bytes, epoch: int) -> Sealed:
        """A record, under the content key of an epoch. KeyError for one that we have no key of."""
        return _sealed(self._record_key(name, epoch), plain)

    def open(self, name: str, sealed: Sealed, epoch: int) -> bytes:
        """The inverse of `seal`. ValueError for other bytes, another name, or another epoch."""
        return _opened(self._record_key(name, epoch), sealed)

    def seal_meta(self, name: str, plain: bytes) -> Sealed:
        """What is no record: a head, a segment, a trail, the members."""
        return _sealed(hkdf(self._meta, encode(name.encode())), plain)

    def open_meta(self, name: str, sealed: Sealed) -> bytes:
        """The inverse of `seal_meta`. ValueError for other bytes or another name."""
        return _opened(hkdf(self._meta, encode(name.encode())), sealed)

    def mac(self, content: bytes) -> str:
        """Tells contents apart, and tells nobody without the key what they are."""
        return hmac.digest(self._base, content, "sha256").hex()

    def _record_key(self, name: str, epoch: int) -> bytes:
        return hkdf(self.contents[epoch], encode(b"rec", name.encode()))


def _sealed(key: bytes, plain: bytes) -> Sealed:
    return Sealed(*encrypt(key, pad(plain, BLOCK), b""))


def _opened(key: bytes, sealed: Sealed) -> bytes:
    if len(sealed.iv) != NONCE_BYTES:
        raise ValueError("the iv has another length")
    return unpad(decrypt(key, sealed.iv, sealed.data, b""))
