"""Secrets out of texts and logs.

The requests that a bound client puts on the wire are copies that nobody else sees, so
there is little left to scrub: it is the last net, for the libraries' own DEBUG logs (the
header tables of HTTP/2 above all) and for text that a service sends back.
"""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from urllib.parse import quote, quote_plus
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final, Protocol

    from arcrun_auth.tokens import Secret

    class Holder(Protocol):
        """Whoever uses secrets now: a client's signer."""

        @property
        def secrets(self) -> Iterable[Secret | str]: ...


SHORTEST: Final = 6
"""How short may a value be for us to seek it in a text? A shorter one is found in any text."""

MASK: Final = "***"

_LOGGERS: Final = (
    "httpx",
    "httpx2",
    *(
        f"{core}.{part}"
        for core in ("httpcore", "httpcore2")
        for part in ("connection", "http11", "http2", "proxy", "socks")
    ),
    "hpack.hpack",
    "hpack.table",
    "urllib3.connectionpool",
)

_ADDRESS: Final = re.compile(r"[\w.+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")

_USUAL: Final = frozenset({
    b"cache-control", b"connection", b"content-encoding", b"content-length", b"content-type",
    b"date", b"expires", b"pragma", b"retry-after", b"server", b"transfer-encoding", b"vary",
})  # fmt: skip
"""In which headers of an answer is there never a secret?"""

_holders: WeakSet[Holder] = WeakSet()


def scrub(text: str, secrets: Iterable[Secret | str]) -> str:
    """`text` with every secret replaced by `***`: as it is, percent-encoded, base64, hex, JSON.

    >>> scrub("GET /?key=a%2Fsecret%2Fkey", ["a/secret/key"])
    'GET /?key=***'
    """
    found = {form for secret in secrets for form in forms(_reveal(secret))}
    for form in sorted(found, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def is_address(text: str) -> bool:
    """Whether it looks like an e-mail address: the user of a password, as a rule.

    >>> is_address("me@example.com"), is_address("a-key")
    (True, False)
    """
    return _ADDRESS.fullmatch(text) is not None


def _reveal(secret: Secret | str) -> str:
    return secret if isinstance(secret, str) else secret.reveal()


def forms(secret: str) -> Iterator[str]:
    """What a text may show a secret as; nothing for one of fewer than `SHORTEST` characters."""
    if len(secret) < SHORTEST:
        return
    yield secret
    for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield encoded
        yield encoded.replace("%", "%25")  # a URL within a URL
    data = secret.encode("utf-8", "surrogatepass")
    yield data.hex()
    yield data.hex().upper()
    yield repr(secret)[1:-1]
    yield repr(data)[2:-1]  # how h11 and hpack quote a header
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for core in base64_cores(data):
        yield core
        yield core.replace("+", "-").replace("/", "_")


def base64_cores(data: bytes) -> Iterator[str]:
    """What stays the same of `data` in base64, wherever in the encoded bytes it begins."""
    for before in range(3):
        encoded = b64encode(bytes(before) + data).decode()
        whole = (before + len(data)) * 8 // 6  # characters that no later byte can change
        core = encoded[(before * 8 + 5) // 6 : whole]
        if len(core) >= SHORTEST:
            yield core


class _Filter(logging.Filter):
    """Rewrites a record that holds a secret in use; it drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        secrets = {secret for holder in _watched() for secret in holder.secrets}
        if secrets:
            message = record.getMessage()
            clean = scrub(message, secrets)
            if clean != message:
                record.msg, record.args = clean, None
        return True


def _watched() -> tuple[Holder, ...]:
    """All holders. No lock: a child that is forked meanwhile would wait for it for good."""
    while True:
        try:
            return tuple(_holders)
        except RuntimeError:  # another thread has begun to use a secret
            continue


_filter = _Filter()


def watch(holder: Holder) -> None:
    """Keep what `holder` uses out of the HTTP libraries' logs, for as long as it lives.

    A filter acts on the records of its own logger only, not on those of loggers below it,
    so every logger has it. Adding it twice does nothing.
    """
    _holders.add(holder)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)


def unusual(head: Iterable[object]) -> Iterator[str]:
    """The values of the headers that may hold anything, of the head of an answer as httpcore
    tells it.

    >>> list(unusual([b"HTTP/1.1", 200, [(b"Date", b"today"), (b"X-Token", b"t-1")]]))
    ['t-1']
    """
    for headers in head:
        for name, value in headers if isinstance(headers, list) else ():
            if name.lower() not in _USUAL:
                yield value.decode("latin-1")
