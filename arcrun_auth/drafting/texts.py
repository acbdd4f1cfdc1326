"""Somebody else's words, made fit for a recipe: names, one-line texts, first sentences. Pure."""

from __future__ import annotations

import re
import unicodedata

from arcrun_auth.errors import printable

MAX_NAME = 40
"""How long may the name of a service be that we make up?"""
MAX_SENTENCE = 200
"""How much of a description is taken over?"""

# Markdown and HTML, as descriptions have it: of a link its text, of the rest nothing.
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_TAG = re.compile(r"<[^<>\n]*>|[`*#|]|(?:https?://|www\.)[^\s)]*", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?])\s")
_EMPTY = re.compile(r"\(\s*\)")

# What a document calls itself, and its service is not called.
_GENERIC = re.compile(
    r"[\s\W_]*\b(?:rest(?:ful)?|web|public|http|json|open ?api|api|apis|specification|spec|"
    r"documentation|docs|reference|definition|v?\d+(?:\.\d+)*)\s*$",
    re.IGNORECASE,
)


def clean(text: str, limit: int = MAX_SENTENCE) -> str:
    """`text` on one line, without what cannot be seen or reorders it, cut to `limit`.

    >>> clean("one\\u2028two \\u202e three")
    'one two three'
    """
    shown = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return printable(" ".join(shown.split()), limit)


def sentence(text: str) -> str:
    """The first sentence of a description, without markup, links and addresses.

    >>> sentence("**Orders** of the [shop](https://example.com/x). More below.")
    'Orders of the shop.'
    """
    first_paragraph = text.strip().split("\n\n", 1)[0][: MAX_SENTENCE * 10]
    bare = _EMPTY.sub("", _TAG.sub("", _LINK.sub(r"\1", first_paragraph)))
    return clean(_END.split(clean(bare, MAX_SENTENCE * 10), maxsplit=1)[0])


def title(text: str) -> str:
    """What people call the service whose document has this title.

    >>> title("Swagger Petstore - OpenAPI 3.0"), title("The Orders API (v2)"), title("API")
    ('Swagger Petstore', 'Orders', 'API')
    """
    whole = found = clean(re.sub(r"^The\s+|\(.*?\)\s*$", "", text.strip()[:MAX_SENTENCE]))
    while (shorter := _GENERIC.sub("", found)) != found:
        found = shorter.strip()
    return found or whole


def slug(text: str) -> str:
    """A name that a service, a param or a way in may have; empty where nothing is left.

    >>> slug("Café & Co."), slug("X-API-Key"), slug("日本")
    ('cafe_co', 'x_api_key', '')
    >>> slug(spaced("clientId"))
    'client_id'
    """
    ascii_ = unicodedata.normalize("NFKD", text[:MAX_SENTENCE]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_.lower())
    name = ""
    for word in words:
        longer = f"{name}_{word}" if name else word[:MAX_NAME]
        if len(longer) > MAX_NAME:
            break
        name = longer
    return name


def spaced(text: str) -> str:
    """`text` with a blank where a word in it begins with a capital letter."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
