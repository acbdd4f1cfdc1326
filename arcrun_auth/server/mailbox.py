"""Enrolments: a mailbox for two devices of one account, which do not trust what carries it.

The bodies are the devices' own business. They are few, small, and gone after ten minutes.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.server import audit
from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.shapes import Enrolment, EnrolmentListed, EnrolmentMade, Message

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.keys import Caller

SECONDS = 600.0
"""How long does an enrolment last?"""
MESSAGES = 8
BODY = 16 << 10
"""How many bytes may one message have?"""


def begin(tx: Tx, who: Caller, body: bytes, most: int) -> EnrolmentMade:
    """A new enrolment with its first message, from the new device."""
    _check(body)
    now, id_ = tx.now(), secrets.token_hex(8)
    tx.run("DELETE FROM enrolments WHERE account = ? AND expires_at <= ?", who.account, now)
    count = tx.one("SELECT count(*) FROM enrolments WHERE account = ?", who.account)
    if count is not None and count[0] >= most:
        raise Problem(429, "Too many enrolments are under way. Wait, or end one.")
    tx.run(
        "INSERT INTO enrolments (id, account, created_at, expires_at) VALUES (?, ?, ?, ?)",
        id_, who.account, now, now + SECONDS,
    )  # fmt: skip
    _add(tx, who, id_, 1, sender="new", body=body)
    audit.note(tx, who.account, actor=who.key, action="device.enrol", name=id_)
    return EnrolmentMade(id=id_, expires_at=stamp(now + SECONDS))


def listed(tx: Tx, who: Caller) -> list[EnrolmentListed]:
    """The enrolments that are under way."""
    rows = tx.all(
        "SELECT e.id, e.created_at, e.expires_at, count(m.n) FROM enrolments e"
        " LEFT JOIN enrolment_messages m ON m.enrolment = e.id"
        " WHERE e.account = ? AND e.expires_at > ?"
        " GROUP BY e.id, e.created_at, e.expires_at ORDER BY e.created_at, e.id",
        who.account, tx.now(),
    )  # fmt: skip
    return [
        EnrolmentListed(id=r[0], created_at=stamp(r[1]), expires_at=stamp(r[2]), messages=r[3])
        for r in rows
    ]


def read(tx: Tx, who: Caller, id_: str) -> Enrolment:
    """One enrolment and all its messages. Problem 404 where there is none, or none any more."""
    created, ends = _find(tx, who, id_)
    rows = tx.all(
        "SELECT n, sender, body FROM enrolment_messages WHERE account = ? AND enrolment = ?"
        " ORDER BY n",
        who.account, id_,
    )  # fmt: skip
    return Enrolment(
        id=id_, created_at=stamp(created), expires_at=stamp(ends),
        messages=[Message(n=n, sender=s, body=msgspec.Raw(b.encode())) for n, s, b in rows],
    )  # fmt: skip


def send(tx: Tx, who: Caller, id_: str, sender: str, body: bytes) -> int:
    """One more message; its number. Problem 409 if there are enough."""
    _check(body)
    _find(tx, who, id_)
    # The row is locked first: two messages that come at once get two numbers.
    tx.run("UPDATE enrolments SET id = id WHERE account = ? AND id = ?", who.account, id_)
    found = tx.one(
        "SELECT max(n) FROM enrolment_messages WHERE account = ? AND enrolment = ?",
        who.account, id_,
    )  # fmt: skip
    last = int(found[0]) if found and found[0] is not None else 0
    if last >= MESSAGES:
        raise Problem(409, f"This enrolment has its {MESSAGES} messages. Begin a new one.")
    _add(tx, who, id_, last + 1, sender=sender, body=body)
    return last + 1


def end(tx: Tx, who: Caller, id_: str) -> None:
    """Removes an enrolment. Problem 404 where there is none."""
    if not tx.run("DELETE FROM enrolments WHERE account = ? AND id = ?", who.account, id_):
        raise _absent()


def _find(tx: Tx, who: Caller, id_: str) -> tuple[float, float]:
    found = tx.one(
        "SELECT created_at, expires_at FROM enrolments"
        " WHERE account = ? AND id = ? AND expires_at > ?",
        who.account, id_, tx.now(),
    )  # fmt: skip
    if found is None:
        raise _absent()
    return found[0], found[1]


def _add(tx: Tx, who: Caller, id_: str, n: int, *, sender: str, body: bytes) -> None:
    tx.run(
        "INSERT INTO enrolment_messages (enrolment, account, n, sender, body)"
        " VALUES (?, ?, ?, ?, ?)",
        id_, who.account, n, sender, body.decode(),
    )  # fmt: skip


def _check(body: bytes) -> None:
    if len(body) > BODY:
        raise Problem(413, f"A message has at most {BODY >> 10} KB.")


def _absent() -> Problem:
    return Problem(404, "There is no such enrolment, or it has ended.")
