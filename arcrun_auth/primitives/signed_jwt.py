"""A JWT that is made here, and is itself the token of the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.primitives.base import Primitive
from arcrun_auth.tokens import Grant, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.primitives.base import Desk
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place


class SignedJwt(Primitive):
    """Signs the recipe's `jwt`, as often as the last one comes to its end. Sends nothing."""

    label = "a key that signs a token for your requests (JWT)"
    method_id = "jwt"
    source = "made"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        if way.jwt is None:
            yield ("jwt",), "The primitive signed_jwt needs the token to sign."

    def check(self, way: Method, secrets: Mapping[str, Secret]) -> None:
        check_key(way, secrets)

    def issue(self, desk: Desk) -> Grant:
        from arcrun_auth.jwt import by_recipe
        from arcrun_auth.oauth.call import plain

        jwt = desk.way.jwt
        assert jwt is not None
        now, known = desk.now, desk.values()
        token = by_recipe(
            jwt,
            key=desk.secret(jwt.key),
            usual={},  # no `jti`: it is for many requests
            now=now,
            render=lambda text: plain(text, known),
            scopes=desk.scopes,
            checked=desk.checked,
        )
        return Grant(access_token=Secret(token), issued=now, expires=int(now) + jwt.ttl_s)


def check_key(way: Method, secrets: Mapping[str, Secret]) -> None:
    """AuthError where the secret that signs can never do it; one that is not there is let be."""
    from arcrun_auth.jwt import check_key, key_in
    from arcrun_auth.members import flattened

    jwt = way.jwt
    if jwt is None:
        return
    key, _, member = jwt.key.partition(".")
    if key not in secrets:
        return
    secret = flattened(way, secrets).get(jwt.key)
    if secret is None:
        raise AuthError(
            f"The secret {key} is no JSON text with a member {member}.",
            hint="give the whole file, as it was made",
        )
    check_key(alg=jwt.alg, key=key_in(jwt, secret), key_encoding=jwt.key_encoding)
