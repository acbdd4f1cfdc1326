"""One index of recipes: a SQLite file that answers without YAML.

The wheel brings one that is built already; folders of YAML get one that follows their
files. Reading needs `sqlite3` alone; what builds is in `build.py`, loaded only
where a file has changed.
"""

from __future__ import annotations

import os
import sqlite3
from stat import S_ISREG
from threading import Lock

from arcrun_auth.errors import RecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from arcrun_auth.catalog.entry import Row

    Stat = tuple[str, int, int]
    Helper = tuple[str, str, str, str, str]
    """Who answers a credential helper: host, service, method, user, and the password where it is
    not the token. Host, user and password as the recipe writes them, with its placeholders."""

# Whose rules made an index? These modules' and packages'; after a change it is built anew.
_RULES = ("answers.py", "consent.py", "hosts.py", "template.py", "variables.py")
_RULE_PACKAGES = ("catalog", "primitives", "recipe")

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder of `arcrun_auth`."""
SUFFIXES = (".yaml", ".yml")

MAX_VALUES = 500
"""How many values does one query take? SQLite before 3.32 took 999."""

_ENTRY = (
    "SELECT service, display_name, category, account, status, successor,"
    " tier, release, path, detail, override FROM recipe"
)


class Index:
    """The recipes of one source, read by key. Safe to use from several threads."""

    def __init__(self, uri: str | sqlite3.Connection, *, owned: bool = False) -> None:
        """`uri` is opened when it is first asked; a connection may be handed over (`owned`)."""
        self._owned = owned or isinstance(uri, str)
        self._uri = uri if isinstance(uri, str) else ""
        self._connection = None if isinstance(uri, str) else uri
        self._pid = os.getpid()
        self._lock = Lock()

    def query(self, sql: str, *values: str) -> list[Any]:
        """All rows of a query."""
        if self._pid != os.getpid():  # after a fork: another thread of the parent may hold these
            self._lock = Lock()
            self._connection = None if self._uri else self._connection
            self._pid = os.getpid()
        with self._lock:
            if self._connection is None:
                self._connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False)
            try:
                return self._connection.execute(sql, values).fetchall()
            except (sqlite3.DatabaseError, UnicodeDecodeError):  # its message may quote damage
                if not self._uri:
                    raise
                raise self._damaged() from None

    def _damaged(self) -> RecipeError:
        place = self._uri.removeprefix("file:").partition("?")[0]
        return RecipeError(
            f"The index of recipes {place} is damaged.",
            hint=f"rm {place} (it is built anew), or reinstall arcrun-auth",
        )

    def row(self, service: str) -> Row | None:
        """What is known of a service, by its own name."""
        found = self.query(f"{_ENTRY} WHERE service = ?", service)
        return found[0] if found else None

    def rows(self) -> list[Row]:
        """All services, by name."""
        return self.query(f"{_ENTRY} ORDER BY service")

    def names(self) -> list[tuple[str, bool]]:
        """Every service with whether it may stand over one of another source."""
        return self.query("SELECT service, override FROM recipe ORDER BY service")

    def alias(self, name: str) -> str | None:
        """The service that has `name` as an alias."""
        found = self.query("SELECT service FROM alias WHERE alias = ?", name)
        return found[0][0] if found else None

    def aliases(self) -> list[str]:
        return [row[0] for row in self.query("SELECT alias FROM alias ORDER BY alias")]

    def accounts(self, variables: Sequence[str]) -> list[str]:
        """The accounts that one of these variables (in capitals) may hold a secret of."""
        found: dict[str, None] = {}
        for start in range(0, len(variables), MAX_VALUES):
            some = variables[start : start + MAX_VALUES]
            holes = ",".join("?" * len(some))
            sql = f"SELECT DISTINCT account FROM variable WHERE name IN ({holes}) ORDER BY account"  # noqa: S608
            found.update((row[0], None) for row in self.query(sql, *some))
        return list(found)

    def body(self, service: str) -> bytes | None:
        """The recipe as JSON."""
        found = self.query("SELECT json, sum FROM body WHERE service = ?", service)
        if not found:
            return None
        body, known = found[0]
        if not isinstance(body, bytes) or checksum(body) != known:
            raise self._damaged()
        return body

    def helpers(self, kind: str) -> list[Helper]:
        """Who answers a helper of a kind (`git`, `docker`), and for which hosts."""
        return self.query(
            "SELECT host, service, method, username, password FROM helper WHERE kind = ?"
            " ORDER BY service, rowid",
            kind,
        )

    def cards(self) -> dict[str, tuple[str, str, bool]]:
        """What services are found by: tags (one a line), description, whether it is confirmed."""
        rows = self.query("SELECT service, tags, description, confirmed FROM card")
        return {service: (tags, text, bool(confirmed)) for service, tags, text, confirmed in rows}

    def bases(self) -> list[tuple[str, str, str]]:
        """What recipes may extend: id, YAML, path."""
        return self.query("SELECT service, yaml, path FROM base")

    def problems(self) -> list[tuple[str, str, str, int | None, str | None]]:
        """The files that are no valid recipe: service (as far as known), path, why, line, field."""
        return self.query(
            "SELECT service, path, problem, line, field FROM file WHERE problem != '' ORDER BY path"
        )

    def stats(self) -> set[Stat]:
        return set(self.query("SELECT path, size, mtime_ns FROM file"))

    def meta(self, name: str) -> str:
        """What the index says of itself; empty if nothing."""
        found = self.query("SELECT value FROM meta WHERE name = ?", name)
        return found[0][0] if found else ""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        if self._owned:  # from Python 3.13 on, a connection that stays open complains
            self.close()


def checksum(body: bytes) -> int:
    """Finds a flipped bit: what stands in a recipe decides where a secret goes."""
    from zlib import crc32

    return crc32(body)


def uri(path: str, **options: object) -> str:
    """`path` as SQLite's URI."""
    path = os.path.abspath(path).replace(os.sep, "/")
    for char, code in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        path = path.replace(char, code)
    slash = "" if path.startswith("/") else "/"
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"file:{slash}{path}?{query}"


