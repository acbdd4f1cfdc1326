"""Leases: of several who want to do one thing, one does it, and for a bounded time.

The clock is the database's, which all processes share. A lease that was never released is told
to whoever takes it next: what its holder was about may have happened, or not.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem, later
from arcrun_auth.server.shapes import Lease

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.shapes import NewLease

MOST = 1000
"""How many names may an account take leases of? Each is kept: its `fence` never begins anew."""

# What is set on the right of `=` reads the row as it was: `held` tells of the holder before.
_TAKE = """
INSERT INTO leases (account, name, lease, holder, fence, held, interrupted, expires_at)
VALUES (?, ?, ?, ?, 1, 1, 0, ?)
ON CONFLICT (account, name) DO UPDATE SET
  lease = excluded.lease, holder = excluded.holder, fence = leases.fence + 1,
  interrupted = leases.held, held = 1, expires_at = excluded.expires_at
WHERE leases.held = 0 OR leases.expires_at <= ?
RETURNING fence, interrupted
"""


def take(tx: Tx, who: Caller, asked: NewLease) -> Lease:
    """A lease of that name. Problem 409 with `retry_after` while somebody has it."""
    lease, now = secrets.token_hex(16), tx.shared_now()
    ends = now + asked.ttl_s
    found = tx.one(_TAKE, who.account, asked.name, lease, asked.holder, ends, now)
    if found is None:
        held = tx.one(
            "SELECT expires_at FROM leases WHERE account = ? AND name = ?", who.account, asked.name
        )
        raise later("Somebody else has this lease.", held[0] - now if held else 1, status=409)
    if found[0] == 1:  # a new name
        count = tx.one("SELECT count(*) FROM leases WHERE account = ?", who.account)
        if count is not None and count[0] > MOST:
            raise Problem(413, f"This account has its {MOST} names of leases.")
    return Lease(lease=lease, fence=found[0], expires_at=stamp(ends), interrupted=bool(found[1]))


def renew(tx: Tx, who: Caller, name: str, lease: str, ttl: float) -> Lease:
    """The same lease for longer. Problem 409 if it is not the caller's any more."""
    now = tx.shared_now()
    found = tx.one(
        "UPDATE leases SET expires_at = ? WHERE account = ? AND name = ? AND lease = ?"
        " AND held = 1 AND expires_at > ? RETURNING fence, interrupted",
        now + ttl, who.account, name, lease, now,
    )  # fmt: skip
    if found is None:
        raise _lost()
    return Lease(
        lease=lease, fence=found[0], expires_at=stamp(now + ttl), interrupted=bool(found[1])
    )


def release(tx: Tx, who: Caller, name: str, lease: str) -> None:
    """Lets go of it, also after its time if nobody took it. Problem 409 if somebody did."""
    done = tx.run(
        "UPDATE leases SET held = 0 WHERE account = ? AND name = ? AND lease = ? AND held = 1",
        who.account, name, lease,
    )  # fmt: skip
    if not done:
        raise _lost()


def _lost() -> Problem:
    return Problem(409, "This lease is not yours, or not any more.")
