"""Logging in a device without a browser: a code that is typed elsewhere, RFC 8628."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import printable
from arcrun_auth.server import keys, logins, pages
from arcrun_auth.server.database import Clash
from arcrun_auth.server.logins import CLIENT, FLOW, FLOW_SECONDS, MAX_LABEL, refusal
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.visits import show

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.pages import Form
    from arcrun_auth.server.routes import Reply
    from arcrun_auth.server.visits import Site, Visit

PAUSE = 5.0
"""How many seconds does a device wait between two questions (§3.2)?"""
SLOWER = 5.0
"""How many more after it was too quick (§3.5)?"""
MOST = 10_000
"""How many codes may be under way? They are for anybody to ask for."""

# §6.1: letters that nobody takes for others, and that make no words. 20^8 is 34 bits: with ten
# minutes and a rate limit on whoever types, nobody finds one by trying.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_HALF = 4


def begin(site: Site, visit: Visit) -> dict[str, Any]:
    """A code for a device, and where to type it: RFC 8628 §3.2."""
    if visit.form.get("client_id") != CLIENT:
        raise refusal("invalid_client", "This is no login of arcrun.")
    label = printable(visit.headers.get(logins.LABEL), MAX_LABEL) or "a device"
    url = f"{site.url}/device"
    device_code, user_code = secrets.token_urlsafe(32), _code()
    site.write(lambda tx: _kept(tx, device_code, user_code, label))
    shown = f"{user_code[:_HALF]}-{user_code[_HALF:]}"
    return {
        "device_code": device_code, "user_code": shown, "verification_uri": url,
        "verification_uri_complete": f"{url}?user_code={shown}",
        "expires_in": int(FLOW_SECONDS), "interval": int(PAUSE),
    }  # fmt: skip


def _kept(tx: Tx, device_code: str, user_code: str, label: str) -> None:
    now = tx.now()
    tx.run("DELETE FROM device_logins WHERE expires_at <= ?", now)
    count = tx.one("SELECT count(*) FROM device_logins")
    if count is not None and count[0] >= MOST:
        raise refusal("slow_down", "Too many logins are under way. Try again soon.", 429)
    try:
        tx.run(
            "INSERT INTO device_logins (hash, user_code, label, status, account, pause, asked_at,"
            " expires_at) VALUES (?, ?, ?, 'pending', NULL, ?, ?, ?)",
            keys.hashed(device_code), user_code, label, PAUSE, now, now + FLOW_SECONDS,
        )  # fmt: skip
    except Clash:  # one code in 25 billion: the device asks again
        raise refusal("slow_down", "Try again.", 429) from None


def _code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(2 * _HALF))


def redeem(site: Site, form: dict[str, str]) -> dict[str, Any]:
    """What became of it: the key, or the error of §3.5."""
    if form.get("client_id") != CLIENT:
        raise refusal("invalid_client", "This is no login of arcrun.")
    name = keys.hashed(form.get("device_code", ""))
    most = site.config.limits.keys
    answer = site.write(lambda tx: _polled(tx, name, most))
    if isinstance(answer, Problem):  # raised in there, what it noted would be undone
        raise answer
    return answer


def _polled(tx: Tx, name: str, most: int) -> dict[str, Any] | Problem:
    now = tx.now()
    found = tx.one(
        "SELECT status, account, made_by, label, pause, asked_at FROM device_logins"
        " WHERE hash = ? AND expires_at > ?",
        name, now,
    )  # fmt: skip
    if found is None:
        return refusal("expired_token", "This code is over, or none of ours.")
    status, account, key, label, pause, asked = found
    if status == "pending":
        quick = now < asked + pause
        tx.run(
            "UPDATE device_logins SET asked_at = ?, pause = ? WHERE hash = ?",
            now, pause + SLOWER if quick else pause, name,
        )  # fmt: skip
        if quick:
            return refusal("slow_down", "Not so quickly.")
        return refusal("authorization_pending", "Nobody has agreed yet.")
    # One statement that takes it away: of two who ask at once, one gets the key.
    if not tx.run("DELETE FROM device_logins WHERE hash = ?", name):
        return refusal("expired_token", "This code was used before.")
    if status == "denied":
        return refusal("access_denied", "Somebody has said no.")
    return logins.device_key(tx, logins.Guest(account, key), label, most)


# -- the pages -----------------------------------------------------------------------------


def start(site: Site, visit: Visit) -> Reply:
    """The page where a code is typed; it asks first who is there."""
    flow = {"for": "device", "code": _typed(visit.query.get("user_code", ""))}
    text = site.sealer.seal(FLOW, flow, ends=site.now() + FLOW_SECONDS)
    return logins.shown(site, visit, text)


def page(site: Site, form: Form, account: str, code: str) -> bytes:
    """The field for the code; once there is one, what agreeing to it would mean."""
    if not code:
        return pages.device_code(form)
    label = site.read(lambda tx: _label(tx, code))
    shown = f"{code[:_HALF]}-{code[_HALF:]}"
    if label is None:
        return pages.device_code(form, shown, "No device has this code, or no longer.")
    return pages.confirm_device(form, logins.name_of(site, account), label, shown)


def typed(site: Site, visit: Visit) -> Reply:
    """A code that somebody typed."""
    site.check_form(visit)
    site.sealed(FLOW, visit.form.get(FLOW, ""))
    code = _typed(visit.form.get("user_code", ""))
    flow = {"for": "device", "code": code}
    text = site.sealer.seal(FLOW, flow, ends=site.now() + FLOW_SECONDS)
    return logins.shown(site, visit, text)


def confirm(site: Site, visit: Visit) -> Reply:
    """The person's word about the device."""
    site.check_form(visit)
    flow, guest = site.sealed(FLOW, visit.form.get(FLOW, "")), logins.who(site, visit)
    if flow["for"] != "device" or guest is None:
        return logins.go_on(site, visit)
    yes = visit.form.get("answer") == "yes"
    status, whose, by = ("approved", *guest) if yes else ("denied", None, None)
    changed = site.write(
        lambda tx: tx.run(
            "UPDATE device_logins SET status = ?, account = ?, made_by = ?"
            " WHERE user_code = ? AND status = 'pending' AND expires_at > ?",
            status, whose, by, flow["code"], tx.now(),
        )
    )  # fmt: skip
    if not changed:
        raise Problem(410, "This code is over. Begin the login on the device again.")
    if not yes:
        return show(pages.refused("Nobody was let in", "You can close this tab."))
    return show(pages.done("The device is logged in", "You can close this tab."))


def _label(tx: Tx, code: str) -> str | None:
    found = tx.one(
        "SELECT label FROM device_logins"
        " WHERE user_code = ? AND status = 'pending' AND expires_at > ?",
        code, tx.now(),
    )  # fmt: skip
    return None if found is None else str(found[0])


def _typed(text: str) -> str:
    """A code as it is kept: §6.1 lets people write it as they like."""
    letters = "".join(c for c in text.upper() if c.isalnum())
    return letters if len(letters) == 2 * _HALF and letters.isascii() else ""
