"""Which service a variable, a host, a value or a login belongs to, as the recipes say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from arcrun_auth import keyfile
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from arcrun_auth.catalog import Catalog, Entry, MethodEntry
    from arcrun_auth.recipe.model import Method, Recipe

SHORTEST_GUESS = 20
"""How long must a value be that only looks like a key, for us to send it to a service?"""
SHORTEST_HEAD = 3
"""How many letters at its beginning must tell whose key it is? `sk-`, `hf_`."""

_HEAD = re.compile(r"\^(?:\(([^()?*+\[\]|]+(?:\|[^()?*+\[\]|]+)*)\))?((?:[\w\-]|\\[.\-])*)")
"""The letters that a pattern begins with: one of some, then the same for all."""


@dataclass(frozen=True)
class Match:
    """A way in whose secrets were found. `where` says for each by which name."""

    service: str
    method: str
    where: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


class Services:
    """The recipes, asked the other way round. Of services that share an account, one stands
    for all."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._recipes: dict[str, Recipe] = {}

    @cached_property
    def _entries(self) -> list[Entry]:
        found: dict[str, Entry] = {}
        for entry in self._catalog.entries():
            if entry.status != "closed" and (
                entry.account not in found or entry.service == entry.account
            ):
                found[entry.account] = entry
        return list(found.values())

    def account(self, name: str) -> str:
        """The service that stands for an account of that name; empty if there is none."""
        return next((entry.service for entry in self._entries if entry.account == name), "")

    def first(self, names: Iterable[str]) -> str:
        """The first of these services that there is; empty if there is none."""
        known = {entry.service for entry in self._entries}
        return next((name for name in names if name in known), "")

    def way(self, service: str, method: str = "") -> Method:
        """A way in of a service, with all that its recipe says."""
        if service not in self._recipes:
            self._recipes[service] = self._catalog.recipe(service)
        return self._recipes[service].way(method or self._catalog.entry(service).methods[0].id)

    def rotates(self, service: str) -> bool:
        """Whether a renewal may end the refresh token that it used."""
        ways = [way for way in self._catalog.entry(service).methods if way.primitive == "oauth2"]
        return bool(ways) and ways[0].rotates != "no"

    def by_variables(self, names: Iterable[str]) -> list[Match]:
        """The ways in that variables of these names are meant for, whole ones first."""
        given = set(names)
        found = []
        for entry, method in self._keyed():
            where = {
                key: variable
                for key, _, variables in method.secrets
                for variable in variables
                if variable in given
            }
            missing = tuple(
                key for key, optional, _ in method.secrets if key not in where and not optional
            )
            if where:
                found.append(Match(entry.service, method.id, where, missing))
        whole = [match for match in found if not match.missing]
        used = {variable for match in whole for variable in match.where.values()}
        rest = [m for m in found if m.missing and not used & set(m.where.values())]
        return whole + rest

    def by_value(self, value: str) -> Match | None:
        """The one service whose keys begin like this value; None if several do, or none."""
        if len(value) < SHORTEST_GUESS or not re.search("[0-9]", value):
            return None
        best: dict[int, list[Match]] = {}
        for service, method, key, pattern in self._patterns:
            head = _head(pattern, value)
            if len(head) >= SHORTEST_HEAD and re.search(pattern, value):
                best.setdefault(len(head), []).append(Match(service, method, {key: ""}))
        longest = best[max(best)] if best else []
        return longest[0] if len(longest) == 1 else None

    def by_host(self, host: str, value: str) -> list[Match]:
        """The services whose API is at `host`; those below it only if the value looks like
        their key: an account's password must not be sent there.

        Where a recipe of ours knows the host, one from elsewhere does not claim it."""
        ours, others = list[Match](), list[Match]()
        for entry, method in self._typed():
            hosts = self._hosts(entry.service, method.id)
            below = entry.trusted and any(name.endswith(f".{host}") for name in hosts)
            if host in hosts or (below and self._looks(entry.service, method.id, value)):
                known = ours if entry.trusted else others
                known.append(Match(entry.service, method.id))
        return ours or others

    def by_login(self, token_endpoint: str, scopes: Iterable[str]) -> list[str]:
        """The services that a login at this token endpoint with these scopes is good for."""
        logins = {
            entry.service: oauth2
            for entry in self._entries
            for method in entry.methods
            if method.primitive == "oauth2"
            and (oauth2 := self.way(entry.service, method.id).oauth2) is not None
            and oauth2.token_endpoint == token_endpoint
        }
        asked = [scope for oauth2 in logins.values() for scope in set(oauth2.scopes)]
        granted = set(scopes)
        stems = {_stem(scope) for scope in granted}
        return [
            service
            for service, oauth2 in logins.items()
            # What several of them ask for (the e-mail address) tells none of them.
            if stems & {_stem(scope) for scope in oauth2.scopes if asked.count(scope) == 1}
            or granted & {s for each in oauth2.scope_sets.values() for s in each} - set(asked)
        ]

    def secrets(
        self, service: str, method: str, parts: Mapping[str, str]
    ) -> dict[str, Secret] | None:
        """`parts` by the full names of the recipe's secrets; None where they are not enough."""
        wanted = self._catalog.entry(service).method(method).secrets
        found = {
            key: Secret(value)
            for key, _, _ in wanted
            for name, value in parts.items()
            if value and (key == name or key.endswith(f"_{name}"))
        }
        enough = all(optional or key in found for key, optional, _ in wanted)
        return found if found and enough else None

    def keyed_way(self, service: str, part: str) -> str:
        """The way in that has a secret of this name; empty if there is none."""
        for entry, method in self._keyed():
            if entry.service == service and any(
                key == part or key.endswith(f"_{part}") for key, _, _ in method.secrets
            ):
                return method.id
        return ""

    def only_secret(self, service: str, method: str) -> str:
        """The one secret that a way in requires; empty where it wants several."""
        required = [s.key for s in self.way(service, method).required_secrets if not s.optional]
        return required[0] if len(required) == 1 else ""

    def key_way(self, service: str) -> tuple[str, str] | None:
        """The first way in by one key alone, and the name of that; None if there is none."""
        for _, method in self._typed(service):
            key = self.only_secret(service, method.id)
            if key:
                return method.id, key
        return None

    def _keyed(self) -> Iterator[tuple[Entry, MethodEntry]]:
        for entry in self._entries:
            for method in entry.methods:
                if method.secrets and method.primitive != "oauth2":
                    yield entry, method

    def _typed(self, service: str = "") -> Iterator[tuple[Entry, MethodEntry]]:
        """Those (of one service) whose secrets a person could type: no files, and nothing that
        a machine finds by itself."""
        for entry, method in self._keyed():
            if service in ("", entry.service):
                secrets = self.way(entry.service, method.id).required_secrets
                if not any(secret.ambient or secret.type in keyfile.TYPES for secret in secrets):
                    yield entry, method

    @cached_property
    def _patterns(self) -> list[tuple[str, str, str, str]]:
        found = []
        for entry, method in self._keyed():
            key = self.only_secret(entry.service, method.id) if entry.trusted else ""
            found += [
                (entry.service, method.id, key, secret.pattern)
                for secret in (self.way(entry.service, method.id).required_secrets if key else ())
                if secret.key == key and secret.pattern
            ]
        return found

    def _hosts(self, service: str, method: str) -> tuple[str, ...]:
        """Without ports: what names a host elsewhere knows none."""
        return tuple(host.partition(":")[0] for host in self.way(service, method).allowed_hosts)

    def _looks(self, service: str, method: str, value: str) -> bool:
        patterns = [s.pattern for s in self.way(service, method).required_secrets if s.pattern]
        return any(
            len(_head(pattern, value)) >= SHORTEST_HEAD and re.search(pattern, value)
            for pattern in patterns
        )


def _head(pattern: str, value: str) -> str:
    """The letters that every key of this pattern begins with, if the value does.

    >>> _head("^(sk|rk)_(test|live)_[a-z]+$", "rk_live_abc")
    'rk_'
    >>> _head("^[0-9a-f]{32}$", "00ff"), _head("key", "key")
    ('', '')
    """
    match = _HEAD.match(pattern)
    if match is None:
        return ""
    choices = [choice.replace("\\", "") for choice in (match[1] or "").split("|")]
    # A letter that may come again or not at all is no part of what they all begin with.
    literal = match[2][:-1] if pattern[match.end() : match.end() + 1] in tuple("?*{") else match[2]
    heads = [choice + literal.replace("\\", "") for choice in choices]
    return max((head for head in heads if value.startswith(head)), key=len, default="")


def _stem(scope: str) -> str:
    """What a scope is about: `…/auth/drive` of `…/auth/drive.readonly`."""
    base, slash, name = scope.rpartition("/")
    return base + slash + name.partition(".")[0]
