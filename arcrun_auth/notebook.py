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
    """A line typed into a box; None once `stop` is set, and the kernel is free again."""
    typed: list[str | None] = []
    over = threading.Event()

    def read() -> None:
        try:
            typed.append(ask(prompt, hidden=False))
        finally:
            over.set()

    reader = threading.Thread(target=read, name="arcrun-box", daemon=True)
    reader.start()
    while not over.wait(_GLANCE):
        if stop.is_set():
            _end(reader)
            return None
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


def _kernel() -> Any:
    shell = sys.modules.get("IPython")
    if shell is None:
        return None
    found = getattr(shell, "get_ipython", lambda: None)()
    return getattr(found, "kernel", None)


def _end(reader: threading.Thread) -> None:
    """End a thread that waits in `input`. It would take the answer to the next question.

    A kernel waits for the answer in Python, a hundredth of a second at a time, so the
    exception comes up there at once. SystemExit is the one that a thread ends on in silence.
    """
    import ctypes

    if reader.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(reader.ident), ctypes.py_object(SystemExit)
        )
    reader.join(_END_SECONDS)
