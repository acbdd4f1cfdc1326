"""The shape of an agent's request: what it must not have in it, whatever the policy says. Pure.

What the recipe puts into requests, nobody else does; and nothing may say that another method, host
or path is meant than is judged here. See `places` for the path itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode, urlsplit

from arcrun_auth.errors import PolicyRefused
from arcrun_auth.policy import decoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from arcrun_auth.recipe.model import Inject

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITHOUT_BODY = ("GET", "HEAD")
LONGEST_QUERY = 16384
MOST_HEADERS = 50
LONGEST_HEADER = 8192
MOST_FIELDS = 10_000
MOST_BYTES = 16 << 20
"""How large may a request's body be? It is held in memory."""

# RFC 9110 §7.6.1 and §10.1, and what is worked out anew for the request that is sent.
WIRE = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "http2-settings",
    "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""The headers of one connection. They are refused here: who takes requests leaves them out."""
_OVERRIDES = frozenset({
    "content-encoding", "forwarded", "via", "x-host", "x-http-method", "x-http-method-override",
    "x-method-override", "x-original-host", "x-original-method", "x-original-uri",
    "x-original-url", "x-real-ip", "x-rewrite-url",
})  # fmt: skip
"""What makes some servers take another method, path, host or client for the one that asks; and a
body that nobody can look into."""
_CREDENTIALS = frozenset({
    "api-key", "authorization", "cookie", "cookie2", "private-token", "x-access-token",
    "x-amz-security-token", "x-api-key", "x-auth-token", "x-authorization",
})  # fmt: skip
_PREFIXES = ("proxy-", "x-forwarded-")
_NEVER_NAMED = frozenset({
    "_http_method", "_httpmethod", "_method", "access_token", "http_method_override",
    "method_override", "oauth_token", "x_http_method", "x_http_method_override",
})  # fmt: skip
"""The names in a query or a form that are a method, or somebody's credential."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a token of RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# RFC 3986 §3.3 and §3.4: what stands in a path or a query as it is.
_PART_NAME = re.compile(rb"name\*?=\"?([^\";\r\n]{1,200})", re.IGNORECASE)
IN_PATH = "/%:@!$&'()*+,;=-._~"
_IN_QUERY = IN_PATH + "?"


@dataclass(frozen=True)
class Injected:
    """What the recipe puts into a request: nobody else does."""

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    body: frozenset[str] = frozenset()
    path: frozenset[str] = frozenset()


def refused(rule: str, why: str, hint: str | None = None) -> PolicyRefused:
    """The error of a request whose shape is not allowed."""
    return PolicyRefused(f"{why} Nothing was sent.", rule=rule, hint=hint)


def method(text: str) -> str:
    """The method, in upper case. PolicyRefused for one that is none of ours."""
    name = text.upper()
    if name not in METHODS:
        raise refused("method", "There is no such method here.", f"one of {', '.join(METHODS)}")
    return name


# -- the query ---------------------------------------------------------------------------


def query(
    given: Mapping[str, str | Sequence[str]] | str, names: frozenset[str], verb: str
) -> str:  # fmt: skip
    """The query as it is sent. PolicyRefused for a name that the recipe or a method stands for."""
    if isinstance(given, str):
        if CONTROLS.search(given) or "#" in given:
            raise refused("query", "The query has characters in it that none has.")
        text = quote(given.removeprefix("?"), safe=_IN_QUERY)
    else:
        try:
            text = urlencode(given, doseq=True, quote_via=quote, safe="")
        except (TypeError, UnicodeError):
            raise refused("query", "The query is no names and texts.") from None
    if len(text) > LONGEST_QUERY:
        raise refused("query", f"A query has at most {LONGEST_QUERY} characters.")
    for pair in re.split("[&;]", text):
        name, _, value = pair.partition("=")
        _check_member("query", name, value, names, verb)
    return text


def names_in(text: str) -> frozenset[str]:
    """The names of a query or a form, alike where servers take them for the same."""
    return frozenset(_plain(pair.partition("=")[0]) for pair in re.split("[&;]", text) if pair)


def _plain(name: str) -> str:
    """A name as the most lenient server reads it: `Api-Key[]` is `api_key`."""
    text = unicodedata.normalize("NFKC", decoded(unquote_plus(name))).strip().casefold()
    return re.sub(r"[\s.\-]", "_", text.partition("[")[0])


def _check_member(where: str, name: str, value: str, names: Iterable[str], verb: str) -> None:
    plain = _plain(name)
    if plain in _NEVER_NAMED or plain in {_plain(each) for each in names}:
        raise refused(
            where, f"A name in the {where} stands for a credential or another method.",
            "leave it out: what signs the request is put in by itself",
        )  # fmt: skip
    if plain == "method" and decoded(unquote_plus(value)).strip().upper() in {*METHODS} - {verb}:
        raise refused(where, f"The {where} says another method than the request.")


# -- headers and body --------------------------------------------------------------------


def end_to_end(given: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers of a request that somebody took from a connection, without that one's own."""
    pairs = tuple(given)
    own = {
        token.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for token in value.split(",")
    }
    return tuple(
        (name, value)
        for name, value in pairs
        if name.lower() not in WIRE | own and not name.lower().startswith("proxy-")
    )


