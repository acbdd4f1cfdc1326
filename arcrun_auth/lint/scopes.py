"""The linter's rules on how much a login asks for, and for how long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.lint import Finding, Subject
    from arcrun_auth.recipe.oauth2 import OAuth2
    from arcrun_auth.recipe.reader import Place

# Words of scopes that hand over more than one task needs, whoever the provider is.
_WIDE = re.compile(
    r"(?:^|[.:/_-])(?:admin|all|full(?:_?access)?|owner|root|superuser|delete)(?:$|[.:/_-])|^\*$|:\*$",
    re.IGNORECASE,
)
# What asks for a login that lasts: OpenID Connect Core §11, and those who do otherwise.
_LASTING = {"access_type": "offline", "token_access_type": "offline", "duration": "permanent"}


def least(subject: Subject) -> Iterator[Finding]:
    """The least privilege: what is asked for unless somebody chooses more."""
    for of_method, way, _ in subject.ways():
        oauth2 = way.oauth2
        if oauth2 is None:
            continue
        at: Place = (*of_method, "oauth2")
        for index, scope in enumerate(oauth2.scopes):
            if _WIDE.search(scope) and "read" not in scope.lower():
                yield subject.finding(
                    "scope-wide", (*at, "scopes", index),
                    f"Everybody is asked for {scope!r}, which sounds like more than most need.",
                    "Ask for less by default, and put it into one of scope_sets.", "warning",
                )  # fmt: skip
        yield from _in_order(subject, oauth2, at)


def _in_order(subject: Subject, oauth2: OAuth2, at: Place) -> Iterator[Finding]:
    sets = [(name, set(scopes)) for name, scopes in oauth2.scope_sets.items()]
    for index, (name, scopes) in enumerate(sets):
        wider = next((other for other, before in sets[:index] if scopes < before), None)
        if wider is not None:
            yield subject.finding(
                "scope-order", (*at, "scope_sets", name),
                f"This asks for less than {wider!r}, which stands before it.",
                "The least privilege first.", "warning",
            )  # fmt: skip


def lasting(subject: Subject) -> Iterator[Finding]:
    """Access that goes on while nobody is there is asked for only where it is made use of."""
    for of_method, way, _ in subject.ways():
        oauth2 = way.oauth2
        if oauth2 is None or (oauth2.refresh.mode != "no" and "refresh_token" in oauth2.grants):
            continue
        at: Place = (*of_method, "oauth2")
        asked = [
            (*at, "authorize_params", name)
            for name, text in oauth2.authorize_params.items()
            if _LASTING.get(name) == text
        ]
        asked += [(*at, "scopes", i) for i, s in enumerate(oauth2.scopes) if s == "offline_access"]
        for place in asked:
            yield subject.finding(
                "oauth-offline", place,
                "This asks for access that lasts, and no refresh token is used.",
                "Leave it out, or let refresh_token stand among the grants.", "warning",
            )  # fmt: skip


def ended(subject: Subject) -> Iterator[Finding]:
    """Where a login is ended at the provider; `revocation_endpoint: ""` says that it cannot be."""
    for of_method, way, stated in subject.ways():
        oauth2 = way.oauth2
        if oauth2 is None or oauth2.discovery or "authorization_code" not in oauth2.grants:
            continue
        if "revocation_endpoint" not in stated.get("oauth2", {}):
            yield subject.finding(
                "oauth-revoke", (*of_method, "oauth2"),
                "It is not stated where a login is ended (RFC 7009).",
                'revocation_endpoint: its URL, or "" where there is none.', "warning",
            )  # fmt: skip
