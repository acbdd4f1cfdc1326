"""What the tables of an index say of one recipe. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from arcrun_auth import consent
from arcrun_auth.catalog.entry import TRUSTED_TIERS
from arcrun_auth.primitives import BUILT_IN
from arcrun_auth.primitives import load as primitive
from arcrun_auth.recipe import helpers
from arcrun_auth.recipe.parts import injected
from arcrun_auth.tokens import DEFAULT_INSTANCE
from arcrun_auth.variables import GRANT, env_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.recipe import Method, Recipe, RequiredSecret


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
    """What it is found by, beside its names: see `index.Index.cards`."""
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
    """The hosts for which it answers a credential helper: see `index.Helper`."""
    for way in recipe.ways:
        if way.git is None and way.docker is None:
            continue
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
    named = injected(way, "secret", "runtime")
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
        [secret.key for secret in way.required_secrets if secret.key in named],
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
