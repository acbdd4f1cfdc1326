"""The broker of this process, which `auth.bind` and its siblings share."""

from __future__ import annotations

from arcrun_auth.broker import Broker
from arcrun_auth.forks import Mutex

_default: Broker | None = None
_lock = Mutex()


def default() -> Broker:
    """The broker of this process, with the user's own settings."""
    global _default  # noqa: PLW0603 - one per process is what it is for
    if _default is None:
        with _lock:
            if _default is None:
                _default = Broker()
    return _default
