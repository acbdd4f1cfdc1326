"""What a user agrees to: the part of a recipe that decides where a secret goes.

The projection is defined by exclusion, so that a field somebody adds to the model later is
part of the consent until it is thought through here. Values that are left at their default
are left out, so that such a field changes no digest by itself.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import RecipeError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.recipe.model import Method, Recipe

    Projection = Mapping[str, Any]

# Fields of the whole recipe that are no part of it, and why.
NOT_IN_RECIPE = frozenset({
    "kind",          # has one value
    "version",       # a number for people: what a new version changes stands in the other fields
    "extends",       # how the recipe was put together; the merged result is what counts
    "display_name", "description", "aliases", "category", "tags",  # found and shown by
    "status", "successor",  # can only make us warn or refuse
    "docs_url",      # a page for people, never sent anything
    "methods",       # other ways in; the one that is used is projected whole
    "verified",      # where the facts come from
    "sdk",           # names in a program that is printed; nothing of it is sent
})  # fmt: skip

# Fields of the method.
NOT_IN_METHOD = frozenset({
    "label",         # shown in a choice
    "app_guide",     # read once, before the user agrees; nothing of it is sent
    "setup_url", "app_register_url",  # pages for people, as docs_url
    "diagnose",      # words about errors
})  # fmt: skip

# Fields of what a method holds. A secret's `pattern` and `env` stay: what is asked for, and
# which variable of the environment is taken for the secret, decide what is sent.
NOT_IN_SECRET = frozenset({"label", "help", "help_url", "example"})
NOT_IN_PARAM = frozenset({"label", "help"})
NOT_IN_TEST = frozenset({"identity_label"})
NOT_IN_OAUTH2 = frozenset({"notices"})
NOT_IN_CLIENT = frozenset({"id_example"})


def project(recipe: Recipe, method: Method) -> dict[str, Any]:
    """Everything in `recipe` that matters for the security of `method`, as plain data.

    Nothing secret is in it. Two recipes with the same projection treat a secret alike.
    """
    found = _without(_plain(method), NOT_IN_METHOD)
    found |= _plain(
        {
            name: value
            for name, default in _of_recipe(type(recipe), type(method))
            if (value := getattr(recipe, name)) != default
        }
    )
    if "required_secrets" in found:
        found["required_secrets"] = [_without(s, NOT_IN_SECRET) for s in found["required_secrets"]]
    if "params" in found:
        found["params"] = {n: _without(p, NOT_IN_PARAM) for n, p in found["params"].items()}
    if "test" in found:
        found["test"] = _without(found["test"], NOT_IN_TEST)
    if "oauth2" in found:
        found["oauth2"] = _without(found["oauth2"], NOT_IN_OAUTH2)
        if "client" in found["oauth2"]:
            found["oauth2"]["client"] = _without(found["oauth2"]["client"], NOT_IN_CLIENT)
    return found


@lru_cache(maxsize=1)
def _of_recipe(whole: type[Recipe], part: type[Method]) -> tuple[tuple[str, object], ...]:
    """The fields of a recipe that count and are no method's, with their defaults."""
    import msgspec

    left_out = NOT_IN_RECIPE.union(part.__struct_fields__)
    fields = msgspec.structs.fields(whole)
    return tuple((field.name, field.default) for field in fields if field.name not in left_out)


def _plain(value: object) -> Any:
    """As JSON would give it back, so that a stored projection compares equal to a new one."""
    import msgspec

    return msgspec.json.decode(msgspec.json.encode(value))


def _without(fields: Mapping[str, Any], left_out: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in left_out}


def digest(projection: Projection) -> str:
    """SHA-256 over the projection as canonical JSON (sorted keys, no spaces, UTF-8), in hex."""
    import hashlib

    return hashlib.sha256(canonical(projection)).hexdigest()


def canonical(projection: Projection) -> bytes:
    import msgspec

    return msgspec.json.encode(projection, order="sorted")


