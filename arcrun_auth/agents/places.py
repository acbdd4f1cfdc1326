"""Where an agent's request leads: a path below the service's own address, and nothing else. Pure.

Nothing in it may be read in two ways, since what is judged here and what a server makes of it have
to be the same.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from arcrun_auth.agents import guard
from arcrun_auth.errors import HostNotAllowed
from arcrun_auth.policy import decoded, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arcrun_auth.agents.guard import Injected
    from arcrun_auth.policy import Rule, Wanted

LONGEST_PATH = 4096

_HALF_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEEPEST = 6
"""How often may a path be encoded, one percent sign in the other?"""


@dataclass(frozen=True)
class Place:
    """A path that was checked: as it is sent, from the origin, and as rules are written."""

    sent: str
    path: str


def place(text: str, base_url: str, root_paths: Iterable[str], injected: Injected) -> Place:
    """Where a path of the caller leads.

    HostNotAllowed where it names a host, PolicyRefused where it may be read in two ways.
    """
    raw = _raw(text)
    for name in injected.path:
        if decoded(raw).count(f"{{{name}}}") > 1:
            raise guard.refused("path", "The place of the secret stands in the path twice.")
    base, roots = urlsplit(base_url).path.rstrip("/"), tuple(root_paths)
    at_origin = bool(roots) and unquote(raw).startswith(roots)
    sent = raw if at_origin else base + raw
    return Place(sent, _as_written(decoded(sent), decoded(base), roots, at_origin=at_origin))


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
        raise guard.refused("path", f"A path has at most {LONGEST_PATH} characters.")
    if "//" in text or "\\" in text:
        raise _elsewhere()
    if "?" in text or "#" in text:
        raise guard.refused(
            "path", "A path has no query and no fragment.", "give the query by itself"
        )
    if _NO_ESCAPE.search(text):
        raise guard.refused(
            "path", "A percent sign stands before no two hex digits.", "write it as %25"
        )
    for reading in _readings(text):
        _check_reading(reading, text.count("/"))
    return quote(text, safe=guard.IN_PATH)


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
            raise guard.refused("path", "The path is not UTF-8 when it is decoded.") from None
        if below == text:
            return
        text = below
    raise guard.refused("path", "The path is encoded too often.")


def _check_reading(text: str, slashes: int) -> None:
    if guard.CONTROLS.search(text):
        raise guard.refused("path", "The path has control characters in it.")
    if "\\" in text or text.count("/") != slashes:
        raise guard.refused("path", "The path has an encoded slash in it.")
    for segment in text.split("/"):
        if segment.partition(";")[0].strip() in (".", ".."):
            raise guard.refused("path", "The path leads up or nowhere, by dots.", "write it out")


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


def prohibition(rules: Iterable[Rule], wanted: Wanted) -> Rule | None:
    """The rule that forbids what is wanted to whoever reads the path otherwise; None if none does.

    A policy tells upper and lower case apart, as paths do; a prohibition must not be got around
    at a server that does not.
    """
    ways = [replace(wanted, path=path) for path in {*_variants(wanted.path)}]
    for rule in rules:
        if not rule.allow and rule.paths:
            low = replace(rule, paths=tuple(path.lower() for path in rule.paths))
            if any(map(low.covers, ways)):
                return rule
    return None
