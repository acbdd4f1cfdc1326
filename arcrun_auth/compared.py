"""What a recipe changes: against what was agreed to at setup, or against the recipe in use.

Reads the catalogue and the store; sends nothing, asks nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth import agreement
from arcrun_auth import consent as rules
from arcrun_auth.differences import Difference, differences, name_of
from arcrun_auth.errors import UnknownService
from arcrun_auth.recipe.helpers import receivers
from arcrun_auth.tokens import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.recipe import Method, Recipe
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Consent


@dataclass(frozen=True, slots=True)
class Compared:
    """One recipe held against one that was there before."""

    name: str
    """The connection that agreed to it (`notion@work`), or the service."""
    against: Literal["agreed", "in use", "nothing"]
    """What it was held against: `nothing` where the service is new."""
    differences: tuple[Difference, ...]
    asks: bool
    """Whether somebody has to agree before anything is sent."""


def in_use(catalog: Catalog, store: Store, name: str) -> list[Compared]:
    """The recipe in use now, against what each connection of the service agreed to.

    `name` is a service or alias, with `@instance` for one connection alone. Empty where
    nothing was agreed to. Raises UnknownService, and RecipeError where it is not valid now.
    """
    service, _, instance = name.partition("@")
    entry = catalog.entry(service)
    recipe = catalog.recipe(service)
    return [
        _agreed(_named(entry.service, at), consent, recipe, catalog)
        for at, consent in _consents(store, entry.service)
        if not instance or at == instance
    ]


def another(catalog: Catalog, store: Store | None, recipe: Recipe) -> list[Compared]:
    """A recipe that is not in use yet, against what was agreed to; else against the one in use.

    Without `store` only against the one in use.
    """
    found = [
        _agreed(_named(recipe.service, at), consent, recipe, None)
        for at, consent in (_consents(store, recipe.service) if store else ())
    ]
    if found:
        return found
    try:
        before = catalog.recipe(recipe.service)
    except UnknownService:
        return [Compared(recipe.service, "nothing", (), asks=True)]
    changes = of_ways(before, recipe)
    return [Compared(recipe.service, "in use", changes, asks=bool(changes))]


def of_ways(before: Recipe, after: Recipe) -> tuple[Difference, ...]:
    """What differs in any way in, each thing once."""
    old, new = ({way.id: way for way in recipe.ways} for recipe in (before, after))
    name = name_of(before.service, before.display_name)
    found: dict[Difference, None] = {}
    for id_, way in new.items():
        if id_ not in old:
            hosts = ", ".join(receivers(way))
            found[Difference(f"methods.{id_}", "nothing", hosts, "it has another way in")] = None
            continue
        two = rules.project(before, old[id_]), rules.project(after, way)
        found |= dict.fromkeys(differences(*two, name=name))
    return (*found, *(_gone(id_) for id_ in old if id_ not in new))


def _agreed(name: str, consent: Consent, recipe: Recipe, catalog: Catalog | None) -> Compared:
    way = _way(consent, recipe)
    if way is None:
        return Compared(name, "agreed", (_gone(str(consent.projection.get("id", ""))),), asks=True)
    found = agreement.changed(consent, recipe, way)
    passes = rules.narrower(consent.projection, rules.project(recipe, way)) or (
        catalog is not None
        and agreement.released(catalog, consent, catalog.entry(recipe.service), way.id)
    )
    return Compared(name, "agreed", found, asks=bool(found) and not passes)


def _way(consent: Consent, recipe: Recipe) -> Method | None:
    """The way in that was agreed to, as the recipe describes it now."""
    return next((way for way in recipe.ways if way.id == consent.projection.get("id")), None)


def _gone(id_: str) -> Difference:
    return Difference(f"methods.{id_}", id_, "nothing", "this way in would be gone")


def _consents(store: Store, service: str) -> Iterator[tuple[str, Consent]]:
    """Every connection that agreed to a recipe of this service, under whatever account."""
    for key in sorted(store.keys()):
        record = store.get(key) if key.kind == "credential" else None
        if record is not None and service in record.consents:
            yield key.instance, record.consents[service]


def _named(service: str, instance: str) -> str:
    return service if instance == DEFAULT_INSTANCE else f"{service}@{instance}"
