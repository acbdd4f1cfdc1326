"""The bearer of a session, wherever an SDK puts what it takes for the key of the service.

That is where the recipe injects the real one, and `Authorization` always. What is found there is
taken out before anything is judged: it must never reach the service. Pure.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from arcrun_auth.agents.proxy.session import BEARER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arcrun_auth.recipe import Recipe

    Headers = Sequence[tuple[str, str]]

_ALWAYS = "authorization"


@dataclass(frozen=True, slots=True)
class Places:
    """Where a recipe injects: names of headers and cookies, of parameters, of the path."""

    header: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    cookie: frozenset[str] = frozenset()
    path: frozenset[str] = frozenset()

    @classmethod
    def of(cls, recipe: Recipe) -> Places:
        """Those of all its ways in: which one is connected makes no difference to an SDK."""
        return cls(
            frozenset(name.lower() for way in recipe.ways for name in way.inject.header),
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
    """The request without what stands where the recipe injects.

    All of that is the signer's: whatever an SDK says there would be overwritten. Of other
    `Authorization` headers only one with a bearer goes, so that what somebody sends there on
    their own is seen, and refused.
    """
    return Sent(
        _path(sent.path, places.path),
        "&".join(pair for pair in _pairs(sent.query) if _key(pair) not in places.query),
        tuple(_headers(sent.headers, places)),
    )


def _headers(headers: Headers, places: Places) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        if name in places.header or (name == _ALWAYS and BEARER.search(" ".join(_plain(value)))):
            continue
        if name != "cookie":
            yield name, value
            continue
        kept = [crumb for crumb in _crumbs(value) if _name(crumb) not in places.cookie]
        if kept:
            yield name, "; ".join(kept)


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
