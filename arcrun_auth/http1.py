"""HTTP/1.1, as far as a page on this machine needs it. Pure: bytes in, bytes out.

What is asked under a foreign name (DNS rebinding) or from a foreign page is refused here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.landing import POLICY

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

_REQUEST = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*")
_ONCE = (  # RFC 9112 §3.2, §6.3, RFC 6265 §5.4
    "host", "content-length", "transfer-encoding", "origin", "cookie", "sec-fetch-site",
)  # fmt: skip
_LENGTH = re.compile(r"[0-9]{1,9}")

_REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

_NO = b"This is not what is waited for here.\n"


class Request(NamedTuple):
    """A complete request under our own name, and not from a foreign page."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""

    def __repr__(self) -> str:  # a code stands in the query, a key in the body
        return f"Request({self.method!r}, {len(self.query)} + {len(self.body)} bytes)"


class Reply(NamedTuple):
    """What a client is told: a refusal if no page is given."""

    status: int
    page: bytes | None = None
    policy: str = POLICY
    """The Content-Security-Policy of the page."""
    referrer: str = "no-referrer"  # the address may hold a code
    allow: str = "GET"
    """Which methods there are, where another was used."""
    content_type: str = "text/html; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers: ASCII of ours, without a line break."""


def parsed(head: bytes, hosts: Container[str]) -> Request | Reply:
    """The request that this head begins, without its body; why it is refused, if it is.

    `hosts` are the names, port included, that it may be asked under and come from.
    """
    line, *fields = head.split(b"\r\n")
    request = _REQUEST.fullmatch(line)
    headers = _headers(fields)
    if request is None or headers is None:
        return Reply(400)
    if headers.get("host", "").lower() not in hosts:
        return Reply(421)
    origin = headers.get("origin")
    if origin is not None and origin.lower().removeprefix("http://") not in hosts:
        return Reply(403)
    path, _, query = request[2].decode("ascii").partition("?")
    return Request(request[1].decode("ascii"), path, query, headers)


def body_length(request: Request, max_body: int) -> int | Reply:
    """How long the body is that will be read; only a POST has one, where one is wanted."""
    if request.method != "POST" or not max_body:
        return 0
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or not _LENGTH.fullmatch(length):
        return Reply(411)
    return int(length) if int(length) <= max_body else Reply(413)


def _headers(fields: Iterable[bytes]) -> dict[str, str] | None:
    """By lower-case name; None where one is malformed or folded, or twice there and matters."""
    headers: dict[str, str] = {}
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        name = match[1].decode("ascii").lower()
        if name in _ONCE and name in headers:
            return None
        headers[name] = match[2].decode("latin-1")
    return headers


def response(reply: Reply) -> bytes:
    """As it goes onto the wire."""
    refused = reply.page is None
    body = _NO if reply.page is None else reply.page
    head = (
        f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}",
        f"Content-Type: {'text/plain; charset=utf-8' if refused else reply.content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Cache-Control: no-store",
        f"Referrer-Policy: {reply.referrer}",
        "X-Content-Type-Options: nosniff",
        f"Content-Security-Policy: {reply.policy}",
        *((f"Allow: {reply.allow}",) if reply.status == 405 else ()),  # noqa: PLR2004
        *(f"{name}: {value}" for name, value in reply.headers),
    )
    return "\r\n".join((*head, "", "")).encode("ascii") + body
