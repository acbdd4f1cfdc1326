"""Params that nobody types: what the redirect, the token answer, a secret or the API tells."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from arcrun_auth import consent, rendering
from arcrun_auth.answers import pick
from arcrun_auth.errors import (
    AuthError,
    LoginFailed,
    ProviderUnavailable,
    TokenRefused,
    may_pass,
    printable,
)
from arcrun_auth.hosts import Fence
from arcrun_auth.probe import fetch
from arcrun_auth.recipe.rules import host_of
from arcrun_auth.signing import PLACES, Binding
from arcrun_auth.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import Choose, Discover, Method
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Credential

    Values = dict[str, str]

REFUSED = (401, 403)
MAX_CHOICES = 50
"""How many items do we offer? Whoever has more is asked for the name of one."""


def of_login(way: Method, record: Credential, *, service: str) -> Values:
    """The params of `way` that came with the login, checked.

    Raises LoginFailed for one that is missing or does not fit.
    """
    given = [name for name, param in way.params.items() if param.source not in ("user", "discover")]
    return _checked(way, given, brought(way, record), service)


def discovered(
    way: Method,
    record: Credential,
    *,
    before: Mapping[str, str],
    service: str,
    source: Source,
    person: Person,
    allow: Sequence[str],
    client_id: str = "",
) -> Values:
    """The params of `way` that its service tells, checked: sends the requests of `discover`.

    `before` are those of the last login: what was chosen then is chosen again. Raises
    LoginFailed for one that is missing or does not fit, AuthError where several are there and
    none is chosen, TokenRefused, and what sending raises.
    """
    told: Values = {}
    for step in way.discover:
        known = {name: value for name, value in before.items() if name in step.save}
        try:
            binding = _binding(step, way, {**record.params, **told}, service, allow)
            binding = replace(binding, client_id=client_id)
        except ValueError as error:
            raise _not_brought(service, error) from None
        told |= _said(step, way, binding, source=source, person=person, known=known)
    names = [name for name, param in way.params.items() if param.source == "discover"]
    return _checked(way, names, told, service)


def _checked(way: Method, names: Iterable[str], given: Mapping[str, str], service: str) -> Values:
    checked: Values = {}
    for name in names:
        param = way.params[name]
        if name not in given and param.default is not None:
            continue
        try:
            checked[name] = param.check(name, given.get(name))
        except ValueError as error:
            raise _not_brought(service, error) from None
    return checked


def _not_brought(service: str, error: ValueError) -> LoginFailed:
    return LoginFailed(
        f"{service}: the login did not bring what its address needs ({error}).",
        service=service,
        hint=f"arcrun setup {service}",
    )


def brought(way: Method, record: Credential) -> Values:
    """What came with the redirect or the token, or stands in a secret."""
    kept: Mapping[str, str] = record.grant.kept if record.grant is not None else {}
    secrets = {name: value.reveal() for name, value in record.secrets.items()}
    places = {"callback": kept, "token": kept, "secret": secrets}
    return {
        name: param.found(value)
        for name, param in way.params.items()
        if (value := places.get(param.source, {}).get(param.key or name)) is not None
    }


def _binding(
    step: Discover, way: Method, params: Values, service: str, allow: Sequence[str]
) -> Binding:
    """Of the hosts that were agreed to the one that this request goes to. ValueError where
    it needs a param that nobody knows yet, or where a param makes no host.

    The fence stands around the host as it is written with the params in it, and not around what
    a URL parser makes of the whole: a value with a slash must not become the host.
    """
    values = way.values(params)
    static = {**_known(way.static_headers, values), **step.headers}
    return Binding(
        service=service,
        base_url=rendering.render(step.url, values),
        fence=Fence(consent.rendered([host_of(step.url)], way, params), allow),
        inject=msgspec.structs.replace(
            way.inject,
            **{name: _known(getattr(way.inject, name), values) for name in PLACES},
        ),
        static_headers={name: rendering.render(text, values) for name, text in static.items()},
        params=values,
    )


def _known(fields: Mapping[str, str], values: Mapping[str, str]) -> Values:
    """What can be rendered by now: the request that finds a tenant cannot say which one."""
    return {
        name: text
        for name, text in fields.items()
        if all(
            key in values
            for space, key, _ in Template.parse(text, strict=False).placeholders
            if space == "param"
        )
    }


def _said(
    step: Discover,
    way: Method,
    binding: Binding,
    *,
    source: Source,
    person: Person,
    known: Mapping[str, str],
) -> Values:
    service = binding.service
    reply = fetch(binding, source, binding.base_url)
    if may_pass(reply.status):
        raise ProviderUnavailable(
            f"{service} could not say now which one is meant (status {reply.status}).",
            service=service,
            status=reply.status,
            hint=f"arcrun setup {service}",
        )
    if reply.status in REFUSED:
        raise TokenRefused(
            f"{service} refused to say which one is meant (status {reply.status}).",
            service=service,
            hint=f"arcrun setup {service}",
        )
    item = reply.data
    if step.choose is not None:
        item = _chosen(pick(reply.data, step.choose.items), step, service, person, known)
    values = {name: pick(item, path, reply.headers) for name, path in step.save.items()}
    return {n: way.params[n].found(str(v)) for n, v in values.items() if isinstance(v, str | int)}


def _chosen(
    items: Any, step: Discover, service: str, person: Person, known: Mapping[str, str]
) -> Any:
    """The one item, the one of before, or the one that the person chooses."""
    choices = items if isinstance(items, list) else []
    if not choices:
        raise LoginFailed(
            f"{service}: the account that logged in has nothing to connect to.",
            service=service,
            hint=f"arcrun setup {service}",
        )
    if len(choices) == 1:
        return choices[0]
    for item in choices:
        if known and all(str(pick(item, step.save[n])) == value for n, value in known.items()):
            return item
    assert step.choose is not None
    return _asked(choices, step.choose, service, person)


def _asked(choices: list[Any], choose: Choose, service: str, person: Person) -> Any:
    names = [printable(str(pick(item, choose.label)), 80) for item in choices]
    for number, name in enumerate(names[:MAX_CHOICES], 1):
        person.say(f"  {number}. {name}")
    answer = (person.ask("Which one? (number or name)") or "").strip()
    if re.fullmatch("[0-9]{1,4}", answer) and 1 <= int(answer) <= len(choices):
        return choices[int(answer) - 1]
    if names.count(answer) == 1:  # two of one name are told apart by their number
        return choices[names.index(answer)]
    known = printable(", ".join(names))
    raise AuthError(
        f"{service}: this account has several, and none was chosen: {known}.",
        service=service,
        hint=f"arcrun setup {service}",
    )
