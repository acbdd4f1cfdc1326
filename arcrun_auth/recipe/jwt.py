"""The part of a recipe about a JWT that is signed here.

The docstring under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from arcrun_auth.recipe.types import Model, Name, Strings


class Jwt(Model, frozen=True):
    """A JSON Web Token that is signed with a secret: the assertion of RFC 7523 §2.1."""

    key: Name
    """The secret that signs; a member of a secret that is a JSON text by its name after a dot."""
    take: str = ""
    """A regular expression whose first group is the key in that secret; all of it if not given."""
    alg: Literal["RS256", "PS256", "ES256", "EdDSA", "HS256"] = "RS256"
    """The algorithm: RFC 7518 §3.1."""
    key_encoding: Literal["pem", "hex", "base64", "utf8"] = "pem"
    """How the secret writes the key down."""
    header: Strings = {}
    """Further header fields: `kid`."""
    claims: Strings = {}
    """Claims; `iat` and `exp` are added. An assertion also has a `jti` and, if none is given,
    the token endpoint as `aud`. One that renders empty is left out: `jti: ""`."""
    scope_claim: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:/-]{0,64}$(?!\n)")] = ""
    """The claim that carries the scopes, where the request itself does not name them."""
    subject: str = ""
    """The claim `sub`, where one acts for a user: a template that may render empty."""
    backdate_s: Annotated[int, Meta(ge=0, le=300)] = 0
    """How many seconds before now it says it was signed, for a clock here that is ahead."""
    ttl_s: Annotated[int, Meta(ge=1, le=3600)] = 300
    """How long it is valid from now, in seconds."""
