"""What goes wrong, as the server says it: RFC 9457 problem details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arcrun_auth.server.routes import Reply

TITLES = {
    400: "The request is not valid",
    401: "No valid API key",
    403: "Not allowed",
    404: "Not found",
    405: "No such method here",
    408: "Too slow",
    409: "In conflict with what is stored",
    410: "Gone",
    412: "Changed in the meantime",
    413: "Too large",
    415: "Of another kind",
    429: "Too many requests",
    500: "The server failed",
    502: "A server behind this one failed",
    503: "The server cannot answer now",
    507: "No room left",
}


class Problem(Exception):
    """An answer that is no success. `more` are further members of the document.

    The text is for the client's user, and is ours alone: nothing that came in is repeated.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.more = more
        self.shown: Reply | None = None
        """What a person is shown in its place, where a browser asked."""

    def document(self) -> dict[str, Any]:
        """The document; `success` and `error` are what the platform's older clients read."""
        return {
            "type": "about:blank",  # RFC 9457 §4.2.1: the status says it all
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "error": self.detail,
            "success": False,
            **self.more,
        }


def later(detail: str, seconds: float, status: int = 503) -> Problem:
    """A problem that may pass: `Retry-After` says when."""
    whole = max(1, round(seconds + 0.5))
    return Problem(status, detail, headers={"retry-after": str(whole)}, retry_after=whole)
