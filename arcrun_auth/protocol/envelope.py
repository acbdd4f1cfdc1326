"""What stands inside a record's row: the record, and what it claims to be. Pure.

The claims are checked against the name that was asked for, so a row that is moved, or sealed by
somebody for another vault, is no row of ours even where its key would fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol import shape
from arcrun_auth.protocol.words import VERSION, canonical, number, parsed
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from arcrun_auth.protocol.keys import Sealed, VaultKeys

Body = dict[str, Any]


@dataclass(frozen=True)
class Envelope:
    """One version of one record. `body` is None for one that was removed."""

    key: Key
    ver: int
    """Counts the versions of this record, over all devices, from 1."""
    dev: str
    """The device that wrote it."""
    body: Body | None
    prev: str = ""
    """The hash of the row that it replaces; empty for the first."""

    def __repr__(self) -> str:
        return f"Envelope({self.key!s}, ver={self.ver}, dev={self.dev!r})"

    def sealed(self, keys: VaultKeys, epoch: int) -> Sealed:
        name = keys.record(self.key)
        data: dict[str, Any] = {
            "v": VERSION, "vault": keys.vault, "name": name, "key": self.key.parts,
            "ver": self.ver, "dev": self.dev, "prev": self.prev,
        }  # fmt: skip
        data |= {"del": True} if self.body is None else {"body": self.body}
        return keys.seal(name, canonical(data), epoch)


def opened(keys: VaultKeys, name: str, sealed: Sealed, epoch: int) -> Envelope:
    """The envelope in the row `name`. ValueError where it is another row's, or damaged."""
    if epoch not in keys.contents:
        raise ValueError("sealed for an epoch that we have no key of")
    data = parsed(keys.open(name, sealed, epoch), v=VERSION, vault=keys.vault, name=name)
    match data.get("key"):
        case ["credential" | "app" as kind, str(account), str(instance)]:
            key = Key(kind, account, instance)
        case _:
            raise ValueError("it names no record")
    body = data.get("body")
    if keys.record(key) != name or isinstance(body, dict) == bool(data.get("del")):
        raise ValueError("it is not what its name says")
    if body is not None:
        shape.check(key, body)
    dev, prev = data.get("dev"), data.get("prev")
    if not isinstance(dev, str) or not isinstance(prev, str):
        raise ValueError("it tells no device")  # noqa: TRY004 - of what was sent
    return Envelope(key, number(data.get("ver"), 1), dev, body, prev)
