"""Which services there are: the recipes of the wheel, then those of the user.

    >>> catalog = Catalog("~/.arcrun")                             # doctest: +SKIP
    >>> catalog.entry("notion").methods[0].secrets                 # doctest: +SKIP
    (('notion_token', False, ('ARCRUN_NOTION_TOKEN', 'NOTION_TOKEN')),)

On the way to a token this reads one row of one SQLite file. YAML, msgspec and the rules
load only where a file of the user's has changed since it was last indexed.
"""

from __future__ import annotations

import os
from threading import Lock

from arcrun_auth import catalog_index
from arcrun_auth.catalog_entry import Entry, MethodEntry, env_name
from arcrun_auth.errors import RecipeError, UnknownService

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arcrun_auth.catalog_index import Helper, Index
    from arcrun_auth.finding import Card
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.recipe.reader import Document

__all__ = ["Catalog", "Entry", "MethodEntry", "env_name"]

SIMILAR = 3
"""How many services does an unknown name suggest?"""

OVERRIDE = ".override"
"""How does a file's name (`notion.override.yaml`) say that it stands over a bundled service?"""


class Catalog:
    """All recipes of one home.

    `home`: the user's folder; its `recipes/*.yaml` are the local tier, and its
    `recipes/index.db` their index, written only if there are any. `bundled`: a folder to
    take instead of the package's own recipes. `extra`: further folders of the local tier.
    Files are looked at once, at the first question; `reindex` looks again.

    Safe to use from several threads; a home may be used by several processes.
    """

    def __init__(
        self,
        home: str | os.PathLike[str],
        *,
        bundled: str | os.PathLike[str] | None = None,
        extra: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        self.folder = os.path.join(os.path.expanduser(os.fspath(home)), "recipes")
        self._given = None if bundled is None else os.fspath(bundled)
        self._folders = (self.folder, *(os.fspath(folder) for folder in extra))
        self._sources: tuple[Index, Index | None] | None = None
        self._opening = Lock()

    def entry(self, service: str) -> Entry:
        """The entry of a service or of one of its aliases.

        Raises UnknownService, and the RecipeError of a local file that is not valid or
        would stand over a bundled service.
        """
        entry = self._entry(service) or self._by_alias(service)
        if entry is None:
            raise self._unknown(service)
        return entry

    def recipe(self, service: str) -> Recipe:
        """The whole recipe. Raises as `entry` does."""
        from arcrun_auth.recipe import decode

        entry = self.entry(service)
        bundled, local = self._open()
        index = bundled if entry.tier == "bundled" or local is None else local
        return decode(index.body(entry.service) or b"")

    def entries(self) -> list[Entry]:
        """Every service that can be bound, by name."""
        bundled, local = self._open()
        if local is None:
            return [Entry(row) for row in bundled.rows()]
        names = {service for service, _ in bundled.names()}
        mine = {
            row[0]: Entry(row)
            for row in local.rows()
            if row[10] or (row[0] not in names and bundled.alias(row[0]) is None)
        }
        theirs = {row[0]: Entry(row) for row in bundled.rows() if row[0] not in mine}
        both = {**theirs, **mine}
        return [both[name] for name in sorted(both)]

    def names(self) -> list[str]:
        """The names of all services, sorted; without aliases."""
        return [entry.service for entry in self.entries()]

    def cards(self) -> list[Card]:
        """What each of `entries` is found by."""
        from arcrun_auth.finding import Card

        known = {
            tier: index.cards()
            for tier, index in zip(("bundled", "local"), self._open(), strict=True)
            if index is not None
        }
        cards: list[Card] = []
        for entry in self.entries():
            tags, description, confirmed = known[entry.tier][entry.service]
            names = entry.service, entry.display_name, entry.category, entry.aliases
            cards.append(
                Card(*names, tuple(tags.split("\n")) if tags else (), description, confirmed)
            )
        return cards

    def search(self, text: str) -> list[Card]:
        """The services that `text` fits, the best first; see `finding.ranked`."""
        from arcrun_auth.finding import ranked

        return ranked(self.cards(), text)

    def accounts(self, variables: Iterable[str]) -> list[str]:
        """The accounts that variables of these names, in any case, may hold a secret of."""
        names = list({name.upper() for name in variables})
        found = [name for index in self._open() if index for name in index.accounts(names)]
        return list(dict.fromkeys(found))

    @property
    def problems(self) -> list[RecipeError]:
        """The files that are not valid, and those that would stand over a bundled service."""
        bundled, local = self._open()
        found = [problem(*row) for index in (bundled, local) if index for row in index.problems()]
        for service, override in local.names() if local else ():
            above = not override and self._above(service)
            if above and local and (row := local.row(service)):
                found.append(shadowing(above, service, row[8]))
        return found

    def helpers(self, kind: str) -> list[Helper]:
        """Who answers a credential helper (`git`, `docker`), the bundled services first."""
        found: list[Helper] = []
        for tier, index in zip(("bundled", "local"), self._open(), strict=True):
            for row in index.helpers(kind) if index is not None else ():
                try:
                    entry = self._entry(row[1])
                except RecipeError:  # it stands over a bundled service, and was not let to
                    continue
                if entry is not None and entry.tier == tier:
                    found.append(row)
        return found

    def bases(self) -> dict[str, Document]:
        """What a recipe may extend, by id: for the linter."""
        from arcrun_auth.recipe import reader

        rows = [
            row for index in reversed(self._open()) if index is not None for row in index.bases()
        ]
        return {service: reader.parse(text, path) for service, text, path in rows}

    def is_bundled(self, path: str | os.PathLike[str]) -> bool:
        """Whether a file lies among the recipes of this package."""
        folder, _ = self._bundled_folder()
        return os.path.dirname(os.path.realpath(path)) == os.path.realpath(folder)

    def reindex(self) -> None:
        """Look at the files again; only changed ones are read."""
        self.close()
        self._open()

    def add(self, path: str | os.PathLike[str], *, override: bool = False) -> Entry:
        """Check a recipe and copy it into the home. Raises RecipeError where it is not valid.

        One that would stand over a bundled service is refused unless `override`, which
        the name of the copy records.
        """
        from arcrun_auth.catalog_build import add

        bundled, _ = self._open()
        service = add(os.fspath(path), self.folder, bundled, override=override)
        self.reindex()
        return self.entry(service)

    def close(self) -> None:
        """Close the indexes; another question opens them again."""
        for index in self._sources or ():
            if index is not None:
                index.close()
        self._sources = None

    def _open(self) -> tuple[Index, Index | None]:
        sources = self._sources
        if sources is None:
            with self._opening:
                sources = self._sources
                if sources is None:
                    bundled = self._open_bundled()
                    sources = self._sources = (bundled, self._open_local(bundled))
        return sources

    def _open_bundled(self) -> Index:
        from arcrun_auth import __version__

        folder, path = self._bundled_folder()
        ready = os.path.join(folder, "index.db")
        if os.path.isfile(ready):
            return catalog_index.open_file(ready)
        return _index(path, (folder,), "bundled", __version__, None)

    def _bundled_folder(self) -> tuple[str, str]:
        """The folder of the bundled recipes, and where their index goes if they have none."""
        if self._given is not None:
            return self._given, os.path.join(self.folder, "bundled.db")
        package = os.path.dirname(os.path.abspath(__file__))
        inside = os.path.join(package, "_recipes")
        if os.path.isdir(inside):
            return inside, os.path.join(self.folder, "bundled.db")
        # Beside an installed package, `recipes` could be anybody's folder.
        checkout = os.path.dirname(package)
        if not _is_checkout(checkout):
            raise RecipeError(
                "This installation of arcrun-auth has no recipes.",
                hint="pip install --force-reinstall arcrun-auth",
            )
        return os.path.join(checkout, "recipes"), os.path.join(checkout, "build", "recipes.db")

    def _open_local(self, bundled: Index) -> Index | None:
        if not catalog_index.scan(self._folders):
            return None
        # With other folders the index is another one: two processes must not fight over it.
        name = f"index-{_short(self._folders)}.db" if len(self._folders) > 1 else "index.db"
        return _index(os.path.join(self.folder, name), self._folders, "local", "", bundled)

    def _entry(self, service: str) -> Entry | None:
        bundled, local = self._open()
        mine = local and local.row(service)
        if mine and mine[10]:
            return Entry(mine)
        above = self._above(service)
        if above == service:
            return Entry(bundled.row(service) or ())
        if mine and above:
            raise shadowing(above, service, mine[8])
        return Entry(mine) if mine else None

    def _above(self, service: str) -> str | None:
        """The bundled service that has this name, its own or as an alias."""
        bundled, _ = self._open()
        return service if bundled.row(service) else bundled.alias(service)

    def _by_alias(self, name: str) -> Entry | None:
        for index in self._open():
            service = index and index.alias(name)
            if service:
                return self._entry(service)
        return None

    def _unknown(self, service: str) -> RecipeError | UnknownService:
        for found in self.problems:
            if found.service == service:
                return found
        similar = [card.service for card in self.search(service)[:SIMILAR]]
        return UnknownService(service, similar=similar)


def _index(
    path: str, folders: Sequence[str], tier: str, release: str, above: Index | None
) -> Index:
    files = catalog_index.scan(folders)
    made_by = catalog_index.fingerprint(tier, release)
    found = catalog_index.current(path, files, made_by)
    if found is None:
        from arcrun_auth.catalog_build import build

        found = build(path, files, tier=tier, release=release, above=above)
    return found


def _short(folders: Sequence[str]) -> str:
    import zlib

    return f"{zlib.crc32(repr([os.path.abspath(f) for f in folders]).encode()):08x}"


def _is_checkout(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "pyproject.toml"), encoding="utf-8") as file:
            return 'name = "arcrun-auth"' in file.read()
    except OSError:
        return False


def problem(service: str, path: str, why: str, line: int | None, field: str | None) -> RecipeError:
    """A file that is no valid recipe."""
    return RecipeError(
        why, service=service, path=path, line=line, field=field,
        hint=f"arcrun recipes lint {path}",
    )  # fmt: skip


def shadowing(above: str, service: str, path: str) -> RecipeError:
    """A file that would stand over a bundled service without having been let to."""
    return RecipeError(
        f"This recipe would stand over the bundled service {above!r}.",
        service=service,
        path=path,
        hint=f"arcrun recipes add --override {path}",
    )
