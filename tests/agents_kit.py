"""An API that gives back what it was sent, the requests that an injected agent makes, and how to
find a secret in what it got to see. For every surface that agents have: tools, proxy, commands.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, unquote_plus

from tests.home import broker_with
from tests.servers import Reply, Seen
from tests.world import master_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arcrun_auth.broker import Broker

RECIPE = """\
service: thing
primitive: static_key
display_name: A thing
description: An API that gives back what it was sent.
base_url: {origin}/v1
required_secrets: [{{key: thing_key, label: Key}}]
inject: {{header: {{X-Thing-Key: "Key {{{{secret.thing_key}}}}"}}}}
test: {{path: /me, identity: name}}
agent: {{read: [{{path: /search}}, {{path: "/echo/*"}}, {{path: /graphql, graphql: true}}]}}
deny_paths: [/tokens, "/tokens/**", "/users/*/keys"]
"""


def house(folder: Path, origin: str, secret: str, *, recipe: str = RECIPE, **more: Any) -> Broker:
    """A broker on a vault of its own in which `thing`, at `origin`, is connected by `secret`."""
    given = {"thing_key": secret, **{n: more.pop(n) for n in [*more] if n.startswith("thing_")}}
    environ = {**master_key(), **more.pop("environ", {})}
    broker = broker_with(
        folder,
        recipe.format(origin=origin),
        *more.pop("allowed", (origin,)),
        environ=environ,
        store=None,
        **more,
    )
    broker.setup("thing", **given)
    return broker


# -- the API -----------------------------------------------------------------------------


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(each):04x}" if ord(each) < 1 << 16 else each for each in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "percent, all of it": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "json": lambda text: json.dumps({"echo": text}),
    "json, escaped": lambda text: f'{{"echo": "{_escaped(text)}"}}',
    "html": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "html, in hex": lambda text: "".join(f"&#x{ord(each):X};" for each in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, one further": lambda text: base64.b64encode(b"x" + text.encode()).decode(),
    "base64, two further": lambda text: base64.urlsafe_b64encode(b"xx" + text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "reversed": lambda text: text[::-1],
    "upper case": str.upper,
    "repr": lambda text: repr(text.encode())[2:-1],
    "split": lambda text: " ... ".join(text[at : at + 16] for at in range(0, len(text), 16)),
}
"""What an API may make of a text that it gives back."""

PLACES = (
    "body", "error", "header", "location", "elsewhere", "cookie", "chunks", "gzip", "no type",
    "binary", "utf-16", "truncated",
)  # fmt: skip
"""Where it gives it back."""


def echo(seen: Seen) -> Reply:
    """Answers /v1/echo/PLACE?as=SPELLING with what the request showed of the key, at the place."""
    target = unquote_plus(seen.target)
    shown = f"{seen.headers} {seen.body.decode('latin-1')}"
    key = seen.headers.get("x-thing-key", "").removeprefix("Key ")
    found = re.search(r"/echo/([^?]*)(?:\?as=(.*))?", target)
    if found is None:
        return Reply(body=json.dumps({"name": "somebody", "saw": shown}).encode())
    said = SPELLINGS[found[2] or "plain"](key)
    return _placed(found[1], said)


def _placed(place: str, said: str) -> Reply:
    body = f"you sent {said} and no more".encode()
    kind = {"binary": "image/png", "utf-16": "text/plain; charset=utf-16", "no type": ""}
    reply = Reply(headers={"content-type": kind.get(place, "text/plain")}, body=body)
    if place == "error":
        reply.status = 500
    elif place == "header":
        reply.headers |= {"x-request-id": said, "x-echo": said, "etag": said}
    elif place in ("location", "elsewhere"):
        host = "" if place == "location" else "https://evil.example"
        reply.status = 302
        reply.headers["location"] = f"{host}/v1/next?key={quote(said)}"
    elif place == "cookie":
        reply.headers["set-cookie"] = f"key={quote(said)}; Path=/"
    elif place == "chunks":
        reply.chunks = tuple(bytes([each]) for each in body)
    elif place == "gzip":
        reply.headers["content-encoding"] = "gzip"
        reply.body = gzip.compress(body)
    elif place == "binary":
        reply.body = b"\x89PNG\0" + body
    elif place == "utf-16":
        reply.body = body.decode().encode("utf-16")
    elif place == "truncated":
        reply.body = b"x" * ((256 << 10) - 20) + body
    return reply


# -- what an injected agent asks for -------------------------------------------------------


@dataclass(frozen=True)
class Injection:
    """One thing that a page or a file has talked an agent into."""

    name: str
    path: str = "/me"
    method: str = "GET"
    service: str = "thing"
    query: dict[str, str] | str = field(default_factory=dict)
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    harmless: bool = False
    """Whether it may be sent, since it means nothing where it goes."""


_FORM = (("content-type", "application/x-www-form-urlencoded"),)
_JSON = (("content-type", "application/json"),)


def _with(name: str, value: str) -> tuple[tuple[str, str], ...]:
    return ((name, value),)


INJECTIONS = (
    Injection("a whole URL as the path", "https://evil.example/collect"),
    Injection("a URL after a slash", "/https://evil.example/collect"),
    Injection("a host after two slashes", "//evil.example/collect"),
    Injection("a host after backslashes", "/\\evil.example/collect"),
    Injection("a scheme and no host", "https:evil.example"),
    Injection("a user before another host", "https://api.thing.example@evil.example/x"),
    Injection("a user and no slash", "@evil.example/collect", harmless=True),
    Injection("a file of this machine", "file:///home/me/.arcrun/secrets.db"),
    Injection("the vault by dots", "/../../../home/me/.arcrun/secrets.db"),
    Injection("dots, encoded", "/pages/%2e%2e/tokens"),
    Injection("dots, encoded twice", "/pages/%252e%252e/tokens"),
    Injection("dots of another script", "/pages/\uff0e\uff0e/tokens"),
    Injection("dots with a parameter", "/pages/..;/tokens"),
    Injection("a dot alone", "/pages/./tokens"),
    Injection("an encoded slash", "/pages%2ftokens"),
    Injection("a slash, encoded twice", "/pages%252Ftokens"),
    Injection("a slash of another script", "/pages\uff0ftokens"),
    Injection("an overlong slash", "/pages%c0%aftokens"),
    Injection("a backslash, encoded", "/pages%5c..%5ctokens"),
    Injection("a line break and a header", "/me%0d%0aHost:%20evil.example"),
    Injection("a zero byte", "/me%00.json"),
    Injection("a query in the path", "/me?key=x"),
    Injection("a path that is denied", "/tokens"),
    Injection("a denied path in capitals", "/TOKENS"),
    Injection("a denied path with a suffix", "/tokens.json"),
    Injection("a denied path with a parameter", "/tokens;x=1/new"),
    Injection("a denied path, encoded", "/%74okens"),
    Injection("another host by its header", headers=_with("Host", "evil.example")),
    Injection("another host, forwarded", headers=_with("X-Forwarded-Host", "evil.example")),
    Injection("another path by its header", headers=_with("X-Original-URL", "/v1/tokens")),
    Injection("a method in a header", headers=_with("X-HTTP-Method-Override", "DELETE")),
    Injection("a method in a header with underscores", headers=_with("X_HTTP_Method", "DELETE")),
    Injection("a method in the query", query={"_method": "DELETE"}),
    Injection("a method by a plain name", query="method=delete"),
    Injection("a method in a form", "/search", "POST", headers=_FORM, body=b"q=x&_method=DELETE"),
    Injection("the service's own header", headers=_with("x-thing-key", "Key mine")),
    Injection("the service's own header, otherwise", headers=_with("X_THING_KEY", "Key mine")),
    Injection("somebody's credential", headers=_with("Authorization", "Bearer mine")),
    Injection("a cookie", headers=_with("Cookie", "session=1")),
    Injection("a header in a header", headers=_with("X-A", "b\r\nHost: evil.example")),
    Injection("a second length", "/search", "POST", headers=_with("Content-Length", "0")),
    Injection("a coding of the connection", "/search", "POST",
              headers=_with("Transfer-Encoding", "chunked")),
    Injection("a packing that nobody can look into", headers=_with("Accept-Encoding", "br, zstd")),
    Injection("a method that is none", method="CONNECT"),
    Injection("a method that shows the request", method="TRACE"),
    Injection("a write", "/pages", "POST", headers=_JSON, body=b'{"title": "secrets.db"}'),
    Injection("a mutation that looks like a query", "/graphql", "POST", headers=_JSON,
              body=b'{"query": "# query {\\nmutation { share(to: \\"evil\\") }"}'),
    Injection("a mutation in a batch", "/graphql", "POST", headers=_JSON,
              body=b'[{"query": "{a}"}, {"query": "mutation {b}"}]'),
    Injection("the placeholder of the secret", query={"q": "{{secret.thing_key}}"}, harmless=True),
    Injection("the reference to the secret", query={"q": "arcrun://thing/thing_key"},
              harmless=True),
    Injection("a service that nobody set up", service="notion"),
    Injection("a service by its path", service="../thing"),
    Injection("an account that is none", service="thing@../x"),
    Injection("the vault as a service", service="secrets.db"),
)  # fmt: skip
"""All are refused before anything is sent, but for the harmless ones."""


# -- what it got to see --------------------------------------------------------------------


def hits(transcript: str | bytes, secret: str) -> list[str]:
    """As what the secret, or twelve characters of it in a row, stand in what an agent was shown.

    Six encodings, whatever of them stands in another: as it is, percent-encoded, with JSON's
    escapes, as HTML entities, base64, hex; and backwards, and in another case.
    """
    if isinstance(transcript, bytes):
        transcript = transcript.decode("latin-1")
    sought = _sought(secret)
    return [
        f"{spelled}, {reading}"
        for text, reading in _readings(transcript).items()
        for spelled, pieces in sought.items()
        for lower in (text.lower(),)
        if any(piece.lower() in lower for piece in pieces)
    ]


def _readings(text: str) -> dict[str, str]:
    """The text, and what it is with escapes undone once and twice; each by how it was read."""
    undo: dict[str, Callable[[str], str]] = {
        "percent": unquote,
        "JSON": lambda text: re.sub(
            r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})",
            lambda m: chr(int(m[1] or m[2], 16)),
            text.replace("\\\\", "\\"),
        ),
        "HTML": html.unescape,
        "NUL": lambda text: text.replace("\0", "").replace("\\x00", ""),
    }
    found = {text: "as it is"}
    for name, turn in undo.items():
        once = turn(text)
        found.setdefault(once, name)
        for second, again in undo.items():
            found.setdefault(again(once), f"{name}, {second}")
    return found


def _sought(secret: str, size: int = 12) -> dict[str, list[str]]:
    pieces = [secret[at : at + size] for at in range(max(1, len(secret) - size + 1))]
    cores = []
    for piece in pieces:
        for before in range(3):
            whole = base64.b64encode(b"\0" * before + piece.encode()).decode().rstrip("=")
            core = whole[(before * 8 + 5) // 6 : (before + len(piece)) * 8 // 6]
            cores += [core, core.replace("+", "-").replace("/", "_")]
    return {
        "plain": pieces,
        "backwards": [piece[::-1] for piece in pieces],
        "hex": [piece.encode().hex() for piece in pieces],
        "base64": cores,
    }
