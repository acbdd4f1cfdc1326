"""What all processes of a server share beside the accounts: its sealing key, and what is spent."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from arcrun_auth.seal import KEY_BYTES, encode
from arcrun_auth.server.sealing import Sealer

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx

_NAME = "seal"


def sealer(tx: Tx) -> Sealer:
    """The server's sealer; its key is made when it is first asked for."""
    fresh = os.urandom(KEY_BYTES).hex()
    # The statement, not a look before it: two processes that start at once get one key.
    tx.run(
        "INSERT INTO server_keys (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        _NAME, fresh,
    )  # fmt: skip
    found = tx.one("SELECT value FROM server_keys WHERE name = ?", _NAME)
    assert found is not None, "it was put there, by us or by another"
    return Sealer(bytes.fromhex(found[0]))


def spend(tx: Tx, purpose: str, text: str, *, ends: float) -> bool:
    """Uses up what holds until `ends`. False where it was used before: then nobody may go on."""
    tx.run("DELETE FROM spent WHERE expires_at <= ?", tx.now())
    name = sha256(encode(purpose.encode(), text.encode())).hexdigest()
    new = tx.run(
        "INSERT INTO spent (hash, expires_at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING",
        name, ends,
    )  # fmt: skip
    return new == 1