def headers(
    given: Mapping[str, str] | Sequence[tuple[str, str]], injected: Injected
) -> tuple[tuple[str, str], ...]:  # fmt: skip
    """The caller's headers. PolicyRefused for one that is not the caller's to say."""
    pairs = tuple(given.items() if hasattr(given, "items") else given)
    if len(pairs) > MOST_HEADERS:
        raise refused("header", f"A request has at most {MOST_HEADERS} headers.")
    if sum(name.lower() == "content-type" for name, _ in pairs) > 1:
        raise refused("header", "A body is of one type.")
    own = {name.lower().replace("_", "-") for name in injected.headers}
    for name, value in pairs:
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or len(value) > LONGEST_HEADER:
            raise refused("header", "A header's name or value has characters that none has.")
        plain = name.lower().replace("_", "-")  # as CGI reads it (RFC 3875 §4.1.18)
        if plain in own | WIRE | _OVERRIDES | _CREDENTIALS or plain.startswith(_PREFIXES):
            raise refused(
                "header", f"The header {plain} is not the caller's to say.",
                "leave it out: what signs the request is put in by itself",
            )  # fmt: skip
    return pairs


def header(pairs: Iterable[tuple[str, str]], name: str) -> str:
    """The value of a header; of several all of them, as RFC 9110 §5.3 joins them."""
    return ", ".join(value for each, value in pairs if each.lower() == name)


def body(data: bytes, verb: str, kind: str, injected: Injected) -> None:
    """PolicyRefused for a body that is too large, where none belongs, or that says too much."""
    if len(data) > MOST_BYTES:
        raise refused("size", f"A body has at most {MOST_BYTES >> 20} MiB.")
    if data and verb in WITHOUT_BODY:
        raise refused("body", f"A {verb} has no body.", "put it into the query")
    for path, value in _members(data, kind.partition(";")[0].strip().lower(), injected):
        _check_member("body", path, value, injected.body, verb)


def _members(data: bytes, kind: str, injected: Injected) -> Iterator[tuple[str, str]]:
    """The names in a body that may stand for something, with dots between those of JSON."""
    if kind.startswith("multipart/"):
        yield from ((name.decode("latin-1"), "") for name in _PART_NAME.findall(data))
        return
    if kind in {"", "application/x-www-form-urlencoded"}:  # some take a form where nothing is said
        if data.count(b"&") >= MOST_FIELDS:
            raise refused("body", f"A form has at most {MOST_FIELDS} fields.", "say what it is")
        yield from parse_qsl(data.decode("latin-1"), keep_blank_values=True)
    if kind == "application/x-www-form-urlencoded":
        return
    try:
        parsed = json.loads(data, object_pairs_hook=tuple) if data else ()
    except (ValueError, RecursionError):
        return  # no JSON: where a secret is to be put into the body, that is refused when signing
    yield from _json_names(parsed, max((p.count(".") for p in injected.body), default=0))


def _json_names(parsed: Any, depth: int, before: str = "") -> Iterator[tuple[str, str]]:
    if not isinstance(parsed, tuple):
        return
    for name, value in parsed:
        yield f"{before}{name}", value if isinstance(value, str) else ""
        if depth:
            yield from _json_names(value, depth - 1, f"{before}{name}.")


# -- what was judged ---------------------------------------------------------------------


def injected(inject: Inject, headers: Iterable[str]) -> Injected:
    """What a recipe puts into a request, with the names of all headers that signing sets."""
    return Injected(
        headers=frozenset(headers),
        query=frozenset(inject.query),
        body=frozenset(inject.body),
        path=frozenset(inject.path),
    )


def origin(base_url: str) -> tuple[str, str]:
    """The origin of an address, and its host with the port, if it has one. PolicyRefused for none.

    >>> origin("https://api.example.com/v1")
    ('https://api.example.com', 'api.example.com')
    """
    parts = urlsplit(base_url)
    if not parts.netloc:
        raise refused("path", "This service has no address of its own.")
    return f"{parts.scheme}://{parts.netloc}", parts.netloc


def digest(verb: str, sent: str, text: str, kind: str, data: bytes) -> str:
    """Stands for one request: its method, path, query, content type and body, in hex."""
    head = json.dumps([verb, sent, text, kind]).encode()
    return hashlib.sha256(b"%d:%s%s" % (len(head), head, data)).hexdigest()
