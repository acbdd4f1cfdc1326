"""Builds an index of recipes from their files: the cold half of the catalogue.

Only files whose size or time has changed are read. An index is never changed in its place:
a copy is, and then takes its name, so that other processes see it before or after, never in
between, and need no lock. Of two that build at once the later one wins; both are right.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from arcrun_auth.catalog import OVERRIDE
from arcrun_auth.catalog.faults import problem
from arcrun_auth.catalog.index import Index, checksum, fingerprint, open_file, scan
from arcrun_auth.catalog.rows import card_row, entry_row, helper_rows, variable_rows
from arcrun_auth.errors import RecipeError, StoreError, printable
from arcrun_auth.recipe import encode, is_base, lays_bases, load, reader
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from arcrun_auth.catalog.index import Stat
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.recipe.reader import Document

BATCH = 100
"""How many files are held in memory at once? Each may have 64 KB."""

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE file (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, service TEXT, extends INTEGER,
    problem TEXT, line INTEGER, field TEXT
);
CREATE TABLE recipe (
    service TEXT PRIMARY KEY, display_name TEXT, category TEXT, account TEXT, status TEXT,
    successor TEXT, tier TEXT, release TEXT, path TEXT, detail TEXT, override INTEGER
);
CREATE TABLE card (service TEXT PRIMARY KEY, tags TEXT, description TEXT, confirmed INTEGER);
CREATE TABLE body (service TEXT PRIMARY KEY, json BLOB, sum INTEGER);
CREATE TABLE alias (alias TEXT PRIMARY KEY, service TEXT);
CREATE TABLE variable (
    name TEXT, account TEXT, service TEXT, PRIMARY KEY (name, service)
) WITHOUT ROWID;
CREATE TABLE helper (kind TEXT, host TEXT, service TEXT, method TEXT, username TEXT, password TEXT);
CREATE TABLE base (service TEXT PRIMARY KEY, yaml BLOB, path TEXT);
"""


def build(
    path: str,
    files: dict[str, Stat],
    *,
    tier: str,
    release: str,
    made_by: str,
    above: Index | None = None,
    meta: Mapping[str, str] | None = None,
    sums: Mapping[str, str] | None = None,
) -> Index:
    """Bring the index at `path` up to date with `files`, and open it.

    `above` is the index whose bases may be extended too, `meta` what the index then says of
    itself, `sums` the SHA-256 that each file must have. A damaged index is thrown away: it is
    a cache. Where none can be written it lives in memory, for this process alone.
    """
    rules = _Rules(tier, release, made_by, above, sums)
    for start in (path, None):
        try:
            with _replacing(path, start) as db:
                _Builder(db, rules).update(files, meta or {})
        except (OSError, StoreError, sqlite3.DatabaseError, UnicodeDecodeError):
            continue
        return open_file(path)
    db = _connect(":memory:")
    _Builder(db, rules).update(files, meta or {})
    return Index(db, owned=True)


def prebuild(folder: str, path: str, *, release: str) -> None:
    """Write the index that goes into the wheel. RecipeError at the first file that is not valid."""
    rules = _Rules("bundled", release, fingerprint("bundled", release))
    with _replacing(path, None) as db:
        _Builder(db, rules).update(scan([folder]), {})
        for row in Index(db).problems():
            raise problem(*row)
        # Nothing of the machine it was built on: inside the wheel, files have bare names.
        db.execute("DELETE FROM file")
        here = (os.path.join(folder, ""),)
        db.execute("UPDATE recipe SET path = replace(path, ?, '')", here)
        db.execute("UPDATE base SET path = replace(path, ?, '')", here)
        db.execute("VACUUM")


