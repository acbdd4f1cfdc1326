"""What a recipe changed against the one that was agreed to, in words a user understands.

Two projections (`consent.project`) are held against each other leaf by leaf, so that no
difference hides behind a long text or a long list. Pure.

    >>> for each in differences(
    ...     {"service": "notion", "allowed_hosts": ["api.notion.com"]},
    ...     {"service": "notion", "allowed_hosts": ["evil.example"]},
    ...     name="Notion",
    ... ):
    ...     print(each)
    api.notion.com → evil.example: your Notion token would be sent to a new host
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arcrun_auth.consent import canonical
from arcrun_auth.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.consent import Projection
    from arcrun_auth.recipe.reader import Place

# What does it mean for the user that this field changed?
WORDS = {
    "base_url": "requests would go to another address",
    "allowed_hosts": "your {name} token would be sent to fewer hosts",
    "inject": "your {name} token would be put in another place of the request",
    "static_headers": "other headers would be sent along",
    "root_paths": "relative URLs would be resolved otherwise",
    "primitive": "it would log in another way",
    "required_secrets": "other secrets would be asked for",
    "token_secret": "another secret would be handed out as the token",
    "params": "what fills the address would change",
    "test": "the request that checks the connection would change",
    "account": "another account's credential would be used",
    "service": "the service has another name",
    "id": "the way in has another name",
    "schema": "it would be read as another version of the format",
    "token_endpoint": "your login and refresh token would be sent to another address",
    "authorization_endpoint": "you would log in on another page",
    "device_authorization_endpoint": "you would log in on another page",
    "revocation_endpoint": "your token would be sent to another address when it is revoked",
    "introspection_endpoint": "your token would be sent to another address",
    "userinfo_endpoint": "your token would be sent to another address",
    "issuer": "another server would be trusted to log you in",
    "scopes": "other permissions would be asked for",
    "scope_sets": "the names for permissions would stand for others",
    "scope_aliases": "other permissions would be taken for granted",
    "scope_param": "permissions would be asked for by another name",
    "scope_separator": "permissions would be asked for in another form",
    "scopes_required": "a login without permissions would be treated otherwise",
    "client": "your app would identify itself otherwise",
    "redirect": "the login would come back to another address",
    "refresh": "your login would be renewed otherwise",
    "swap": "the first token of a login would be swapped otherwise, or elsewhere",
    "registration_endpoint": "your app would be registered with another server",
    "discovery": "the server's own metadata would say where your login is sent",
    "discover": "your token would be used for other requests after the login",
    "grants": "it would log in another way",
    "revoke": "your login would be ended otherwise",
    "token_request": "the token would be asked for otherwise",
    "token_response": "the token would be looked for elsewhere in the answer",
    "callback": "other parts of the redirect would be kept",
    "param_names": "the login's parameters would have other names",
    "resource": "the token would be for another API",
    "jwt": "another assertion would be signed with your key",
    "git": "git would be given your {name} token for other hosts, or for another user",
    "docker": "docker would be given your {name} token for other registries, or for another user",
    "token_exchange": "the calls that get the token would change",
    "service_account_kind": "your service account would be used otherwise",
    "oauth1": "requests would be signed otherwise",
    "digest": "other secrets would answer the server's challenge",
    "mtls": "another certificate would be shown",
    "service_account": "your service account would be used otherwise",
    "options": "the settings of its plug-in would change",
    "agent": "AI agents could do other things without being allowed to write",
    "deny_paths": "AI agents could reach other places",
    "aws": "requests would be signed for another service or region",
    "assume_role": "another role would be assumed with your access key",
    "authorize_params": "the login would be asked for otherwise",
    "pkce": "the protection of the login against interception (PKCE) would change",
}

_NEW_HOST = "your {name} token would be sent to a new host"

LIMIT = 120
"""From which length on do we leave out what two values have in common? What differs never is."""
_AROUND = 20
"""How much is shown of what two long values have in common, before and after they differ?"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changed: where, from what, to what, and what that means."""

    field: str
    """Its place in the recipe: `inject.header.X-Key`."""
    before: str
    after: str
    """As they can be shown, all that differs; `nothing` for what is not there."""
    meaning: str

    def __str__(self) -> str:
        where = f" ({self.field})" if "." in self.field or "[" in self.field else ""
        return f"{self.before} → {self.after}{where}: {self.meaning}"


