"""The part of a recipe about logins by calls that answer a token: at most four, in order.

The docstring under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from arcrun_auth.recipe.types import Model, Ok, Scope, Strings, Url

MAX_STEPS = 4
"""How many calls may one login take?"""


class Step(Model, frozen=True):
    """One call of a login. Its templates may name what the steps before it saved."""

    url: Url
    """The whole URL."""
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    """The HTTP method."""
    headers: Strings = {}
    """The headers of the request."""
    query: Strings = {}
    """Parameters of the URL."""
    body: Strings = {}
    """Fields of the body; dots make nested keys in JSON."""
    body_format: Literal["form", "json"] = "form"
    """How the body is written."""
    ok: Ok | None = None
    """For services that answer 200 to a failure: what a good answer says."""
    save: Strings = {}
    """What to take from the answer, name to path (`header:Name` for a header): `{{step1.name}}`."""


class TokenExchange(Model, frozen=True):
    """A login by one or more calls. The last one saves `access_token`, and `expires_in` or
    `expires_at` if it tells."""

    endpoint: Url = ""
    """Where a service account exchanges its signed JWT for a token: the platform's field."""
    scopes: tuple[Scope, ...] = ()
    """The scopes it asks for there."""
    steps: Annotated[tuple[Step, ...], Meta(max_length=MAX_STEPS)] = ()
    """The calls, in their order."""
    default_expires_in: Annotated[int, Meta(ge=1)] | None = None
    """How long the token holds, in seconds, where no answer says it; it holds on if not given."""
