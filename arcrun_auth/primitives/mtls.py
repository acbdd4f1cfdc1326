"""A certificate that TLS shows to the service (RFC 8705), and to no other host."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from arcrun_auth.primitives.base import Primitive
from arcrun_auth.signing import Signer
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.recipe import Mtls as Fields
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Token


class MtlsSigner(Signer):
    """Signs as `inject` says, beside the proof in TLS."""

    proves = True
    asks_more = "is shown a certificate in TLS"

    def __init__(self, binding: Binding) -> None:
        super().__init__(binding)
        assert binding.way is not None
        assert binding.way.mtls is not None
        self._named = binding.way.mtls

    def proof(self, token: Token) -> tuple[Secret, Secret, Secret | None]:
        return _parts(self._named, token.secrets)


class Mtls(Primitive):
    """A client certificate and its key; a token or a key of `inject` may come on top."""

    label = "a client certificate (mutual TLS)"
    method_id = "certificate"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        if way.mtls is None:
            yield ("mtls",), "The primitive mtls needs the certificate to show."

    def check(self, way: Method, secrets: Mapping[str, Secret]) -> None:
        self.ends(way, secrets)

    def ends(self, way: Method, secrets: Mapping[str, Secret]) -> float | None:
        """The end of the certificate, which `arcrun list` warns of."""
        from arcrun_auth.mtls import check_certificate

        assert way.mtls is not None
        if way.mtls.certificate not in secrets:
            return None
        return check_certificate(*_parts(way.mtls, secrets), now=time.time())

    def signer(self, binding: Binding) -> MtlsSigner:
        return MtlsSigner(binding)


def _parts(named: Fields, secrets: Mapping[str, Secret]) -> tuple[Secret, Secret, Secret | None]:
    """The certificate, its key, and what unlocks that."""
    chain = secrets.get(named.certificate, Secret(""))
    key = secrets.get(named.key, Secret("")) if named.key else chain
    return chain, key, secrets.get(named.passphrase) if named.passphrase else None
