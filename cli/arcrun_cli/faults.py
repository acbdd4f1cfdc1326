"""What is wrong with a command line, said without repeating it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.errors import AuthError

LONGEST_NAME = 24
"""How long may a word be that we repeat in an error? Keys are longer, names are not."""


class UsageFault(Exception):
    """The command line is wrong. Carries no word of it that could be a secret."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Several(Exception):
    """All that is wrong with what was asked for: where, and the error."""

    def __init__(self, found: Sequence[tuple[str, AuthError]]) -> None:
        super().__init__(f"{len(found)} errors")
        self.found = tuple(found)


def checked_name(text: str, command: str) -> str:
    """`service[@instance]` if it has that shape. UsageFault otherwise: it may be a pasted key."""
    from arcrun_auth.tokens import split_name

    try:
        split_name(text)
    except ValueError as error:
        name = _folded(text)
        hint = f"{command} {name}" if name else f"{command} --help"
        raise UsageFault(f"This is no name of a service: {error}.", hint) from None
    return text


def _folded(text: str) -> str:
    """What people write for a name as the name is: `Google Drive`, `google-drive`; else empty."""
    import re

    from arcrun_auth.tokens import split_name

    name = re.sub(r"[\s-]+", "_", text.strip().lower())
    try:
        split_name(name)
    except ValueError:
        return ""
    return name
