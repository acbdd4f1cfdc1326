"""Two devices that are both at hand: the messages of `protocol.enrolment`, through a mailbox.

The mailbox belongs to the account and lies on the server, which carries the messages and
is believed nothing. Whoever sits in front compares a code; without a yes on a device, that
device trusts nobody: the old one shares no key, the new one opens none.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import AuthError, SyncAlarm
from arcrun_auth.protocol.enrolment import BadEnrolment, Host, Newcomer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arcrun_auth.protocol.membership import Device

    Same = Callable[[str, Device], bool]

Side = Literal["new", "old"]

PATIENCE = 600.0
"""For how many seconds is the other device waited for? As long as the server keeps messages."""
GLANCE = 1.0
"""How many seconds lie between two looks at the mailbox?"""


class Mailbox(ABC):
    """Messages between two devices of one account. Raises what the server's client raises."""

    @abstractmethod
    def open(self, body: str) -> str:
        """A new box with its first message, which is that of the new device; its id."""

    @abstractmethod
    def waiting(self) -> Sequence[str]:
        """The ids of the boxes of this account, the newest last."""

    @abstractmethod
    def messages(self, box: str) -> Sequence[tuple[Side, str]] | None:
        """Who wrote what, in order; None where there is no such box (any more)."""

    @abstractmethod
    def post(self, box: str, side: Side, body: str) -> None:
        """A further message."""

    @abstractmethod
    def close(self, box: str) -> None:
        """Away with it; nothing happens where it is gone."""


class Waiting:
    """Waits for the other side, and for so long only.

    `clock` and `pause` are those of the process; a test has its own.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.mailbox = mailbox
        self._clock, self._pause = clock, pause
        self._until = clock() + PATIENCE

    def box(self) -> str:
        """The newest box that nobody has answered. AuthError where none comes.

        One that was left behind stands in nobody's way, and whose it is the code tells.
        """
        while True:
            found = [box for box in self.mailbox.waiting() if self._is_fresh(box)]
            if found:
                return found[-1]
            self._wait("No device has asked to join.", "arcrun devices join, on the new device")

    def _is_fresh(self, box: str) -> bool:
        """Whether nobody has answered it: what another device is busy with is no concern here."""
        messages = self.mailbox.messages(box)
        return messages is not None and all(side == "new" for side, _ in messages)

    def message(self, box: str, side: Side, number: int) -> str:
        """The message `number` (from 0) of a side. AuthError if it does not come."""
        while True:
            messages = self.mailbox.messages(box)
            if messages is None:
                raise AuthError(
                    "The other device has ended it, or it took too long. Nothing was shared.",
                    hint="begin again: arcrun devices join on the new one, add on the other",
                )
            found = [body for who, body in messages if who == side]
            if len(found) > number:
                return found[number]
            self._wait("The other device does not answer.", "begin again on both")

    def _wait(self, why: str, hint: str) -> None:
        if self._clock() >= self._until:
            raise AuthError(f"{why} Nothing was shared.", hint=hint)
        self._pause(GLANCE)


def join(waiting: Waiting, device: Device, same: Same) -> tuple[Newcomer, bytes]:
    """The new device's side: who let it in, and the wrapped keys of the vault.

    `same` shows a code and whose it is, and asks whether both show it. Raises AuthError where
    that is denied or nobody answers, SyncAlarm where a message is not what belongs there.
    """
    mailbox, newcomer = waiting.mailbox, Newcomer(device)
    box = mailbox.open(newcomer.hello())
    try:
        with _unchanged():
            reveal = newcomer.reveal(waiting.message(box, "old", 0))
        mailbox.post(box, "new", reveal)
        _compared(same, newcomer.code, newcomer.old)
        with _unchanged():
            return newcomer, Newcomer.welcomed(waiting.message(box, "old", 1))
    finally:
        mailbox.close(box)


def admit(
    waiting: Waiting,
    device: Device,
    vault: str,
    same: Same,
    welcome: Callable[[Device], bytes],
) -> Device:
    """The old device's side: who was let in.

    `welcome` makes a device a member and wraps the vault's keys for it; it is called after a
    yes, and for nobody else. Raises what `join` raises, and what `welcome` does.
    """
    mailbox, host = waiting.mailbox, Host(device, vault)
    box = waiting.box()
    try:
        with _unchanged():
            offer = host.offer(waiting.message(box, "new", 0))
        mailbox.post(box, "old", offer)
        reveal = waiting.message(box, "new", 1)
        with _unchanged():
            host.take(reveal)
        _compared(same, host.code, host.new)
        mailbox.post(box, "old", Host.welcome(welcome(host.new)))
    except BaseException:
        mailbox.close(box)
        raise
    return host.new


def _compared(same: Same, code: str, other: Device) -> None:
    if not same(code, other):
        raise AuthError(
            "Nobody said that both codes are the same. Nothing was shared.",
            hint="try again; if they differ again, somebody between the two changes messages",
        )


@contextmanager
def _unchanged() -> Iterator[None]:
    """SyncAlarm for a message that a server must have changed."""
    try:
        yield
    except BadEnrolment as error:
        raise SyncAlarm(
            f"A message between the two devices was changed on its way: {error}. "
            "Nothing was shared.",
            what="swapped",
            hint="try again; if it happens again, do not trust this server",
        ) from None
