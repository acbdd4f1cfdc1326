"""The one place where an agent's request is judged, sent, scrubbed and noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.agents.asking import label

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from arcrun_auth.agents.asking import Answer, Asked, Judged, Seen
    from arcrun_auth.broker import Broker
    from arcrun_auth.checkup import Checked
    from arcrun_auth.policies import PendingRequest


class Streamed:
    """An answer whose body is scrubbed as it comes."""

    status: int
    headers: tuple[tuple[str, str], ...]

    def iter_bytes(self) -> Iterator[bytes]:
        raise NotImplementedError


class Gateway:
    """What one client may do with the connections of a broker. Safe to share between threads.

    `client` is what the client calls itself. `confirmable`: whether it can ask its person before
    a write; then a write has to come with `confirmed`. `a_minute` is how many requests it may
    send in a minute.
    """

    def __init__(
        self, broker: Broker, *, client: str, confirmable: bool = False, a_minute: int = 60
    ) -> None:
        self.broker = broker
        self.client = label(client)
        self.confirmable = confirmable

    def services(self) -> list[Seen]:
        raise NotImplementedError

    def judge(self, asked: Asked) -> Judged:
        raise NotImplementedError

    def send(self, judged: Judged, *, confirmed: bool = False) -> Answer:
        raise NotImplementedError

    def stream(self, judged: Judged) -> AbstractContextManager[Streamed]:
        raise NotImplementedError

    def ask_human(self, judged: Judged) -> PendingRequest:
        raise NotImplementedError

    def test(self, service: str, instance: str | None = None) -> Checked:
        raise NotImplementedError
