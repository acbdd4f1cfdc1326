"""What a device gets of a vault when it is let in, and at each new epoch: the wrap's inside. Pure.

Beside the keys it holds how far the chain of members and the heads of all devices had come
for whoever wrapped it: a server cannot show the newcomer anything older.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.protocol.words import VERSION, canonical, hexadecimal, number, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    Point = tuple[int, str]

HASH_DIGITS = 64


@dataclass(frozen=True)
class Handover:
    """A vault's keys, and the points that were reached. Shows no key."""

    keys: VaultKeys
    members: Point
    """Number and hash of the last statement about the members."""
    heads: Mapping[str, Point] = field(default_factory=dict)
    """Of each device, the number and the hash of its last head."""

    def dump(self) -> bytes:
        """In clear: whoever calls this wraps it."""
        contents = {str(epoch): _text(key) for epoch, key in self.keys.contents.items()}
        return canonical({
            "v": VERSION, "vault": self.keys.vault, "root": _text(self.keys.root),
            "contents": contents, "members": self.members, "heads": dict(self.heads),
        })  # fmt: skip


def load(plain: bytes) -> Handover:
    """The inverse of `dump`. ValueError for any other shape."""
    data = parsed(plain, v=VERSION)
    contents, heads = data.get("contents"), data.get("heads")
    if not isinstance(contents, dict) or not isinstance(heads, dict):
        raise ValueError("no keys were handed over")  # noqa: TRY004 - the shape of what came
    keys = VaultKeys(
        hexadecimal(data.get("vault"), HASH_DIGITS),
        _key(data.get("root")),
        {number(int(epoch), 1): _key(key) for epoch, key in contents.items()},
    )
    points = {str(dev): _point(point) for dev, point in heads.items()}
    return Handover(keys, _point(data.get("members")), points)


def _point(value: Any) -> Point:
    match value:
        case [count, digest]:
            return number(count), hexadecimal(digest, HASH_DIGITS)
    raise ValueError("no point that was reached")


def _text(key: bytes) -> str:
    return b64encode(key).decode()


def _key(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("no key")  # noqa: TRY004 - the shape of what came
    return b64decode(text, validate=True)
