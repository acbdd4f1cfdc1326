"""`.env` files: variables that recipes know by name, and values that look like one's key."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from arcrun_auth.importers.model import Found, Importer, line_of
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.importers.model import File, Where
    from arcrun_auth.importers.services import Match, Services

_SAMPLES = ("example", "sample", "template", "dist", "defaults")
_HEAD = re.compile(r"[ \t\ufeff]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*")
_QUOTED = {
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z)', re.DOTALL),
    "'": re.compile(r"'([^']*)'[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z)"),
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}
_COMMENT = re.compile(r"(?:^|[ \t])#.*", re.DOTALL)
_COMPUTED = re.compile(r"\$[{(A-Za-z_]|`")
"""What makes a value of others, so that it is no secret by itself?"""


@dataclass(frozen=True)
class Assignment:
    """`NAME=value`: `start` to `end` are its lines, with the end of the last."""

    name: str
    value: str = field(repr=False)
    start: int
    end: int


def assignments(text: str) -> list[Assignment]:
    """Every assignment whose value stands there as it is, as shells and dotenv read it.

    >>> [(a.name, a.value) for a in assignments('export A="x y" # note\\nB=1 # two\\n# C=3\\n')]
    [('A', 'x y'), ('B', '1')]
    """
    found = []
    start = 0
    while start < len(text):
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        head = _HEAD.match(text, start, line_end)
        if head is None:
            start = line_end + 1
            continue
        value, end = _value(text, head.end(), line_end)
        end = min(end + 1, len(text))
        if value is not None and value:
            first = start + (1 if text.startswith("\ufeff", start) else 0)
            found.append(Assignment(head[1], value, first, end))
        start = end
    return found


def _value(text: str, start: int, line_end: int) -> tuple[str | None, int]:
    """The value, None where it is computed; and where its last line ends."""
    quote = text[start : start + 1]
    match = _QUOTED[quote].match(text, start) if quote in _QUOTED else None
    if match is not None and quote == "'":
        return match[1], match.end()
    if match is not None:
        value = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), match[1], flags=re.DOTALL)
        return (None if _COMPUTED.search(match[1]) else value), match.end()
    plain = _COMMENT.sub("", text[start:line_end]).strip()
    return (None if _COMPUTED.search(plain) else plain), line_end


def _places(where: Where) -> list[str]:
    try:
        names = sorted(os.listdir(where.folder))
    except OSError:
        return []
    return [
        os.path.join(where.folder, name)
        for name in names
        if name == ".env" or (name.startswith(".env.") and not name.endswith(_SAMPLES))
    ]


def _fits(file: File) -> bool:
    return bool(assignments(file.text))


def _read(file: File, services: Services, where: Where) -> Iterator[Found]:
    del where
    listed = assignments(file.text)
    last = {each.name: each for each in listed}
    matches = services.by_variables(last)
    for match in matches:
        yield _found(file, match, listed, last)
    named = {variable for match in matches for variable in match.where.values()}
    for name, each in last.items():
        guess = services.by_value(each.value) if name not in named else None
        if guess is not None:
            known = replace(guess, where=dict.fromkeys(guess.where, name))
            yield _found(file, known, listed, last, guessed=True)


def _found(
    file: File,
    match: Match,
    listed: Sequence[Assignment],
    last: dict[str, Assignment],
    *,
    guessed: bool = False,
) -> Found:
    variables = sorted(set(match.where.values()), key=lambda name: last[name].start)
    lines = ", ".join(f"line {line_of(file.text, last[name].start)}" for name in variables)
    at = f"{', '.join(variables)} ({lines})"
    found = Found("env", file.path, at, "key" if len(variables) == 1 else "keys")
    if match.missing:
        return _incomplete(found, match)
    values = {last[name].value for name in variables}
    # An older value further up is another secret; the same one once more is this one.
    cut = [(a.start, a.end) for a in listed if a.name in variables and a.value in values]
    return replace(
        found,
        service=match.service,
        method=match.method,
        name=os.path.basename(os.path.dirname(file.path)),
        secrets={key: Secret(last[name].value) for key, name in match.where.items()},
        notices=("Only its beginning says whose key it is.",) if guessed else (),
        cut=tuple(cut),
        breaks=_left(match),
        file=file,
    )


def _left(match: Match) -> str:
    """What no longer finds its variables, and the command that gives them to it again."""
    named = ", ".join(sorted(set(match.where.values())))
    given = [
        f"{variable}=arcrun://{{name}}/{key}"
        for key, variable in match.where.items()
        if not variable.startswith("ARCRUN_")  # of those no other program is given any
    ]
    instead = f"until: {' '.join(given)} arcrun run -- COMMAND" if given else "but for auth.bind"
    return f"what reads {named} finds nothing, {instead}"


def _incomplete(found: Found, match: Match) -> Found:
    return replace(
        found,
        why_not=f"{match.service} needs {', '.join(match.missing)} as well, which is not there",
        hint=f"arcrun setup {match.service}",
    )


IMPORTER = Importer("env", ".env files", _places, _fits, _read)
