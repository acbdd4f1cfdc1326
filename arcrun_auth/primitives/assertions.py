"""The JWT that asks for a token (RFC 7523 §2.1), with what the desk of a connection knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.oauth.call import plain
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.primitives.base import Desk
    from arcrun_auth.recipe.model import Jwt


def assertion(desk: Desk, jwt: Jwt, *, audience: str, scopes: Sequence[str]) -> Secret:
    """What `jwt` says, signed with the secret that it names. MissingSecret where that is not."""
    from arcrun_auth.jwt import bearer_assertion

    known = desk.values()
    return Secret(
        bearer_assertion(
            jwt,
            key=desk.secret(jwt.key),
            audience=audience,
            now=desk.now,
            render=lambda text: plain(text, known),
            scopes=scopes,
            checked=desk.checked,
        )
    )


def named_outside(jwt: Jwt | None, scopes: Sequence[str]) -> Sequence[str]:
    """The scopes that the request itself names: none where the assertion carries them."""
    return () if jwt is not None and jwt.scope_claim else scopes
