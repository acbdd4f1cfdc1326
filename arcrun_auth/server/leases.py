"""Leases: of several who want to do one thing, one does it, and for a bounded time.

The clock is the database's, which all processes share. Whoever began and never released a lease
is told to those who take it next: what it was about may have happened, or not. The same holder
gets it again at once, for it knows best whether it still is about it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem, later
from arcrun_auth.server.shapes import Lease

if TYPE_CHECKING:
    from arcrun_auth.server.database import Row, Tx
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.shapes import NewLease, ReleaseLease, RenewLease

MOST = 1000
"""How many names may an account take leases of? Each is kept: its `fence` never begins anew."""

# What is set on the right of `=` reads the row as it was: `held` and `begun` tell of the holder
# before. Who was interrupted stays noted until another begins: some only take a lease and look.
_STAYS = "leases.held = 0 OR leases.begun = 0"
_TAKE = f"""
INSERT INTO leases (account, name, lease, holder, fence, held, begun, expires_at)
VALUES (?, ?, ?, ?, ?, 1, 0, ?)
ON CONFLICT (account, name) DO UPDATE SET
  lease = excluded.lease, holder = excluded.holder, held = 1, begun = 0,
  expires_at = excluded.expires_at,
  fence = CASE WHEN excluded.fence > leases.fence THEN excluded.fence ELSE leases.fence + 1 END,
  interrupted_fence = CASE WHEN {_STAYS} THEN leases.interrupted_fence ELSE leases.fence END,
  interrupted_by = CASE WHEN {_STAYS} THEN leases.interrupted_by ELSE leases.holder END,
  interrupted_at = CASE WHEN {_STAYS} THEN leases.interrupted_at
                        WHEN leases.expires_at < ? THEN leases.expires_at ELSE ? END
WHERE leases.held = 0 OR leases.expires_at <= ? OR leases.holder = excluded.holder
RETURNING fence, interrupted_fence, interrupted_by, interrupted_at
"""  # noqa: S608 - of the line above
_RENEW = """
UPDATE leases SET expires_at = ?{}
WHERE account = ? AND name = ? AND lease = ? AND held = 1 AND expires_at > ?
RETURNING fence, interrupted_fence, interrupted_by, interrupted_at
"""
_BEGINS = ", begun = 1, interrupted_by = NULL, interrupted_at = NULL"
_RELEASE = """
UPDATE leases SET held = 0,
  interrupted_fence = CASE WHEN begun = 0 THEN interrupted_fence WHEN ? = 1 THEN fence ELSE NULL END
WHERE account = ? AND name = ? AND lease = ? AND held = 1
"""


def take(tx: Tx, who: Caller, asked: NewLease) -> Lease:
    """A lease of that name. Problem 409 with `retry_after` while another holder has it."""
    lease, now = secrets.token_hex(16), tx.shared_now()
    ends = now + asked.ttl_s
    first = asked.after + 1
    values = (who.account, asked.name, lease, asked.holder, first, ends, now, now, now)
    found = tx.one(_TAKE, *values)
    if found is None:
        held = tx.one(
            "SELECT expires_at FROM leases WHERE account = ? AND name = ?", who.account, asked.name
        )
        raise later("Somebody else has this lease.", held[0] - now if held else 1, status=409)
    if found[0] == first:  # a new name, most likely
        count = tx.one("SELECT count(*) FROM leases WHERE account = ?", who.account)
        if count is not None and count[0] > MOST:
            raise Problem(413, f"This account has its {MOST} names of leases.")
    return _lease(lease, found, ends, now)


def renew(tx: Tx, who: Caller, name: str, asked: RenewLease) -> Lease:
    """The same lease for longer. Problem 409 if it is not the caller's any more."""
    now = tx.shared_now()
    ends = now + asked.ttl_s
    sql = _RENEW.format(_BEGINS if asked.begins else "")
    found = tx.one(sql, ends, who.account, name, asked.lease, now)
    if found is None:
        raise _lost()
    return _lease(asked.lease, found, ends, now)


def release(tx: Tx, who: Caller, name: str, asked: ReleaseLease) -> None:
    """Lets go of it, also after its time if nobody took it. Problem 409 if somebody did.

    What was interrupted before is over with it, if it had begun.
    """
    if not tx.run(_RELEASE, int(asked.unknown), who.account, name, asked.lease):
        raise _lost()


def _lease(lease: str, row: Row, ends: float, now: float) -> Lease:
    fence, before, who, when = row
    return Lease(
        lease=lease, fence=fence, expires_at=stamp(ends), interrupted=before is not None,
        interrupted_fence=before, interrupted_by=who,
        interrupted_s=None if when is None else max(now - when, 0.0),
    )  # fmt: skip


def _lost() -> Problem:
    return Problem(409, "This lease is not yours, or not any more.")
