"""Heads of a trail that are signed and kept in the vault: what a whole trail is held against.

A trail that was put back to an older state, or taken away, fits itself. It does not fit the head
that was signed by this device's key and lies in another file; and, where this home syncs, on
other machines.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth.audit import key_of
from arcrun_auth.audit.making import aside_files
from arcrun_auth.audit.reading import Finding, check
from arcrun_auth.errors import StoreConflict
from arcrun_auth.protocol.signatures import fits
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.audit import Trail
    from arcrun_auth.audit.reading import Checked
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential


@dataclass(frozen=True)
class Signer:
    """A device that signs heads: its id, its public key, and how it signs."""

    id: str
    public: bytes
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Head:
    """How far a trail went at some moment, as the vault keeps it."""

    trail: str
    count: int
    tip: str
    time: float = 0.0
    device: str = ""
    signature: str = ""

    @classmethod
    def of(cls, record: Credential) -> Head:
        """Out of the record of a trail. ValueError where it says something else."""
        held = record.params
        return cls(
            record.key.instance, int(held.get("n", "0")), held.get("tip", ""),
            float(held.get("time", "0")), held.get("device", ""), held.get("signature", ""),
        )  # fmt: skip

    def params(self) -> dict[str, str]:
        return {
            "n": str(self.count), "tip": self.tip, "time": str(self.time),
            "device": self.device, "signature": self.signature,
        }  # fmt: skip

    def message(self) -> bytes:
        """What is signed of it."""
        return encode(
            b"arcrun/v1/audit/head", self.trail.encode(), b"%d" % self.count, self.tip.encode(),
            str(self.time).encode(), self.device.encode(),
        )  # fmt: skip


def keep(vault: Store, trail: Trail, *, signer: Signer | None, now: float) -> Head | None:
    """Keeps how far the trail goes now; None where its end does not fit: that is not signed."""
    record = vault.get(key_of(trail.key.id))
    tail = trail.tail()  # after the record: no head takes the place of one that is further on
    if tail is None or record is None:
        return None
    if signer is not None and tail.device != signer.id:  # its first head, or a home that was copied
        fields: dict[str, str | float] = {"time": now, "action": "device", "name": signer.id}
        tail = trail.append(fields, device=signer.id)
    head = Head(trail.key.id, tail.count, tail.hash.hex(), now, signer.id if signer else "")
    if signer is not None:
        signature = b64encode(signer.sign(head.message())).decode()
        head = Head(head.trail, head.count, head.tip, head.time, head.device, signature)
    with suppress(StoreConflict):  # another process keeps a head at the same moment
        vault.put(record.replace(params=head.params()), expect=record.generation)
    return head


def verify(vault: Store, trail: Trail | None, path: str, *, signer: Signer | None) -> Checked:
    """Checks a trail by itself and against the heads in the vault. Raises what reading raises."""
    from arcrun_auth.audit.reading import Checked

    heads = _heads(vault)
    own = heads.pop(trail.key.id, None) if trail is not None else None
    if trail is None:
        found = Checked(0, "", (), {})
    else:
        found = check(trail, at=(own.count,) if own is not None else ())
    findings = [*found.findings]
    if own is not None:
        findings += _against(own, found, signer)
    findings += [_gone(head) for head in heads.values() if head.count]
    if os.path.isdir(os.path.dirname(path)):
        findings += [_aside(name) for name in aside_files(path)]
    return Checked(found.count, found.tip, tuple(findings), found.hashes)


def _heads(vault: Store) -> dict[str, Head]:
    """The heads of all trails that the vault has a key of, by their ids."""
    heads = {}
    for key in vault.keys():
        record = vault.get(key) if (key.kind, key.account) == ("device", "audit") else None
        if record is not None:
            heads[key.instance] = Head.of(record)
    return heads


def _against(head: Head, found: Checked, signer: Signer | None) -> list[Finding]:
    """Whether the chain leads through a head that was kept."""
    if head.signature and signer is not None and head.device == signer.id:
        signature = b64decode(head.signature)
        if not fits(signer.public, signature, head.message()):
            text = f"The head that is kept of entry {head.count} is not signed by this device."
            return [Finding("rolled back", head.count, text)]
    known = found.hashes.get(head.count)
    if not head.count or known == head.tip or (known is None and found.findings):
        return []  # where the chain is broken before it, that was said
    text = f"The trail does not lead to entry {head.count} as it was kept in the vault."
    return [Finding("rolled back", head.count, text)]


def _gone(head: Head) -> Finding:
    text = f"A trail of at least {head.count} entries is gone (its id begins {head.trail[:8]})."
    return Finding("cut off", head.count, text)


def _aside(path: str) -> Finding:
    name = os.path.basename(path)
    return Finding("other end", 0, f"A file that could not be read was set aside: {name}.")
