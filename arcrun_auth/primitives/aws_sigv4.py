"""Requests signed by AWS Signature Version 4: with an access key, or with a role's session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.primitives.base import Primitive
from arcrun_auth.rendering import render
from arcrun_auth.signing import Signed, Signer
from arcrun_auth.sigv4 import AccessKey, SigV4

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Secret, Token

KEY_ID: Final = "access_key_id"
SECRET_KEY: Final = "secret_access_key"  # noqa: S105 - the name of a secret
SESSION_TOKEN: Final = "session_token"  # noqa: S105 - as above
"""Under which keys does a recipe ask for the parts of an access key?"""

_SETS: Final = frozenset({
    "authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token",
})  # fmt: skip


def access_key(secrets: Mapping[str, Secret], service: str) -> AccessKey:
    """The key that is among `secrets`. AuthError where it can sign nothing; before it is kept
    nobody has said for which service it is, and `service` is empty."""
    try:
        return AccessKey(secrets[KEY_ID].reveal(), secrets[SECRET_KEY], secrets.get(SESSION_TOKEN))
    except ValueError as error:
        fault = str(error)  # names the part, never the value
    if not service:
        raise AuthError(f"This access key cannot sign: {fault}.")
    raise AuthError(f"{service}: {fault}.", service=service, hint=f"arcrun setup {service}")


class SigV4Signer(Signer):
    """Signs what `inject` made of a request."""

    def __init__(self, binding: Binding) -> None:
        super().__init__(binding)
        way = binding.way
        assert way is not None
        assert way.aws is not None
        self._service = way.aws.service
        self._region = render(way.aws.region, binding.params)
        self.headers |= _SETS
        self.reads_body = True
        self._signs: tuple[Token, SigV4] | None = None

    def only_headers(self, token: Token) -> None:
        """None: each request has a signature of its own."""

    def sign(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None, token: Token
    ) -> Signed:
        """As `Signer.sign`; also AuthError for a stream where the body has to be signed."""
        ready = super().sign(method=method, url=url, headers=headers, body=body, token=token)
        changed = {name.lower() for name, _ in ready.headers}
        sent = [pair for pair in _pairs(headers) if pair[0].lower() not in changed]
        signed = self._signer(token).sign(
            method=method,
            url=ready.url,
            headers=[*sent, *ready.headers],
            body=body if ready.body is None else ready.body,
            now=time.time(),
        )
        return Signed(signed.url, ready.headers + signed.headers, ready.body)

    def presign(self, *, method: str, url: str, expires: int, token: Token) -> str:
        """`url`, good for `expires` seconds (1 to 604800, else ValueError) in anybody's hands."""
        return self._signer(token).presign(method=method, url=url, expires=expires, now=time.time())

    def _signer(self, token: Token) -> SigV4:
        held = self._signs
        if held is None or held[0] is not token:
            key = access_key(token.secrets, self.binding.service)
            held = self._signs = (token, SigV4(key, service=self._service, region=self._region))
        return held[1]


def _pairs(headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Every header of a request, those that stand in it more than once one by one."""
    every = getattr(headers, "multi_items", headers.items)
    pairs: Iterable[tuple[str, str]] = every()
    return pairs


class AwsSigV4(Primitive):
    """An access key that signs each request, and is never sent."""

    label = "an access key that signs requests"
    method_id = "key"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        """It needs to know what to sign for, and with what."""
        if way.aws is None:
            yield ("aws",), "What the signature is made for is missing: aws."
        keys = {secret.key for secret in way.required_secrets}
        if lacking := sorted({KEY_ID, SECRET_KEY} - keys):
            yield ("required_secrets",), f"It signs with a secret {lacking[0]!r}."

    def uses(self, way: Method) -> Iterable[str]:
        """The parts of the key."""
        parts = (KEY_ID, SECRET_KEY, SESSION_TOKEN)
        return [secret.key for secret in way.required_secrets if secret.key in parts]

    def check(self, way: Method, secrets: Mapping[str, Secret]) -> None:  # noqa: ARG002 - base's
        """AuthError where a part of it could never stand in a header."""
        access_key(secrets, "")

    def signer(self, binding: Binding) -> SigV4Signer:
        """One that has the region of this binding."""
        return SigV4Signer(binding)
