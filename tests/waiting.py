"""Waiting for what other threads do: by looking, with a generous guard."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

from tests.servers import GUARD

if TYPE_CHECKING:
    from collections.abc import Callable


def until(condition: Callable[[], object]) -> None:
    """Return once it holds; fail if it does not within the guard."""
    end = time.monotonic() + GUARD
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.001)


def threads(*names: str) -> list[threading.Thread]:
    """The threads of these names that live, those that are just being started among them."""
    return [thread for thread in threading.enumerate() if thread.name in names]


def none_left(*names: str) -> None:
    """Return once no thread of these names lives: to join one that is just starting is an error."""
    until(lambda: not threads(*names))


def clock(sleep: Callable[[float], object]) -> SimpleNamespace:
    """`time` for one module, with another `sleep`: that of all threads stays as it is."""
    return SimpleNamespace(**{**vars(time), "sleep": sleep})
