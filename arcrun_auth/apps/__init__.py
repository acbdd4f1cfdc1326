"""One's own OAuth apps: where they are kept, how they are asked for, who uses them.

A renewal passes through `kept` on its way to a token, so that what asks a person is loaded
only when it is asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from arcrun_auth.apps.asking import ask, check_redirect_uri, fill, from_file
    from arcrun_auth.apps.kept import (
        forget,
        keep,
        key_for,
        key_of,
        keys,
        lacking,
        missing,
        proof_of,
        registration,
        stored,
    )
    from arcrun_auth.apps.usage import Kept, Use, find, registered, stands_over, uses
    from arcrun_auth.oauth.app import App

__all__ = [
    "App",
    "Kept",
    "Use",
    "ask",
    "check_redirect_uri",
    "fill",
    "find",
    "forget",
    "from_file",
    "keep",
    "key_for",
    "key_of",
    "keys",
    "lacking",
    "missing",
    "proof_of",
    "registered",
    "registration",
    "stands_over",
    "stored",
    "uses",
]

_HOMES = {
    "arcrun_auth.oauth.app": ("App",),
    "arcrun_auth.apps.asking": ("ask", "check_redirect_uri", "fill", "from_file"),
    "arcrun_auth.apps.kept": (
        "forget", "keep", "key_for", "key_of", "keys", "lacking", "missing",
        "proof_of", "registration", "stored",
    ),
    "arcrun_auth.apps.usage": ("Kept", "Use", "find", "registered", "stands_over", "uses"),
}  # fmt: skip
"""In which module does each name live? It is loaded when it is first asked for."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
