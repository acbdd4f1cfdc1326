"""The client of RFC 6749 §2: one's own app at a provider, and what it proves itself by."""

from __future__ import annotations

from arcrun_auth.tokens import _Unsharable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from arcrun_auth.tokens import Secret


class App(_Unsharable):
    """Its id, and whichever of the proofs of RFC 6749 §2.3, RFC 7523 and RFC 8705 it has."""

    __slots__ = (
        "certificate", "client_id", "client_secret", "key_id", "private_key", "redirect_uri",
    )  # fmt: skip

    def __init__(
        self,
        client_id: str,
        client_secret: Secret | None = None,
        *,
        private_key: Secret | None = None,
        key_id: str = "",
        certificate: Secret | None = None,
        redirect_uri: str = "",
    ) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.private_key = private_key
        """A PEM or a JWK: signs assertions, or belongs to the certificate."""
        self.key_id = key_id
        """The `kid` of that key, where the provider gave it one."""
        self.certificate = certificate
        """A PEM, with its chain."""
        self.redirect_uri = redirect_uri
        """An https address of its owner's that it is registered with; empty where a login comes
        back to this machine."""

    @classmethod
    def of(cls, parts: Mapping[str, Secret]) -> Self:
        """The app of these parts, as they are stored. Its client id is empty without one."""

        def shown(name: str) -> str:
            return parts[name].reveal() if name in parts else ""

        return cls(
            shown("client_id"),
            parts.get("client_secret"),
            private_key=parts.get("private_key"),
            key_id=shown("key_id"),
            certificate=parts.get("certificate"),
            redirect_uri=shown("redirect_uri"),
        )

    def __repr__(self) -> str:
        return f"App(client_id={self.client_id!r})"
