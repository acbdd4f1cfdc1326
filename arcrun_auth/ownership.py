"""Whose OAuth app a login uses: one's own, one that comes with the recipe, or a server's.

In this order: the user's own app; a public client in the recipe; the shared app of the configured
server; else an app of one's own, which is asked for. A wish leaves only a part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, LoginRequired, ProviderUnavailable
from arcrun_auth.oauth.app import App
from arcrun_auth.settings import OWNERSHIPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.authority import Authority
    from arcrun_auth.relayed import Relay
    from arcrun_auth.resolve import Resolver


def decide(
    authority: Authority,
    scopes: Sequence[str],
    *,
    wish: str | None,
    unattended: bool,
    say: Callable[[str], None],
) -> Relay | None:
    """The server whose app this login uses; else None, and `authority.app` is the one to use, or
    None where one of one's own has to be asked for.

    `wish` is one of `settings.OWNERSHIPS`, or None. AuthError where it cannot be met.
    """
    if wish not in (None, *OWNERSHIPS):
        raise AuthError(f"ownership is one of {', '.join(OWNERSHIPS)}.", service=authority.service)
    public = authority.oauth2.client.id
    if wish == "own":
        authority.app = authority.own_app()
        return None
    if wish == "shared":
        authority.app = App(public) if public else None
    if wish != "managed" and (authority.registers or not authority.needs_app):
        return None
    through_browser = not unattended and "authorization_code" in authority.oauth2.grants
    relay = _of_server(authority, scopes, say, wanted=wish is not None) if through_browser else None
    if relay is None and wish is not None:
        raise _nobody(authority, wish)
    return relay


def _of_server(
    authority: Authority, scopes: Sequence[str], say: Callable[[str], None], *, wanted: bool
) -> Relay | None:
    """The configured server's app. What keeps it away is told, and only an error if no other
    will do."""
    server = server_of(authority.resolver)
    if not server or "/" in authority.service:  # a community's recipe is no other's business
        return None
    from arcrun_auth.relayed import Relay

    try:
        relay = Relay(authority.resolver, authority.service, server)
        return relay if relay.offered(authority.oauth2, scopes) else None
    except (LoginRequired, ProviderUnavailable) as error:
        if wanted:
            raise
        then = f" → {error.hint}" if error.hint else ""
        say(f"{error.message}{then}")
        return None


def server_of(resolver: Resolver) -> str:
    """The configured server, else the one that somebody is logged in to; empty without one."""
    from arcrun_auth.sync.account import account

    named = str(resolver.settings.get("server") or "").rstrip("/")
    if named:
        return named
    who = account(resolver.store, resolver.settings)
    return who.server if who is not None else ""


def told(authority: Authority) -> tuple[str, str]:
    """Whose app a connection uses, or would: one of `OWNERSHIPS`, and the server's address where
    tokens pass through it. Both empty where that is still to be chosen. Sends nothing."""
    grant, public = authority.record.grant, authority.oauth2.client.id
    if grant is not None and grant.relay is not None:
        from arcrun_auth.relayed import server_in

        return "managed", server_in(grant.relay)
    wish = authority.resolver.settings.ownership if grant is None else None
    app = authority.app if wish in (None, "own") else None
    if app is not None or wish == "own":
        return "shared" if app is not None and app.client_id == public else "own", ""
    if public and wish != "managed":
        return "shared", ""
    server = server_of(authority.resolver)
    return ("managed", server) if server or wish is not None else ("", "")


def _nobody(authority: Authority, wish: str) -> AuthError:
    server = server_of(authority.resolver)
    where = server or "no server is configured, and so nobody"
    text = f"{where} shares no OAuth app for {authority.name}."
    if wish == "shared":
        text = (
            f"No app is shared for {authority.name}: neither its recipe brings one, nor a server."
        )
    hint = f"arcrun setup {authority.name} --ownership own"
    if not server:
        hint = "set ARCRUN_SERVER to the address of your platform, or: " + hint
    return AuthError(text[0].upper() + text[1:], service=authority.service, hint=hint)
