"""Keys that sign each request as in OAuth 1.0 (RFC 5849)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from arcrun_auth import oauth1
from arcrun_auth.errors import AuthError
from arcrun_auth.primitives.base import Primitive
from arcrun_auth.rendering import render
from arcrun_auth.signing import Signed, Signer
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Token


class OAuth1Signer(Signer):
    """Signs what `inject` made of a request: its URL, and of a form its body."""

    def __init__(self, binding: Binding) -> None:
        super().__init__(binding)
        assert binding.way is not None
        assert binding.way.oauth1 is not None
        self._how = binding.way.oauth1
        self._realm = render(self._how.realm, binding.params)
        self.headers |= {"authorization"}
        self.reads_body = True

    def only_headers(self, token: Token) -> None:
        """None: each request has a signature of its own."""

    def sign(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None, token: Token
    ) -> Signed:
        """As `Signer.sign`; also AuthError for a form that is a stream."""
        ready = super().sign(method=method, url=url, headers=headers, body=body, token=token)
        kind = dict(ready.headers).get("Content-Type") or headers.get("content-type", "")
        try:
            header = oauth1.authorization(
                method=method,
                url=ready.url,
                keys=self._keys(token),
                form=self._form(kind, body if ready.body is None else ready.body),
                signature_method=self._how.signature_method,
                realm=self._realm,
                nonce=oauth1.fresh_nonce(),
                timestamp=int(time.time()),
            )
        except ValueError as error:  # it names the place, never a value
            raise self._fault(str(error), f"arcrun setup {self.binding.service}") from None
        return Signed(ready.url, (*ready.headers, ("Authorization", header)), ready.body)

    def _keys(self, token: Token) -> oauth1.Keys:
        how = self._how
        names = (how.consumer_key, how.consumer_secret, how.token, how.token_secret)
        return oauth1.Keys(*(token.secrets.get(name, Secret("")) for name in names))

    def _form(self, kind: str, body: bytes | None) -> bytes:
        if kind.partition(";")[0].strip().lower() != oauth1.FORM:
            return b""
        if body is None:
            raise self._fault("a form that is a stream cannot be signed", "pass data={...}")
        return body

    def _fault(self, why: str, hint: str) -> AuthError:
        service = self.binding.service
        return AuthError(f"{service}: {why}. Nothing was sent.", service=service, hint=hint)


class OAuth1(Primitive):
    """A consumer's keys and a token's, which sign requests and are never sent."""

    label = "keys that sign each request (OAuth 1)"
    method_id = "keys"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        if way.oauth1 is None:
            yield ("oauth1",), "The primitive oauth1 needs the keys that sign."
        elif bool(way.oauth1.token) != bool(way.oauth1.token_secret):
            yield ("oauth1",), "A token and its secret come together."

    def signer(self, binding: Binding) -> OAuth1Signer:
        return OAuth1Signer(binding)
