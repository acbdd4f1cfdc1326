"""Logging in to a platform: its sign-in page in the browser, a code for another device, or a key.

The platform speaks OAuth here as any provider does, so that a login to it is a login like all
others: the same listener, the same page to paste from, the same code on another device.
"""

from __future__ import annotations

import platform
import threading
from typing import TYPE_CHECKING

from arcrun_auth._http import send_token
from arcrun_auth.errors import AuthError, LoginFailed, LoginRequired, printable
from arcrun_auth.hosts import fence_of
from arcrun_auth.login import Dialogue, LoginPlan, choose, log_in
from arcrun_auth.oauth.app import App
from arcrun_auth.qr import qr_lines
from arcrun_auth.recipe.oauth2 import ClientAuth, OAuth2, TokenRequest, TokenResponse
from arcrun_auth.sync import account

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.cloud import Cloud
    from arcrun_auth.login.plan import Wish
    from arcrun_auth.people import Person
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store
    from arcrun_auth.surroundings import Surroundings
    from arcrun_auth.tokens import Grant, Secret

CLIENT = "arcrun"
"""The one public client of every platform (RFC 6749 §2.1)."""
DEVICE_HEADER = "arcrun-device"
MAX_NAME = 60


def plan_for(server: str, name: str) -> LoginPlan:
    """The platform at `server` as an authorization server; `name` is how this device is known."""
    fence = fence_of(server, (server,))
    return LoginPlan(
        service="login",
        display_name=fence.hosts[0],
        app=App(CLIENT),
        command="arcrun login",
        oauth2=OAuth2(
            authorization_endpoint=f"{server}/auth/start",
            token_endpoint=f"{server}/auth/token",
            device_authorization_endpoint=f"{server}/auth/device",
            grants=("authorization_code", "device_code"),
            client=ClientAuth(auth="none"),
            token_request=TokenRequest(headers={DEVICE_HEADER: name}),
            token_response=TokenResponse(keep={"account": "account", "email": "email"}),
        ),
    )


def device_name() -> str:
    """How this machine calls itself, as far as a header can hold it."""
    name = printable(platform.node(), MAX_NAME).encode("ascii", "ignore").decode()
    return name.replace("{{", "").strip() or "a device"


def by_person(
    store: Store,
    settings: Settings,
    server: str,
    person: Person,
    *,
    open_url: Callable[[str], object],
    here: Surroundings,
    clock: Callable[[], float],
    wish: Wish | None = None,
    port: int | None = None,
) -> account.Account:
    """Logs somebody in, and keeps it. LoginRequired where nobody is there, LoginFailed,
    ProviderUnavailable."""
    if person.reach is None:
        raise LoginRequired(
            "To log in somebody has to be there, and nobody can be asked.",
            service="",
            hint="arcrun login --key-stdin < FILE, or set ARCRUN_API_KEY and ARCRUN_SERVER",
        )
    store.prepare()
    fence = fence_of(server, settings.allow_hosts)
    plan, done = plan_for(server, device_name()), threading.Event()
    can_paste = person.reach in ("terminal", "notebook")
    ways = choose(
        plan, can_paste=can_paste, can_open=here.browser, elsewhere=here.elsewhere, wish=wish,
        tunnel=here.ssh_hint,
    )  # fmt: skip
    dialogue = Dialogue(
        say=person.say, show=person.show_link, open_url=open_url,
        paste=(lambda: person.paste(done)) if can_paste else None,
        picture=qr_lines if person.reach == "terminal" else None,
    )  # fmt: skip
    try:
        grant = log_in(
            plan, ways, dialogue, send=lambda call: send_token(call, guard=fence),
            timeout=settings.login_timeout, clock=clock, port=port,
        )  # fmt: skip
    except AuthError as error:
        error.service = None  # it is no service that is set up
        if error.hint == "arcrun setup login":
            error.hint = plan.again
        raise
    finally:
        done.set()
    return _kept(store, settings, server, grant)


def _kept(store: Store, settings: Settings, server: str, grant: Grant) -> account.Account:
    named = grant.kept.get("account", "")
    if not named:
        raise LoginFailed(f"{printable(server, 100)} gave a key, but does not say whose.")
    email = grant.kept.get("email", "")
    return _replace(store, settings, server, grant.access_token, named=named, email=email)


def by_key(store: Store, settings: Settings, server: str, key: Secret) -> account.Account:
    """Keeps a key that somebody has, once the platform has said whose it is. TokenRefused."""
    from arcrun_auth.cloud import Cloud

    with Cloud(server, key, allow=settings.allow_hosts) as cloud:
        me = cloud.me()
    return _replace(store, settings, server, key, named=me.account, email=me.email or "")


def by_job(
    store: Store, settings: Settings, server: str, vault: str, *, clock: Callable[[], float]
) -> account.Account:
    """Keeps the key that the platform gives this CI job for its identity token."""
    from arcrun_auth.sync.job import job_key

    store.prepare()
    key, ends = job_key(server, vault, settings, clock)
    return _replace(store, settings, server, key, named=vault, email="", ends=ends)


def _replace(
    store: Store, settings: Settings, server: str, key: Secret,
    *, named: str, email: str, ends: float | None = None,
) -> account.Account:  # fmt: skip
    """Keeps the new login, and ends the key of the one before: nobody would ever end it."""
    before = account.of_record(store.get(account.KEY), settings)
    account.keep(store, server, key, account=named, email=email, ends=ends)
    if before is not None and before.api_key() != key:
        _end(before)
    found = account.of_record(store.get(account.KEY), settings, store.name)
    assert found is not None, "it has just been kept"
    return found


def log_out(store: Store, settings: Settings) -> tuple[account.Account | None, AuthError | None]:
    """Ends the stored login: the key at the platform, then the record here. Whose it was, and
    why the platform was not told, if it was not."""
    before = account.of_record(store.get(account.KEY), settings)
    problem = _end(before) if before is not None else None
    account.forget(store)
    return before, problem


def rotate(store: Store, settings: Settings) -> account.Account:
    """A new text for the stored key: what it opens stays. LoginRequired without a login."""
    before = _stored(store, settings)
    store.prepare()  # what cannot be kept must not be made: the old key ends with it
    with before.cloud() as cloud:
        fresh = cloud.rotate()
    account.replace_key(store, before.api_key(), fresh)
    return _stored(store, settings)


def delete_account(store: Store, settings: Settings) -> account.Account:
    """Deletes the account with all its rows at the platform, then the login here."""
    before = _stored(store, settings)
    with before.cloud() as cloud:
        cloud.delete_account()
    account.forget(store)
    return before


def _stored(store: Store, settings: Settings) -> account.Account:
    found = account.of_record(store.get(account.KEY), settings, store.name)
    if found is None:
        raise LoginRequired(
            "There is no login to a platform stored here.", service="", hint="arcrun login"
        )
    return found


def _end(before: account.Account) -> AuthError | None:
    """Deletes a key at the platform; why not, if that failed. One that is gone is as good."""
    from arcrun_auth.errors import TokenRefused

    try:
        cloud: Cloud = before.cloud()
        with cloud:
            cloud.delete_key()
    except TokenRefused:
        return None
    except AuthError as error:
        return error
    return None
