"""What of a service's answer reaches an agent: few headers, a body without secrets."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth.agents.asking import Answer
from arcrun_auth.agents.scrubber import Stream
from arcrun_auth.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.agents.scrubber import Scrubber
    from arcrun_auth.hosts import Fence
    from arcrun_auth.lending import Sent

MOST_SHOWN = 256 << 10
"""How many bytes of a body does an agent get at once?"""

_SHOWN = re.compile(
    r"content-(?:type|range|language|disposition)|etag|last-modified|date|link|retry-after|allow"
    r"|(?:x-)?ratelimit-[a-z0-9-]+|x-rate-limit-[a-z0-9-]+|x-(?:total|page|next|prev|per)[a-z-]*"
    r"|(?:[a-z0-9-]+-)?request-?id|x-correlation-id"
)
_TEXT = re.compile(
    r"text/.+|(?:application|image)/(?:.+\+)?(?:json|xml|yaml)|application/(?:x-)?(?:ndjson"
    r"|jsonl|javascript|graphql|yaml|www-form-urlencoded|x-www-form-urlencoded|problem\+json)"
)
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252")
"""In which charsets do ASCII characters look as they do in UTF-8, so that a secret is found?"""


def headers(sent: Sent, scrubber: Scrubber, fence: Fence) -> tuple[tuple[str, str], ...]:
    """The headers that help: those of a list, scrubbed, and where a redirect leads."""
    found = []
    for given, value in sent.headers:
        name = given.lower()
        if name == "location":
            found.append((name, scrubber.text(_target(value, fence))))
        elif _SHOWN.fullmatch(name):
            found.append((name, scrubber.text(value)))
    return tuple(found)


def _target(url: str, fence: Fence) -> str:
    """Where a redirect leads: of another host no more than its name, since the rest may be a
    permission (a signed link)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "an address that is none"
    ours = "@" not in parts.netloc and fence.permits(parts.scheme, parts.hostname or "", port)
    if ours or not (parts.scheme or parts.netloc):
        return url
    return f"{parts.scheme or 'https'}://{parts.netloc.rpartition('@')[2]}/…"


def read(sent: Sent, scrubber: Scrubber, fence: Fence, *, until: float) -> Answer:
    """The whole answer, or the first `MOST_SHOWN` bytes of it. ProviderUnavailable if the moment
    `until` (of `time.monotonic`) is over before its end."""
    shown = headers(sent, scrubber, fence)
    kind = next((value for name, value in shown if name == "content-type"), "")
    if not sent.readable:
        return _unshown(sent.status, shown, kind, "in a coding nobody asked for", truncated=True)
    raw, ended = bytearray(), True
    for piece in sent.pieces():
        raw += piece
        if len(raw) > MOST_SHOWN:
            ended = False
            break
        if time.monotonic() > until:
            raise ProviderUnavailable("no end in time", sent=True)
    if not _is_text(kind, raw):
        more = "more than " if not ended else ""
        size = f"{more}{min(len(raw), MOST_SHOWN)} bytes"
        return _unshown(sent.status, shown, kind, size, truncated=not ended)
    # What may be the beginning of a secret is left out where the text is cut.
    clean = Stream(scrubber).feed(bytes(raw[:MOST_SHOWN]), last=ended)
    text = clean.decode("utf-8", "replace")
    return Answer(sent.status, shown, kind, text, truncated=not ended)


def _unshown(
    status: int, shown: tuple[tuple[str, str], ...], kind: str, what: str, *, truncated: bool
) -> Answer:
    text = f"[not shown: {kind.partition(';')[0].strip() or 'no type'}, {what}]"
    return Answer(status, shown, kind, text, truncated=truncated, binary=True)


def _is_text(kind: str, data: bytes | bytearray) -> bool:
    name, _, parameters = kind.partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    if charset is not None and charset[1].lower() not in _CHARSETS:
        return False
    named = name.strip().lower()
    return b"\0" not in data and (not named or _TEXT.fullmatch(named) is not None)


class Streamed:
    """An answer for somebody who reads it as it comes; each piece is scrubbed."""

    def __init__(self, sent: Sent, scrubber: Scrubber, fence: Fence) -> None:
        self._sent = sent
        self._scrubber = scrubber
        self.status: int = sent.status
        self.headers: tuple[tuple[str, str], ...] = headers(sent, scrubber, fence)
        """Without a length: what is scrubbed has another one."""

    def abort(self) -> None:
        """Ends it, from another thread: `iter_bytes` raises ProviderUnavailable then."""
        self._sent.abort()

    def iter_bytes(self) -> Iterator[bytes]:
        """The body. ProviderUnavailable where it breaks off, or is in an unknown coding."""
        if not self._sent.readable:
            raise ProviderUnavailable("an unknown content coding", sent=True)
        stream = Stream(self._scrubber)
        for piece in self._sent.pieces():
            if clean := stream.feed(piece):
                yield clean
        yield stream.feed(b"", last=True)
