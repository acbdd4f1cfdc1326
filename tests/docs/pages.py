"""The pages of the documentation as data: their code blocks, headings and links.

A comment right above a block says what a reader sees without it: which file the block is
(`<!-- file: acme.yaml -->`), that it is a test for pytest (`<!-- pytest -->`), what is
printed by the program above (`<!-- prints -->`), which SDK it needs, to be run in tests/sdk
(`<!-- sdk: openai -->`), that it is typed on a second machine (`<!-- on: the new machine -->`), or
why it is not run here (`<!-- not run: the reason -->`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SKILL = ROOT / "arcrun_auth" / ".agents" / "skills" / "arcrun-auth" / "SKILL.md"

_FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
_NOTE = re.compile(r"^<!-- (file|pytest|prints|not run|sdk|on)(?:: (.+?))? -->$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `note` and `about` are the comment above it: `file`, `acme.yaml`."""

    language: str
    text: str
    line: int
    note: str = ""
    about: str = ""


def pages() -> list[Path]:
    """Every page a reader of the repository may open, and the skill; its references are pages."""
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), SKILL]


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = path.read_text(encoding="utf-8").split("\n")
    note = ("", "")
    start: tuple[str, str, int] | None = None
    inside: list[str] = []
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if start is None and fence:
            start, inside = (fence[1], fence[2], number), []
        elif start is not None and fence and fence[1] == start[0] and not fence[2]:
            indent = len(start[0])
            text = "\n".join(each[indent:] for each in inside) + "\n"
            found.append(Block(start[1], text, start[2], *note))
            start, note = None, ("", "")
        elif start is not None:
            inside.append(line)
        elif line.strip():
            comment = _NOTE.match(line.strip())
            note = (comment[1], comment[2] or "") if comment else ("", "")
    assert start is None, f"{path}: the block of line {start and start[2]} is not closed"
    return found


def prose(path: Path) -> str:
    """A page without its blocks."""
    kept, inside = [], False
    for line in path.read_text(encoding="utf-8").split("\n"):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def links(path: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """What `#...` may name in a page, as GitHub makes it of the headings."""
    found = set()
    for heading in _HEADING.findall(prose(path)):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
        found.add(plain.replace(" ", "-"))
    return found


def section(path: Path, heading: str) -> str:
    """The text below `heading` (without its #), up to the next one of the same rank."""
    text = path.read_text(encoding="utf-8")
    start = re.search(rf"^(#+) {re.escape(heading)}\s*$", text, re.MULTILINE)
    assert start, f"{path.name} has no heading {heading!r}"
    rest = text[start.end() :]
    end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest
