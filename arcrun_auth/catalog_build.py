"""Builds an index of recipes from their files: the cold half of the catalogue.

Only files whose size or time has changed are read. An index is never changed in its place:
a copy is, and then takes its name, so that other processes see it before or after, never in
between, and need no lock. Of two that build at once the later one wins; both are right.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from arcrun_auth import catalog_index, consent
from arcrun_auth.catalog import OVERRIDE, env_name
from arcrun_auth.catalog_entry import GRANT, TRUSTED_TIERS
from arcrun_auth.catalog_faults import problem
from arcrun_auth.catalog_index import Index
from arcrun_auth.errors import RecipeError, StoreError, printable
from arcrun_auth.primitives import BUILT_IN
from arcrun_auth.primitives import load as primitive
from arcrun_auth.recipe import encode, helpers, is_base, lays_bases, load, reader
from arcrun_auth.recipe.parts import injected
from arcrun_auth.stores import private
from arcrun_auth.tokens import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from arcrun_auth.catalog_index import Stat
    from arcrun_auth.recipe import Method, Recipe, RequiredSecret
    from arcrun_auth.recipe.reader import Document

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
        return catalog_index.open_file(path)
    db = _connect(":memory:")
    _Builder(db, rules).update(files, meta or {})
    return Index(db, owned=True)


def prebuild(folder: str, path: str, *, release: str) -> None:
    """Write the index that goes into the wheel. RecipeError at the first file that is not valid."""
    rules = _Rules("bundled", release, catalog_index.fingerprint("bundled", release))
    with _replacing(path, None) as db:
        _Builder(db, rules).update(catalog_index.scan([folder]), {})
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


class _Builder:
    """Reads files into the tables of one index."""

    def __init__(self, db: sqlite3.Connection, rules: _Rules) -> None:
        self._db = db
        self._rules = rules
        self._bases: dict[str, Document] | None = None
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        """What goes into the tables beside `recipe`, written when all files are read."""

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
        known = Index(self._db).stats()
        changed = {path for path, stat_ in files.items() if stat_ not in known}
        gone = {path for path, _, _ in known} - set(files)
        if not changed and not gone:
            return
        # What was wrong may be right now that another file has changed.
        changed |= self._paths("problem != ''") - gone
        if any(map(_is_base, changed | gone)):
            changed |= self._paths("extends") - gone
        self._forget(gone | changed)
        # Bases first: the others are laid over them.
        for path in sorted(changed, key=lambda path: (not _is_base(path), path)):
            self._keep("file", [self._file(files[path])])
        for table, rows in self._rows.items():
            holes = ",".join("?" * len(rows[0]))
            # Of two services that want one alias the first has it.
            self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({holes})", rows)  # noqa: S608
        self._rows.clear()

    def _keep(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        if kept := list(rows):
            self._rows.setdefault(table, []).extend(kept)

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

    def _file(self, stat_: Stat) -> tuple[Any, ...]:
        """Index one file; what the table `file` says of it."""
        path = stat_[0]
        service, extends = "", False
        try:
            document = read(path, self._rules.sums)
            service = printable(str(document.data.get("service") or ""), 130)
            extends = lays_bases(document.data)
            if _is_base(path) != is_base(service):
                raise document.error("A base, and its file too, begins with _.", ("service",))
            if is_base(service):
                self._db.execute(
                    "INSERT OR REPLACE INTO base VALUES (?,?,?)", (service, document.text, path)
                )
            else:
                self._recipe(document)
        except RecipeError as error:
            return (*stat_, service, extends, str(error.args[0]), error.line, error.field)
        return (*stat_, service, extends, "", None, None)

    def _recipe(self, document: Document) -> None:
        tier = self._rules.tier
        bases = self._known_bases() if lays_bases(document.data) else None
        recipe = load(document, bases=bases, tolerant=tier == "platform")
        if tier == "local":
            check_local(document, recipe)
        path = str(document.path)
        override = tier == "local" and os.path.splitext(path)[0].endswith(OVERRIDE)
        row = entry_row(recipe, tier=tier, release=self._rules.release, path=path)
        try:
            self._db.execute("INSERT INTO recipe VALUES (?,?,?,?,?,?,?,?,?,?,?)", (*row, override))
        except sqlite3.IntegrityError:
            other = Index(self._db).row(recipe.service)
            raise document.error(
                f"{other and other[8]} describes this service already.", ("service",)
            ) from None
        body, service = encode(recipe), recipe.service
        self._keep("body", [(service, body, catalog_index.checksum(body))])
        self._keep("card", [card_row(recipe)])
        self._keep("helper", helper_rows(recipe))
        self._keep("variable", variable_rows(recipe, tier=tier))
        # Whoever may sign `author/service` has that name, and no other.
        aliases = recipe.aliases if tier != "community" else ()
        self._keep("alias", [(alias, service) for alias in aliases])

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
        with open(path, "rb") as file:
            text = file.read(reader.MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"This file cannot be read: {error.strerror}.", path=path) from None
    if sums is not None and sha256(text).hexdigest() != sums[path]:
        raise RecipeError(
            "This is not the text that recipes.lock names, and it is not used: "
            "arcrun recipes update fetches it anew.",
            path=path,
        )
    return reader.parse(text, path)


def check_local(document: Document, recipe: Recipe) -> None:
    """RecipeError for a file of the user's own that is called `author/service`.

    That name says whose signature was checked, and nobody checks one of these.
    """
    if "/" in recipe.service:
        why = "author/service is the name of a recipe that its author signed, and of no other."
        raise document.error(why, ("service",), service=recipe.service)


def _is_base(path: str) -> bool:
    return os.path.basename(path).startswith("_")


def entry_row(recipe: Recipe, *, tier: str, release: str, path: str) -> tuple[str, ...]:
    """What the index says of a recipe without opening it: see `catalog.Entry`."""
    methods = [_method(recipe, way, tier=tier) for way in recipe.ways]
    detail = msgspec.json.encode([recipe.aliases, methods]).decode()
    return (
        recipe.service,
        recipe.display_name or recipe.service,
        recipe.category,
        recipe.account,
        recipe.status,
        recipe.successor,
        tier,
        release,
        path,
        detail,
    )


def card_row(recipe: Recipe) -> tuple[Any, ...]:
    """What it is found by, beside its names: see `catalog_index.Index.cards`."""
    confirmed = recipe.verified is not None and recipe.verified.method != "code"
    return recipe.service, "\n".join(recipe.tags), recipe.description, confirmed


def variable_rows(recipe: Recipe, *, tier: str) -> Iterator[tuple[str, ...]]:
    """The variables that may hold a secret of it, for the default instance, in capitals: mounted
    files have theirs in small letters."""
    found = {
        name.upper()
        for way in recipe.ways
        for secret in way.required_secrets
        for name in _variables(recipe, secret, tier)
    }
    if any(way.oauth2 is not None for way in recipe.ways):
        found |= {env_name(recipe.service, DEFAULT_INSTANCE, name) for name in GRANT}
    return ((name, recipe.account, recipe.service) for name in sorted(found))


def _variables(recipe: Recipe, secret: RequiredSecret, tier: str) -> tuple[str, ...]:
    # A local recipe must not read a variable that it names: `env: [AWS_SECRET_ACCESS_KEY]`.
    # What is this machine's is looked up at its use, and makes up no connection by itself.
    further = secret.env if tier in TRUSTED_TIERS and not secret.ambient else ()
    return (env_name(recipe.service, DEFAULT_INSTANCE, secret.key), *further)


def helper_rows(recipe: Recipe) -> Iterator[tuple[str, ...]]:
    """The hosts for which it answers a credential helper: see `catalog_index.Helper`."""
    for way in recipe.ways:
        texts = dict(helpers.texts(way))
        for place, host in helpers.hosts(way):
            kind = str(place[0])
            user, password = texts[kind, "username"], texts.get((kind, "password"), "")
            name = host if "{{" in host else host.lower()
            yield kind, name, recipe.service, way.id, user, password


def _method(recipe: Recipe, way: Method, *, tier: str) -> list[Any]:
    """The arguments of `catalog.MethodEntry`, in its order."""
    secrets = [
        (secret.key, secret.optional or secret.ambient, _variables(recipe, secret, tier))
        for secret in way.required_secrets
    ]
    digest = consent.digest(consent.project(recipe, way))
    renewal = way.renewal
    return [
        way.id,
        way.primitive,
        way.label,
        digest,
        token_secret(way),
        secrets,
        renewal.rotates,
        renewal.mode,
        is_unattended(way),
        primitive(way.primitive).source if way.primitive in BUILT_IN else "",
        [s.key for s in way.required_secrets if s.key in injected(way, "secret", "runtime")],
    ]


def is_unattended(way: Method) -> bool:
    """Whether its first token needs nobody at a browser."""
    from arcrun_auth.oauth.requests import UNATTENDED

    if way.oauth2 is None:
        return way.primitive != "static_key"
    return any(grant in UNATTENDED for grant in way.oauth2.grants[:1])


def token_secret(way: Method) -> str:
    """Which secret is *the* token: the one that is named, or the only one that is needed."""
    if way.token_secret or way.primitive != "static_key":
        return way.token_secret
    needed = [secret.key for secret in way.required_secrets if not secret.optional]
    return needed[0] if len(needed) == 1 else ""
