"""Logging in a device through the browser: RFC 6749 §4.1 with PKCE (RFC 7636), to loopback alone.

The client is always the same public one, and what it gets is an API key of kind `device`. What
has to be remembered from page to page is sealed and goes along; a code is sealed as well, holds
for a minute, and is taken once.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from arcrun_auth import landing
from arcrun_auth.errors import printable
from arcrun_auth.server import audit, keys, pages
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.visits import SESSION, show

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.routes import Reply
    from arcrun_auth.server.visits import Site, Visit

CLIENT = "arcrun"
FLOW = "flow"
FLOW_SECONDS = 600.0
"""How long may somebody take from the first page to the last?"""
CODE_SECONDS = 60.0
"""How long does a code hold? The program that waits for it is on the same machine."""
MAX_LABEL = 60
LABEL = "arcrun-device"
"""In which header does a device say how its owner knows it?"""

_REDIRECT = re.compile(r"http://127\.0\.0\.1:([1-9][0-9]{3,4})/callback")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[A-Za-z0-9_.~-]{1,200}")
PORTS = range(1024, 65536)


def start(site: Site, visit: Visit) -> Reply:
    """The authorization endpoint: RFC 6749 §4.1.1. With `provider` it goes straight there."""
    from arcrun_auth.server import signin

    flow = _flow(visit.query)
    text = site.sealer.seal(FLOW, flow, ends=site.now() + FLOW_SECONDS)
    provider = visit.query.get("provider", "")
    if provider and who(site, visit) is None:
        return signin.begin(site, visit, provider, text)
    return shown(site, visit, text)


def _flow(query: dict[str, str]) -> dict[str, Any]:
    """What is asked for. Problem 400, shown to the person: an address that is not ours to trust
    is redirected to with nothing, an error included (§4.1.2.1)."""
    found = _REDIRECT.fullmatch(query.get("redirect_uri", ""))
    port = int(found[1]) if found else 0
    if port not in PORTS:
        raise Problem(400, "A login ends at http://127.0.0.1:PORT/callback, and nowhere else.")
    wanted = {
        "response_type": "code",
        "client_id": CLIENT,
        "code_challenge_method": "S256",
    }
    if any(query.get(name) != value for name, value in wanted.items()):
        raise Problem(400, "This is no login of arcrun.")
    challenge, back = query.get("code_challenge", ""), query.get("state", "")
    if not _CHALLENGE.fullmatch(challenge) or not _STATE.fullmatch(back):
        raise Problem(400, "A login has a challenge and a state.")
    return {"for": "cli", "port": port, "challenge": challenge, "state": back}


class Guest(NamedTuple):
    """Whoever is signed in at a browser: the account, and the key that they showed, if one."""

    account: str
    key: str | None


def who(site: Site, visit: Visit) -> Guest | None:
    """Who is signed in at this browser; nobody where the key that they showed has ended, or got
    a new text."""
    session = site.given(visit, SESSION)
    if session is None:
        return None
    account, shown = str(session["account"]), session["key"]
    if shown is not None:
        key = site.read(lambda tx: keys.of_hash(tx, account, shown))
        return None if key is None else Guest(account, key)
    there = site.read(lambda tx: tx.one("SELECT id FROM accounts WHERE id = ?", account))
    return Guest(account, None) if there is not None else None


def go_on(site: Site, visit: Visit) -> Reply:
    """The next page of a login under way."""
    text = visit.form.get(FLOW) or visit.query.get(FLOW, "")
    return shown(site, visit, text)


def shown(site: Site, visit: Visit, text: str, wrong: str = "") -> Reply:
    """Who are you; and once that is known, whether you want it."""
    from arcrun_auth.server import device_logins

    flow = site.sealed(FLOW, text)
    cookies: list[str] = []
    form = site.form(visit, cookies, flow=text)
    guest = who(site, visit)
    if guest is None:
        titles = {name: each.title for name, each in site.providers.signin.items()}
        registration = site.config.registration
        body = pages.sign_in(form, titles, registration=registration, wrong=wrong)
    elif flow["for"] == "device":
        body = device_logins.page(site, form, guest.account, str(flow.get("code", "")))
    else:
        body = pages.confirm(form, name_of(site, guest.account), flow["port"])
    return show(body, cookies=cookies)


def name_of(site: Site, account: str) -> str:
    """What a person knows an account by."""
    found = site.read(
        lambda tx: tx.one("SELECT display_name, email FROM accounts WHERE id = ?", account)
    )
    name, email = found if found is not None else ("", "")
    return printable(" ".join(filter(None, (name, f"({email})" if email else ""))) or account, 120)


def confirm(site: Site, visit: Visit) -> Reply:
    """The person's word. The code goes to the port that the login named, and to no other."""
    site.check_form(visit)
    flow = site.sealed(FLOW, visit.form.get(FLOW, ""))
    guest = who(site, visit)
    if flow["for"] != "cli" or guest is None:
        return go_on(site, visit)
    if visit.form.get("answer") != "yes":
        answer = {"error": "access_denied", "state": flow["state"]}
    else:
        data = {"account": guest.account, "by": guest.key, "id": secrets.token_hex(16),
                "challenge": flow["challenge"], "port": flow["port"]}  # fmt: skip
        code = site.sealer.seal("code", data, ends=site.now() + CODE_SECONDS)
        answer = {"code": code, "state": flow["state"]}
    url = f"{loopback(flow['port'])}?{urlencode(answer)}"
    return show(landing.onward("Back to the terminal", url))


