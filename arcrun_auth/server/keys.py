"""API keys: who a caller is, and the keys of an account.

What is kept of a key is its SHA-256. A slow hash would be for passwords: a key is 192 random
bits, which nobody guesses however fast the hash is. Nor is the comparison a constant-time one:
it is a look-up by the hash, and what its time tells is about a hash that nobody can steer.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.server import audit
from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import ApiKey, MintedKey, NewKey

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.shapes import Kind

PREFIX = "ak_"
USED_EVERY = 3600.0
"""How old may `last_used_at` be, in seconds, before it is written again?"""

_WITH_MADE = """
WITH RECURSIVE made (id) AS (
  SELECT id FROM api_keys WHERE account = ? AND id = ?
  UNION
  SELECT k.id FROM api_keys k JOIN made ON k.made_by = made.id
  WHERE k.account = ? AND k.kind = 'device'
)
DELETE FROM api_keys WHERE account = ? AND id IN (SELECT id FROM made)
"""

_BYTES = 24
_TAIL = 4


class Caller(msgspec.Struct, frozen=True):
    """Whoever showed a valid key."""

    account: str
    role: str
    key: str
    """The id of the key."""
    kind: Kind
    tail: str
    rows: frozenset[str] | None
    """The rows that a key of kind `ci` may fetch; None for all."""
    stale: bool
    """Whether it should be noted that the key was used."""

    def may_manage(self) -> None:
        """Problem 403 for a key that may not change what an account's own key may."""
        if self.kind != "account":
            raise Problem(403, "This needs a key of kind account.")


def hashed(key: str) -> str:
    """What is kept of a key."""
    return sha256(key.encode()).hexdigest()


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"


def authenticate(tx: Tx, key: str) -> Caller:
    """The caller that a key belongs to. Problem 401 for one that is not there, or has ended."""
    found = tx.one(
        "SELECT k.id, k.kind, k.tail, k.row_names, k.expires_at, k.last_used_at, a.id, a.role"
        " FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.hash = ?",
        hashed(key),
    )
    if found is None:
        raise refused()
    id_, kind, tail, rows, ends, used, account, role = found
    now = tx.now()
    if ends is not None and ends <= now:
        raise refused("This API key has ended.")
    names = None if rows is None else frozenset(msgspec.json.decode(rows))
    return Caller(
        account, role, id_, kind, tail, names, stale=used is None or used < now - USED_EVERY
    )


def refused(detail: str = "This API key is not known here.") -> Problem:
    return Problem(401, detail, headers={"www-authenticate": 'Bearer realm="arcrun"'})


def mint(
    tx: Tx,
    account: str,
    kind: Kind,
    label: str,
    *,
    rows: list[str] | None = None,
    expires_in: float | None = None,
    made_by: str | None = None,
) -> tuple[str, ApiKey]:
    """A new key of an account: its text, which is kept nowhere, and what is known of it.

    `made_by` is the id of the key that asked for it, or that somebody signed in with.
    """
    text, id_, now = PREFIX + secrets.token_hex(_BYTES), new_id("key"), tx.now()
    ends = None if expires_in is None else now + expires_in
    tx.run(
        "INSERT INTO api_keys (id, account, hash, tail, kind, label, row_names, created_at,"
        " expires_at, made_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        id_, account, hashed(text), text[-_TAIL:], kind, label,
        None if rows is None else msgspec.json.encode(rows).decode(), now, ends, made_by,
    )  # fmt: skip
    return text, ApiKey(
        id=id_, kind=kind, label=label, created_at=stamp(now), last_used_at=None,
        expires_at=stamp(ends),
    )  # fmt: skip


def used(tx: Tx, who: Caller) -> None:
    """Notes that a key was used."""
    tx.run(
        "UPDATE api_keys SET last_used_at = ? WHERE account = ? AND id = ?",
        tx.now(), who.account, who.key,
    )  # fmt: skip


def create(tx: Tx, who: Caller, new: NewKey, most: int) -> MintedKey:
    """One more key of the caller's account."""
    if new.kind == "account":
        who.may_manage()
    if new.kind == "ci" and new.rows is None:
        raise Problem(400, "A key of kind ci names its rows.")
    if new.kind != "ci" and new.rows is not None:
        raise Problem(400, "Only a key of kind ci is limited to rows.")
    count = tx.one("SELECT count(*) FROM api_keys WHERE account = ?", who.account)
    if count is not None and count[0] >= most:
        raise Problem(413, f"This account has its {most} API keys. Delete one first.")
    text, made = mint(
        tx, who.account, new.kind, new.label, rows=new.rows, expires_in=new.expires_in,
        made_by=who.key,
    )  # fmt: skip
    audit.note(tx, who.account, actor=who.key, action="key.create", name=made.id)
    return MintedKey(api_key=text, **msgspec.structs.asdict(made))


def listed(tx: Tx, who: Caller) -> list[ApiKey]:
    """The keys of the caller's account, without their texts."""
    rows = tx.all(
        "SELECT id, kind, label, created_at, last_used_at, expires_at FROM api_keys"
        " WHERE account = ? ORDER BY created_at, id",
        who.account,
    )
    return [
        ApiKey(id=r[0], kind=r[1], label=r[2], created_at=stamp(r[3]), last_used_at=stamp(r[4]),
               expires_at=stamp(r[5]), current=r[0] == who.key)
        for r in rows
    ]  # fmt: skip


_HOLDS = "SELECT id FROM api_keys WHERE account = ? AND {} = ? AND coalesce(expires_at, ?) >= ?"


def holds(tx: Tx, account: str, id_: str) -> bool:
    """Whether a key of an account is there, and has not ended."""
    now = tx.now()
    return tx.one(_HOLDS.format("id"), account, id_, now, now) is not None


def of_hash(tx: Tx, account: str, digest: str) -> str | None:
    """The id of the key of an account whose text has this hash; None where it has ended."""
    now = tx.now()
    found = tx.one(_HOLDS.format("hash"), account, digest, now, now)
    return None if found is None else str(found[0])


def remove(tx: Tx, who: Caller, id_: str) -> None:
    """Ends a key of the caller's account. Problem 404 where it has none of that id.

    With the key of a device end those that it made for devices: whoever has stolen one would
    stay with another.
    """
    found = tx.one("SELECT kind FROM api_keys WHERE account = ? AND id = ?", who.account, id_)
    if found is None:
        raise Problem(404, "This account has no such key.")
    if found[0] == "account" and id_ != who.key:
        who.may_manage()
    if found[0] == "device":
        tx.run(_WITH_MADE, who.account, id_, who.account, who.account)
    else:
        tx.run("DELETE FROM api_keys WHERE account = ? AND id = ?", who.account, id_)
    audit.note(tx, who.account, actor=who.key, action="key.delete", name=id_)


def rotate(tx: Tx, who: Caller) -> str:
    """A new text for the key that the caller shows, whose rights and id stay. The old one ends."""
    text = PREFIX + secrets.token_hex(_BYTES)
    tx.run(
        "UPDATE api_keys SET hash = ?, tail = ? WHERE account = ? AND id = ?",
        hashed(text), text[-_TAIL:], who.account, who.key,
    )  # fmt: skip
    audit.note(tx, who.account, actor=who.key, action="key.rotate", name=who.key)
    return text
