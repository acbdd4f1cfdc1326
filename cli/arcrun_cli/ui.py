"""What the command writes: data to stdout, talk to stderr. All colours and widths are here.

Colour is never the only carrier: every mark has its word. It is off when the stream is no
terminal, with NO_COLOR (no-color.org) or TERM=dumb, and on with CLICOLOR_FORCE.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

from arcrun_auth.errors import clean_lines, printable
from arcrun_auth.moments import ago as ago  # noqa: PLC0414 - the words of the command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SCHEMA = 1
"""Which version of the JSON output is this? It changes only when a field goes or means another."""

WIDTH = 80
"""How wide do we take a terminal to be that does not say?"""

_GAP = 2
_SHORTEST = 6
_OF_USE = 10
"""How much of a cell that may be cut still says something?"""

# The sixteen colours that every theme adapts to its background; no bright ones, which
# vanish on white, and no blue, which vanishes on black.
_CODES = {"bold": "1", "dim": "2", "ok": "32", "warn": "33", "fail": "31"}
_SIGNS = {"ok": ("✓", "+"), "warn": ("!", "!"), "fail": ("✗", "x")}


def out() -> TextIO:
    """Where data goes."""
    return sys.stdout


def err() -> TextIO:
    """Where talk goes."""
    return sys.stderr


def coloured(stream: TextIO) -> bool:
    """Whether colours may be written to `stream`."""
    environ = os.environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """`text` in a style of `_CODES`, where the stream (stdout) may have colours."""
    if not text or not coloured(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def mark(kind: str, where: Any = out, word: str = "") -> str:
    """A sign with its word: `✓ ok`, `! warn`, `✗ fail`; plain letters where there is no ✓."""
    stream = where()
    sign = _SIGNS[kind][0 if _speaks_unicode(stream) else 1]
    # The word keeps the colour of all text: green and yellow are hard to read on white.
    return f"{paint(sign, kind, stream)} {word}".rstrip()


def _speaks_unicode(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def put(text: str = "") -> None:
    """A line of data."""
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """A line of talk, wrapped at words."""
    width = width_of(sys.stderr)
    _write(sys.stderr, "\n".join(wrap(line, width) for line in text.split("\n")))
    sys.stderr.flush()


def put_failed(name: str, message: str, hint: str | None) -> None:
    """What failed in a list of results, and what to do: wrapped below the name on a terminal."""
    width, indent = width_of(sys.stdout), " " * 8
    line = f"{mark('fail', word='fail')}  {name}  {printable(message)}"
    put(wrap(line, width, indent))
    if hint:
        put(wrap(f"{indent}→ {printable(hint)}", width, indent + "  "))


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def put_json(data: Mapping[str, Any]) -> None:
    """One JSON object, with the version of its schema."""
    import json

    text = json.dumps({"schema": SCHEMA, **data}, indent=2, default=_plain, ensure_ascii=False)
    # JSON escapes C0 controls only: C1 ones, and what reorders text, reach a terminal as well.
    put(re.sub(r"[^\n -~]", _escaped, text))


def _escaped(match: re.Match[str]) -> str:
    return match[0] if clean_lines(match[0]) else f"\\u{ord(match[0]):04x}"


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (tuple, set, frozenset)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def width_of(stream: TextIO) -> int | None:
    """Columns to fill; None for a pipe or file, which is never cut or wrapped."""
    if not stream.isatty():
        return None
    try:
        return max(int(os.environ["COLUMNS"]), 40)
    except (KeyError, ValueError):
        pass
    try:
        return max(os.get_terminal_size(stream.fileno()).columns or WIDTH, 40)
    except OSError:
        return WIDTH


def wrap(text: str, width: int | None, indent: str | None = None) -> str:
    """`text` in lines of at most `width`; a word that is longer (a URL) stays whole."""
    if width is None or cells(text) <= width:
        return text
    import textwrap

    start = text[: len(text) - len(text.lstrip(" "))]
    more = start + "  " if indent is None else indent
    return textwrap.fill(
        text.strip(),
        width,
        initial_indent=start,
        subsequent_indent=more,
        break_long_words=False,
        break_on_hyphens=False,
    )


def cells(text: str) -> int:
    """How many columns `text` takes: escape sequences none, East Asian wide letters two."""
    import re
    import unicodedata

    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    if bare.isascii():
        return len(bare)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in bare
    )


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, with … where something is missing."""
    if cells(text) <= width:
        return text
    kept = ""
    for char in text:
        if cells(kept + char) > width - 1:
            break
        kept += char
    return kept + "…"


