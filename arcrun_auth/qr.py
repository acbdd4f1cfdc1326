"""An address as a picture in the terminal, for the camera of a telephone."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

QUIET_ZONE = 4
"""How many light modules stand around a code (ISO/IEC 18004)?"""

# Two modules above each other in a character. Light is drawn and dark is left out: most
# terminals are dark, and on a light one the code is inverted, which telephones read as well.
_HALVES = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}


def qr_lines(text: str, stream: TextIO | None = None) -> list[str] | None:
    """The code of `text`, two rows of it in a line.

    None without the extra `qr`, and where `stream` (stderr) is no terminal that could show
    it: too narrow, or without UTF-8.
    """
    stream = sys.stderr if stream is None else stream
    if not _draws(stream):
        return None
    try:
        import segno
    except ImportError:
        return None
    try:
        code = segno.make(text, error="l", micro=False)
    except ValueError:  # more than a code holds
        return None
    rows = [list(row) for row in code.matrix_iter(border=QUIET_ZONE)]
    if len(rows[0]) > _columns(stream):
        return None
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    return [
        "".join(_HALVES[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]


def _draws(stream: TextIO) -> bool:
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    return encoding == "utf8" and stream.isatty()


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # it does not say
        return 0
