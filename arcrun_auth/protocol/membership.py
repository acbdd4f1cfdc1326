"""Who belongs to a vault: an append-only chain of statements, each signed by a member. Pure.

    found  the first device, by itself; the hash of this statement names the vault
    add    a further device or a recovery code, by a member
    revoke a member, by another one; begins a new epoch of the content key

A statement counts only if its signer is a member at that point of the chain, so a server
that keeps the chain can withhold its end, and can neither add nor change a link of it. What
is signed is encoded with lengths in front; each link holds the hash of the one before.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from arcrun_auth.errors import printable
from arcrun_auth.protocol import wraps
from arcrun_auth.protocol.signatures import fits
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Sign = Callable[[bytes], bytes]

Action = Literal["found", "add", "revoke"]
Kind = Literal["device", "recovery"]

ID_LETTERS = 16
"""How many hex digits name a device? 64 bits of the hash of its keys."""
KEY_BYTES = 32
LONGEST_NAME = 64
"""How long may a device's name be, in characters?"""
VERSION = 1


class BadMembership(ValueError):
    """The chain breaks a rule. Says which, and repeats nothing of what stands in it."""


@dataclass(frozen=True, slots=True)
class Device:
    """A member: its name for people, and the public halves of its keys, raw.

    `id` is made of the keys, so no two devices share one, and none can take another's.
    """

    name: str
    sign: bytes
    box: bytes
    kind: Kind = "device"

    @property
    def id(self) -> str:
        """16 hex digits."""
        return device_id(self.sign, self.box)

    def encoded(self) -> bytes:
        return encode(self.name.encode(), self.sign, self.box, self.kind.encode())

    def dump(self) -> dict[str, str]:
        return {
            "id": self.id,
            "name": self.name,
            "sign": b64encode(self.sign).decode(),
            "box": b64encode(self.box).decode(),
            "kind": self.kind,
        }

    @classmethod
    def load(cls, data: Any) -> Device:
        """The inverse of `dump`. BadMembership for any other shape."""
        try:
            name, kind = data["name"], data["kind"]
            sign, box = (b64decode(data[key], validate=True) for key in ("sign", "box"))
            told, extra = data["id"], set(data) - {"id", "name", "sign", "box", "kind"}
        except (KeyError, TypeError, ValueError):
            raise BadMembership("a device has another shape") from None
        if extra or kind not in ("device", "recovery") or not _fit_name(name):
            raise BadMembership("a device has another shape")
        if {len(sign), len(box)} != {KEY_BYTES}:
            raise BadMembership("a device's key has another length")
        found = cls(name, sign, box, kind)
        if told != found.id:
            raise BadMembership("a device's id is not that of its keys")
        return found


def device_id(sign: bytes, box: bytes) -> str:
    """The id of whoever holds the private halves of these keys.

    >>> len(device_id(bytes(32), bytes(32)))
    16
    """
    return sha256(encode(b"arcrun/v1/device", sign, box)).hexdigest()[:ID_LETTERS]


def _fit_name(name: Any) -> bool:
    fits = isinstance(name, str) and 0 < len(name) <= LONGEST_NAME
    return fits and printable(name, LONGEST_NAME) == name


