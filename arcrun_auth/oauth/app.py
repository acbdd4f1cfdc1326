"""The client of RFC 6749 §2: one's own app at a provider, and what it proves itself by."""

from __future__ import annotations

from arcrun_auth.tokens import _Unsharable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.tokens import Secret


class App(_Unsharable):
    """Its id, and whichever of the proofs of RFC 6749 §2.3, RFC 7523 and RFC 8705 it has."""

    __slots__ = ("certificate", "client_id", "client_secret", "key_id", "private_key")

    def __init__(
        self,
        client_id: str,
        client_secret: Secret | None = None,
        *,
        private_key: Secret | None = None,
        key_id: str = "",
        certificate: Secret | None = None,
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.private_key = private_key
        """A PEM or a JWK: signs assertions, or belongs to the certificate."""
        self.key_id = key_id
        """The `kid` of that key, where the provider gave it one."""
        self.certificate = certificate
        """A PEM, with its chain."""

    def __repr__(self) -> str:
        return f"App(client_id={self.client_id!r})"