def open_file(path: str) -> Index:
    """The index in a file. No index is ever changed in its place: it is read without locks."""
    return Index(uri(path, mode="ro", immutable=1))


def scan(folders: Sequence[str]) -> dict[str, Stat]:
    """The recipe files of `folders`: path -> (path, size, mtime_ns). A missing folder has none."""
    found: dict[str, Stat] = {}
    for folder in folders:
        try:
            with os.scandir(folder) as files:
                for file in files:
                    if file.name.endswith(SUFFIXES) and (stat := _stat(file)) is not None:
                        found[file.path] = stat
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def _stat(file: os.DirEntry[str]) -> Stat | None:
    try:
        if file.is_file():
            stat = file.stat()
            return file.path, stat.st_size, stat.st_mtime_ns
    except FileNotFoundError:  # an editor has just replaced it, or somebody has taken it away
        pass
    return None


def fingerprint(tier: str, release: str, over: str = "") -> str:
    """What an index depends on beside its files: the rules that made it, by their own files.

    `over` names what it stands on, where that is not the wheel.
    """
    times = [os.stat(os.path.join(PACKAGE, name)).st_mtime_ns for name in _RULES]
    for name in _RULE_PACKAGES:
        with os.scandir(os.path.join(PACKAGE, name)) as modules:
            times += [m.stat().st_mtime_ns for m in modules if m.name.endswith(".py")]
    return f"{tier}:{release}:{max(times)}" + (f":{over}" if over else "")


def current(path: str, made_by: str, fits: Callable[[Index], bool]) -> Index | None:
    """The index at `path` if the same rules made it and it still `fits`, else None."""
    try:
        status = os.lstat(path)
        if not S_ISREG(status.st_mode) or (os.name == "posix" and status.st_mode & 0o077):
            return None  # a link, or open to others: it is built anew as a file of our own
        index = open_file(path)
        if index.meta("fingerprint") == made_by and fits(index):
            return index
        index.close()
    except (FileNotFoundError, sqlite3.Error, RecipeError):
        pass  # none yet, an older layout, or damaged: it is a cache, and built anew
    return None


def of_folders(
    path: str,
    folders: Sequence[str],
    tier: str,
    *,
    release: str = "",
    above: Index | None = None,
    over: str = "",
) -> Index:
    """The index at `path`, brought up to date with the recipe files of `folders`."""
    files = scan(folders)
    made_by = fingerprint(tier, release, over)
    found = current(path, made_by, lambda index: index.stats() == set(files.values()))
    if found is None:
        from arcrun_auth.catalog.build import build

        found = build(path, files, tier=tier, release=release, made_by=made_by, above=above)
    return found


def short(folders: Sequence[str]) -> str:
    """A name for these folders."""
    from zlib import crc32

    return f"{crc32(repr([os.path.abspath(f) for f in folders]).encode()):08x}"