def hosts(
    method: Method, params: Mapping[str, str], *, before_login: bool = False
) -> tuple[str, ...]:
    """The hosts that a request may carry the credential to, rendered: lower-case ASCII, in order.

    A leading `*.` of the recipe's own stays. ValueError where a param is missing or does
    not fit, or where what it makes is no host. What only the login brings stands as the
    recipe writes it, `before_login`.

    >>> from arcrun_auth.recipe import Method, Param
    >>> shop = Method(
    ...     primitive="static_key",
    ...     allowed_hosts=("{{param.shop}}.myshopify.com",),
    ...     params={"shop": Param(pattern="[a-z-]+")},
    ... )
    >>> hosts(shop, {"shop": "acme"})
    ('acme.myshopify.com',)
    """
    return rendered(method.allowed_hosts, method, params, before_login=before_login)


def receivers(
    method: Method, params: Mapping[str, str], *, before_login: bool = False
) -> tuple[str, ...]:
    """Those hosts, and with them the ones that git and docker hand the credential to."""
    from arcrun_auth.recipe import helpers

    return rendered(helpers.receivers(method), method, params, before_login=before_login)


def servers(method: Method, params: Mapping[str, str]) -> tuple[str, ...]:
    """The hosts that it gets its token from: a code, a key or the app's secret goes there.

    What only the login brings stands as the recipe writes it.
    """
    return rendered(named_servers(method), method, params, before_login=True)


def named_servers(method: Method) -> tuple[str, ...]:
    """The same hosts as the recipe writes them, with the holes for its params.

    An issuer counts where it names the endpoints, which lie with it then. RecipeError for a
    primitive that names an address which the recipe does not have: what a plug-in says is
    no part of the consent, so it chooses among what is.
    """
    from arcrun_auth import primitives
    from arcrun_auth.recipe.parts import stated
    from arcrun_auth.recipe.rules import host_of

    primitive = primitives.find(method.primitive)
    urls = tuple(primitive.servers(method)) if primitive is not None else ()
    for place, url in urls:
        if stated(method, place) != url:
            raise RecipeError(
                f"The primitive {method.primitive!r} names an address that the recipe does not "
                f"have: {printable(url, 120)}. Nothing was sent."
            )
    return tuple(dict.fromkeys(host_of(url) for _, url in urls))


def rendered(
    texts: Iterable[str],
    method: Method,
    params: Mapping[str, str],
    *,
    before_login: bool = False,
) -> tuple[str, ...]:
    """These hosts of a recipe with the user's params in them, each once: see `hosts`."""
    from arcrun_auth.hosts import parse_pattern
    from arcrun_auth.template import Template

    values = {"param": method.values(params)}
    found: list[str] = []
    for text in texts:
        if before_login and _is_open(text, values):
            found.append(text)
            continue
        host = Template.parse(text, strict=True).render(values).lower()
        if host.startswith("*") and not text.startswith("*"):
            raise ValueError("a param cannot make a wildcard of a host")
        parse_pattern(host)  # ValueError where it is no host
        found.append(host)
    return tuple(dict.fromkeys(found))


def _is_open(text: str, values: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether this host has a param in it that is not known yet."""
    from arcrun_auth.template import Template

    names = (name for _, name, _ in Template.parse(text, strict=True).placeholders)
    return any(name not in values["param"] for name in names)


# -- what needs no consent --------------------------------------------------------------


def narrower(old: Projection, new: Projection) -> bool:
    """Whether `new` asks for fewer scopes and is the same in all else: that needs no consent."""
    before, after = dict(old.get("oauth2") or {}), dict(new.get("oauth2") or {})
    asked, asks = set(before.pop("scopes", ())), set(after.pop("scopes", ()))
    # No scope at all is no narrower wish: many providers then give all they have.
    if not asks < asked or not asks:
        return False
    return {**old, "oauth2": before} == {**new, "oauth2": after}
