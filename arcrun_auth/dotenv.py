"""What a .env file says: names and values, each with its line. Pure; nothing is executed.

    # a comment; blank lines are skipped
    PLAIN=to the end of the line   # a comment needs a blank before it
    export SINGLE='as it is, over several lines if need be; \\' and \\\\ are its only escapes'
    DOUBLE="with \\n, \\t, \\" and \\\\"

It is the grammar of python-dotenv without what differs from tool to tool: a name without a
value is refused, and so is `${NAME}` outside single quotes, which some would fill in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_SKIPPED = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=")
_QUOTED = {
    "'": re.compile(r"[ \t]*'((?:[^'\\]|\\.)*+)'", re.DOTALL),
    '"': re.compile(r'[ \t]*"((?:[^"\\]|\\.)*+)"', re.DOTALL),
}
_QUOTE = re.compile(r"[ \t]*(['\"])")
_PLAIN = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"[ \t]#.*")
_FILLED_IN = re.compile(r"\$\{[A-Za-z_]")

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {
    "'": {"'": "'", "\\": "\\"},
    '"': {"'": "'", '"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "n": "\n",
          "r": "\r", "t": "\t", "v": "\v"},
}  # fmt: skip


class Variable(NamedTuple):
    """One assignment, and the line it begins on, counted from 1."""

    name: str
    value: str
    line: int


class DotenvError(ValueError):
    """A file that is not understood. `line` is where; nothing of the line is repeated."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def parse(data: bytes) -> list[Variable]:
    """The assignments of a file, in its order. DotenvError for anything else in it.

    >>> parse(b"export NAME='a value'  # why")
    [Variable(name='NAME', value='a value', line=1)]
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise DotenvError(data.count(b"\n", 0, error.start) + 1, "it is not UTF-8") from None
    if "\0" in text:
        raise DotenvError(_line(text, text.index("\0")), "a NUL has no place in a variable")
    return list(_assignments(text))


def _assignments(text: str) -> Iterator[Variable]:
    at, line = 0, 1
    while at < len(text):
        skipped = _SKIPPED.match(text, at)
        if skipped is not None:
            end = skipped.end()
        else:
            name = _NAME.match(text, at)
            if name is None:
                _wrong(text, at, "this is no NAME=value")
            value, end = _value(text, name.end())
            yield Variable(name[1], value, line)
        line += text.count("\n", at, end)
        at = end


def _value(text: str, at: int) -> tuple[str, int]:
    """The value that begins at `at`, and where its line ends."""
    begin = _QUOTE.match(text, at)
    if begin is None:
        plain = _PLAIN.match(text, at)
        assert plain is not None
        value = _COMMENT.sub("", plain[0], count=1).strip(" \t")
        _nothing_filled_in(text, at, value)
        return value, min(plain.end() + 1, len(text))
    quote = begin[1]
    quoted = _QUOTED[quote].match(text, at)
    if quoted is None:
        _wrong(text, at, "its quote is not closed")
    rest = _SKIPPED.match(text, quoted.end())
    if rest is None:
        _wrong(text, quoted.end(), "something follows the closing quote")
    if quote == '"':
        _nothing_filled_in(text, at, quoted[1])
    known = _ESCAPES[quote]
    return _ESCAPE.sub(lambda found: known.get(found[1], found[0]), quoted[1]), rest.end()


def _nothing_filled_in(text: str, at: int, value: str) -> None:
    if _FILLED_IN.search(value):
        _wrong(text, at, "${NAME} is not filled in here; in single quotes it is plain text")


def _wrong(text: str, at: int, problem: str) -> NoReturn:
    raise DotenvError(_line(text, at), problem)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
