"""Sealing: how a record becomes bytes that tell nothing and cannot be moved. Pure.

The key hierarchy, from one random vault master key (VMK) of 32 bytes:

    VMK ─┬─ HKDF "arcrun/v1/rec/<epoch>" ── HKDF <record id> ── AES-256-GCM of one record
         ├─ HKDF "arcrun/v1/idx" ── HMAC of a record's name: its id in the file
         ├─ HKDF "arcrun/v1/hdr" ── HMAC over the header: format, epoch, every slot
         ├─ HKDF "arcrun/v1/prev" ── the master key before, while a rotation is under way
         └─ HMAC "commit" ── tells a wrong key from a right one; AES-GCM alone does not commit

Whatever is authenticated is encoded with lengths in front, never joined by a separator.
"""

from __future__ import annotations

import hmac
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 16

BLOCK = 128
"""To a multiple of how many bytes do we pad a record, so that its length tells little?"""


class SealBroken(ValueError):
    """The tag does not fit: another key, another place, or changed bytes. Says nothing else."""


def encode(*parts: bytes) -> bytes:
    """`parts`, each behind its length in 4 bytes: no two different lists give the same bytes.

    >>> encode(b"ab", b"") == encode(b"a", b"b")
    False
    """
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def hkdf(key: bytes, info: bytes, *, salt: bytes = b"", length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA256, RFC 5869. `length` up to 8,160 bytes; ValueError beyond."""
    if not 0 < length <= 255 * 32:
        raise ValueError("HKDF-SHA256 gives 1 to 8160 bytes")
    pseudo_random_key = hmac.digest(salt or bytes(32), key, "sha256")  # §2.2
    block, output = b"", b""
    counter = 1
    while len(output) < length:  # §2.3
        block = hmac.digest(pseudo_random_key, block + info + bytes((counter,)), "sha256")
        output += block
        counter += 1
    return output[:length]


def pad(data: bytes, block: int = BLOCK) -> bytes:
    """ISO/IEC 7816-4 padding: 0x80, then zeros up to a multiple of `block` bytes."""
    marked = data + b"\x80"
    return marked + bytes(-len(marked) % block)


def unpad(data: bytes) -> bytes:
    """The inverse of `pad`; ValueError on anything it cannot have made."""
    stripped = data.rstrip(b"\0")
    if not stripped.endswith(b"\x80"):
        raise ValueError("not padded as ISO/IEC 7816-4 says")
    return stripped[:-1]


def _aesgcm(key: bytes) -> Any:
    # The public module imports every cipher's Python face, three times what this takes;
    # the class is the same object, and a test says so.
    try:
        from cryptography.hazmat.bindings._rust import openssl

        return openssl.aead.AESGCM(key)
    except (ImportError, AttributeError):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(key)


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag


def encrypt(key: bytes, plain: bytes, aad: bytes) -> tuple[bytes, bytes]:
    """AES-256-GCM under a fresh random nonce: (nonce, ciphertext with its tag)."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce, _aesgcm(key).encrypt(nonce, plain, aad)


def decrypt(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """The inverse of `encrypt`; SealBroken where anything at all differs."""
    if len(nonce) != NONCE_BYTES:
        raise SealBroken("the nonce has another length")
    try:
        plain: bytes = _aesgcm(key).decrypt(nonce, sealed, aad)
    except _invalid_tag():
        raise SealBroken("the tag does not fit") from None
    return plain


class MasterKey:
    """A vault's master key at one epoch, and what is derived from it. Shows nothing."""

    __slots__ = ("_header", "_index", "_records", "_vmk", "epoch", "vault_id")

    def __init__(self, vmk: bytes, *, vault_id: str, epoch: int) -> None:
        if len(vmk) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self.vault_id = vault_id
        self.epoch = epoch
        self._vmk = vmk
        self._index = hkdf(vmk, b"arcrun/v1/idx")
        self._records = hkdf(vmk, b"arcrun/v1/rec/%d" % epoch)
        self._header = hkdf(vmk, b"arcrun/v1/hdr")

    @classmethod
    def fresh(cls, *, vault_id: str, epoch: int = 1) -> MasterKey:
        return cls(os.urandom(KEY_BYTES), vault_id=vault_id, epoch=epoch)

    def __repr__(self) -> str:
        return f"MasterKey(vault_id={self.vault_id!r}, epoch={self.epoch})"

    def reveal(self) -> bytes:
        """The key itself: for a slot to wrap, and for nobody else."""
        return self._vmk

    @property
    def commitment(self) -> bytes:
        """Fits this key and no other; stands in the header in clear."""
        return hmac.digest(self._vmk, b"commit", "sha256")

    def record_id(self, kind: str, account: str, instance: str) -> bytes:
        """The 16 bytes under which the record of that name lies: they tell no name."""
        name = encode(kind.encode(), account.encode(), instance.encode())
        return hmac.digest(self._index, name, "sha256")[:ID_BYTES]

    def header_mac(self, header: bytes) -> bytes:
        return hmac.digest(self._header, header, "sha256")

    def _aad(self, record_id: bytes, generation: int, kind: str) -> bytes:
        return encode(
            b"arcrun1",
            self.vault_id.encode(),
            b"%d" % self.epoch,
            record_id,
            b"%d" % generation,
            kind.encode(),
        )

    def seal(
        self, plain: bytes, *, record_id: bytes, generation: int, kind: str
    ) -> tuple[bytes, bytes]:
        """`plain`, padded and bound to its place and generation: (nonce, ciphertext)."""
        key = hkdf(self._records, record_id)
        return encrypt(key, pad(plain), self._aad(record_id, generation, kind))

    def open(
        self, nonce: bytes, sealed: bytes, *, record_id: bytes, generation: int, kind: str
    ) -> bytes:
        """The inverse of `seal`. SealBroken for another place, generation, kind or vault."""
        key = hkdf(self._records, record_id)
        padded = decrypt(key, nonce, sealed, self._aad(record_id, generation, kind))
        return unpad(padded)

    def seal_previous(self, previous: MasterKey) -> bytes:
        """The key before this one, for as long as records under it remain."""
        aad = encode(b"arcrun1/prev", self.vault_id.encode(), b"%d" % previous.epoch)
        nonce, sealed = encrypt(hkdf(self._vmk, b"arcrun/v1/prev"), previous.reveal(), aad)
        return nonce + sealed

    def open_previous(self, sealed: bytes, *, epoch: int) -> MasterKey:
        aad = encode(b"arcrun1/prev", self.vault_id.encode(), b"%d" % epoch)
        key = hkdf(self._vmk, b"arcrun/v1/prev")
        vmk = decrypt(key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)
        return MasterKey(vmk, vault_id=self.vault_id, epoch=epoch)
