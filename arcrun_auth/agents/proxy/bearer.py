"""The bearer of a session, wherever an SDK puts what it takes for the key of the service.

That is where the recipe injects the real one, and `Authorization` always. What is found there is
taken out before anything is judged: it must never reach the service. Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from arcrun_auth.agents.proxy.session import BEARER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arcrun_auth.recipe import Recipe

    Headers = Sequence[tuple[str, str]]

_ALWAYS = "authorization"
_SECRET = re.compile(r"\{\{\s*(?:secret|runtime|token)\b")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a recipe injects a secret: names of headers and cookies, of parameters, of the path.

    `fixed` are headers that it fills in with something else, a version as often as not.
    """

    header: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    cookie: frozenset[str] = frozenset()
    path: frozenset[str] = frozenset()

    @classmethod
    def of(cls, recipe: Recipe) -> Places:
        """Those of all its ways in: which one is connected makes no difference to an SDK."""
        headers = [pair for way in recipe.ways for pair in way.inject.header.items()]
        secret = frozenset(name.lower() for name, text in headers if _SECRET.search(text))
        return cls(
            secret,
            frozenset(name.lower() for name, _ in headers) - secret,
            frozenset(name for way in recipe.ways for name in way.inject.query),
            frozenset(name for way in recipe.ways for name in way.inject.cookie),
            frozenset(name for way in recipe.ways for name in way.inject.path),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Sent:
    """The head of a request as it came. Names of headers are lower-case."""

    path: str
    query: str
    headers: tuple[tuple[str, str], ...]


def find(sent: Sent, places: Places) -> frozenset[str]:
    """Everything that looks like a bearer, where one may stand."""
    return frozenset(BEARER.findall(" ".join(_texts(sent, places))))


def _texts(sent: Sent, places: Places) -> Iterator[str]:
    for name, value in sent.headers:
        if name == _ALWAYS or name in places.header:
            yield from _plain(value)
        elif name == "cookie":
            yield from (crumb for crumb in _crumbs(value) if _name(crumb) in places.cookie)
    yield from (unquote_plus(pair) for pair in _pairs(sent.query) if _key(pair) in places.query)
    if places.path:
        yield sent.path


def take(sent: Sent, places: Places) -> Sent:
    """The request without the bearer, and without what the recipe fills in by itself.

    What somebody else's secret may be, in the bearer's place, stays: it is seen, and refused.
    """
    pairs = _pairs(sent.query)
    return Sent(
        _path(sent.path, places.path),
        "&".join(p for p in pairs if not (_key(p) in places.query and _holds(unquote_plus(p)))),
        tuple(_headers(sent.headers, places)),
    )


def _headers(headers: Headers, places: Places) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name == "cookie":
            crumbs = _crumbs(value)
            kept = [c for c in crumbs if not (_name(c) in places.cookie and _holds(c))]
            if kept:
                yield name, "; ".join(kept)
        elif name == _ALWAYS or name in places.header:
            if not any(map(_holds, _plain(value))):
                yield name, value
        elif name not in places.fixed:
            yield name, value


def _holds(text: str) -> bool:
    return BEARER.search(text) is not None


def _path(path: str, names: frozenset[str]) -> str:
    """With `{name}` where the bearer stands: the signer puts the secret there."""
    # With two names nobody can tell which one is meant; what stays in the path is refused.
    return BEARER.sub(f"{{{next(iter(names))}}}", path) if len(names) == 1 else path


def _plain(value: str) -> Iterator[str]:
    """A header's value, and what it says if it is Basic (RFC 7617)."""
    yield value
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "basic":
        try:
            yield base64.b64decode(rest.strip(), validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            return


def _pairs(query: str) -> Iterable[str]:
    return (pair for pair in query.split("&") if pair)


def _key(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _crumbs(cookie: str) -> Iterable[str]:
    return (crumb for crumb in map(str.strip, cookie.split(";")) if crumb)


def _name(crumb: str) -> str:
    return crumb.partition("=")[0].strip()
