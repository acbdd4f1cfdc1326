"""What a wish to connect comes down to: checked against the recipe, and in words for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth import scopes as rules
from arcrun_auth.agents.pages import Fact, Wish
from arcrun_auth.consent import named_servers
from arcrun_auth.errors import AuthError, printable
from arcrun_auth.template import in_words
from arcrun_auth.tokens import DEFAULT_INSTANCE, Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.catalog import Entry
    from arcrun_auth.recipe import Method, Recipe
    from arcrun_auth.tokens import Credential


@dataclass(frozen=True)
class Plan:
    """What will be set up if the person says yes."""

    service: str
    instance: str
    method: str | None
    scopes: tuple[str, ...]
    """Names of sets; beside those of before where there is a login already."""
    wish: Wish


def plan(
    broker: Broker,
    service: str,
    instance: str | None,
    *,
    scopes: Sequence[str],
    client: str,
    method: str | None,
) -> Plan:
    """The plan. UnknownService, RecipeError (a method), StoreLocked; AuthError for scopes that are
    no set of the recipe: which scopes there may be is the recipe's word, not the client's."""
    why = broker.why(service, instance)
    entry = broker.recipes.entry(why.service)
    recipe = broker.recipes.recipe(entry.service)
    chosen = entry.method(method or why.method).id
    way = next(way for way in recipe.ways if way.id == chosen)
    _check(entry.service, way, scopes)
    record = broker.store.get(Key("credential", entry.account, why.instance))
    names = _beside(scopes, record)
    asked = _asked(entry, way, names, record)
    label = f"Permissions asked for ({', '.join(scopes)})" if scopes else "Permissions asked for"
    facts = tuple(_facts(entry, way, why.instance, why.identity, Fact(label, asked)))
    title = printable(recipe.display_name or recipe.service, 80)
    wish = Wish(title, client, facts, _warning(entry, recipe))
    return Plan(entry.service, why.instance, method, names, wish)


def _check(service: str, way: Method, scopes: Sequence[str]) -> None:
    sets = () if way.oauth2 is None else tuple(way.oauth2.scope_sets)
    for name in scopes:
        if name not in sets:
            raise AuthError(
                f"{service} has no set of scopes {printable(name, 80)!r}.",
                service=service,
                hint="its sets are: " + (", ".join(sets) or "none"),
            )


def _beside(scopes: Sequence[str], record: Credential | None) -> tuple[str, ...]:
    """`+name` where there is a login: who asks for more must not lose the rest for others."""
    add = "+" if record is not None and record.grant is not None else ""
    return tuple(f"{add}{name}" for name in scopes)


def _asked(
    entry: Entry, way: Method, names: Sequence[str], record: Credential | None
) -> tuple[str, ...]:
    """The scopes that the login will ask for: as `SignIn` does."""
    if way.oauth2 is None:
        return way.scopes
    held = record.consents if record is not None else {}
    joins = bool(held) and entry.service not in held
    grant = record.grant if record is not None else None
    return rules.wanted(way.oauth2, names or None, held=grant, joins=joins)


def _facts(
    entry: Entry, way: Method, instance: str, identity: str | None, asked: Fact
) -> Iterator[Fact]:
    name = entry.service if instance == DEFAULT_INSTANCE else f"{entry.service}@{instance}"
    now = (f"now connected as {identity}",) if identity else ()
    yield Fact("Connection", (name, *now))
    login = way.oauth2.login_at if way.oauth2 is not None else ""
    yield Fact("You log in at", _words(login))
    yield Fact("You will be asked for", tuple(_wanted(way)))
    yield asked
    yield Fact("Requests go to", _words(*way.allowed_hosts))
    yield Fact("Tokens come from", _words(*named_servers(way)))


def _wanted(way: Method) -> Iterator[str]:
    for name, param in way.params.items():
        if param.source == "user" and param.default is None:
            yield printable(param.label or name, 80)
    for secret in way.required_secrets:
        yield printable(secret.label or secret.key, 80) + " (optional)" * secret.optional


def _words(*texts: str) -> tuple[str, ...]:
    return tuple(printable(in_words(text), 200) for text in texts if text)


def _warning(entry: Entry, recipe: Recipe) -> str:
    if entry.trusted:
        return ""
    return (
        f"The recipe of {recipe.service} is {entry.tier} ({printable(entry.path, 120)}): nobody "
        "who makes this program has looked at it. Go on only if you trust where it came from."
    )
