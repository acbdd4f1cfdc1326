"""A user and a password that answer the server's challenge (RFC 7616)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import digest
from arcrun_auth.primitives.base import Primitive
from arcrun_auth.signing import Signed, Signer
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Final

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Token

_AUTHORITY: Final = re.compile(r"^[^:/]+://[^/?]*")


class DigestSigner(Signer):
    """Answers the latest challenge of the server with every request, before it is asked again.

    The first request of a client goes without an answer, since there is no challenge yet.
    """

    asks_more = "answers the challenges of its server"

    def __init__(self, binding: Binding) -> None:
        super().__init__(binding)
        assert binding.way is not None
        assert binding.way.digest is not None
        self._who = binding.way.digest
        self._session: digest.Session | None = None
        self.headers |= {"authorization"}

    def only_headers(self, token: Token) -> None:
        """None: each request has an answer of its own."""

    def challenged(self, offered: Sequence[str]) -> bool:
        found = digest.read(offered)
        if found is not None:
            self._session = digest.Session(found)
        return found is not None

    def sign(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None, token: Token
    ) -> Signed:
        ready = super().sign(method=method, url=url, headers=headers, body=body, token=token)
        session = self._session
        if session is None:
            return ready
        answer = session.authorization(
            method=method,
            uri=_target(ready.url),
            username=token.secrets.get(self._who.username, Secret("")).reveal(),
            password=token.secrets.get(self._who.password, Secret("")),
        )
        return Signed(ready.url, (*ready.headers, ("Authorization", answer)), ready.body)


def _target(url: str) -> str:
    """The request target (RFC 9112 §3.2.1): path and query."""
    target = _AUTHORITY.sub("", url.partition("#")[0], count=1)
    return target if target.startswith("/") else f"/{target}"


class Digest(Primitive):
    """A password that is never sent."""

    label = "a user and a password that is never sent (Digest)"
    method_id = "digest"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        if way.digest is None:
            yield ("digest",), "The primitive digest needs to know who answers."

    def signer(self, binding: Binding) -> DigestSigner:
        return DigestSigner(binding)
