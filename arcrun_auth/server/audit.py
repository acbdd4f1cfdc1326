"""What happened to an account, as a chain: each entry has the hash of all before it.

Rows of credentials are not in it: those are the client's, and its own trail tells of them.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from arcrun_auth.seal import encode
from arcrun_auth.server.shapes import AuditEntry, AuditTrail

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx

START = "0" * 64
"""What stands for the hash before the first entry?"""
PAGE = 500


def note(
    tx: Tx, account: str, *, actor: str, action: str, name: str = "", result: str = "done"
) -> None:
    """One more entry. `actor` is the id of an API key, or what let somebody in."""
    found = tx.one(
        "UPDATE accounts SET audit_count = audit_count + 1 WHERE id = ?"
        " RETURNING audit_count, audit_head",
        account,
    )
    if found is None:
        return
    n, head = found
    entry = AuditEntry(n, int(tx.now()), actor, action, name, result, "")
    new = chained(head, entry)
    tx.run(
        "INSERT INTO audit (account, n, at, actor, action, name, result, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        account, n, entry.at, actor, action, name, result, new,
    )  # fmt: skip
    tx.run("UPDATE accounts SET audit_head = ? WHERE id = ?", new, account)


def chained(head: str, entry: AuditEntry) -> str:
    """The hash of an entry behind `head`: SHA-256 over both, each with its length in front."""
    said = {
        "n": entry.n, "at": entry.at, "actor": entry.actor, "action": entry.action,
        "name": entry.name, "result": entry.result,
    }  # fmt: skip
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(encode(bytes.fromhex(head), canonical.encode())).hexdigest()


def entries(tx: Tx, account: str, since: int) -> AuditTrail:
    """The entries after number `since`, at most 500, and the hash of the last one there is."""
    rows = tx.all(
        "SELECT n, at, actor, action, name, result, hash FROM audit"
        " WHERE account = ? AND n > ? ORDER BY n LIMIT ?",
        account, since, PAGE,
    )  # fmt: skip
    head = tx.one("SELECT audit_head FROM accounts WHERE id = ?", account)
    return AuditTrail([AuditEntry(*row) for row in rows], head[0] if head else START)
