"""Key slots: each wraps the vault's master key under one key somebody holds.

    keyring      32 random bytes, one item in the OS keyring      params: item
    passphrase   Argon2id, or scrypt where that is missing        params: kdf, salt, costs
    key          32 bytes from a file or the environment          params: key (its id)
    recovery     a printed code of 128 random bits                params: key (its id)

A slot is chosen by its kind and id, never by trying the others: AES-GCM alone would open
under two keys for whoever crafted it so.
"""

from __future__ import annotations

import hmac
import json

from arcrun_auth import seal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Literal

    SlotKind = Literal["keyring", "passphrase", "key", "recovery"]

FORMAT = 1
"""Which major version of the vault do we read? Another one is refused."""


def canonical(value: Any) -> bytes:
    """JSON with one spelling only: what a MAC can be taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Slot:
    """One wrapped master key. `params` is public: the way from what is held to the KEK."""

    __slots__ = ("kind", "nonce", "number", "params", "wrapped")

    def __init__(
        self, kind: str, params: Mapping[str, Any], nonce: bytes, wrapped: bytes, number: int = 0
    ) -> None:
        self.kind = kind
        self.params = params
        self.nonce = nonce
        self.wrapped = wrapped
        self.number = number

    def encode(self) -> bytes:
        number = b"%d" % self.number
        return seal.encode(
            number, self.kind.encode(), canonical(self.params), self.nonce, self.wrapped
        )

    def __repr__(self) -> str:
        return f"Slot({self.number}, {self.kind!r})"


class Header:
    """What stands in a vault in clear, and is authenticated: the way to the master key.

    `details` holds the minor version and the commitment, hex; unknown fields are kept.
    `previous` is the sealed master key before, while a rotation is under way.
    """

    __slots__ = ("_encoded", "details", "epoch", "previous", "slots", "vault_id")

    def __init__(
        self,
        vault_id: str,
        epoch: int,
        slots: Iterable[Slot],
        details: Mapping[str, Any],
        previous: bytes = b"",
    ) -> None:
        self.vault_id = vault_id
        self.epoch = epoch
        self.slots = tuple(slots)
        self.details = details
        self.previous = previous
        self._encoded = b""

    def encode(self) -> bytes:
        """Every byte of it, for the MAC and for the plain checksum."""
        if not self._encoded:
            self._encoded = self._encode()
        return self._encoded

    def _encode(self) -> bytes:
        return seal.encode(
            b"arcrun1/header",
            b"%d" % FORMAT,
            self.vault_id.encode(),
            b"%d" % self.epoch,
            canonical(self.details),
            self.previous,
            *(slot.encode() for slot in self.slots),
        )

    @property
    def checksum(self) -> bytes:
        """SHA-256 without any key: tells a damaged header from a wrong key."""
        from hashlib import sha256

        return sha256(self.encode()).digest()

    def commits_to(self, key: seal.MasterKey) -> bool:
        return hmac.compare_digest(str(self.details.get("commit")), key.commitment.hex())

    def of_kind(self, kind: SlotKind) -> list[Slot]:
        return [slot for slot in self.slots if slot.kind == kind]


def _aad(vault_id: str, epoch: int, kind: str, params: Mapping[str, Any]) -> bytes:
    return seal.encode(
        b"arcrun1/slot", vault_id.encode(), b"%d" % epoch, kind.encode(), canonical(params)
    )


def wrap(master: seal.MasterKey, kind: SlotKind, params: Mapping[str, Any], kek: bytes) -> Slot:
    """A new slot: `master` under the key-encryption key `kek`."""
    aad = _aad(master.vault_id, master.epoch, kind, params)
    nonce, wrapped = seal.encrypt(kek, master.reveal(), aad)
    return Slot(kind, params, nonce, wrapped)


def unwrap(header: Header, slot: Slot, kek: bytes) -> seal.MasterKey:
    """The master key out of its slot. SealBroken for another `kek` or changed bytes."""
    aad = _aad(header.vault_id, header.epoch, slot.kind, slot.params)
    vmk = seal.decrypt(kek, slot.nonce, slot.wrapped, aad)
    master = seal.MasterKey(vmk, vault_id=header.vault_id, epoch=header.epoch)
    if not header.commits_to(master):
        raise seal.SealBroken("the slot holds another vault's key")
    return master


def kek_of(key: bytes, vault_id: str, kind: SlotKind) -> bytes:
    """The key-encryption key from key material that is random already."""
    return seal.hkdf(key, b"arcrun/v1/kek/" + kind.encode(), salt=vault_id.encode())


def key_id(kek: bytes) -> str:
    """By what do we choose the slot of a key? Tells nothing about the key."""
    return hmac.digest(kek, b"id", "sha256")[:8].hex()


def random_key_slot(master: seal.MasterKey, kind: SlotKind, key: bytes) -> Slot:
    """A slot of kind `key` or `recovery`, found again by the key's id."""
    kek = kek_of(key, master.vault_id, kind)
    return wrap(master, kind, {"key": key_id(kek)}, kek)
