"""What a person is told of a server that does not show what it should."""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256
from typing import TYPE_CHECKING

from arcrun_auth.errors import SyncAlarm
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.protocol.membership import Membership
    from arcrun_auth.sync.judge import Suspicion
    from arcrun_auth.sync.state import State

SILENCE = 14 * 86400.0
"""After which time without a word of any other device may a server be showing an old state?"""


def silent(state: State, me: str, now: float) -> bool:
    """Whether the server has shown no word of any other device for two weeks.

    They may all be at rest. Or it shows an old state for ever: then no device can prove it, and
    a person can, by comparing what `verify` says on two of them.
    """
    others = [known.head.time for dev, known in state.heads().items() if dev != me]
    return bool(others) and now - max(others) > SILENCE


def code(members: tuple[int, str], heads: Mapping[str, str]) -> str:
    """Five groups of four letters and digits, of who writes and the hashes of all heads."""
    pairs = (part.encode() for pair in sorted(heads.items()) for part in pair)
    digest = sha256(encode(b"arcrun/v1/verify", members[1].encode(), *pairs)).digest()
    text = b32encode(digest).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, 20, 4))


def alarm(suspicion: Suspicion, members: Membership | None) -> SyncAlarm:
    """What to say of something that still does not hold after every look."""
    dev = suspicion.device
    device = members.members.get(dev) if members is not None and dev else None
    whose = f" of {device.name}" if device is not None else ""
    text = {
        "swapped": f"A row{whose} holds the content of another.",
        "damaged": f"A row{whose} is not what was written.",
        "rolled back": f"What the server shows{whose} is older than what it showed before.",
        "forked": f"There are two histories{whose}.",
        "withheld": f"Something{whose} that another device knows of is not shown.",
        "unknown device": "Somebody writes whom no device of this vault has let in.",
    }[suspicion.what]
    return SyncAlarm(
        f"{text} Nothing was taken from the server.",
        what=suspicion.what,
        device=dev,
        count=suspicion.count,
        hint="ask whoever runs the server; arcrun sync start-over founds a vault anew, with what "
        "is here",
    )
