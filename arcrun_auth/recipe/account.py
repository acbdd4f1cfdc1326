"""The part of a recipe about service accounts: how else than by a key one is reached.

The docstring under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Any

from arcrun_auth.recipe.oauth2 import TokenResponse
from arcrun_auth.recipe.types import Model, Scope, Strings, Url


class Federation(Model, frozen=True):
    """Where a workload's own token is exchanged for one that the service takes: RFC 8693."""

    endpoint: Url
    """The token exchange endpoint."""
    variables: str = ""
    """What begins the names of the variables that tell a program which token is wanted."""


class Impersonation(Model, frozen=True):
    """How one account gets a token of another. `{{param.impersonate}}` is the other one."""

    url: Url
    """Where the token is asked for, by a POST of JSON."""
    sign_url: Url = ""
    """Where a JWT of that account is signed instead, to act for a user without any key."""
    signed: str = "signedJwt"
    """The path of the JWT in the answer."""
    scopes: tuple[Scope, ...] = ()
    """The scopes of the token that may do that."""
    scope_field: str = "scope"
    """Under which name the wanted scopes are sent, as a list; empty where they are not."""
    body: Strings = {}
    """Further fields of the request; one that renders empty is left out."""
    token_response: TokenResponse = TokenResponse()
    """Where the token stands in the answer."""


class ServiceAccount(Model, frozen=True):
    """What a service account's document may be beside its own key."""

    federation: Federation | None = None
    """For a workload that proves itself by a token of its own platform."""
    impersonation: Impersonation | None = None
    """For one account that acts as another."""
    document: dict[str, Any] = {}
    """The document, where the recipe writes it instead of the user. Its texts are templates. What
    it tells to look up on the machine is honoured in bundled recipes only."""
