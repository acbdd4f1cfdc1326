"""Scopes: what is asked for, what was granted, and what is missing. Pure.

A set's name stands for its scopes, a short name for the one known scope that ends in it
(`calendar.events`), and `+name` adds to what was asked for before.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arcrun_auth.recipe import OAuth2
    from arcrun_auth.tokens import Grant


def spelled(oauth2: OAuth2, names: Iterable[str]) -> tuple[str, ...]:
    """Names of sets and short names as the scopes they stand for; all else as it is.

    >>> from arcrun_auth.recipe import OAuth2
    >>> server = OAuth2(scopes=("https://x.example/mail.read",), scope_sets={"all": ("a", "b")})
    >>> spelled(server, ["all", "mail.read", "other"])
    ('a', 'b', 'https://x.example/mail.read', 'other')
    """
    found = (scope for name in names for scope in _spelled(oauth2, name.removeprefix("+")))
    return tuple(dict.fromkeys(found))


def _spelled(oauth2: OAuth2, name: str) -> tuple[str, ...]:
    if name in oauth2.scope_sets:
        return oauth2.scope_sets[name]
    all_of_them = known(oauth2)
    if name in all_of_them:
        return (name,)
    ends = [scope for scope in all_of_them if scope.rpartition("/")[2] == name]
    return (ends[0],) if len(ends) == 1 else (name,)


def known(oauth2: OAuth2) -> dict[str, None]:
    """Every scope that the recipe names, in its order."""
    in_sets = (scope for each in oauth2.scope_sets.values() for scope in each)
    return dict.fromkeys((*oauth2.scopes, *in_sets))


def wanted(
    oauth2: OAuth2,
    names: Sequence[str] | None,
    *,
    held: Grant | None,
    widen: bool = False,
    joins: bool = False,
) -> tuple[str, ...]:
    """What a login asks for: what is named, else what was asked for before, else the default.

    With `widen`, or a `+` before each name, what was asked for before stays in: a call that
    needs more must not lose the rest. So it does for a service that `joins` the login of others.
    """
    before = held.requested if held is not None else ()
    if names is None:
        own = oauth2.scopes if joins or not before else ()
        return tuple(dict.fromkeys((*before, *own)))
    adds = widen or joins or all(name.startswith("+") for name in names)
    base = (before or tuple(oauth2.scopes) if not (widen or joins) else before) if adds else ()
    return tuple(dict.fromkeys((*base, *spelled(oauth2, names))))


def slip(oauth2: OAuth2, names: Iterable[str]) -> tuple[str, str] | None:
    """A name that is neither a set nor a known scope and looks like a set mistyped, and that set.

    >>> from arcrun_auth.recipe import OAuth2
    >>> slip(OAuth2(scope_sets={"readonly": ("read",)}), ["readonyl"])
    ('readonyl', 'readonly')
    """
    from difflib import get_close_matches

    sets = list(oauth2.scope_sets)
    for name in (name.removeprefix("+") for name in names):
        near = get_close_matches(name, sets, n=1, cutoff=0.8)
        if near and spelled(oauth2, [name]) == (name,) and name not in known(oauth2):
            return name, near[0]
    return None


def missing(oauth2: OAuth2, asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """Which of `asked` were not granted; those that this provider never lists are believed."""
    have, aliases = set(granted), oauth2.scope_aliases
    return tuple(
        scope
        for scope in asked
        if scope not in have and aliases.get(scope, scope) not in (have | {""})
    )
