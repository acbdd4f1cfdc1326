"""The head of a device: how far its log goes, what it has seen of the others; signed. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol.signatures import fits
from arcrun_auth.protocol.trail import Span, span
from arcrun_auth.protocol.words import VERSION, canonical, hexadecimal, number, parsed
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Callable

HASH_DIGITS = 64


@dataclass(frozen=True)
class Head:
    """What a device says of itself each time it has written something."""

    vault: str
    dev: str
    n: int
    """Counts its heads from 1. A server that shows a lower one than before has rolled it back."""
    gen: int
    """Counts how often its log was written anew, from 0."""
    base: int
    """How many entries lie before this generation."""
    seq: int
    """How many entries it has written in all."""
    tip: str
    """The hash of the log."""
    members: tuple[int, str] = (0, "")
    """How many statements about the members it has seen, and the hash of the last."""
    seen: dict[str, int] = field(default_factory=dict)
    """The `seq` of each other device that it has seen."""
    time: int = 0
    """When it was written, in epoch seconds: to warn of a server that shows nothing new."""
    audit: tuple[int, str] | None = None
    """The end of its audit trail that it has told, if it keeps one: a number and a hash."""
    trail: Span | None = None
    """Which part of that lies in rows."""

    def signed(self, sign: Callable[[bytes], bytes]) -> bytes:
        """As it is sealed into its row, with the device's signature (Ed25519, RFC 8032)."""
        data = canonical(asdict(self) | {"v": VERSION})
        return canonical({"head": data.decode(), "sig": b64encode(sign(_signed(data))).decode()})


def read(plain: bytes, *, vault: str, dev: str, public: bytes) -> Head:
    """The head of `dev`, whose Ed25519 key is `public`. ValueError if it is not signed by that."""
    outer = parsed(plain)
    text, signature = outer.get("head"), outer.get("sig")
    if not isinstance(text, str) or not isinstance(signature, str):
        raise ValueError("no signed head")  # noqa: TRY004 - of what was sent
    data = text.encode()
    if not fits(public, b64decode(signature, validate=True), _signed(data)):
        raise ValueError("not signed by this device")
    return load(parsed(data, v=VERSION, vault=vault, dev=dev))


def load(data: dict[str, Any]) -> Head:
    """The head in plain data. ValueError where it contradicts itself."""
    seen = data.get("seen")
    if not isinstance(seen, dict):
        raise ValueError("it has seen nothing")  # noqa: TRY004 - of what was sent
    head = Head(
        vault=str(data.get("vault")), dev=str(data.get("dev")), n=number(data.get("n"), 1),
        gen=number(data.get("gen")), base=number(data.get("base")), seq=number(data.get("seq")),
        tip=hexadecimal(data.get("tip"), HASH_DIGITS), members=_pair(data.get("members")),
        seen={str(dev): number(seq) for dev, seq in seen.items()},
        time=number(data.get("time")),
        audit=None if data.get("audit") is None else _pair(data.get("audit")),
        trail=None if data.get("trail") is None else span(data.get("trail")),
    )  # fmt: skip
    if head.base > head.seq:
        raise ValueError("its log ends before it begins")
    return head


def _pair(value: Any) -> tuple[int, str]:
    match value:
        case [count, str(text)] | (count, str(text)):
            return number(count), text
    raise ValueError("no number with a hash")


def _signed(data: bytes) -> bytes:
    return encode(b"arcrun/v1/head", data)
