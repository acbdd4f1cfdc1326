"""YAML to plain data, within limits that hold before anything is built.

The events of the parser are read one by one, and what a recipe has no use for is refused
where it stands: anchors, aliases, merge keys, tags, a second document, a key twice (where
PyYAML silently keeps the last). No constructor of PyYAML ever runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from arcrun_auth.errors import RecipeError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    Place = tuple[str | int, ...]

MAX_BYTES = 64 * 1024
"""How long may a recipe be?"""
MAX_DEPTH = 20
"""How deep may maps and lists be nested?"""

# The C parser of PyYAML where it is built, else the same grammar in Python.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# YAML 1.2.2 §10.3.2, the core schema: null, booleans, decimal integers. All else is text, and so is
# a number that begins with a zero: YAML 1.1 reads it as an octal one, or as text.
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FIRST_OF_VALUES = frozenset({*"+-0123456789", *(text[:1] for text in _CONSTANTS)})


class Document:
    """A file as plain data. A place in it is a tuple: `("oauth2", "scopes", 0)`."""

    __slots__ = ("_lines", "data", "max_depth", "path", "sources", "text", "typed", "what")

    def __init__(
        self, text: str, path: str | None = None, *, what: str = "A recipe",
        max_depth: int = MAX_DEPTH, typed: bool = True,
    ) -> None:  # fmt: skip
        self.text = text
        self.what = what
        self.typed = typed
        self.max_depth = max_depth
        self._lines: dict[Place, int] | None = None
        self.path = path
        """The file, for messages; None for text from elsewhere."""
        self.data: dict[str, Any] = {}
        self.sources: list[tuple[Place, str]] = []
        """What was written at each place that did not become text. A field that is declared
        a text gets it back: `version: 010` is then "010". Nothing, unless `typed`: kept for
        each number of a long document it takes more memory than the data."""

    def line(self, place: Place) -> int | None:
        """The line (from 1) of a place, or of the nearest one around it that is in the file."""
        if self._lines is None:  # only faults have lines: they are found when one is asked for
            self._lines = {}
            _Builder(Document(self.text, max_depth=self.max_depth), self._lines).build()
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place)

    def error(self, why: str, place: Place = (), *, service: str | None = None) -> RecipeError:
        """A RecipeError that says where."""
        return RecipeError(
            why, service=service, path=self.path, line=self.line(place), field=spell(place) or None
        )


def spell(place: Place) -> str:
    """A place as people write it.

    >>> spell(("oauth2", "scopes", 0))
    'oauth2.scopes[0]'
    """
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place)
    return printable(text.removeprefix("."), 100)


def parse(
    text: str | bytes, path: str | None = None, *, what: str = "A recipe",
    max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, typed: bool = True,
) -> Document:  # fmt: skip
    """Read one YAML document, which must be a map.

    What is no recipe may be longer and deeper; `what` is how errors call it then, and `typed`
    is False: no type says which of its numbers are texts.
    Raises RecipeError with the line (from 1) and the place of the fault.

    >>> parse("a: [1, no, 2022-06-28]").data
    {'a': [1, 'no', '2022-06-28']}
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(raw) > max_bytes:
        raise RecipeError(f"{what} has at most {max_bytes // 1024} KB.", path=path)
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{what} is UTF-8.", path=path, line=line) from None
    document = Document(decoded, path, what=what, max_depth=max_depth, typed=typed)
    try:
        _Builder(document).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise RecipeError(
            f"This is not valid YAML: {printable(str(error.problem))}.",
            path=path,
            line=mark.line + 1 if mark else None,
        ) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise RecipeError(f"This is not valid YAML: {printable(str(error))}", path=path) from None
    return document


class _Builder:
    """Builds the data of one document from its events; recursion ends at MAX_DEPTH."""

    def __init__(self, document: Document, lines: dict[Place, int] | None = None) -> None:
        self._document = document
        self._event = _Loader(document.text).get_event
        self._place: list[str | int] = []
        """Where the node stands that is built now: one step for each map and list around it."""
        self._lines = lines

    def build(self) -> None:
        what = self._document.what
        self._event()  # the start of the stream
        start = self._event()
        if type(start) is StreamEndEvent:
            self._fail(f"{what} is a map of fields; this file is empty.", start, ())
        data = self._node(self._event())
        self._event()  # the end of the document
        after = self._event()
        if type(data) is not dict:
            self._fail(f"{what} is a map of fields.", start, ())
        if type(after) is not StreamEndEvent:
            self._fail("A file holds one document; here a second document begins.", after, ())
        self._document.data = data

    def _node(self, event: Any) -> Any:
        if self._lines is not None:
            self._lines[tuple(self._place)] = event.start_mark.line + 1
        kind = type(event)
        if kind is AliasEvent or event.anchor is not None:
            self._fail("Anchors and aliases (& and *) are not allowed.", event)
        if event.tag is not None:
            self._fail("Tags (!) are not allowed.", event)
        if kind is ScalarEvent:
            # Quoted or a block; else most begin as no constant and no number does.
            text: str = event.value
            known = not event.implicit[0] or text[:1] not in _FIRST_OF_VALUES
            return text if known else self._value(text)
        return self._map(event) if kind is MappingStartEvent else self._list(event)

    def _list(self, start: Any) -> list[Any]:
        built: list[Any] = []
        place, next_event = self._within(start), self._event
        while type(event := next_event()) is not SequenceEndEvent:
            place[-1] = len(built)
            built.append(self._node(event))
        place.pop()
        return built

    def _map(self, start: Any) -> dict[str, Any]:
        built: dict[str, Any] = {}
        place, next_event = self._within(start), self._event
        while type(event := next_event()) is not MappingEndEvent:
            if type(event) is not ScalarEvent:
                self._fail("A key is a text.", event, place[:-1])
            if event.anchor is not None or event.tag is not None:
                self._fail("Anchors and tags are not allowed.", event, place[:-1])
            key: str = event.value
            if key == "<<" and event.implicit[0]:
                self._fail("Merge keys (<<) are not allowed.", event, place[:-1])
            place[-1] = key
            if key in built:
                self._fail("This key stands here twice.", event)
            built[key] = self._node(next_event())
        place.pop()
        return built

    def _within(self, start: Any) -> list[str | int]:
        """The place, with a step more for what is in this map or list."""
        deepest = self._document.max_depth
        if len(self._place) >= deepest:
            self._fail(f"Maps and lists are nested more than {deepest} deep.", start)
        self._place.append("")
        return self._place

    def _value(self, text: str) -> Any:
        """What a plain scalar is, if it is no text after all."""
        if text in _CONSTANTS:
            value: bool | int | None = _CONSTANTS[text]
        elif _INT.fullmatch(text):
            value = int(text)
        else:
            return text
        if self._document.typed:
            self._document.sources.append((tuple(self._place), text))
        return value

    def _fail(self, why: str, event: Any, place: Sequence[str | int] | None = None) -> NoReturn:
        raise RecipeError(
            why,
            path=self._document.path,
            line=event.start_mark.line + 1,
            field=spell(tuple(self._place if place is None else place)) or None,
        )
