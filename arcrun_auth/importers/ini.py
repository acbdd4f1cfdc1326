"""INI files with the place of each value: what the AWS tools and rclone keep theirs in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arcrun_auth.importers.model import Span

_SECTION = re.compile(r"[ \t\ufeff]*\[([^\]\n]*)\]")
_VALUE = re.compile(r"([^\s=#;\[][^=\n]*?)[ \t]*=[ \t]*(.*)")


@dataclass
class Section:
    """One section. `lines` are the ranges of the lines that its values stand on."""

    name: str
    values: dict[str, str] = field(default_factory=dict, repr=False)
    lines: dict[str, list[Span]] = field(default_factory=dict)

    def get(self, key: str) -> str:
        return self.values.get(key, "")

    def cut(self, *keys: str) -> tuple[Span, ...]:
        """The lines of these keys."""
        return tuple(span for key in keys for span in self.lines.get(key, ()))


def sections(text: str) -> list[Section]:
    """The sections, in order. Of a key that comes twice the last counts, and a section that
    comes again goes on. Lines that are indented belong to the value before: they are no keys.

    >>> [(s.name, s.values) for s in sections("[a]\\nx = 1\\n  y = 2\\n[b]\\n# c\\nz=3")]
    [('a', {'x': '1'}), ('b', {'z': '3'})]
    """
    found: dict[str, Section] = {}
    current: Section | None = None
    start = 0
    for line in text.split("\n"):
        end = min(start + len(line) + 1, len(text))
        header = _SECTION.match(line)
        value = _VALUE.match(line)
        if header:
            name = header[1].strip()
            current = found.setdefault(name, Section(name))
        elif value and current is not None:
            key = value[1].strip().lower()
            current.values[key] = value[2].strip()
            current.lines.setdefault(key, []).append((start, end))
        start += len(line) + 1
    return list(found.values())
