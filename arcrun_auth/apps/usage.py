"""Which apps there are, who uses them, and where each part of one comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth.apps.kept import REGISTERED, app_of, key_of, lacking
from arcrun_auth.errors import AuthError
from arcrun_auth.report import Origin, origins_of
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.stores.base import Store

_PROOFS = ("client_secret", "private_key", "certificate")


@dataclass(frozen=True)
class Use:
    """A way into a service that needs an app."""

    service: str
    display_name: str
    way: Method


@dataclass(frozen=True)
class Kept:
    """One app that is there, without a secret of it."""

    name: str
    client_id: str
    origins: tuple[Origin, ...]
    """Where each part comes from: the store, and the variable or setting if any."""
    complete: bool
    """Whether some way in that uses it finds all that it demands."""
    services: tuple[str, ...]
    ends: float | None
    """When its secret does, if that was told and it is the one that was saved."""
    by_itself: bool
    """Whether it registered itself (RFC 7591)."""
    redirect_uri: str = ""
    """The address of its owner's that it is registered with, where there is one."""


def uses(catalog: Catalog) -> dict[str, list[Use]]:
    """Every way in that needs one's own app, by the name of the app; both in order.

    Recipes of ours come first: whose guide leads to a provider's console is no stranger's to say.
    """

    found: dict[str, list[Use]] = {}
    for entry in sorted(catalog.entries(), key=lambda entry: not entry.trusted):
        if entry.status == "closed" or not any(m.primitive == "oauth2" for m in entry.methods):
            continue
        recipe = catalog.recipe(entry.service)
        for way in recipe.ways:
            client = way.oauth2.client if way.oauth2 is not None else None
            if client is None or way.primitive != "oauth2":
                continue
            if not client.id and client.registration == "static":
                use = Use(entry.service, entry.display_name or entry.service, way)
                found.setdefault(key_of(entry.service, way).account, []).append(use)
    return dict(sorted(found.items()))


def find(catalog: Catalog, name: str) -> tuple[str, list[Use]]:
    """The app of that name, or of the service of that name; and whose app it is, of those.

    Raises UnknownService, and AuthError for a service that needs no app.
    """
    known = uses(catalog)
    if name in known:
        return name, known[name]
    service = catalog.entry(name).service
    for app, group in known.items():
        own = [use for use in group if use.service == service]
        if own:
            return app, own
    raise AuthError(
        f"{service} needs no OAuth app of yours.", service=service, hint=f"arcrun setup {service}"
    )


def stands_over(store: Store, key: Key) -> tuple[str, ...]:
    """The variables and settings whose parts of an app are used before what is saved of it."""
    origins = origins_of(store, key, store.get(key))
    return tuple(dict.fromkeys(o.place or o.store for o in origins if o.store != store.name))


def registered(store: Store, known: Mapping[str, list[Use]]) -> list[Kept]:
    """Every app that is in the store, in config.toml or in the environment, by name."""
    keys = {Key("app", name) for name in known}
    keys |= {key for key in store.keys() if key.kind == "app"}
    found = (_kept(store, key, known.get(key.account, [])) for key in sorted(keys))
    return [each for each in found if each is not None]


def _kept(store: Store, key: Key, group: list[Use]) -> Kept | None:
    record = store.get(key)
    if record is None:
        return None
    app = app_of(record)
    origins = origins_of(store, key, record)
    own = any(o.store == store.name and o.key in _PROOFS for o in origins)
    return Kept(
        name=key.account if key == Key("app", key.account) else str(key),
        client_id=app.client_id,
        origins=origins,
        complete=bool(app.client_id)
        and (not group or any(not lacking(app, use.way) for use in group)),
        services=tuple(dict.fromkeys(use.service for use in group)),
        ends=record.ends if own else None,
        by_itself=REGISTERED in record.endpoints,
        redirect_uri=app.redirect_uri,
    )
