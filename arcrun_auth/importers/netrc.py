"""netrc: the passwords of machines whose API a recipe knows.

Read here rather than by Python's `netrc`, since that does not say where a word stands; a test
holds the two against each other.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arcrun_auth.importers.model import Found, Importer, line_of, whole_line
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.importers.model import File, Span, Where
    from arcrun_auth.importers.services import Match, Services

_SPACE = " \t\r\n"
_BASIC = re.compile(r"Basic (?:\{\{secret\.([\w.-]+)\}\}|[^:]*):(?:\{\{secret\.([\w.-]+)\}\})?")
_LEFT = "curl, git and whatever else reads it no longer log in there by themselves"


class NotNetrc(Exception):
    """The text is no netrc; `line` says from where on."""

    def __init__(self, line: int) -> None:
        super().__init__(f"it is no netrc from line {line} on")


@dataclass(frozen=True)
class Word:
    """One word: its text without quotes, and the range that it stands in."""

    text: str = field(repr=False)
    start: int
    end: int


@dataclass
class Entry:
    """What stands below one `machine`."""

    machine: str
    login: str = ""
    password: str = field(default="", repr=False)
    words: list[Word] = field(default_factory=list, repr=False)


def _word(text: str, at: int) -> Word | None:
    """The next word from `at` on: in quotes, or up to white space; a backslash escapes."""
    while at < len(text) and text[at] in _SPACE:
        at += 1
    if at == len(text):
        return None
    start, made = at, ""
    quoted = text[at] == '"'
    at += quoted
    while at < len(text) and (text[at] != '"' if quoted else text[at] not in _SPACE):
        at += text[at] == "\\" and at + 1 < len(text)
        made += text[at]
        at += 1
    return Word(made, start, min(at + quoted, len(text)))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _words(text: str) -> Iterator[Word]:
    """The words that count: without comments, and without the bodies of macros."""
    at = 1 if text.startswith("\ufeff") else 0
    value = False  # what follows a keyword may begin with anything
    while (word := _word(text, at)) is not None:
        at = word.end
        if word.text.startswith("#") and not value:
            at = _line_end(text, at)
            continue
        yield word
        keyword = not value and word.text != "default"
        if keyword and word.text == "macdef":
            body = re.compile(r"\n(?:[ \t\r]*\n|\Z)|\Z").search(text, at)
            assert body is not None
            at, keyword = body.end(), False
        value = keyword


def entries(text: str) -> list[Entry]:
    """Every `machine`, in order. NotNetrc for a word that has no place there.

    >>> [(e.machine, e.login) for e in entries("machine a login b password c # note\\ndefault")]
    [('a', 'b')]
    """
    found: list[Entry] = []
    current: Entry | None = None
    words = _words(text)
    for word in words:
        if word.text == "macdef":
            current = None
            continue
        value = None if word.text == "default" else next(words, None)
        if word.text not in ("machine", "default", "login", "user", "account", "password") or (
            value is None and word.text != "default"
        ):
            raise NotNetrc(line_of(text, word.start))
        if word.text in ("machine", "default"):
            current = Entry(value.text if value is not None else "")
            found += [current] if value is not None else []
        elif current is None:
            raise NotNetrc(line_of(text, word.start))
        elif word.text == "password":
            current.password = value.text if value is not None else ""
        elif word.text in ("login", "user"):
            current.login = value.text if value is not None else ""
        if current is not None:
            current.words += [word, *([value] if value is not None else [])]
    return found


def spans(text: str, entry: Entry) -> tuple[Span, ...]:
    """Where an entry stands: its words alone, so that comments between them stay."""
    runs: list[list[int]] = []
    for word in entry.words:
        if runs and not text[runs[-1][1] : word.start].strip(_SPACE):
            runs[-1][1] = word.end
        else:
            runs.append([word.start, word.end])
    return tuple(whole_line(text, start, end) for start, end in runs)


def _places(where: Where) -> list[str]:
    named = where.environ.get("NETRC")
    if named:
        return [os.path.join(where.folder, named)]
    names = [".netrc", "_netrc"] if where.platform == "win32" else [".netrc"]
    return [os.path.join(where.home, name) for name in names]


def _fits(file: File) -> bool:
    try:
        return any(entry.password for entry in entries(file.text))
    except NotNetrc:
        return False


def _read(file: File, services: Services, where: Where) -> Iterator[Found]:
    del where
    try:
        listed = entries(file.text)
    except NotNetrc as error:
        yield Found("netrc", file.path, "", "file", why_not=str(error))
        return
    for entry in listed:
        for match in services.by_host(entry.machine.lower(), entry.password):
            yield _found(file, entry, match, services)


def _found(file: File, entry: Entry, match: Match, services: Services) -> Found:
    start = entry.words[0].start
    at = f"machine {entry.machine} (line {line_of(file.text, start)})"
    found = _secrets(entry, match, services)
    if found is None:
        return Found(
            "netrc",
            file.path,
            at,
            "password",
            why_not=f"its login and password are not what {match.service} takes",
            hint=f"arcrun setup {match.service}",
        )
    return Found(
        "netrc",
        file.path,
        at,
        "key",
        service=match.service,
        method=match.method,
        name=entry.login,
        secrets=found,
        cut=spans(file.text, entry),
        breaks=_LEFT,
        file=file,
    )


def _secrets(entry: Entry, match: Match, services: Services) -> dict[str, Secret] | None:
    """Login and password as the recipe's secrets: by their place in Basic, or the only one."""
    if re.search(r"[\r\n]", entry.login + entry.password):  # a quote that nothing closes
        return None
    way = services.way(match.service, match.method)
    wanted = [secret.key for secret in way.required_secrets if not secret.optional]
    found: dict[str, Secret] = {}
    for template in way.inject.header.values():
        basic = _BASIC.fullmatch(template)
        if basic is not None:
            both = ((basic[1], entry.login), (basic[2], entry.password))
            found = {key: Secret(value) for key, value in both if key and value}
    if not found and len(wanted) == 1 and entry.password:
        found = {wanted[0]: Secret(entry.password)}
    return found if found and set(wanted) <= set(found) else None


IMPORTER = Importer("netrc", "netrc", _places, _fits, _read)
