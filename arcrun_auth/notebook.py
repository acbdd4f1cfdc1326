"""A person in a notebook: a link to click, and a box to type into.

Only IPython's public side is used. A box is asked for with `input` and `getpass`, which a
kernel replaces while a cell runs.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_GLANCE = 0.1
"""How many seconds between two looks at whether the box is still wanted?"""
_END_SECONDS = 5.0
"""How long do we wait for a box that was taken back? The kernel looks every hundredth second."""


def running() -> bool:
    """Whether this process is the kernel of a notebook."""
    return _kernel() is not None


def can_type() -> bool:
    """Whether somebody sits there: whoever executes notebooks in batch allows no input."""
    kernel = _kernel()
    return kernel is not None and getattr(kernel, "_allow_stdin", True) is not False


def ask(prompt: str, *, hidden: bool) -> str | None:
    """A line typed into a box; None where the front end has none, or it was closed."""
    import getpass

    try:
        return getpass.getpass(prompt) if hidden else input(prompt)
    except (NotImplementedError, EOFError):  # IPython's StdinNotImplementedError is one
        return None


def ask_until(prompt: str, stop: threading.Event) -> str | None:
    """A line typed into a box; None once `stop` is set, or the cell at its end."""
    typed: list[str | None] = []

    def read() -> None:
        with suppress(SystemExit):  # how `end` ends it
            typed.append(ask(prompt, hidden=False))

    reader = threading.Thread(target=read, name="arcrun-box", daemon=True)

    def end(*_: object) -> None:
        _end(reader)

    # A box that outlives its cell would take the answer to a question of the next one.
    events = getattr(_shell(), "events", None)
    if events is not None:
        events.register("post_run_cell", end)
    reader.start()
    try:
        while reader.is_alive():
            reader.join(_GLANCE)
            if stop.is_set():
                end()
                return None
    finally:
        if events is not None:
            events.unregister("post_run_cell", end)
    return typed[0] if typed else None


def show_link(url: str, text: str) -> bool:
    """A link that opens in a new tab, with the address below it; whether it could be shown."""
    if not url.startswith(("https://", "http://")):
        return False
    from html import escape

    from IPython.display import display

    link, shown = escape(url), escape(text)
    page = (
        f'<p><a href="{link}" target="_blank" rel="noopener noreferrer"><b>{shown}</b></a></p>'
        f'<p><small style="overflow-wrap:anywhere">{link}</small></p>'
    )
    with suppress(Exception):  # a front end that is gone
        display({"text/html": page, "text/plain": f"{text}: {url}"}, raw=True)  # type: ignore[no-untyped-call]
        return True
    return False


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return getattr(ipython, "get_ipython", lambda: None)()


def _kernel() -> Any:
    return getattr(_shell(), "kernel", None)


def _end(reader: threading.Thread) -> None:
    """End a thread that waits in `input`.

    A kernel waits for the answer in Python, a hundredth of a second at a time, so the
    exception comes up there at once. SystemExit is the one that a thread ends on in silence.
    """
    import ctypes

    if reader.ident is not None and reader.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(reader.ident), ctypes.py_object(SystemExit)
        )
        reader.join(_END_SECONDS)
