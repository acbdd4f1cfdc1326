"""A recipe as people write it: short maps on one line, comments above what is to be looked up.

The inverse of `recipe.reader`: whatever is written here is read back as it was, and a text
that came from elsewhere cannot end its line.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting.texts import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from arcrun_auth.recipe.reader import Place

    Notes = Mapping[Place, str]

WIDTH = 100
"""How long may a line be that could as well be several?"""
LONGEST_NOTE = 2000
"""How much of a comment is kept of one of its lines?"""

_ALWAYS_BLOCK = frozenset({"oauth2", "methods", "required_secrets"})
"""What is read more easily on lines of its own, however short it is?"""

# What stays itself without quotes: words, paths, URLs, a day; nothing that looks like a number
# or (to YAML 1.1) a yes or no.
_PLAIN = re.compile(
    r"[A-Za-z_/](?:[A-Za-z0-9_./@+%~-]|:(?=/)| (?=[A-Za-z0-9(]))*|[0-9]{4}-[0-9]{2}-[0-9]{2}"
)
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_BMP = 0xFFFF


def emit(data: Mapping[str, Any], notes: Notes | None = None) -> str:
    """YAML of plain data (maps with text keys, lists, texts, integers, booleans, None).

    `notes` are comments: they stand above what is at their place, `("oauth2", "scopes")`.
    A text of theirs from elsewhere keeps no character that could end the comment.

    >>> print(emit({"test": {"path": "/me"}}, {("test",): "Look it up."}), end="")
    # Look it up.
    test: {path: /me}
    """
    return "".join(f"{line}\n" for line in _map(data, (), "", notes or {}))


def _map(data: Mapping[str, Any], at: Place, indent: str, notes: Notes) -> Iterator[str]:
    for key, value in data.items():
        place = (*at, key)
        yield from _comment(notes.get(place, ""), indent)
        yield from _entry(f"{indent}{_scalar(key)}:", value, place, indent, notes)


def _entry(head: str, value: Any, place: Place, indent: str, notes: Notes) -> Iterator[str]:
    line = f"{head} {_flow(value)}"
    has_notes = any(place == noted[: len(place)] and noted != place for noted in notes)
    is_block = bool(value) and isinstance(value, dict | list)
    if not is_block or not (has_notes or place[-1] in _ALWAYS_BLOCK or len(line) > WIDTH):
        yield line
        return
    yield head
    if isinstance(value, dict):
        yield from _map(value, place, f"{indent}  ", notes)
    else:
        yield from _list(value, place, f"{indent}  ", notes)


def _list(items: Sequence[Any], at: Place, indent: str, notes: Notes) -> Iterator[str]:
    for index, item in enumerate(items):
        place = (*at, index)
        yield from _comment(notes.get(place, ""), indent)
        if not isinstance(item, dict) or (_is_leaf(item) and not _below(place, notes)):
            yield f"{indent}- {_flow(item)}"
            continue
        lines = list(_map(item, place, f"{indent}  ", notes))
        first = next(i for i, line in enumerate(lines) if not line.lstrip().startswith("#"))
        yield from (f"{indent}{line.lstrip()}" for line in lines[:first])
        yield f"{indent}- {lines[first].lstrip()}"
        yield from lines[first + 1 :]


def _below(place: Place, notes: Notes) -> bool:
    return any(place == noted[: len(place)] for noted in notes if len(noted) > len(place))


def _is_leaf(item: Mapping[str, Any]) -> bool:
    return not any(isinstance(value, dict) and value for value in item.values())


def _comment(note: str, indent: str) -> Iterator[str]:
    for line in note.split("\n") if note else ():
        start = re.match(r"(- )?", line)
        more = "  " if start and start[1] else ""
        yield from textwrap.wrap(
            clean(line, LONGEST_NOTE), WIDTH, initial_indent=f"{indent}# ",
            subsequent_indent=f"{indent}# {more}", break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items())
        return f"{{{inside}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    """YAML 1.2.2 §5.7. What is not printable could be taken for the end of a line."""
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\U{code:08x}" if code > _BMP else f"\\u{code:04x}"