@contextlib.contextmanager
def _replacing(path: str, start: str | None) -> Iterator[sqlite3.Connection]:
    """A copy of the index `start` (empty if None) to work on, which then takes the place of `path`.

    It is a file of our own: 0600 in a 0700 folder, and no symbolic link is followed.
    """
    folder = os.path.dirname(path)
    home = os.path.dirname(folder)
    if not os.path.isdir(home):
        private.ensure_folder(home)
    private.ensure_folder(folder)
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    handle = private.create(temporary)
    try:
        if start is not None and private.check_file(start) is not None:
            with open(start, "rb") as old, open(handle, "wb", closefd=False) as new:
                new.write(old.read())
        with contextlib.closing(_connect(temporary)) as db:
            yield db
        os.fsync(handle)
        os.replace(temporary, path)
    finally:
        os.close(handle)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _connect(path: str) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


class _Rules(NamedTuple):
    """By what one source is indexed: see `build`."""

    tier: str
    release: str
    made_by: str
    above: Index | None = None
    sums: Mapping[str, str] | None = None


class _File:
    """One file on its way into the index."""

    __slots__ = ("document", "extends", "fault", "recipe", "stat")

    def __init__(self, stat_: Stat) -> None:
        self.stat = stat_
        self.document: Document | None = None
        self.recipe: Recipe | None = None
        """None for a base too."""
        self.extends = False
        self.fault: RecipeError | None = None

    def row(self) -> tuple[Any, ...]:
        """What the table `file` says of it."""
        fault = self.fault
        if fault is None:
            return (*self.stat, "", self.extends, "", None, None)
        named = self.document.data.get("service") if self.document is not None else ""
        service = printable(str(named or ""), 130)
        return (*self.stat, service, self.extends, str(fault.args[0]), fault.line, fault.field)


