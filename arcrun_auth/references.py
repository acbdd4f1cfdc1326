"""References to secrets, `arcrun://service[@instance]/key`, alone and in texts. Pure.

    NOTION_TOKEN=arcrun://notion/token
    DATABASE_URL=postgres://app:{{ arcrun://warehouse@eu/password }}@db.example.com/app

A value that begins with the scheme is one reference. Within a text one stands in double
braces: bare, it would not be clear where it ends (`arcrun://db/password@host/name`).
"""

from __future__ import annotations

import re

from arcrun_auth.tokens import split_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCHEME = "arcrun://"
SHAPE = "arcrun://service[@instance]/key"

# Compiled when they are used: the way to a token passes through here.
_KEY = r"[A-Za-z0-9_.-]{1,64}"  # as in a recipe
# Possessive: a long run of blanks behind a name is looked at once.
_BRACED = r"\{\{[ \t]*+(arcrun://(?:[ \t]*+[^{} \t\r\n])*+)[ \t]*+\}\}"


class Reference:
    """What a reference names: a connection as it is typed, and a secret of it."""

    __slots__ = ("key", "name", "service")

    def __init__(self, text: str) -> None:
        """Raises ValueError, which repeats nothing of `text`: a key may have been pasted there.

        >>> Reference("arcrun://notion@work/token").name
        'notion@work'
        """
        if not text.startswith(SCHEME):
            raise ValueError(f"a reference begins with {SCHEME}")
        self.name, slash, self.key = text.removeprefix(SCHEME).rpartition("/")
        if not slash:
            raise ValueError("it names no secret: after the service come a slash and its key")
        self.service = split_name(self.name)[0]
        if not re.fullmatch(_KEY, self.key):
            raise ValueError("a secret's key is letters, digits and . _ -")


def in_value(value: str) -> list[str]:
    """The references of a variable's value: the value itself, or those in double braces.

    >>> in_value("arcrun://notion/token"), in_value("no secret")
    (['arcrun://notion/token'], [])
    """
    return [value] if value.startswith(SCHEME) else re.findall(_BRACED, value)


def fill_value(value: str, secrets: Mapping[str, str]) -> str:
    """A variable's value with each of `in_value` replaced by what it stands for."""
    return secrets[value] if value.startswith(SCHEME) else fill(value, secrets)


def in_text(text: str) -> list[tuple[str, int]]:
    """The references in double braces of a text, each with its line, counted from 1.

    >>> in_text("[api]\\ntoken = {{ arcrun://notion/token }}")
    [('arcrun://notion/token', 2)]
    """
    return [(m[1], _line(text, m.start())) for m in re.finditer(_BRACED, text)]


def fill(text: str, secrets: Mapping[str, str]) -> str:
    """The text with each of `in_text` replaced; all else stays, other braces included."""
    return re.sub(_BRACED, lambda match: secrets[match[1]], text)


def left_in(text: str) -> list[int]:
    """The lines on which a reference stands that is not in double braces: it is left as it is."""
    rest = re.sub(_BRACED, "", text)
    return sorted({_line(rest, match.start()) for match in re.finditer(SCHEME, rest)})


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def named(name: str, known: Sequence[str], service: str) -> list[str]:
    """Which of a service's secrets a name may mean: in full, without the service, or its end.

    >>> named("token", ["notion_token"], "notion")
    ['notion_token']
    """
    fits = [key for key in known if key in (name, f"{service}_{name}")]
    return fits or [key for key in known if key.endswith(f"_{name}")]
