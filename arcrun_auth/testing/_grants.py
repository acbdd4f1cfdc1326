"""The grants without a redirect: RFC 8628, RFC 6749 §4.4, RFC 7523 §2.1 and RFC 8693.

Each takes the authority, whose lock is held, the app and the standard form. Those with an
endpoint of their own come last.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from arcrun_auth.testing import _checks, _clients, _wording
from arcrun_auth.testing._assertions import ASYMMETRIC, unverified
from arcrun_auth.testing._records import App, Device, Family, Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.testing._authority import Authority

    Form = Mapping[str, str]
    Answer = dict[str, object]

DEVICE_SECONDS = 600.0
"""How long may a user take to type the code?"""

SLOWER = 5.0
"""By how many seconds does `slow_down` lengthen the interval? RFC 8628 §3.5"""

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Which letters does a user code have? No vowels, so no words: RFC 8628 §6.1."""

ASSERTION_SECONDS = 3600
"""How long may an assertion be good for?"""

EXCHANGED_SECONDS = 60 * 86400.0
"""How long does the token live that a live one is exchanged for?"""

ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
SUBJECT_TYPES = (
    ACCESS_TOKEN_TYPE,
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
)


def poll(authority: Authority, app: App, form: Form) -> Answer:
    """A device asks whether its user has agreed (RFC 8628 §3.4, §3.5)."""
    code, now = form.get("device_code", ""), authority.clock()
    device = authority.devices.get(code)
    if device is None or device.app != app:
        raise Refusal("invalid_grant", "There is no such device code.")
    early, gap = device.early(now), now - (device.polled or device.issued)
    device.polled = now
    authority.device_polls.append(gap)
    if now - device.issued > DEVICE_SECONDS:
        raise Refusal("expired_token", "The user took too long.")
    if early:
        device.interval += SLOWER
        raise Refusal("slow_down", f"Ask every {device.interval:.0f} seconds.")
    if authority.quirks.scope_again and _scope_of(authority, form) != device.scope:
        raise Refusal("invalid_scope", "The scopes of the code belong to it.")
    if device.allowed is None:
        raise Refusal("authorization_pending", "The user has not decided yet.")
    del authority.devices[code]
    if not device.allowed:
        raise Refusal("access_denied", "The user pressed Cancel.")
    scope = _wording.granted(device.scope.split(), authority.quirks)
    return authority.issue(Family(app, device.user, scope))


def client_credentials(authority: Authority, app: App, form: Form) -> Answer:
    """RFC 6749 §4.4: for confidential clients alone, and without a refresh token."""
    if app.auth == "none":
        raise Refusal("unauthorized_client", "A public client has no credentials.")
    return _direct(authority, app, app.id, form)


def jwt_bearer(authority: Authority, app: App, form: Form) -> Answer:
    """RFC 7523 §2.1: an assertion that a registered key has signed."""
    token = form.get("assertion", "")
    key = authority.keys.get(str(unverified(token).get("iss")))
    if key is None:
        raise Refusal("invalid_grant", "iss has no key that is registered.")
    claims = authority.assertions.verify(
        token, key, ASYMMETRIC, audiences=authority.audiences, now=authority.clock(),
        seconds=ASSERTION_SECONDS, error="invalid_grant",
    )  # fmt: skip
    return _direct(authority, app, str(claims["sub"]), form)


def token_exchange(authority: Authority, app: App, form: Form) -> Answer:
    """RFC 8693 §2: a live access token, or a registered subject token, for another one."""
    token = form.get("subject_token", "")
    if not token or form.get("subject_token_type") not in SUBJECT_TYPES:
        raise Refusal("invalid_request", "subject_token and a known subject_token_type.")
    if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
        raise Refusal("invalid_request", "Only access tokens are given.")
    family = authority.living(token)
    user = family.user if family else authority.subjects.get(token)
    if user is None:
        raise Refusal("invalid_request", "The subject_token is not valid.")  # so §2.2.2
    return {**_direct(authority, app, user, form), "issued_token_type": ACCESS_TOKEN_TYPE}


