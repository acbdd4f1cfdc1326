"""From the security schemes of an OpenAPI document to the ways in of a recipe. Pure.

A requirement names the schemes that a request needs together; several of them are
alternatives, and each becomes a way in. What cannot become one says why.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting import flows, ways
from arcrun_auth.drafting.document import as_map, as_text, resolved
from arcrun_auth.drafting.draft import Way
from arcrun_auth.drafting.requests import demands
from arcrun_auth.drafting.texts import clean, sentence, slug, spaced
from arcrun_auth.errors import RecipeError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arcrun_auth.drafting.requests import Proof
    from arcrun_auth.recipe.reader import Place

MAX_WAYS = 6
"""How many ways in do we draft? Nobody reads more, and documents repeat themselves."""

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# What a description says if a word has to stand before the key.
_PREFIX = re.compile(
    r"\b(Bearer|Token|ApiKey|Api-Key|Key)\s+[<{\[\"'`]?[\w -]{0,20}?(?:key|token)", re.IGNORECASE
)


class Unusable(Exception):
    """Why a scheme becomes no way in."""


class Schemes:
    """The security schemes of one document, for a service of this name and address."""

    def __init__(self, document: Mapping[str, Any], service: str, base_url: str) -> None:
        self._document = document
        self._service = service
        self._base_url = base_url
        old = as_map(document.get("securityDefinitions"))
        self._all = old or as_map(as_map(document.get("components")).get("securitySchemes"))
        self._used: set[str] = set()
        self.left: list[str] = []
        """Why each scheme that is not among the ways is not, in words."""

    def ways(self, proof: Proof | None) -> list[Way]:
        """A way in for each alternative, that of the test request first."""
        found: list[Way] = []
        for wanted in self._alternatives(proof)[:MAX_WAYS]:
            names = printable(" with ".join(map(repr, wanted)), 120)
            try:
                made = self._of(wanted)
            except Unusable as error:
                self._note(f"{names}: {error}")
                continue
            for way in made:
                if any(_is_same(way, other) for other in found):
                    self._note(f"{names}: it is the same as another")
                else:
                    found.append(way)
                    self._used |= {secret["key"] for secret in _secrets(way)}
        return found

    def _alternatives(self, proof: Proof | None) -> list[dict[str, list[str]]]:
        """Each once, with all scopes that are named for it."""
        counted: Counter[tuple[str, ...]] = Counter()
        scopes: dict[tuple[str, ...], dict[str, list[str]]] = {}
        asked = [*(proof.security if proof else ()), *demands(self._document)]
        for each in asked:
            if each:
                counted[tuple(sorted(each))] += 1
                scopes.setdefault(tuple(sorted(each)), each)
        for each in self._of_operations():
            if each:
                counted[tuple(sorted(each))] += 1
                named: dict[str, list[str]] = {name: [] for name in each}
                scopes.setdefault(tuple(sorted(each)), named)
        order = list(scopes)[: len({tuple(sorted(each)) for each in asked if each})]
        rest = sorted((n for n in scopes if n not in order), key=lambda n: (-counted[n], n))
        return [scopes[names] for names in (*order, *rest)] or [{name: []} for name in self._all]

    def _of_operations(self) -> Iterable[dict[str, list[str]]]:
        for item in as_map(self._document.get("paths")).values():
            for method in _METHODS:
                yield from demands(as_map(as_map(item).get(method)))

    # -- one alternative -----------------------------------------------------------------

    def _of(self, wanted: Mapping[str, Sequence[str]]) -> list[Way]:
        logins: list[Way] = []
        keys: list[Way] = []
        for name, scopes in wanted.items():
            scheme = self._scheme(name)
            if as_text(scheme.get("type")) in ("oauth2", "openIdConnect"):
                logins += [*flows.ways_of(scheme, scopes, self._base_url, self._note)] or [
                    _nothing()
                ]
            else:
                keys.append(self._key(name, scheme, alone=len(wanted) == 1))
        if not keys:
            return logins
        if not logins:
            return [_together(keys)]
        return [_together([login, *keys]) for login in logins]

    def _note(self, why: str) -> None:
        if why not in self.left:
            self.left.append(why)

    def _scheme(self, name: str) -> dict[str, Any]:
        if name not in self._all:
            raise Unusable("there is no scheme of this name")
        try:
            return resolved(self._document, self._all[name])
        except RecipeError as error:
            raise Unusable(str(error.args[0])) from None

    def _key(self, name: str, scheme: Mapping[str, Any], *, alone: bool) -> Way:
        kind, word = as_text(scheme.get("type")), as_text(scheme.get("scheme")).lower()
        way = None
        if kind == "apiKey":
            way = self._api_key(scheme)
        elif kind == "basic" or (kind, word) == ("http", "basic"):
            way = ways.basic(self._service)
        elif (kind, word) == ("http", "bearer"):
            way = ways.bearer(self._service)
        elif (kind, word) == ("http", "digest"):
            way = ways.digest(self._service)
        if way is None:
            shown = clean(f"{kind} {word}", 60) or "no type"
            mtls = " Write it by hand: primitive: mtls." if kind == "mutualTLS" else ""
            raise Unusable(f"there is no way in for {shown}.{mtls}")
        again = any(secret["key"] in self._used for secret in _secrets(way))
        if again or not alone:
            words = spaced(name)
            label = clean(words[:1].upper() + words[1:], 60)
            way = _renamed(way, self._key_of(slug(words) or "key"), label)
            way = Way({"label": label, **way.fields}, way.notes) if alone else way
        return _with_help(way, sentence(as_text(scheme.get("description"))))

    def _key_of(self, name: str) -> str:
        """The key of a secret, which begins with the service as all do."""
        own = f"{self._service}_"
        return name if name.startswith(own) else own + name

    def _api_key(self, scheme: Mapping[str, Any]) -> Way:
        where, name = as_text(scheme.get("in")), as_text(scheme.get("name"))
        if where not in ("header", "query", "cookie") or not name:
            raise Unusable("it does not say where the key stands")
        value, prefixed = "", False
        if where == "header" and name.lower() == "authorization":
            word = _PREFIX.search(as_text(scheme.get("description"))[:1000])
            value, prefixed = (f"{word[1]} {{}}" if word else ""), True
        made = ways.key(self._service, where=where, name=name, value=value)
        if not prefixed:
            return made
        note = "Look up whether a word stands before the key (Bearer, Token), and write it here."
        return Way(made.fields, {**made.notes, ("inject",): note})


def _secrets(way: Way) -> list[dict[str, str]]:
    secrets: list[dict[str, str]] = way.fields.get("required_secrets", [])
    return secrets


def _is_same(one: Way, other: Way) -> bool:
    """Whether requests look alike, whatever the keys are called and wherever they are found."""
    return _bare(one) == _bare(other)


def _bare(way: Way) -> object:
    left = {k: v for k, v in way.fields.items() if k not in ("label", "required_secrets", "inject")}
    inject = {
        place: {name: re.sub(r"\{\{[^{}]*\}\}", "{}", text) for name, text in fields.items()}
        for place, fields in way.fields.get("inject", {}).items()
    }
    return left, inject


def _nothing() -> Way:
    raise Unusable("none of its flows is a way in")


def _renamed(way: Way, key: str, label: str) -> Way:
    """Where several keys are needed at once, each is called after its scheme."""
    secrets = _secrets(way)
    if len(secrets) > 1:  # a user and a password have names of their own
        return way
    old, new = f"{{{{secret.{secrets[0]['key']}}}}}", f"{{{{secret.{key}}}}}"
    inject = {
        place: {name: text.replace(old, new) for name, text in fields.items()}
        for place, fields in way.fields["inject"].items()
    }
    named = [{**secrets[0], "key": key, "label": label}]
    return Way({**way.fields, "required_secrets": named, "inject": inject}, way.notes)


def _with_help(way: Way, text: str) -> Way:
    if not text:
        return way
    first, *others = way.fields["required_secrets"]
    fields = {**way.fields, "required_secrets": [{**first, "help": text}, *others]}
    return Way(fields, way.notes)


def _together(parts: Sequence[Way]) -> Way:
    """One way in of several schemes that a request needs at once."""
    if len(parts) == 1:
        return parts[0]
    whole: dict[str, Any] = {}
    inject: dict[str, dict[str, str]] = {}
    secrets: list[dict[str, str]] = []
    notes: dict[Place, str] = {}
    for part in parts:
        own = dict(part.fields)
        if own["primitive"] == "digest":
            raise Unusable("digest cannot be combined with another scheme")
        if own["primitive"] == "oauth2":
            inject.setdefault("header", {})["Authorization"] = "Bearer {{token.access_token}}"
        for place, named in own.pop("inject", {}).items():
            for name, text in named.items():
                if any(name.lower() == other.lower() for other in inject.get(place, {})):
                    raise Unusable(f"two of them stand in the {place} {clean(name, 60)}")
                inject.setdefault(place, {})[name] = text
        secrets += own.pop("required_secrets", [])
        whole = {**own, **whole}
        notes |= part.notes
    return Way({**whole, "required_secrets": secrets, "inject": inject}, notes)
