"""The names of a recipe's own parameters: none may take the place of one of the protocol's.

A second `client_id` or `redirect_uri` in a request is a second opinion on whose login it is,
and which of the two counts is up to the server (RFC 6749 §3.1 forbids it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.recipe.model import OAuth2
    from arcrun_auth.recipe.reader import Place

ENDPOINTS = (
    "token_endpoint", "authorization_endpoint", "device_authorization_endpoint",
    "revocation_endpoint", "introspection_endpoint", "userinfo_endpoint",
    "registration_endpoint", "issuer",
)  # fmt: skip

# Which parameters does the protocol set? RFC 6749, 7521, 7636, 8628, 8707.
RESERVED = frozenset(
    {
        "assertion", "client_assertion", "client_assertion_type", "client_id", "client_secret",
        "code", "code_challenge", "code_challenge_method", "code_verifier", "device_code",
        "grant_type", "redirect_uri", "refresh_token", "resource", "response_type", "state",
    }
)  # fmt: skip

# A secret that is shipped is a matter of the linter, which has more to say about it; and so is
# a grant that is: ours stands over it, but in an exchange of the live token, which names its own.
_LINTED = frozenset({"client_secret"})
_IN_GRANTS = frozenset({"client_secret", "grant_type"})

# What names the app is no second opinion on it.
_OURSELVES = ("client_id", "{{client.id}}")


def faults(oauth2: OAuth2) -> Iterator[tuple[Place, str]]:
    """What is wrong with the names of parameters: where, and why."""
    yield from _renamed(oauth2)
    own = RESERVED | {their for name, their in oauth2.param_names.items() if their != name}
    if oauth2.scope_param in own:
        yield ("scope_param",), "This parameter is set for each login."
    for name in oauth2.authorize_params:
        if name in own or name in ("scope", oauth2.scope_param):
            yield ("authorize_params", name), "This parameter is set for each login."
    for place, fields, free in (
        (("token_request", "params"), oauth2.token_request.params, _IN_GRANTS),
        *(((name, "params"), swap.params, _IN_GRANTS) for name, swap in oauth2.swaps),
        (("revoke", "params"), oauth2.revoke.params, _LINTED),
    ):
        for name, text in fields.items():
            if name in own - free and (name, text) != _OURSELVES:
                yield (*place, name), "This parameter is set for each request."
    yield from _in_urls(oauth2, own)
    for index, name in enumerate(oauth2.callback.keep):
        if name in ("state", oauth2.callback.code):
            yield ("callback", "keep", index), "What proves a login is no value to keep."


def _renamed(oauth2: OAuth2) -> Iterator[tuple[Place, str]]:
    theirs = list(oauth2.param_names.values())
    for name, their in oauth2.param_names.items():
        taken = their in (oauth2.scope_param, "scope", *RESERVED) and their != name
        if not their or taken or theirs.count(their) > 1:
            yield ("param_names", name), f"Another parameter is called {their!r}."


def _in_urls(oauth2: OAuth2, own: frozenset[str]) -> Iterator[tuple[Place, str]]:
    urls: dict[Place, str] = {(name,): getattr(oauth2, name) for name in ENDPOINTS}
    urls |= {(name, "url"): swap.url for name, swap in oauth2.swaps}
    for place, url in urls.items():
        for key, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True):
            if key in own or key == oauth2.scope_param:
                yield place, f"The parameter {key!r} is set for each request."
