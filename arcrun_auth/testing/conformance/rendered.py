"""What a recipe says that a request carries, worked out a second time and more simply.

It shares no code with what signs requests: a conformance run compares the two.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.recipe.model import Method

    Known = Mapping[str, Mapping[str, str]]

_HOLE = re.compile(r"\{\{([a-z0-9]+)(?:\.([\w.-]+))?(?:\|(\w+)(?:\(([\w.-]+)\))?)?\}\}")
_FILTERS: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "urlencode": lambda text: quote(text, safe=""),
    "hex": lambda text: text.encode().hex(),
    "sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "lower": str.lower,
    "upper": str.upper,
    "iso": lambda text: datetime.fromtimestamp(float(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "epoch": lambda text: str(int(float(text))),
}
UNSURE = re.compile(r"\{\{(now|uuid)|fingerprint")
"""What is another value at each rendering, or takes a key to work out?"""


def filled(text: str, known: Known) -> str:
    """A template of the recipe, each hole with its value; one without a value is empty.

    >>> filled("Bearer {{secret.key}}", {"secret": {"key": "k"}})
    'Bearer k'
    """

    def value(hole: re.Match[str]) -> str:
        space, name, how, key = hole.groups()
        found = known.get(space, {}).get(name or "", "")
        if key is not None:
            secret = known.get("secret", {}).get(key, "")
            return hmac.new(secret.encode(), found.encode(), "sha256").hexdigest()
        return _FILTERS[how](found) if how else found

    return _HOLE.sub(value, text)


@dataclass
class Places:
    """What stands where in a request: names to values; `path` is of the caller's braces."""

    header: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    cookie: dict[str, str] = field(default_factory=dict)


def places(way: Method, known: Known) -> Places:
    """What `inject` and `static_headers` put into each request, as far as that can be told."""
    found = Places()
    for kind in ("header", "query", "body", "path", "cookie"):
        for name, text in getattr(way.inject, kind).items():
            if not UNSURE.search(text):
                getattr(found, kind)[name] = filled(text, known)
    fixed = {name: filled(text, known) for name, text in way.static_headers.items()}
    found.header = {
        name.lower(): basic(name, value) for name, value in {**fixed, **found.header}.items()
    }
    return found


def basic(name: str, value: str) -> str:
    """RFC 7617 §2: the platform encodes what stands behind `Basic `, unless that is done."""
    scheme, space, pair = value.partition(" ")
    if name.lower() != "authorization" or scheme + space != "Basic " or ":" not in pair:
        return value
    return "Basic " + base64.b64encode(pair.encode()).decode()


def differences(wanted: Places, seen: Places) -> list[str]:
    """What is otherwise than wanted, in words and without a value."""
    found = []
    for kind in ("header", "query", "body", "cookie"):
        there = getattr(seen, kind)
        for name, value in getattr(wanted, kind).items():
            if name not in there:
                found.append(f"the {kind} {name} is missing")
            elif there[name] != value:
                found.append(f"the {kind} {name} is another one")
    return found


def before_found(way: Method, wanted: Places) -> Places:
    """The same for a request that finds params: without the headers that name one of them."""
    open_ = [name for name, param in way.params.items() if param.source == "discover"]
    early = {
        name.lower()
        for name, text in way.inject.header.items()
        if any(f"{{{{param.{each}" in text for each in open_)
    }
    header = {name: text for name, text in wanted.header.items() if name.lower() not in early}
    return replace(wanted, header=header)
