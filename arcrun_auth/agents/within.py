"""Work that ends in time, whatever a server does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

from arcrun_auth import threads
from arcrun_auth.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def within(seconds: float, work: Callable[[float], T]) -> T:
    """What `work` gives or raises. ProviderUnavailable where it takes longer than `seconds`.

    It is told until when (of `time.monotonic`), and runs in a thread of its own, which is left
    behind then: the time limits of a socket are for each piece, however small.
    """
    done, until = threading.Event(), time.monotonic() + seconds
    answers: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(work(until))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            failures.append(error)
        finally:
            done.set()

    threads.start(run, "arcrun-agent")
    if not done.wait(seconds):
        raise ProviderUnavailable(f"no answer within {seconds:g} seconds", sent=True)
    if failures:
        raise failures[0]
    return answers[0]
