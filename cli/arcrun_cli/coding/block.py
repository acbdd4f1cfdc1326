"""A block of ours in a file of Markdown that is somebody else's. Pure: text in, text out.

The block stands between two marks, each a line of its own. What stands outside is not touched,
to the byte; marks that are not one pair are left as they are, and told.
"""

from __future__ import annotations

import re

from arcrun_auth.errors import AuthError, printable

VERSION = 1
"""Which block do we write? It goes up when its text has to change in every project."""

END = "<!-- arcrun:end -->"
HINT = "leave one pair of marks, or none, then: arcrun agents init"

_MARK = re.compile(
    r"^<!-- arcrun:(?:begin(?: v([0-9]{1,6}))?|(end)) -->[ \t]*(?=\r?$)", re.MULTILINE
)
# What was meant for a mark, whatever became of it.
_MEANT = re.compile(r"<!--\s*arcrun:\s*(?:begin|end)")


def begin(version: int = VERSION) -> str:
    """The mark that a block begins with.

    >>> begin(3)
    '<!-- arcrun:begin v3 -->'
    """
    return f"<!-- arcrun:begin v{version} -->"


def has_block(text: str) -> bool:
    """Whether somebody has put marks of ours here, whole or broken."""
    return _MEANT.search(text) is not None


def merged(text: str, body: str, place: str) -> str:
    """`text` with `body` as its block: in the old one's place, else at the end.

    Its lines end as those of `text` do; without a line break at the end none is added. AuthError
    where the marks are no pair, or a newer version wrote them; `place` names the file.

    >>> merged("# Mine", "Ours", "AGENTS.md")
    '# Mine\\n\\n<!-- arcrun:begin v1 -->\\nOurs\\n<!-- arcrun:end -->'
    """
    newline = "\r\n" if re.match(r"[^\n]*\r(\n|\Z)", text) else "\n"
    block = newline.join([begin(), *body.rstrip("\n").split("\n"), END])
    span = _span(text, place)
    if span is not None:
        return text[: span[0]] + block + text[span[1] :]
    if not text:
        return block + newline
    if not text.endswith("\n"):
        return text + newline * 2 + block
    gap = "" if text.endswith(newline * 2) else newline
    return text + gap + block + newline


def _span(text: str, place: str) -> tuple[int, int] | None:
    """Where the block begins and ends; None where there is none."""
    marks = list(_MARK.finditer(text))
    meant = [found.start() for found in _MEANT.finditer(text)]
    if not meant:
        return None
    kinds = [found[2] or "begin" for found in marks]
    if kinds != ["begin", "end"] or len(meant) != len(marks):
        lines = ", ".join(str(text.count("\n", 0, at) + 1) for at in meant)
        raise AuthError(
            f"The marks of arcrun in {printable(place)} are not one pair (line {lines}). "
            "It was left alone.",
            hint=HINT,
        )
    if int(marks[0][1] or 0) > VERSION:
        raise AuthError(
            f"A newer arcrun-auth wrote the block in {printable(place)} (version {marks[0][1]}).",
            hint="pip install --upgrade arcrun-auth",
        )
    return marks[0].start(), marks[1].end()
