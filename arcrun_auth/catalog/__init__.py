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

from arcrun_auth.catalog.entry import Entry, MethodEntry
from arcrun_auth.catalog.index import PACKAGE, of_folders, open_file, scan, short
from arcrun_auth.errors import RecipeError, UnknownService

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from arcrun_auth.catalog.entry import Row
    from arcrun_auth.catalog.index import Helper, Index
    from arcrun_auth.finding import Card
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.recipe.reader import Document
    from arcrun_auth.settings import Settings

    Source = tuple[str, Index]
    """A tier, and the index of its recipes."""

__all__ = ["Catalog", "Entry", "MethodEntry"]

LOCK = "recipes.lock"
"""What was fetched, in the folder of the user's recipes; nothing was if it is not there."""
LOWER_TIERS = ("community", "local", "platform")
"""What stands below the recipes of this package, in order of trust."""
SIMILAR = 3
"""How many services does an unknown name suggest?"""

OVERRIDE = ".override"
"""How does a file's name (`notion.override.yaml`) say that it stands over a bundled service?"""


class Catalog:
    """All recipes of one home.

    `home`: the user's folder; its `recipes/*.yaml` are the local tier, and its
    `recipes/index.db` their index, written only if there are any. `bundled`: a folder to
    take instead of the package's own recipes. `extra`: further folders of the local tier.
    `settings`: what names the source of an official set, which is used only while they do;
    those of `home` if not given.
    Files are looked at once, at the first question; `reindex` looks again.

    Safe to use from several threads; a home may be used by several processes.
    """

    def __init__(
        self,
        home: str | os.PathLike[str],
        *,
        bundled: str | os.PathLike[str] | None = None,
        extra: Sequence[str | os.PathLike[str]] = (),
        settings: Settings | None = None,
    ) -> None:
        self.folder = os.path.join(os.path.expanduser(os.fspath(home)), "recipes")
        self._settings = settings
        self._given = None if bundled is None else os.fspath(bundled)
        self._folders = (self.folder, *(os.fspath(folder) for folder in extra))
        self._sources: tuple[Source, ...] | None = None
        self._bundled: Index | None = None
        self._torn: Index | None = None
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
        return decode(dict(self._open())[entry.tier].body(entry.service) or b"")

    def entries(self) -> list[Entry]:
        """Every service that can be bound, by name."""
        found: dict[str, Entry] = {}
        aliases: set[str] = set()
        for _, index in self._open():
            for row in index.rows():
                if self._is_torn(row[0]):
                    continue
                if row[10] or (row[0] not in found and row[0] not in aliases):
                    found[row[0]] = Entry(row)
            aliases.update(index.aliases())
        return [found[name] for name in sorted(found)]

    def names(self) -> list[str]:
        """The names of all services, sorted; without aliases."""
        return [entry.service for entry in self.entries()]

    def cards(self) -> list[Card]:
        """What each of `entries` is found by."""
        from arcrun_auth.finding import Card

        known = {tier: index.cards() for tier, index in self._open()}
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
        found = [name for _, index in self._open() for name in index.accounts(names)]
        return list(dict.fromkeys(found))

    @property
    def problems(self) -> list[RecipeError]:
        """The files that are not valid, and those that would stand over a service of a
        higher tier. What a platform lists beside ours is no problem: it is not used."""
        from arcrun_auth.catalog.faults import problem, shadowing

        sources = self._open()
        found = [problem(*row) for _, index in sources for row in index.problems()]
        if self._torn is not None:
            found += [problem(*row) for row in self._torn.problems()]
        for rank, (tier, index) in enumerate(sources):
            for service, override in index.names() if rank and tier != "platform" else ():
                above = None if override else self._above(service, rank)
                if above is not None:
                    found.append(shadowing(*above, service, (index.row(service) or ())[8]))
        if os.path.exists(os.path.join(self.folder, LOCK)):
            from arcrun_auth.remote import lockfile

            found += lockfile.problems(self.folder)
        return found

    def helpers(self, kind: str) -> list[Helper]:
        """Who answers a credential helper (`git`, `docker`), the higher tiers first."""
        found: list[Helper] = []
        for tier, index in self._open():
            for row in index.helpers(kind):
                try:
                    entry = self._entry(row[1])
                except RecipeError:  # it stands over a service above, and was not let to
                    continue
                if entry is not None and entry.tier == tier:
                    found.append(row)
        return found

    def bases(self) -> dict[str, Document]:
        """What a recipe may extend, by id: for the linter."""
        from arcrun_auth.recipe import reader

        rows = [row for _, index in reversed(self._open()) for row in index.bases()]
        return {service: reader.parse(text, path) for service, text, path in rows}

    def digest_in_wheel(self, service: str, method: str) -> str | None:
        """The consent digest of a way in as this package brings it, whichever source is used."""
        self._open()
        row = self._bundled.row(service) if self._bundled is not None else None
        ways = Entry(row).methods if row is not None else ()
        return next((way.digest for way in ways if way.id == method), None)

    @property
    def bundled_folder(self) -> str:
        """Where the recipes of this package lie."""
        return self._bundled_folder()[0]

    def is_bundled(self, path: str | os.PathLike[str]) -> bool:
        """Whether a file lies among the recipes of this package."""
        return os.path.dirname(os.path.realpath(path)) == os.path.realpath(self.bundled_folder)

    def bodies(self) -> dict[str, bytes]:
        """Every service with its recipe as JSON, as it would be used."""
        indexes = dict(self._open())
        return {e.service: indexes[e.tier].body(e.service) or b"" for e in self.entries()}

    def reindex(self) -> None:
        """Look at the files again; only changed ones are read."""
        self.close()
        self._open()

    def add(
        self, path: str | os.PathLike[str], *, override: bool = False, text: bytes | None = None
    ) -> Entry:
        """Check a recipe and copy it into the home. Raises RecipeError where it is not valid.

        One that would stand over a service of a higher tier is refused unless `override`,
        which the name of the copy records. `text` is what was read there, if it was already.
        """
        from arcrun_auth.catalog.add import add

        sources = self._open()
        local = next((i for i, source in enumerate(sources) if source[0] == "local"), len(sources))

        def above(service: str) -> tuple[str, str] | None:
            return self._above(service, local)

        at, trusted = os.fspath(path), sources[0][1]
        service = add(at, self.folder, trusted, above=above, override=override, text=text)
        self.reindex()
        return self.entry(service)

    def close(self) -> None:
        """Close the indexes; another question opens them again."""
        opened = [index for _, index in self._sources or ()]
        for index in (*opened, self._bundled, self._torn):
            if index is not None:
                index.close()
        self._sources = self._bundled = self._torn = None

    def _open(self) -> tuple[Source, ...]:
        """The sources in order of trust: the recipes of the wheel are always the first."""
        sources = self._sources
        if sources is None:
            with self._opening:
                sources = self._sources
                if sources is None:
                    sources = self._sources = tuple(self._open_all())
        return sources

    def _open_all(self) -> Iterator[Source]:
        trusted, above = self._open_trusted()
        yield trusted, above
        over = "" if trusted == "bundled" else f"{trusted} {above.meta('version')}"
        for tier in LOWER_TIERS:
            if tier == "local":
                index = self._open_local(above, over)
            else:
                index = self._open_fetched(tier, above, over)
            if index is not None:
                yield tier, index

    def _open_bundled(self) -> Index:
        from arcrun_auth import __version__

        folder, path = self._bundled_folder()
        ready = os.path.join(folder, "index.db")
        if os.path.isfile(ready):
            return open_file(ready)
        return of_folders(path, (folder,), "bundled", release=__version__)

    def _open_trusted(self) -> Source:
        """The bundled recipes, or the official ones if theirs is the higher version."""
        self._bundled = bundled = self._open_bundled()
        official = self._open_official()
        if official is None:
            return "bundled", bundled
        if int(official.meta("version") or 0) <= self._bundled_version():
            official.close()
            return "bundled", bundled
        if official.meta("problems") == "0":
            return "official", official
        # It is one whole: where a part of it cannot be used, none of it is; and the package
        # speaks for it in nothing but what both say.
        self._torn = official
        return "bundled", bundled

    def _bundled_version(self) -> int:
        try:
            with open(os.path.join(self.bundled_folder, "version"), encoding="ascii") as file:
                return int(file.read())
        except FileNotFoundError:
            return 0

    def _open_official(self) -> Index | None:
        if not os.path.exists(os.path.join(self.folder, LOCK)):
            return None
        from arcrun_auth.catalog.fetched import open_official
        from arcrun_auth.settings import Settings

        settings = self._settings or Settings(os.path.dirname(self.folder))
        return open_official(self.folder, settings, self.bundled_folder)

    def _open_fetched(self, tier: str, above: Index, over: str) -> Index | None:
        if not os.path.exists(os.path.join(self.folder, LOCK)):
            return None
        from arcrun_auth.catalog.fetched import open_tier

        return open_tier(self.folder, tier, above, over)

    def _bundled_folder(self) -> tuple[str, str]:
        """The folder of the bundled recipes, and where their index goes if they have none."""
        if self._given is not None:
            return self._given, os.path.join(self.folder, "bundled.db")
        inside = os.path.join(PACKAGE, "_recipes")
        if os.path.isdir(inside):
            return inside, os.path.join(self.folder, "bundled.db")
        # Beside an installed package, `recipes` could be anybody's folder.
        checkout = os.path.dirname(PACKAGE)
        if not _is_checkout(checkout):
            raise RecipeError(
                "This installation of arcrun-auth has no recipes.",
                hint="pip install --force-reinstall arcrun-auth",
            )
        return os.path.join(checkout, "recipes"), os.path.join(checkout, "build", "recipes.db")

    def _open_local(self, above: Index, over: str) -> Index | None:
        if not scan(self._folders):
            return None
        # With other folders the index is another one: two processes must not fight over it.
        name = f"index-{short(self._folders)}.db" if len(self._folders) > 1 else "index.db"
        path = os.path.join(self.folder, name)
        return of_folders(path, self._folders, "local", above=above, over=over)

    def _entry(self, service: str) -> Entry | None:
        """The entry of this very name: the highest one, unless the user let another stand
        over it. RecipeError where a file of the user's has the name as an alias above has it, and
        where an official set that is not whole may say otherwise.
        """
        first: Row | None = None
        alias: tuple[str, str] | None = None
        if self._is_torn(service):
            raise self._refused(service)
        for tier, index in self._open():
            row = index.row(service)
            if row is not None and row[10]:
                return Entry(row)
            if first is not None or alias is not None:
                if row is not None and alias is not None and tier == "local":
                    from arcrun_auth.catalog.faults import shadowing

                    raise shadowing(*alias, service, row[8])
                continue
            first = row
            if first is None and (named := index.alias(service)) is not None:
                alias = tier, named
        return Entry(first) if first is not None else None

    def _is_torn(self, service: str) -> bool:
        self._open()
        if self._torn is None or self._bundled is None:
            return False
        from arcrun_auth.catalog.faults import differs

        return differs(service, self._bundled, self._torn)

    def _refused(self, service: str) -> RecipeError:
        from arcrun_auth.catalog.faults import torn

        return torn(service, os.path.join(self.folder, LOCK))

    def _above(self, service: str, rank: int) -> tuple[str, str] | None:
        """The tier and the service above a source that have this name, or it as an alias."""
        for tier, index in self._open()[:rank]:
            found = service if index.row(service) else index.alias(service)
            if found is not None:
                return tier, found
        return None

    def _by_alias(self, name: str) -> Entry | None:
        for _, index in self._open():
            service = index.alias(name)
            if service is not None:
                return self._entry(service)
        return None

    def _unknown(self, service: str) -> RecipeError | UnknownService:
        for found in self.problems:
            if found.service == service:
                return found
        if self._torn is not None:
            return self._refused(service)
        similar = [card.service for card in self.search(service)[:SIMILAR]]
        return UnknownService(service, similar=similar)


def _is_checkout(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "pyproject.toml"), encoding="utf-8") as file:
            return 'name = "arcrun-auth"' in file.read()
    except OSError:
        return False
