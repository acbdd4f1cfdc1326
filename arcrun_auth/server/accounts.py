"""Accounts: how one comes about, what it says of itself, and how it ends."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from arcrun_auth.server import audit, keys
from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import Me, Registered

if TYPE_CHECKING:
    from arcrun_auth.server.config import Registration
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.shapes import Register

ROLES = ("user", "recipes", "admin")
"""What an account may do beside keeping its own: nothing, publish recipes, all."""
INVITE_SECONDS = 7 * 86400.0
"""How long does an invitation hold?"""
FIRST_SECONDS = 3600.0
"""How long does the link hold that the first start prints?"""


def register(tx: Tx, asked: Register, registration: Registration) -> Registered:
    """A new account and its first key. Problem 403 where not everybody may have one."""
    role = admitted(tx, asked.invite, registration)
    account = create(tx, email=asked.email, display_name=asked.display_name, role=role)
    key, made = keys.mint(tx, account, "account", "first key")
    audit.note(tx, account, actor=made.id, action="account.create")
    return Registered(api_key=key, account=account)


def admitted(tx: Tx, invite: str, registration: Registration) -> str:
    """The role that a new account gets. Problem 403 where not everybody may have one."""
    if invite:
        return _redeemed(tx, invite)
    if registration == "invite":
        raise Problem(403, "This server takes new accounts by invitation only.")
    if registration == "closed":
        raise Problem(403, "This server takes no new accounts.")
    return "user"


def create(
    tx: Tx,
    *,
    email: str | None = None,
    display_name: str = "",
    avatar_url: str = "",
    provider: str = "key",
    subject: str | None = None,
    role: str = "user",
) -> str:
    """The id of a new account without a key."""
    account = keys.new_id("acc")
    tx.run(
        "INSERT INTO accounts (id, email, display_name, avatar_url, provider, subject, role, seq,"
        " row_count, audit_count, audit_head, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)",
        account, email, display_name, avatar_url, provider, subject, role, audit.START, tx.now(),
    )  # fmt: skip
    return account


def me(tx: Tx, who: Caller) -> Me:
    """What an account says of itself."""
    found = tx.one(
        "SELECT email, display_name, avatar_url, provider, role, created_at FROM accounts"
        " WHERE id = ?",
        who.account,
    )
    assert found is not None, "whoever has a key has an account, in the same transaction"
    email, name, avatar, provider, role, created = found
    return Me(
        account=who.account, email=email, display_name=name, avatar_url=avatar,
        api_key=f"{keys.PREFIX}…{who.tail}", provider=provider, role=role,
        created_at=stamp(created),
    )  # fmt: skip


def delete(tx: Tx, who: Caller) -> None:
    """Ends the account, with all that it has: rows, keys, leases, enrolments and its trail.

    A device may do that, too: it can delete every row anyway, and an account that a provider
    signs in has no other key.
    """
    tx.run("DELETE FROM accounts WHERE id = ?", who.account)


def invite(tx: Tx, role: str = "user", seconds: float = INVITE_SECONDS) -> str:
    """An invitation for one account; its text is kept nowhere."""
    text, now = secrets.token_hex(16), tx.now()
    tx.run("DELETE FROM invites WHERE expires_at <= ?", now)
    tx.run(
        "INSERT INTO invites (hash, role, created_at, expires_at) VALUES (?, ?, ?, ?)",
        keys.hashed(text), role, now, now + seconds,
    )  # fmt: skip
    return text


def first_invite(tx: Tx) -> str | None:
    """The invitation of the admin, in place of the one before; None where there are accounts."""
    if tx.one("SELECT id FROM accounts LIMIT 1") is not None:
        return None
    tx.run("DELETE FROM invites WHERE role = 'admin'")
    return invite(tx, "admin", FIRST_SECONDS)


def _redeemed(tx: Tx, text: str) -> str:
    """The role that an invitation gives, once. Problem 403 for one that is not valid."""
    # One statement that takes it away: of two who come at once, one gets it.
    found = tx.one(
        "DELETE FROM invites WHERE hash = ? RETURNING role, expires_at", keys.hashed(text)
    )
    if found is None or found[1] <= tx.now():
        raise Problem(403, "This invitation is not valid, or no longer.")
    return str(found[0])
