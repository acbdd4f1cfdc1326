"""What an importer looks at, and what it says it has found there."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from arcrun_auth.importers.services import Services
    from arcrun_auth.oauth.app import App
    from arcrun_auth.tokens import Grant, Secret

    Span = tuple[int, int]

MAX_FILE = 1 << 20
"""How large may a file of credentials be, in bytes? Those that we know have some thousand."""


@dataclass(frozen=True)
class Where:
    """Whose files are looked at, and from which folder."""

    environ: Mapping[str, str]
    home: str
    folder: str
    platform: str = sys.platform

    @classmethod
    def here(cls, environ: Mapping[str, str] | None = None) -> Where:
        """This user's home and this process's folder."""
        environ, home = os.environ if environ is None else environ, os.path.expanduser("~")
        try:
            return cls(environ, home, os.getcwd())
        except OSError:  # somebody has deleted it under us
            return cls(environ, home, home)

    def config(self, name: str, on_windows: str | None = None) -> str:
        """The folder of a program's settings: `~/.config/name`, or where the system has them."""
        if self.platform == "win32" and self.environ.get("APPDATA"):
            return os.path.join(self.environ["APPDATA"], on_windows or name)
        base = self.environ.get("XDG_CONFIG_HOME") or os.path.join(self.home, ".config")
        return os.path.join(base, name)

    def short(self, path: str) -> str:
        """A path as people write it: `~/.netrc`, `.env`."""
        if os.path.dirname(path) == self.folder:
            return os.path.basename(path)
        inside = path.startswith(self.home.rstrip(os.sep) + os.sep)
        return "~" + path[len(self.home.rstrip(os.sep)) :] if inside else path


@dataclass(frozen=True)
class File:
    """A file as it was read. `text` gives the very bytes back: `text.encode(*CODEC)`."""

    path: str
    text: str = field(repr=False)


CODEC = ("utf-8", "surrogateescape")


class Unreadable(Exception):
    """A file that is there and cannot be read; the message says why."""


def read_file(path: str) -> File | None:
    """The file; None where there is none. Unreadable for what is no file, too large, not ours.

    A link is followed: dotfiles are kept that way.
    """
    try:
        # Without O_NONBLOCK a FIFO in this place would wait for whoever writes to it.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unreadable("it is no file")
            data = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise Unreadable("it is a folder") from None
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from None
    if len(data) > MAX_FILE:
        raise Unreadable("it is larger than 1 MiB: it is something else")
    return File(path, data.decode(*CODEC))


@dataclass(frozen=True)
class Found:
    """Something that signs requests, where it lies, and what it would become here.

    Of a secret only its place is ever shown. `why_not` says why it cannot be taken in; then
    `hint` is what to do instead.
    """

    source: str
    path: str
    """The file; empty for an item of the OS keyring."""
    at: str
    """Where in it: a key, a line, a profile."""
    what: str
    """For people: `key`, `login`, `key pair`."""
    service: str = ""
    method: str = ""
    name: str = ""
    """What it is called there, for an instance of that name: a profile, a user."""
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict)
    grant: Grant | None = None
    app: App | None = None
    token_endpoint: str = ""
    """Where the grant is renewed, as the file says; empty if it does not."""
    foreign_app: str = ""
    """The program whose own app the login belongs to: it must not become the user's."""
    why_not: str = ""
    hint: str = ""
    notices: tuple[str, ...] = ()
    """What to know before it is taken in."""
    cut: tuple[Span, ...] = ()
    """What of the file is the plain-text original, as ranges of its text."""
    whole: bool = False
    """Whether the file is nothing else."""
    breaks: str = ""
    """What no longer works without the original. `{name}` in it is the connection, as typed."""
    file: File | None = field(default=None, repr=False)

    @property
    def removable(self) -> bool:
        """Whether there is a plain-text original that can be taken away."""
        return bool(self.cut) or self.whole

    @property
    def values(self) -> frozenset[str]:
        """Its secrets, to tell two of them apart. Not to be shown."""
        grant = self.grant
        token = (grant.refresh_token or grant.access_token) if grant is not None else None
        found = (*self.secrets.values(), *([token] if token is not None else []))
        return frozenset(secret.reveal() for secret in found)


@dataclass(frozen=True)
class Importer:
    """One kind of source: where its files lie, how one is known, how it is read."""

    name: str
    title: str
    places: Callable[[Where], Sequence[str]]
    fits: Callable[[File], bool]
    read: Callable[[File, Services, Where], Iterable[Found]]

    def unread(self, path: str, why: str) -> Found:
        """A file of this kind that cannot be looked into."""
        return Found(self.name, path, "", "file", why_not=why, hint=f"ls -l {printable(path, 200)}")


def text_of(data: Mapping[str, Any], name: str) -> str:
    """A text field of a document; empty where there is none."""
    value = data.get(name)
    return value.strip() if isinstance(value, str) else ""


def document(file: File) -> dict[str, Any] | None:
    """The JSON object that a file is; None for any other content."""
    import json

    if not file.text.lstrip("\ufeff \t\r\n").startswith("{"):
        return None
    try:
        data = json.loads(file.text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def line_of(text: str, start: int) -> int:
    """The number of the line, from 1."""
    return text.count("\n", 0, start) + 1


def whole_line(text: str, start: int, end: int) -> Span:
    """A range, widened to its lines and their end where nothing else stands on them."""
    before = text.rfind("\n", 0, start) + 1
    after = text.find("\n", end)
    after = len(text) if after < 0 else after
    alone = not text[before:start].strip(" \t\ufeff") and not text[end:after].strip(" \t\r")
    if not alone:
        return start, end
    first = before + (1 if text.startswith("\ufeff", before) else 0)
    return first, min(after + 1, len(text))