def differences(old: Projection, new: Projection, *, name: str = "") -> tuple[Difference, ...]:
    """What differs between two projections, the hosts first; `name` is the service's name.

    Each leaf has a difference of its own, and so has each item of a list of texts that came or
    went: nothing that is new is cut away, or stands in a crowd.
    """
    service = printable(name or str(old.get("service", "")), 40)
    found = [
        Difference(
            _visible(_spell_place(place)), *_shown(before, after), _meaning(place, after, service)
        )
        for place, before, after in _leaves((), old, new)
    ]
    return tuple(sorted(found, key=lambda each: (each.field != "allowed_hosts", each.field)))


def name_of(service: str, display_name: str) -> str:
    """The service as people write it, where that is no more than its own name written nicely.

    What else a changed recipe calls itself is not repeated in a warning about it.

    >>> name_of("google_drive", "Google Drive"), name_of("notion", "Notion, which is safe")
    ('Google Drive', 'notion')
    """
    bare = "".join(char for char in display_name if char.isalnum()).casefold()
    return display_name if bare == service.replace("_", "") else service


def _leaves(place: Place, old: Any, new: Any) -> Iterator[tuple[Place, Any, Any]]:
    if old == new:
        return
    if _is_both(dict, old, new):
        old, new = old or {}, new or {}
        for key in sorted({*old, *new}):
            yield from _leaves((*place, key), old.get(key), new.get(key))
    elif _is_both(list, old, new) and not _are_texts([*(old or ()), *(new or ())]):
        old, new = old or [], new or []
        for index in range(max(len(old), len(new))):
            pair = (each[index] if index < len(each) else None for each in (old, new))
            yield from _leaves((*place, index), *pair)
    elif _is_both(list, old, new):
        for went, came in _unlike(old or [], new or []):
            yield place, went, came
    else:
        yield place, old, new


def _is_both(kind: type, old: Any, new: Any) -> bool:
    """Whether both are of this kind, or one of them and the other absent."""
    return all(each is None or isinstance(each, kind) for each in (old, new))


def _are_texts(items: list[Any]) -> bool:
    return all(isinstance(item, str) for item in items)


def _unlike(old: list[str], new: list[str]) -> Iterator[tuple[Any, Any]]:
    """Each that came, then each that went; both lists whole where only their order differs."""
    gone, come = [i for i in old if i not in new], [i for i in new if i not in old]
    if not gone and not come:
        yield old, new
    elif len(gone) == len(come) == 1:
        yield gone[0], come[0]
    else:
        yield from ((None, item) for item in come)
        yield from ((item, None) for item in gone)


def _meaning(place: Place, after: Any, name: str) -> str:
    top = str(place[1] if place[0] == "oauth2" and len(place) > 1 else place[0])
    text = _NEW_HOST if top == "allowed_hosts" and after else WORDS.get(top, f"{top} would change")
    return text.format(name=name)


def _spell_place(place: Place) -> str:
    from arcrun_auth.recipe.reader import spell

    return spell(place)


def _shown(old: Any, new: Any) -> tuple[str, str]:
    before, after = _visible(_spell(old)), _visible(_spell(new))
    if max(len(before), len(after)) <= LIMIT:
        return before, after
    start = max(0, _common(before, after) - _AROUND)
    rest = before[start:], after[start:]
    alike = _common(rest[0][_AROUND:][::-1], rest[1][_AROUND:][::-1])
    end = max(0, alike - _AROUND)
    one, other = (text[: len(text) - end] + "…" * bool(end) for text in rest)
    return "…" * bool(start) + one, "…" * bool(start) + other


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _visible(text: str) -> str:
    """The text with what nobody can see in it escaped: it would look like another text."""
    return text if printable(text, len(text) + 1) == text else ascii(text)[1:-1]


def _spell(value: Any) -> str:
    if value is None or value == []:
        return "nothing"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and _are_texts(value):
        return ", ".join(value)
    return canonical(value).decode()