class _Builder:
    """Reads files into the tables of one index."""

    def __init__(self, db: sqlite3.Connection, rules: _Rules) -> None:
        self._db = db
        self._rules = rules
        self._bases: dict[str, Document] | None = None
        self._described: dict[str, str] = {}
        """Of each service the file that describes it."""
        self._rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        """What goes into the tables beside `base`, written when all files are read."""

    def update(self, files: dict[str, Stat], meta: Mapping[str, str]) -> None:
        """Make the index describe `files`."""
        # Nobody else sees this file yet: it needs no journal, and is thrown away if we fail.
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("BEGIN")
        self._start()
        self._refresh(files)
        told = {"problems": str(len(self._paths("problem != ''"))), **meta}
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?,?)", told.items())
        self._db.execute("COMMIT")

    def _start(self) -> None:
        """Empty tables, unless the same rules have filled those that are there."""
        tables = [
            row[0] for row in self._db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        if "meta" in tables and Index(self._db).meta("fingerprint") == self._rules.made_by:
            return
        for table in tables:
            self._db.execute(f'DROP TABLE "{table}"')
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute("INSERT INTO meta VALUES ('fingerprint', ?)", (self._rules.made_by,))

    def _refresh(self, files: dict[str, Stat]) -> None:
        stats = Index(self._db).stats()
        known = {path for path, _, _ in stats}
        changed = {path for path, stat_ in files.items() if stat_ not in stats}
        gone = known - files.keys()
        if not changed and not gone:
            return
        # What was wrong may be right now that another file has changed.
        changed |= self._paths("problem != ''") - gone
        if any(map(_is_base, changed | gone)):
            changed |= self._paths("extends") - gone
        self._forget(gone | (changed & known))
        self._described.update(self._db.execute("SELECT service, path FROM recipe"))
        bases = set(filter(_is_base, changed))
        order = [*sorted(bases), *sorted(changed - bases)]  # the others are laid over them
        for start in range(0, len(order), BATCH):
            self._index([_File(files[path]) for path in order[start : start + BATCH]])
        for table, rows in self._rows.items():
            if not rows:
                continue
            holes = ",".join("?" * len(rows[0]))
            # Of two services that want one alias the first has it.
            self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({holes})", rows)  # noqa: S608
        self._rows.clear()

    def _index(self, files: list[_File]) -> None:
        """Each step for all of them: what runs again and again stays in the processor's caches."""
        for step in (self._read, self._load, self._describe):
            for file in files:
                if file.fault is None:
                    try:
                        step(file)
                    except RecipeError as error:
                        file.fault = error
        self._rows["file"].extend(file.row() for file in files)

    def _paths(self, condition: str) -> set[str]:
        return {row[0] for row in self._db.execute(f"SELECT path FROM file WHERE {condition}")}  # noqa: S608 - ours

    def _forget(self, paths: Iterable[str]) -> None:
        each = [(path,) for path in paths]
        for table in ("body", "alias", "helper", "card", "variable"):
            self._db.executemany(
                f"DELETE FROM {table} WHERE service IN (SELECT service FROM recipe WHERE path = ?)",  # noqa: S608
                each,
            )
        for table in ("recipe", "base", "file"):
            self._db.executemany(f"DELETE FROM {table} WHERE path = ?", each)  # noqa: S608

    def _read(self, file: _File) -> None:
        path = file.stat[0]
        document = file.document = read(path, self._rules.sums)
        service = document.data.get("service")
        file.extends = lays_bases(document.data)
        base = is_base(service)
        if _is_base(path) != base:
            raise document.error("A base, and its file too, begins with _.", ("service",))
        if base:
            self._db.execute(
                "INSERT OR REPLACE INTO base VALUES (?,?,?)", (service, document.text, path)
            )

    def _load(self, file: _File) -> None:
        document = file.document
        if document is None or is_base(document.data.get("service")):
            return
        tier = self._rules.tier
        bases = self._known_bases() if file.extends else None
        recipe = load(document, bases=bases, tolerant=tier == "platform")
        if tier == "local":
            check_local(document, recipe)
        other = self._described.setdefault(recipe.service, file.stat[0])
        if other != file.stat[0]:
            raise document.error(f"{other} describes this service already.", ("service",))
        file.recipe = recipe

    def _describe(self, file: _File) -> None:
        recipe = file.recipe
        if recipe is None:
            return
        tier, path, service, rows = self._rules.tier, file.stat[0], recipe.service, self._rows
        override = tier == "local" and os.path.splitext(path)[0].endswith(OVERRIDE)
        row = entry_row(recipe, tier=tier, release=self._rules.release, path=path)
        rows["recipe"].append((*row, override))
        body = encode(recipe)
        rows["body"].append((service, body, checksum(body)))
        rows["card"].append(card_row(recipe))
        rows["helper"].extend(helper_rows(recipe))
        rows["variable"].extend(variable_rows(recipe, tier=tier))
        if tier != "community":  # whoever may sign `author/service` has that name, and no other
            rows["alias"].extend((alias, service) for alias in recipe.aliases)

    def _known_bases(self) -> dict[str, Document]:
        """The bases of the source above, which nobody replaces, and those of this one."""
        if self._bases is None:
            above = self._rules.above
            sources = [Index(self._db)] + ([above] if above else [])
            self._bases = {
                service: reader.parse(text, path)
                for index in sources
                for service, text, path in index.bases()
            }
        return self._bases


def read(path: str, sums: Mapping[str, str] | None = None) -> Document:
    """The recipe file at `path`. RecipeError where it cannot be read, or has not its hash."""
    try:
        text = _first(path, reader.MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"This file cannot be read: {error.strerror}.", path=path) from None
    if sums is not None and sha256(text).hexdigest() != sums[path]:
        raise RecipeError(
            "This is not the text that recipes.lock names, and it is not used: "
            "arcrun recipes update fetches it anew.",
            path=path,
        )
    return reader.parse(text, path)


def _first(path: str, limit: int) -> bytes:
    """Up to so many bytes of a file: by the system's calls alone, in half the time of `open`."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        text = b""
        while more := os.read(handle, limit - len(text)):
            text += more
        return text
    finally:
        os.close(handle)


def check_local(document: Document, recipe: Recipe) -> None:
    """RecipeError for a file of the user's own that is called `author/service`.

    That name says whose signature was checked, and nobody checks one of these.
    """
    if "/" in recipe.service:
        why = "author/service is the name of a recipe that its author signed, and of no other."
        raise document.error(why, ("service",), service=recipe.service)


def _is_base(path: str) -> bool:
    return os.path.basename(path).startswith("_")
