"""Where connections lead: to the Internet, but for a test that leads its own elsewhere.

It holds for the context that asks for it, and for the threads that help there; nobody else in
the process is led anywhere.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

    Make = Callable[[ssl.SSLContext | bool], Any]
    """A blocking transport of the HTTP library, for the TLS of a client."""

transport: ContextVar[Make | None] = ContextVar("arcrun_auth_transport", default=None)
"""What makes the transports of blocking clients; the library's own if None."""


def options(verify: ssl.SSLContext | bool) -> dict[str, Any]:
    """What a client of the HTTP library has to be told to be led there; nothing as a rule."""
    make = transport.get()
    return {} if make is None else {"transport": make(verify)}
