"""The plain-text originals: taken out of their files, and nothing else of them.

No copy is left behind. What was written to a disk can be there for long all the same: a key
that others may have read is replaced at its provider, not hidden.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.importers.model import CODEC, Unreadable, read_file
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arcrun_auth.importers.model import File, Found, Span


def without(text: str, spans: Iterable[Span]) -> str:
    """`text` without these ranges, which may overlap.

    >>> without("one\\ntwo\\nthree\\n", [(4, 8)])
    'one\\nthree\\n'
    """
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at : max(at, start)])
        at = max(at, end)
    return "".join([*kept, text[at:]])


def remove(found: Sequence[Found]) -> None:
    """Takes the originals of these findings, all of one file, out of it.

    The file is replaced at once, with the mode it had. AuthError where it has changed since it
    was read, belongs to somebody else, or has a second name that would keep them.
    """
    file = found[0].file
    assert file is not None
    path = os.path.realpath(file.path)
    status = _checked(file, path)
    if any(each.whole for each in found):
        _delete(file.path, path)
        return
    text = without(file.text, [span for each in found for span in each.cut])
    private.write_atomically(path, text.encode(*CODEC), like=status)


def _checked(file: File, path: str) -> os.stat_result:
    shown = printable(file.path, 200)
    try:
        now = read_file(path)
        status = os.stat(path)
    except (Unreadable, OSError):
        now = None
    if now is None or now.text != file.text:
        raise AuthError(f"{shown} has changed since. It was left as it is.", hint="arcrun import")
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise AuthError(f"{shown} belongs to another user. It was left as it is.")
    if status.st_nlink > 1:
        raise AuthError(
            f"{shown} has a second name (a hard link), which would keep it. It was left as it is.",
            hint=f"find ~ -samefile {shown}",
        )
    return status


def _delete(name: str, path: str) -> None:
    try:
        os.unlink(path)
        if os.path.islink(name):
            os.unlink(name)
    except OSError as error:
        raise AuthError(f"{printable(name, 200)} cannot be deleted: {error.strerror}.") from None
