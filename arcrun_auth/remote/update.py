"""When the sources are asked, and what is done with their answers.

Told to (`arcrun recipes update`); by themselves once a week, where somebody is reachable; and
once for a service that nobody knows. Each source for itself: one that fails leaves what it
gave before as it is, and the next one is asked all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth.catalog.fetched import digest, root_path
from arcrun_auth.errors import AuthError, RecipeError, UnknownService
from arcrun_auth.remote import SETTING, lockfile
from arcrun_auth.remote import state as states
from arcrun_auth.remote.download import Budget
from arcrun_auth.remote.lockfile import TIERS
from arcrun_auth.remote.source import Wish

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.people import Person
    from arcrun_auth.remote.lockfile import Held
    from arcrun_auth.remote.source import Fetched
    from arcrun_auth.remote.state import State
    from arcrun_auth.settings import Settings

    Kind = Literal["new", "changed", "removed"]

WEEK = 7 * 86400.0
"""After how many seconds is what was fetched looked at again by itself?"""
DAY = 86400.0
"""For how long is a source that failed, or did not know a service, left alone?"""
TOLD_SECONDS = 30.0
"""How long may an update take that somebody asked for?"""
UNTOLD_SECONDS = 5.0
"""And one that nobody asked for?"""

LONGEST_NAME = 24
"""How long may a name be that a source is asked for? Keys are longer, and are pasted as names."""


@dataclass(frozen=True)
class Result:
    """How it went with one source."""

    tier: str
    changed: bool = False
    error: AuthError | None = None
    """Why it gave nothing, or not all: what was there before stays in use."""
    unusable: Mapping[str, str] | None = None
    """What it listed and is no recipe, or stays as it was, with the reason."""


@dataclass(frozen=True)
class Change:
    """One service that is another after an update, or is there only before or after it."""

    service: str
    kind: Kind


class Updates:
    """The sources of one home: asks those that its settings name.

    `now` is the time in seconds since the epoch.

        >>> updates = Updates(Settings(), Catalog("~/.arcrun"), now=time.time())  # doctest: +SKIP
        >>> [result.tier for result in updates.run()]                             # doctest: +SKIP
        ['official']
    """

    def __init__(self, settings: Settings, catalog: Catalog, *, now: float) -> None:
        self._settings = settings
        self._catalog = catalog
        self._now = now

    def tiers(self) -> tuple[str, ...]:
        """The tiers whose source is named by a setting, in order of trust."""
        return tuple(tier for tier in TIERS if self._settings.get(SETTING[tier]))

    def run(self, *, seconds: float = TOLD_SECONDS) -> list[Result]:
        """Ask every source that there is, `seconds` for all of them together. Never raises for
        one of them; StoreError where nothing can be kept, RefreshBusy.
        """
        budget = Budget(seconds)
        with lockfile.writing(self._settings.home, seconds):
            results = [self._ask(tier, budget) for tier in self.tiers()]
        if any(result.changed for result in results):
            self._catalog.reindex()
        return results

    def run_if_due(self, person: Person) -> list[Result]:
        """The same where somebody is reachable and what was fetched is older than a week."""
        if not self._may_ask(person) or not any(self._is_due(tier) for tier in self.tiers()):
            return []
        return self.run(seconds=UNTOLD_SECONDS)

    def look_for(self, service: str, person: Person) -> bool:
        """Ask once for a service that nobody knows; whether it is there now.

        Not again for a day, and never where nobody is reachable. A source sees the name: one
        that could be a key is not asked for.
        """
        if len(service) > LONGEST_NAME:
            return False
        asked = [tier for tier in self.tiers() if tier != "community"]
        if not self._may_ask(person) or not any(self._is_new(tier, service) for tier in asked):
            return False
        budget = Budget(UNTOLD_SECONDS)
        with lockfile.writing(self._settings.home, UNTOLD_SECONDS):
            for tier in asked:
                self._ask(tier, budget, service)
        self._catalog.reindex()
        found = self._knows(service)
        if not found:
            self._remember_miss(asked, service)
        return found

    def health(self) -> Iterator[tuple[str, bool, str]]:
        """Each source: its tier, whether all is well with it, and how it stands, in a line."""
        named = self.tiers()
        if "official" not in named and self._official is not None:
            yield "official", False, "is named by no setting, and what it gave is not used"
        for tier in named:
            state = self._state(tier)
            if tier == "official" and not self._is_trusted():
                yield tier, False, "was checked by another root, and is not used"
            elif state.failed:
                what = "all" if state.checked == state.tried else "anything"
                yield tier, False, f"did not give {what} the last time: {state.failed}"
            elif not state.checked and tier != "community":
                yield tier, False, "was never fetched"
            elif self._is_due(tier):
                yield tier, False, f"was last fetched {self._age(state)}"
            else:
                yield tier, True, "is as its source has it"

    def _age(self, state: State) -> str:
        days = int((self._now - state.checked) // DAY)
        return f"{days} days ago" if days >= 0 else "in the future: a clock is or was wrong"

    # -- one source --------------------------------------------------------------------

    def _ask(self, tier: str, budget: Budget, service: str = "") -> Result:
        state = self._state(tier)
        try:
            return self._answered(tier, state, budget, service)
        except AuthError as error:
            states.write(self._folder, tier, state.refused(self._now, error.message))
            return Result(tier, error=error)

    def _answered(self, tier: str, state: State, budget: Budget, service: str) -> Result:
        held = lockfile.read(self._folder).of(tier)
        texts = lockfile.texts(self._folder, tier, held) if held is not None else {}
        source = held.source if held is not None else ""
        whole = held is not None and len(texts) == len(held.recipes)
        mark = state.mark if whole and state.source == source else ""
        wish = Wish(self._settings, self._catalog, held, texts, mark, budget)
        fetched = _fetch(tier, service, wish)
        if fetched is not None:
            lockfile.store(self._folder, tier, fetched.held, fetched.texts)
            mark, source = fetched.mark, fetched.held.source
        if tier != "platform" or not service:
            state = state.answered(self._now, mark, source)
        elif fetched is not None:  # one service says nothing of the others
            state = state.unmarked()
        if fetched is None:
            states.write(self._folder, tier, state)
            return Result(tier)
        if fetched.error is not None:
            state = state.refused(self._now, fetched.error.message)
        states.write(self._folder, tier, state)
        changed = dict(fetched.texts) != texts
        return Result(tier, changed, error=fetched.error, unusable=fetched.unusable)

    # -- when --------------------------------------------------------------------------

    def _may_ask(self, person: Person) -> bool:
        from arcrun_auth.surroundings import unattended

        return person.reach is not None and not unattended(self._settings.environ)

    def _is_due(self, tier: str) -> bool:
        state = self._state(tier)
        return not self._within(WEEK, state.checked) and not self._within(DAY, state.tried)

    def _is_new(self, tier: str, service: str) -> bool:
        state = self._state(tier)
        failed = bool(state.failed) and self._within(DAY, state.tried)
        return not failed and not self._within(DAY, state.missed.get(service, 0.0))

    def _within(self, seconds: float, at: float) -> bool:
        """Whether it was in the last `seconds`; a time that is yet to come is that of a clock
        that was wrong."""
        return 0 <= self._now - at <= seconds

    def _remember_miss(self, tiers: Sequence[str], service: str) -> None:
        for tier in tiers:
            state = self._state(tier)
            recent = {n: at for n, at in state.missed.items() if self._within(DAY, at)}
            states.write(self._folder, tier, state.missing({**recent, service: self._now}))

    def _knows(self, service: str) -> bool:
        try:
            self._catalog.entry(service)
        except UnknownService:
            return False
        return True

    @property
    def _official(self) -> Held | None:
        try:
            return lockfile.read(self._folder).official
        except RecipeError:  # said among the problems of the catalogue
            return None

    def _is_trusted(self) -> bool:
        held = self._official
        root = root_path(self._settings, self._catalog.bundled_folder)
        return held is None or held.root == digest(root)

    @property
    def _folder(self) -> str:
        return self._catalog.folder

    def _state(self, tier: str) -> State:
        return states.read(self._folder, tier)


def _fetch(tier: str, service: str, wish: Wish) -> Fetched | None:
    """All that a source has; or, of a platform, one service beside what is held."""
    if tier == "official":
        from arcrun_auth.remote import official

        return official.fetch(wish)
    if tier == "platform":
        from arcrun_auth.remote import platform

        return platform.fetch_one(service, wish) if service else platform.fetch(wish)
    from arcrun_auth.remote import community

    return community.fetch(wish)


def differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[Change]:
    """What is another service or recipe, by name; of `Catalog.bodies` before and after."""
    found: list[Change] = []
    for service in sorted({*before, *after}):
        if service not in before:
            found.append(Change(service, "new"))
        elif service not in after:
            found.append(Change(service, "removed"))
        elif before[service] != after[service]:
            found.append(Change(service, "changed"))
    return found
