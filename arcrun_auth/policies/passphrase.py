"""The lock of the policy, and the passphrase that opens it: the vault's, where that has one."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from arcrun_auth.errors import StoreError
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.stores.base import Store
    from arcrun_auth.stores.vault import Vault


@dataclass(frozen=True)
class Lock:
    """What a passphrase is held against: the costs of deriving its key, and a hash of that."""

    params: Mapping[str, Any]
    proof: Secret

    @classmethod
    def of(cls, passphrase: str) -> Self:
        """A new one. Takes up to a second."""
        from arcrun_auth.stores import kdf

        params = kdf.fresh_params()
        return cls(params, _proof(passphrase, params))

    def opened_by(self, passphrase: str) -> bool:
        """Whether this is its passphrase. Takes up to a second."""
        typed = _proof(passphrase, self.params)
        return hmac.compare_digest(typed.reveal(), self.proof.reveal())


def _proof(passphrase: str, params: Mapping[str, Any]) -> Secret:
    from hashlib import sha256

    from arcrun_auth.stores import kdf

    return Secret(sha256(b"arcrun policy lock" + kdf.derive(passphrase, params)).hexdigest())


def vault_of(store: Store) -> Vault | None:
    """The vault behind this store, if a passphrase opens it."""
    from arcrun_auth.stores.upkeep import passphrase_slot
    from arcrun_auth.stores.vault import Vault

    if not isinstance(store, Vault):
        return None
    try:
        passphrase_slot(store)
    except StoreError:
        return None
    return store
