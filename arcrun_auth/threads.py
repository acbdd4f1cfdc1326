"""Threads that help the one a person talks to, and never keep the process alive."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def start(work: Callable[[], None], name: str) -> None:
    """Run `work` in a daemon thread, in a copy of this context. Ctrl-C is heard once it runs.

    KeyboardInterrupt amid `Thread.start` can leave locks of `threading` held for good: the
    process would then hang instead of ending.
    """
    with _interrupted_later():
        context = copy_context()
        threading.Thread(target=context.run, args=(work,), name=name, daemon=True).start()


@contextmanager
def _interrupted_later() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # Ctrl-C does not come here
        return
    heard: list[int] = []
    try:
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    except ValueError:  # a subinterpreter hears no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:
            signal.raise_signal(signal.SIGINT)