def _direct(authority: Authority, app: App, user: str, form: Form) -> Answer:
    wanted = _wording.scopes(form.get("scope", ""), authority.quirks)
    scope = _wording.granted(wanted, authority.quirks)
    return authority.issue(Family(app, user, scope), refresh=False)


# -- endpoints of their own: these take the lock ---------------------------------------


def live_exchange(authority: Authority, form: Form) -> Answer:
    """For providers without refresh tokens: a live access token for one that lives longer."""
    form = _wording.standard(form, authority.quirks)
    if "client_secret" in form:
        raise Refusal("invalid_request", "The live token is enough; a URL is no place for secrets.")
    with authority.lock:
        short = authority.quirks.swap and form.get("access_token", "") not in authority.long
        family = authority.living(form.get("access_token", ""))
        if form.get("grant_type") != "exchange_token" or family is None or short:
            raise Refusal("invalid_grant", "grant_type=exchange_token, and a live access_token.")
        authority.refreshes += 1
        return _lasting(authority, family)


def swap(authority: Authority, form: Form, authorization: str) -> Answer:
    """The same for the token that a login brought, which the app has to ask for."""
    form = _wording.standard(form, authority.quirks)
    app = _clients.authenticate(authority, form, authorization)
    with authority.lock:
        family = authority.living(form.get("access_token", ""))
        if form.get("grant_type") != "swap_token" or family is None or family.app != app:
            raise Refusal("invalid_grant", "grant_type=swap_token, and a live access_token.")
        return _lasting(authority, family)


def _lasting(authority: Authority, family: Family) -> Answer:
    answer = authority.issue(family, refresh=False, seconds=EXCHANGED_SECONDS)
    authority.long.add(str(answer["access_token"]))
    return answer


def ask_device(authority: Authority, form: Form, authorization: str) -> Answer:
    """The device authorization endpoint (RFC 8628 §3.1, §3.2)."""
    form = _wording.standard(form, authority.quirks)
    app = _clients.authenticate(authority, form, authorization)
    _checks.check_resource(form.get("resource", ""), authority.quirks, authority.api)
    scope = _scope_of(authority, form)
    letters = "".join(secrets.choice(LETTERS) for _ in range(8))
    user_code, device_code = f"{letters[:4]}-{letters[4:]}", authority.fresh("dc_")
    device = Device(app, scope, user_code, authority.clock(), authority.device_interval)
    with authority.lock:
        authority.devices[device_code] = device
    page = f"{authority.issuer}/activate"
    return {
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": page,
        "verification_uri_complete": f"{page}?user_code={user_code}",
        "expires_in": DEVICE_SECONDS,
        "interval": device.interval,
    }


def _scope_of(authority: Authority, form: Form) -> str:
    return " ".join(_wording.scopes(form.get("scope", ""), authority.quirks))


def waiting_device(authority: Authority, user_code: str) -> Device:
    """The device that shows this code and waits; case and hyphens do not count (§6.1)."""
    with authority.lock:
        return _waiting(authority, user_code)


def decide_device(authority: Authority, user_code: str, *, user: str, allow: bool) -> None:
    """What the user of a device decided. A user code works once."""
    with authority.lock:
        device = _waiting(authority, user_code)
        device.user, device.allowed = user, allow


def _waiting(authority: Authority, user_code: str) -> Device:
    typed = _letters(user_code)
    for device in authority.devices.values():
        live = authority.clock() - device.issued <= DEVICE_SECONDS
        if _letters(device.user_code) == typed and live and device.allowed is None:
            return device
    raise Refusal("invalid_user_code", "No device waits with this code.")


def _letters(user_code: str) -> str:
    return "".join(filter(str.isalpha, user_code.upper()))