@dataclass(frozen=True, slots=True)
class Statement:
    """One link. `at` is the signer's clock in epoch seconds: for people, no rule reads it."""

    n: int
    prev: str
    action: Action
    device: Device
    epoch: int
    by: str
    at: int
    last: tuple[int, str] | None = None
    """Of a revoked device: sequence number and hash of its last head that counts."""
    sig: bytes = b""

    def signed(self) -> bytes:
        """What the signature is over."""
        last = () if self.last is None else (b"%d" % self.last[0], self.last[1].encode())
        return encode(
            b"arcrun/v1/member",
            b"%d" % self.n,
            self.prev.encode(),
            self.action.encode(),
            self.device.encoded(),
            b"%d" % self.epoch,
            self.by.encode(),
            b"%d" % self.at,
            encode(*last),
        )

    @property
    def hash(self) -> str:
        """64 hex digits over content and signature: what the next link holds."""
        return sha256(encode(self.signed(), self.sig)).hexdigest()

    def dump(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "n": self.n,
            "prev": self.prev,
            "action": self.action,
            "device": self.device.dump(),
            "epoch": self.epoch,
            "by": self.by,
            "at": self.at,
            "sig": b64encode(self.sig).decode(),
        }
        return data if self.last is None else data | {"last": list(self.last)}

    @classmethod
    def load(cls, data: Any) -> Statement:
        """The inverse of `dump`. BadMembership for any other shape."""
        try:
            fields = dict(data)
            device = Device.load(fields.pop("device"))
            sig = b64decode(fields.pop("sig"), validate=True)
            last = fields.pop("last", None)
            found = cls(device=device, sig=sig, last=_last(last), **fields)
        except BadMembership:
            raise
        except (KeyError, TypeError, ValueError):
            raise BadMembership("a statement has another shape") from None
        numbers = (found.n, found.epoch, found.at)
        words = (found.prev, found.by, found.action)
        if any(type(n) is not int or n < 0 for n in numbers):
            raise BadMembership("a statement has another shape")
        if any(type(word) is not str for word in words):
            raise BadMembership("a statement has another shape")
        return found


def _last(data: Any) -> tuple[int, str] | None:
    if data is None:
        return None
    seq, tip = data
    if type(seq) is not int or seq < 0 or type(tip) is not str:
        raise BadMembership("a statement has another shape")
    return seq, tip


@dataclass(frozen=True, slots=True)
class Membership:
    """A chain that was checked from its first link. Grows by `add`, `revoke` and `extended`."""

    statements: tuple[Statement, ...]
    members: Mapping[str, Device]
    """Who belongs to it now, recovery codes included: whoever may sign the next statement."""
    revoked: Mapping[str, Statement] = field(default_factory=dict)
    """Who did, and the statement that ended it."""

    @property
    def vault(self) -> str:
        """The vault's id: the hash of the first statement."""
        return self.statements[0].hash

    @property
    def epoch(self) -> int:
        """Which content key new rows are sealed under; the first is 1."""
        return self.statements[-1].epoch

    @property
    def tip(self) -> tuple[int, str]:
        """Number and hash of the last statement: what a head names."""
        return self.statements[-1].n, self.statements[-1].hash

    @property
    def live(self) -> dict[str, bytes]:
        """The signing keys of those that write: the devices, without recovery codes."""
        return {each.id: each.sign for each in self.members.values() if each.kind == "device"}

    def joined(self, device: str) -> float:
        """When a device came in, by the clock of whoever let it; 0 for one that never did."""
        begun = ("found", "add")
        at = [s.at for s in self.statements if s.action in begun and s.device.id == device]
        return float(at[-1]) if at else 0.0

    def holds(self, tip: tuple[int, str]) -> bool:
        """Whether `tip` is a point of this chain: false for a fork, and for what is withheld."""
        n, digest = tip
        return 0 <= n < len(self.statements) and self.statements[n].hash == digest

    def add(self, device: Device, *, by: str, sign: Sign, at: float) -> Membership:
        """With `device` as a member, signed by the member `by`. BadMembership if it was one."""
        n, prev = self.tip
        plain = Statement(n + 1, prev, "add", device, self.epoch, by, int(at))
        return self.extended(_with_signature(plain, sign))

    def revoke(
        self,
        device: str,
        *,
        by: str,
        sign: Sign,
        at: float,
        last: tuple[int, str] | None = None,
    ) -> Membership:
        """Without the member of that id, in a new epoch. `last` is its last head that counts."""
        if device not in self.members:
            raise BadMembership("who is revoked is no member")
        n, prev = self.tip
        gone = self.members[device]
        plain = Statement(n + 1, prev, "revoke", gone, self.epoch + 1, by, int(at), last)
        return self.extended(_with_signature(plain, sign))

    def extended(self, new: Statement) -> Membership:
        """With one more link. BadMembership where it breaks a rule."""
        n, prev = self.tip
        if new.n != n + 1 or new.prev != prev:
            raise BadMembership("a statement does not follow the one before it")
        signer = self.members.get(new.by)
        if signer is None:
            raise BadMembership("a statement is signed by none of the members")
        _verify(new, signer.sign)
        match new.action:
            case "add":
                return self._added(new)
            case "revoke":
                return self._ended(new)
            case _:
                raise BadMembership("a statement has an action that has no place here")

    def _added(self, new: Statement) -> Membership:
        known = {**self.members, **{name: s.device for name, s in self.revoked.items()}}
        keys = {key for each in known.values() for key in (each.sign, each.box)}
        if new.device.id in known or keys & {new.device.sign, new.device.box}:
            raise BadMembership("a device is added that was a member before")
        _check_box(new.device)
        if new.epoch != self.epoch or new.last is not None:
            raise BadMembership("adding a device begins no epoch")
        members = {**self.members, new.device.id: new.device}
        return Membership((*self.statements, new), members, self.revoked)

    def _ended(self, new: Statement) -> Membership:
        gone = new.device.id
        if self.members.get(gone) != new.device:
            raise BadMembership("who is revoked is no member")
        if gone == new.by:
            raise BadMembership("a device revokes itself")
        if new.epoch != self.epoch + 1:
            raise BadMembership("revoking a device begins the next epoch")
        members = {name: each for name, each in self.members.items() if name != gone}
        return Membership((*self.statements, new), members, {**self.revoked, gone: new})

    def dump(self) -> bytes:
        """For the row that keeps it, in clear: whoever writes the row seals it."""
        chain = [each.dump() for each in self.statements]
        return json.dumps({"v": VERSION, "chain": chain}, separators=(",", ":")).encode()