def _columns(
    rows: Sequence[Sequence[str]], head: Sequence[str]
) -> tuple[list[list[str]], list[int]]:
    """The lines of a table, head first and empty columns left out, and how wide each column is."""
    clean = [[printable(cell, 200) for cell in row] for row in rows]
    columns = [i for i in range(len(head)) if i == 0 or any(row[i] for row in clean)]
    lines = [[row[i] for i in columns] for row in [list(head), *clean]]
    return lines, [max(cells(line[i]) for line in lines) for i in range(len(columns))]


def listed(
    rows: Sequence[Sequence[str]], head: Sequence[str], *, gives: Sequence[str] = ()
) -> None:
    """A table where it has room on the terminal without a cell being cut, but those of the columns
    `gives`. Elsewhere each row has its first cell on a line, and below it the others, wrapped."""
    width = width_of(sys.stdout)
    lines, widths = _columns(rows, head)
    if width is not None:
        _give(widths, lines[0], gives, width)
    if width is None or sum(widths) + _GAP * (len(widths) - 1) <= width:
        table(rows, head, gives=gives)
        return
    for first, *others in rows:
        put(paint(printable(first), "bold"))
        put(wrap(f"  {printable('; '.join(filter(None, others)), 500)}", width, "    "))


def table(
    rows: Sequence[Sequence[str]],
    head: Sequence[str],
    *,
    indent: str = "",
    gives: Sequence[str] = (),
) -> None:
    """Columns on stdout, as wide as the terminal at most: `gives` give way first, then the widest.

    Cells come from outside as often as not: they are made printable here.
    """
    lines, widths = _columns(rows, head)
    room = width_of(sys.stdout)
    if room is not None:
        _give(widths, lines[0], gives, room - len(indent))
        _squeeze(widths, room - len(indent))
    for number, line in enumerate(lines):
        padded = [
            cut(cell, width) + " " * (width - cells(cut(cell, width)))
            for cell, width in zip(line, widths, strict=True)
        ]
        text = indent + (" " * _GAP).join(padded).rstrip()
        put(paint(text, "dim") if number == 0 else text)


def _give(widths: list[int], head: Sequence[str], gives: Sequence[str], room: int) -> None:
    """Narrows the columns `gives`, one after the other, by what is missing, but to no less than
    is of use."""
    for name in gives:
        if name in head:
            column, over = head.index(name), sum(widths) + _GAP * (len(widths) - 1) - room
            widths[column] = max(min(widths[column], _OF_USE), widths[column] - max(over, 0))


def _squeeze(widths: list[int], room: int) -> None:
    room -= _GAP * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(1, len(widths)) if len(widths) > 1 else (0,), key=widths.__getitem__)
        if widths[widest] <= _SHORTEST:
            break
        widths[widest] -= 1


def pairs(rows: Iterable[tuple[str, str]], *, label: int = 10) -> None:
    """`label  value` lines on stdout; a value may have several lines, each is wrapped."""
    width = width_of(sys.stdout)
    for name, value in rows:
        if not value:
            continue
        first = f"{name:<{label}}  "
        for line in clean_lines(value).split("\n"):
            if width and " " not in line and len(first) + cells(line) > width:  # a long URL
                put(paint(first.rstrip(), "dim"))
                put(f"  {line}")
                first = " " * len(first)
                continue
            shown = wrap(" " * len(first) + line, width, " " * len(first))
            put(paint(first, "dim") + shown[len(first) :])
            first = " " * len(first)


def count(number: int, what: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