def loopback(port: int) -> str:
    """Where a login ends: the literal address of the machine of the browser."""
    return f"http://127.0.0.1:{port}/callback"


def redeem(site: Site, visit: Visit) -> dict[str, Any]:
    """The key for a code: RFC 6749 §4.1.3. Problem with the error of §5.2."""
    form = visit.form
    code, now = form.get("code", ""), site.now()
    try:
        found = site.sealer.open("code", code, now=now)
    except ValueError:
        raise refusal("invalid_grant", "This code is over, or none of ours.") from None
    fits = (
        form.get("client_id") == CLIENT
        and form.get("redirect_uri", "") == loopback(found["port"])
        and fits_challenge(form.get("code_verifier", ""), found["challenge"])
    )
    # Spent by whoever shows it, the right one or not: a code is never tried twice.
    if not site.spend("code", found["id"], CODE_SECONDS) or not fits:
        raise refusal("invalid_grant", "This code is not for you, or was used before.")
    label = visit.headers.get(LABEL)
    most = site.config.limits.keys
    guest = Guest(found["account"], found["by"])
    return site.write(lambda tx: device_key(tx, guest, label, most))


def device_key(tx: Tx, guest: Guest, label: str, most: int) -> dict[str, Any]:
    """A fresh key of kind `device` as a token answer: RFC 6749 §5.1."""
    account = guest.account
    found = tx.one("SELECT email FROM accounts WHERE id = ?", account)
    if found is None or not (guest.key is None or keys.holds(tx, account, guest.key)):
        raise refusal("invalid_grant", "This account is no longer there, or its key has ended.")
    count = tx.one("SELECT count(*) FROM api_keys WHERE account = ?", account)
    if count is not None and count[0] >= most:
        raise refusal("access_denied", f"This account has its {most} API keys. Delete one first.")
    key, made = keys.mint(
        tx, account, "device", printable(label, MAX_LABEL) or "a device", made_by=guest.key
    )
    audit.note(tx, account, actor=made.id, action="login")
    answer = {"access_token": key, "token_type": "Bearer", "account": account, "key": made.id}
    return answer | ({"email": found[0]} if found[0] else {})


def fits_challenge(verifier: str, challenge: str) -> bool:
    """RFC 7636 §4.6, by S256 alone."""
    if not re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", verifier):
        return False
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())


def refusal(error: str, text: str, status: int = 400) -> Problem:
    """An answer of a token endpoint that is no token: the code of RFC 6749 §5.2, and our words."""
    return Problem(status, text, error=error, error_description=text)
