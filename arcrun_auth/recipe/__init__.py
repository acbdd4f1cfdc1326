"""From plain data to a `Recipe`: bases laid under it, defaults filled in, rules checked.

Everything here is pure: text and files are the business of `recipe.reader` and `catalog`.

    >>> notion = read('''
    ... service: notion
    ... primitive: static_key
    ... base_url: https://api.notion.com/v1
    ... required_secrets: [{key: notion_token}]
    ... inject: {header: {Authorization: "Bearer {{secret.notion_token}}"}}
    ... ''')
    >>> notion.way().id, notion.allowed_hosts
    ('key', ('api.notion.com',))
"""

from __future__ import annotations

import re
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import inspect

from arcrun_auth.forks import Mutex
from arcrun_auth.recipe import derived, kinds, rules
from arcrun_auth.recipe.account import Federation, Impersonation, ServiceAccount
from arcrun_auth.recipe.exchange import Step, TokenExchange
from arcrun_auth.recipe.model import (
    SCHEMA_VERSION,
    Agent,
    AssumeRole,
    Aws,
    Callback,
    Choose,
    ClientAuth,
    Diagnosis,
    Digest,
    Discover,
    Docker,
    Git,
    GuideStep,
    Inject,
    Jwt,
    Method,
    Mtls,
    OAuth1,
    OAuth2,
    Ok,
    Param,
    Read,
    Recipe,
    Redirect,
    Refresh,
    RequiredSecret,
    Revoke,
    Swap,
    TestRequest,
    TokenRequest,
    TokenResponse,
    Verified,
    When,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcrun_auth.errors import RecipeError
    from arcrun_auth.recipe.reader import Document, Place

    Bases = Mapping[str, "Document"]

__all__ = [
    "SCHEMA_VERSION", "Agent", "AssumeRole", "Aws", "Callback", "Choose", "ClientAuth",
    "Diagnosis", "Digest", "Discover", "Docker", "Federation", "Git", "GuideStep",
    "Impersonation", "Inject", "Jwt", "Method", "Mtls", "OAuth1", "OAuth2", "Ok", "Param",
    "Read", "Recipe", "Redirect", "Refresh", "RequiredSecret", "Revoke",
    "ServiceAccount", "Step", "Swap", "TestRequest", "TokenExchange", "TokenRequest",
    "TokenResponse", "Verified", "When", "decode", "encode", "is_base", "lays_bases", "load",
    "merge", "misfits", "read",
]  # fmt: skip

MAX_EXTENDS = 3
"""How many bases may lie under one recipe?"""

MAX_MISFITS = 20
"""How many fields that do not fit are told at once?"""


def read(text: str | bytes, *, path: str | None = None, bases: Bases | None = None) -> Recipe:
    """A recipe from YAML, read strictly. Raises RecipeError with line and field of the fault."""
    from arcrun_auth.recipe import reader  # an index is decoded without

    return load(reader.parse(text, path), bases=bases)


def load(document: Document, *, bases: Bases | None = None, tolerant: bool = False) -> Recipe:
    """A recipe from a document, complete: every method has all that it inherits.

    `bases` are the documents a recipe may extend, by id. `tolerant`, for recipes from the
    platform: unknown fields are ignored, an unknown placeholder is literal text, and a
    secret in the host of `base_url` becomes a param.
    Raises RecipeError with the file, the line and the field of the fault.
    """
    data = merge(document, bases or {})
    service = data.get("service")
    name = service if isinstance(service, str) else None
    if is_base(name):
        raise document.error("This is a base for other recipes: it cannot be bound.", ("service",))
    if tolerant:
        data = _params_of_host(_prune(data, _type_of_recipe()))
    _decoder()
    try:
        recipe = msgspec.convert(derived.complete(data, ours=not tolerant), Recipe)
    except msgspec.ValidationError as error:
        why, place = _explain(error)
        raise document.error(why, place, service=name) from None
    try:
        rules.check(recipe, strict=not tolerant)
    except rules.Fault as fault:
        raise document.error(str(fault), fault.place, service=name) from None
    return recipe


def encode(recipe: Recipe) -> bytes:
    """As JSON, complete, for an index."""
    return msgspec.json.encode(recipe)


_learning = Mutex()


def _decoder() -> msgspec.json.Decoder[Recipe]:
    """For one thread at a time until it is made: msgspec keeps what it learns of a type with the
    type, and a thread that reads half of that takes the whole process down."""
    with _learning:
        return _made_decoder()


@lru_cache(maxsize=1)
def _made_decoder() -> msgspec.json.Decoder[Recipe]:
    return msgspec.json.Decoder(Recipe)


def decode(data: bytes) -> Recipe:
    """The inverse of `encode`: nothing is checked again but the types."""
    return _decoder().decode(data)


def is_base(service: object) -> bool:
    """Whether this is the id of a base: `_google_base`."""
    return isinstance(service, str) and service.rpartition("/")[2].startswith("_")


# -- extends ---------------------------------------------------------------------------


def merge(document: Document, bases: Bases) -> dict[str, Any]:
    """The data of `document` over that of its bases: maps deep, lists replaced, null deletes.

    Under a way in that is a kind of service account lies the base of that kind too.
    """
    own = _typed(document)
    if not lays_bases(own):
        return own
    chain = [own]
    seen = [own.get("service")]
    while (wanted := chain[-1].get("extends")) is not None:
        if not isinstance(wanted, str) or not is_base(wanted):
            raise document.error("A base has an id that starts with _.", ("extends",))
        if wanted in seen:
            raise document.error(f"{wanted} extends itself in the end.", ("extends",))
        if wanted not in bases:
            raise document.error(f"There is no base {wanted!r}.", ("extends",))
        if len(chain) > MAX_EXTENDS:
            raise document.error(f"More than {MAX_EXTENDS} bases lie under this.", ("extends",))
        seen.append(wanted)
        chain.append(_typed(bases[wanted]))
    merged = chain.pop()
    while chain:
        merged = kinds.over(merged, chain.pop())
    below = kinds.wanted(merged, bases)
    return kinds.laid(merged, {name: merge(bases[name], bases) for name in below})


def lays_bases(data: Mapping[str, Any]) -> bool:
    """Whether the document lies over any base."""
    return "extends" in data or bool(kinds.named(data))


def _typed(document: Document) -> dict[str, Any]:
    """The data, with the source text back where a field is declared a text."""
    for place, source in document.sources:
        *parents, last = place
        holder: Any = document.data
        for part in parents:
            holder = holder[part]
        if holder[last] is not None and _wants_text(
            tuple(part if isinstance(part, str) else 0 for part in place)
        ):
            holder[last] = source
    return document.data


@lru_cache(maxsize=1)
def _type_of_recipe() -> inspect.Type:
    return inspect.type_info(Recipe)


@lru_cache(maxsize=4096)
def _wants_text(place: Place) -> bool:
    kind: inspect.Type | None = _type_of_recipe()
    for part in place:
        if kind is None or isinstance(kind, inspect.StrType):
            break
        kind = _below(kind, part)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return any(isinstance(k, inspect.StrType) for k in kinds) and not any(
        isinstance(k, inspect.BoolType | inspect.IntType) for k in kinds
    )


def _below(kind: inspect.Type, part: str | int) -> inspect.Type | None:
    if isinstance(kind, inspect.UnionType):
        kind = next(k for k in kind.types if not isinstance(k, inspect.NoneType))
    if isinstance(kind, inspect.StructType):
        return next((field.type for field in kind.fields if field.name == part), None)
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    return kind.item_type if isinstance(kind, inspect.VarTupleType) else None


# -- recipes from the platform ---------------------------------------------------------


def _prune(data: Any, kind: inspect.Type) -> Any:
    """`data` without the fields that its type does not have, as the platform ignores them."""
    if isinstance(kind, inspect.UnionType):
        kind = next(k for k in kind.types if not isinstance(k, inspect.NoneType))
    if isinstance(kind, inspect.StructType) and isinstance(data, dict):
        known = {field.name: field.type for field in kind.fields}
        return {name: _prune(data[name], known[name]) for name in data if name in known}
    if isinstance(kind, inspect.VarTupleType) and isinstance(data, list):
        return [_prune(item, kind.item_type) for item in data]
    if isinstance(kind, inspect.DictType) and isinstance(data, dict):
        return {name: _prune(item, kind.value_type) for name, item in data.items()}
    return data


_SECRET_IN_HOST = re.compile(r"\{\{secret\.([A-Za-z0-9_.-]+)\}\}")


def _params_of_host(data: dict[str, Any]) -> dict[str, Any]:
    """A platform recipe keeps its subdomain among the secrets; here it is a param of that key."""
    url, secrets = data.get("base_url"), data.get("required_secrets")
    if not isinstance(url, str) or not isinstance(secrets, list):
        return data
    names = set(_SECRET_IN_HOST.findall(url))
    moved = {
        str(secret["key"]): {
            "label": secret.get("label", ""),
            "help": secret.get("help", ""),
            "pattern": "[A-Za-z0-9-]+",
        }
        for secret in secrets
        if isinstance(secret, dict) and secret.get("key") in names
    }
    rest = [s for s in secrets if not (isinstance(s, dict) and s.get("key") in moved)]
    return {
        **data,
        "base_url": _SECRET_IN_HOST.sub(r"{{param.\1}}", url),
        "required_secrets": rest,
        "params": {**moved, **data.get("params", {})},
    }


# -- what msgspec says -----------------------------------------------------------------

NO_SUCH_FIELD = "There is no such field."

_PATH = re.compile(r"(.*?)(?: - at `(?:key in )?\$(.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")


def _explain(error: msgspec.ValidationError) -> tuple[str, Place]:
    match = _PATH.fullmatch(str(error))
    why, path = match.groups() if match else (str(error), "")
    steps = _STEP.findall((path or "").partition("[...]")[0])
    place: Place = tuple(name or int(index) for name, index in steps)
    if unknown := _UNKNOWN.fullmatch(why):
        return NO_SUCH_FIELD, (*place, unknown[1])
    if missing := _MISSING.fullmatch(why):
        return _lacks(missing[1]), place
    return f"{why}.", place


def _lacks(name: str) -> str:
    return f"The field {name!r} is missing."


def misfits(document: Document, bases: Bases) -> Iterator[RecipeError]:
    """The fields that there are not, or whose value is of another type: each is left out while
    the next one is looked for. Raises RecipeError for bases that cannot be laid under it.
    """
    data = deepcopy(merge(document, bases))
    dropped: list[Place] = []
    _decoder()
    for _ in range(MAX_MISFITS):
        try:
            msgspec.convert(derived.complete(data), Recipe)
        except msgspec.ValidationError as error:
            why, place = _explain(error)
        else:
            return
        if why not in {_lacks(str(gone[-1])) for gone in dropped if gone[:-1] == place}:
            yield document.error(why, place)
        gone = _drop(data, place)
        if gone is None:
            return
        dropped.append(gone)


def _drop(data: Any, place: Place) -> Place | None:
    """Takes out the field at `place`, or the list that it is in, and says which; None for none."""
    while place and isinstance(place[-1], int):
        place = place[:-1]
    try:
        for part in place[:-1]:
            data = data[part]
        del data[place[-1]]
    except (IndexError, KeyError):  # the document itself, or what it inherits
        return None
    return place
