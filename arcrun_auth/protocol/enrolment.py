"""How a device becomes a member while both are at hand: four messages and a code. Pure.

    new → old   hello    a commitment to its keys and a nonce
    old → new   offer    its own keys, the vault, a nonce
    new → old   reveal   the keys and the nonce that it committed to
                         both show a code over all of this, and both ask whether it is the same
    old → new   welcome  the vault's keys, wrapped for the new one and signed by the old one

A server in between that puts keys of its own into a message has to commit to them before it
knows the other side's nonce, so it can only guess: one in a million, with people watching.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol.membership import BadMembership, Device
from arcrun_auth.protocol.words import VERSION, canonical, hexadecimal, parsed
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

NONCE_BYTES = 32
CODE_DIGITS = 6
"""How many digits are compared? One guess in a million succeeds, and a failed one is seen."""
HASH_DIGITS = 64


class BadEnrolment(ValueError):
    """A message is not what belongs here. Says why, and repeats nothing of it."""


def comparison_code(commitment: str, new: bytes, old: bytes, vault: str) -> str:
    """The digits that both devices show, in two groups.

    >>> comparison_code("00" * 32, b"", b"", "00" * 32)
    '252 630'
    """
    parts = (commitment.encode(), new, old, vault.encode())
    number = int.from_bytes(sha256(encode(b"arcrun/v1/enrol", *parts)).digest(), "big")
    digits = f"{number % 10**CODE_DIGITS:0{CODE_DIGITS}}"
    return f"{digits[:3]} {digits[3:]}"


class Newcomer:
    """The new device's side. Each method takes the message before and gives the next."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._mine = _Half(device, os.urandom(NONCE_BYTES))
        self.old: Device
        """Who lets us in, as the code says."""
        self.vault: str
        self.code: str

    def hello(self) -> str:
        return _message("hello", commit=self._mine.commitment)

    def reveal(self, offer: str) -> str:
        """Answers an offer: `code` is to be compared from now on. Raises BadEnrolment."""
        data = _read(offer, "offer")
        theirs = _Half.load(data)
        self.vault = _hexadecimal(data.get("vault"))
        if theirs.device.id == self.device.id:
            raise BadEnrolment("it shows this device's own keys")
        self.old = theirs.device
        self.code = _code(self._mine, theirs, self.vault)
        return _message("reveal", **self._mine.dump())

    @staticmethod
    def welcomed(welcome: str) -> bytes:
        """The wrapped keys in a welcome, for the identity to open. Raises BadEnrolment."""
        wrapped = _read(welcome, "welcome").get("wrap")
        if not isinstance(wrapped, str):
            raise BadEnrolment("it has another shape")
        return wrapped.encode()


class Host:
    """The side of the device that is a member already."""

    def __init__(self, device: Device, vault: str) -> None:
        self.device = device
        self.vault = vault
        self._mine = _Half(device, os.urandom(NONCE_BYTES))
        self._commitment = ""
        self.new: Device
        """Who is to be let in, as the code says."""
        self.code: str

    def offer(self, hello: str) -> str:
        """Answers a hello, once: its commitment stands from here on. Raises BadEnrolment."""
        assert not self._commitment
        self._commitment = _hexadecimal(_read(hello, "hello").get("commit"))
        return _message("offer", vault=self.vault, **self._mine.dump())

    def take(self, reveal: str) -> None:
        """Learns who it is: `new` and `code`. BadEnrolment for other keys than committed to."""
        theirs = _Half.load(_read(reveal, "reveal"))
        if not hmac.compare_digest(theirs.commitment, self._commitment):
            raise BadEnrolment("its keys are not those that it committed to")
        if theirs.device.id == self.device.id:
            raise BadEnrolment("it shows this device's own keys")
        self.new = theirs.device
        self.code = _code(theirs, self._mine, self.vault)

    @staticmethod
    def welcome(wrapped: bytes) -> str:
        """The last message: the vault's keys as `wraps.wrap` gives them."""
        return _message("welcome", wrap=wrapped.decode())


class _Half:
    """What one side brings: its device and a nonce that nobody could know before."""

    def __init__(self, device: Device, nonce: bytes) -> None:
        self.device = device
        self.nonce = nonce

    @property
    def encoded(self) -> bytes:
        return encode(self.nonce, self.device.encoded())

    @property
    def commitment(self) -> str:
        return sha256(encode(b"arcrun/v1/commit", self.encoded)).hexdigest()

    def dump(self) -> dict[str, Any]:
        return {"device": self.device.dump(), "nonce": b64encode(self.nonce).decode()}

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> _Half:
        try:
            device = Device.load(data.get("device"))
            nonce = b64decode(data.get("nonce", ""), validate=True)
        except (BadMembership, TypeError, ValueError):
            raise BadEnrolment("it shows no device") from None
        if len(nonce) != NONCE_BYTES or device.kind != "device":
            raise BadEnrolment("it shows no device")
        return cls(device, nonce)


def _code(new: _Half, old: _Half, vault: str) -> str:
    return comparison_code(new.commitment, new.encoded, old.encoded, vault)


def _message(what: str, **fields: Any) -> str:
    return canonical({"v": VERSION, "what": what, **fields}).decode()


def _read(text: str, what: str) -> dict[str, Any]:
    try:
        return parsed(text.encode(), v=VERSION, what=what)
    except (ValueError, RecursionError):
        raise BadEnrolment(f"it is no {what}") from None


def _hexadecimal(value: Any) -> str:
    try:
        return hexadecimal(value, HASH_DIGITS)
    except ValueError:
        raise BadEnrolment("it has another shape") from None
