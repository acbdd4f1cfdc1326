# ruff: noqa: INP001 - a part of the program beside the pages
"""The references of the skill in the wheel: pages of the documentation, for an agent offline.

A skill is read without the pages around it: links become their words, and what a comment says
of a block (`<!-- file: acme.yaml -->`) becomes a line.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
SKILL = DOCS.parent / "arcrun_auth" / ".agents" / "skills" / "arcrun-auth"

PAGES = {
    "errors.md": "errors.md",
    "adapters.md": "howto/sdks.md",
    "recipes.md": "howto/own-recipe.md",
}
"""Which page is which reference?"""

_NOTE = re.compile(r"^<!-- (?:file: (.+?)|.*?) -->\n", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?://)[^)\s]+\)")


def references() -> dict[Path, str]:
    """Every reference, and its text."""
    return {
        SKILL / "references" / name: offline((DOCS / page).read_text("utf-8"))
        for name, page in PAGES.items()
    }


def offline(page: str) -> str:
    """A page as it is read without the others."""
    noted = _NOTE.sub(lambda note: f"The file `{note[1]}`:\n\n" if note[1] else "", page)
    return _LINK.sub(r"\1", noted)
