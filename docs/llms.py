# ruff: noqa: INP001 - a part of the program beside the pages
"""docs/llms-full.txt: all that llms.txt lists, in one file, for a model that reads it at once."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LISTED = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\)", re.MULTILINE)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)

LEFT_OUT = "Optional"
"""Under which heading stands what a model can do without (llmstxt.org)?"""


def full(index: str) -> str:
    """The pages of `index`, each below a line with its path, without those under Optional."""
    needed = index.partition(f"\n## {LEFT_OUT}\n")[0]
    head = _HEADING.split(needed)[0].rstrip()
    parts = [head]
    for name in dict.fromkeys(path for _, path in _LISTED.findall(needed)):
        text = (ROOT / name).read_text("utf-8").strip()
        parts.append(f"<!-- {name} -->\n\n{text}")
    return "\n\n".join(parts) + "\n"