def found(device: Device, *, sign: Sign, at: float) -> Membership:
    """A new vault, of which `device` is the only member."""
    plain = Statement(0, "", "found", device, 1, device.id, int(at))
    return _begun(_with_signature(plain, sign))


def load(data: bytes, vault: str) -> Membership:
    """The chain in a row, checked link by link against the vault's pinned id.

    BadMembership where it is that of another vault, or breaks a rule anywhere.
    """
    try:
        read = json.loads(data)
        version, chain = read["v"], read["chain"]
        first, *others = chain
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BadMembership("the chain has another shape") from None
    if version != VERSION:
        raise BadMembership("the chain is of a version that is not known here")
    built = _begun(Statement.load(first))
    if built.vault != vault:
        raise BadMembership("the chain is that of another vault")
    return extended(built, others)


def extended(built: Membership, others: Sequence[Any]) -> Membership:
    """`built` with further statements, as `Statement.dump` gives them."""
    for each in others:
        built = built.extended(Statement.load(each))
    return built


def _begun(first: Statement) -> Membership:
    device = first.device
    usual = Statement(0, "", "found", device, 1, device.id, first.at, None, first.sig)
    if first != usual or device.kind != "device":
        raise BadMembership("the chain does not begin with a device that founds it")
    _check_box(device)
    _verify(first, device.sign)
    return Membership((first,), {device.id: device})


def _check_box(device: Device) -> None:
    # Each new epoch would fail of it: whoever brought it in could not be revoked.
    if not wraps.can_be_for(device.box):
        raise BadMembership("a device is added that no key can be wrapped for")


def _with_signature(plain: Statement, sign: Sign) -> Statement:
    return replace(plain, sig=sign(plain.signed()))


def _verify(statement: Statement, key: bytes) -> None:
    if not fits(key, statement.sig, statement.signed()):
        raise BadMembership("a statement's signature does not fit")
