"""The shape of an agent's request: what it must not have in it, whatever the policy says. Pure.

An address is a path below the service's own, and nothing in it may be read in two ways. What the
recipe puts into requests, nobody else does; and nothing may say that another method, host or path
is meant than is judged here.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode, urlsplit

from arcrun_auth.errors import HostNotAllowed, PolicyRefused
from arcrun_auth.policy import decoded, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from arcrun_auth.recipe.model import Inject

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
WITHOUT_BODY = ("GET", "HEAD")
LONGEST_PATH = 4096
LONGEST_QUERY = 16384
MOST_HEADERS = 50
LONGEST_HEADER = 8192
MOST_BYTES = 16 << 20
"""How large may a request's body be? It is held in memory."""

# RFC 9110 §7.6.1 and §10.1, and what is worked out anew for the request that is sent.
WIRE = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "http2-settings",
    "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
"""The headers of one connection. They are refused here: who takes requests leaves them out."""
_OVERRIDES = frozenset({
    "forwarded", "via", "x-host", "x-http-method", "x-http-method-override", "x-method-override",
    "x-original-host", "x-original-method", "x-original-uri", "x-original-url", "x-real-ip",
    "x-rewrite-url",
})  # fmt: skip
"""What makes some servers take another method, path, host or client for the one that asks."""
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
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HALF_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# RFC 3986 §3.3 and §3.4: what stands in a path or a query as it is.
_IN_PATH = "/%:@!$&'()*+,;=-._~"
_IN_QUERY = _IN_PATH + "?"


@dataclass(frozen=True)
class Injected:
    """What the recipe puts into a request: nobody else does."""

    headers: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    body: frozenset[str] = frozenset()
    path: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """A path that was checked: as it is sent, from the origin, and as rules are written."""

    sent: str
    path: str


def refused(rule: str, why: str, hint: str | None = None) -> PolicyRefused:
    """The error of a request whose shape is not allowed."""
    return PolicyRefused(f"{why} Nothing was sent.", rule=rule, hint=hint)


def method(text: str) -> str:
    """The method, in upper case. PolicyRefused for one that is none of ours."""
    name = text.upper()
    if name not in METHODS:
        raise refused("method", "There is no such method here.", f"one of {', '.join(METHODS)}")
    return name


# -- the path ----------------------------------------------------------------------------


def place(text: str, base_url: str, root_paths: Iterable[str], injected: Injected) -> Place:
    """Where a path of the caller leads.

    HostNotAllowed where it names a host, PolicyRefused where it may be read in two ways.
    """
    raw = _raw(text)
    for name in injected.path:
        if decoded(raw).count(f"{{{name}}}") > 1:
            raise refused("path", "The place of the secret stands in the path twice.")
    base, roots = urlsplit(base_url).path.rstrip("/"), tuple(root_paths)
    at_origin = bool(roots) and unquote(raw).startswith(roots)
    sent = raw if at_origin else base + raw
    return Place(sent, _as_written(decoded(sent), base, roots, at_origin=at_origin))


def _as_written(full: str, base: str, roots: tuple[str, ...], *, at_origin: bool) -> str:
    """The path as rules write it: below the base where it leads there, however it was named."""
    below = full.removeprefix(base) if f"{full}/".startswith(f"{base}/") else full
    if at_origin and roots and below.startswith(roots):
        return full
    return below or "/"


def _raw(text: str) -> str:
    """The path with all encoded that has to be."""
    if not text.startswith("/"):
        if _HALF_URL.match(text):
            raise _elsewhere()
        text = f"/{text}"
    if len(text) > LONGEST_PATH:
        raise refused("path", f"A path has at most {LONGEST_PATH} characters.")
    if "//" in text or "\\" in text:
        raise _elsewhere()
    if "?" in text or "#" in text:
        raise refused("path", "A path has no query and no fragment.", "give the query by itself")
    if _NO_ESCAPE.search(text):
        raise refused("path", "A percent sign stands before no two hex digits.", "write it as %25")
    for reading in _readings(text):
        _check_reading(reading, text.count("/"))
    return quote(text, safe=_IN_PATH)


def _elsewhere() -> HostNotAllowed:
    return HostNotAllowed(
        "An address of its own is not taken: the service's own is, and the path below it. "
        "Nothing was sent.",
        host="",
        hint="give the path alone, as in /v1/things",
    )


def _readings(text: str) -> Iterator[str]:
    """The text as it is, and as it is read by who decodes it once, twice, and so on."""
    for _ in range(_DEEPEST):
        yield text
        yield unicodedata.normalize("NFKC", text)
        try:
            below = unquote(text, errors="strict")
        except UnicodeDecodeError:
            raise refused("path", "The path is not UTF-8 when it is decoded.") from None
        if below == text:
            return
        text = below
    raise refused("path", "The path is encoded too often.")


_DEEPEST = 6
"""How often may a path be encoded, one percent sign in the other?"""


def _check_reading(text: str, slashes: int) -> None:
    if _CONTROLS.search(text):
        raise refused("path", "The path has control characters in it.")
    if "\\" in text or text.count("/") != slashes:
        raise refused("path", "The path has an encoded slash in it.")
    for segment in text.split("/"):
        if segment.partition(";")[0].strip() in (".", ".."):
            raise refused("path", "The path leads up or nowhere, by dots.", "write it out")


def denied(patterns: Iterable[str], at: Place, base_url: str) -> str | None:
    """The first of a recipe's `deny_paths` that covers a path, however a server may read it."""
    base = urlsplit(base_url).path.rstrip("/")
    known = {variant for path in (at.path, decoded(at.sent)) for variant in _variants(path)}
    for pattern in patterns:
        wanted = pattern.lower()
        if any(matches(each, path) for path in known for each in (wanted, base.lower() + wanted)):
            return pattern
    return None


def _variants(path: str) -> Iterator[str]:
    """The same path for servers that know no case, drop parameters, or take the suffix away."""
    lower = unicodedata.normalize("NFKC", path).lower()
    for each in (lower, re.split(r"[?#]", lower)[0]):
        plain = re.sub(r";[^/]*", "", each).rstrip(". ")
        yield from (each, plain, re.sub(r"\.(?:json|xml|html|csv)/?$", "", plain))


# -- the query ---------------------------------------------------------------------------


def query(
    given: Mapping[str, str | Sequence[str]] | str, names: frozenset[str], verb: str
) -> str:  # fmt: skip
    """The query as it is sent. PolicyRefused for a name that the recipe or a method stands for."""
    if isinstance(given, str):
        if _CONTROLS.search(given) or "#" in given:
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
    if kind == "application/x-www-form-urlencoded":
        yield from parse_qsl(data.decode("latin-1"), keep_blank_values=True)
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
    """The origin of an address, and its host with the port, if it has one.

    >>> origin("https://api.example.com/v1")
    ('https://api.example.com', 'api.example.com')
    """
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}", parts.netloc


def digest(verb: str, sent: str, text: str, kind: str, data: bytes) -> str:
    """Stands for one request: its method, path, query, content type and body, in hex."""
    head = json.dumps([verb, sent, text, kind]).encode()
    return hashlib.sha256(b"%d:%s%s" % (len(head), head, data)).hexdigest()
