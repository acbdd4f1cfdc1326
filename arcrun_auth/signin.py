"""From a person, or from an app alone, to a grant: metadata, app, ways in, login."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from msgspec.structs import replace

from arcrun_auth import agreement, apps, scopes, usual
from arcrun_auth.authority import Authority
from arcrun_auth.desk import open_desk
from arcrun_auth.errors import AuthError, LoginFailed, LoginRequired, TokenRefused, printable
from arcrun_auth.login import Dialogue, LoginPlan, choose, log_in
from arcrun_auth.oauth.app import App
from arcrun_auth.ownership import decide
from arcrun_auth.qr import qr_lines
from arcrun_auth.recipe import Redirect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.login.plan import Wish
    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import Method, OAuth2, Recipe
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.surroundings import Surroundings
    from arcrun_auth.tokens import Credential, Grant


class SignIn:
    """Brings grants for one person. `open_url` shows an address, `here` says where this runs;
    `wish`, `port` and `ownership` are what the person asked for instead of what is found out."""

    def __init__(
        self,
        resolver: Resolver,
        person: Person,
        *,
        open_url: Callable[[str], object],
        here: Surroundings,
        port: int | None = None,
        wish: Wish | None = None,
        ownership: str | None = None,
    ) -> None:
        self._resolver = resolver
        self._person = person
        self._open_url = open_url
        self._here = here
        self._port = port
        self._wish = wish
        self._ownership = ownership or resolver.settings.ownership

    def grant(
        self,
        recipe: Recipe,
        way: Method,
        record: Credential,
        connection: Connection,
        *,
        asked: Sequence[str] | None,
        widen: bool,
    ) -> Credential:
        """`record` with a grant, and with the endpoints that its issuer named.

        `asked` are scopes, sets or short names; with `widen` beside those of before. Raises
        LoginRequired or MissingSecret where somebody would be needed and nobody is there,
        LoginFailed, TokenRefused, ProviderUnavailable.
        """
        if way.oauth2 is None:
            desk = open_desk(self._resolver, connection.name, way, record)
            return record.replace(grant=desk.issue(asked or way.scopes))
        before = connection.record.grant if connection.record is not None else None
        self._check_names(connection, way.oauth2, asked or ())
        joins = agreement.joins(connection)
        wanted = scopes.wanted(way.oauth2, asked, held=before, widen=widen, joins=joins)
        self._someone_or_nobody_needed(connection)
        iss_required = False
        if way.oauth2.discovery:
            from arcrun_auth.discovery import discover

            found = discover(self._resolver, connection, way, record)
            record = record.replace(endpoints=found.endpoints)
            iss_required = found.iss_in_callback
        authority = Authority(self._resolver, connection.name, way, record)
        relay = decide(
            authority,
            wanted,
            wish=self._ownership,
            unattended=connection.method.unattended,
            say=self._person.say,
        )
        typed = None
        if relay is not None:
            authority.app = App(relay.client_id)
        elif authority.needs_app and not authority.registers:
            typed = authority.app = self._app(authority, recipe, wanted)

        def bring() -> Grant:
            if connection.method.unattended:
                return authority.issue(wanted)
            plan = LoginPlan(
                service=connection.name,
                display_name=recipe.display_name or recipe.service,
                oauth2=_to_loopback(authority.oauth2) if relay is not None else authority.oauth2,
                app=authority.known_app(),
                scopes=wanted,
                params=record.params,
                rules=(*way.diagnose, *usual.of_server(way, begins=True)),
                iss_required=iss_required,
                relay=relay,
            )
            return self._log_in(plan, authority)

        registers = authority.registers and relay is None
        grant = self._registered(authority, wanted, bring) if registers else bring()
        if typed is not None:  # kept once it has worked
            kept = apps.keep(self._resolver.store, authority.service, authority.way, typed)
            self._resolver.audit.note("app add", kept)
        self._tell(way, grant)
        client = authority.app.client_id if authority.app is not None else None
        return record.replace(grant=grant.replace(client=client))

    def _check_names(self, connection: Connection, oauth2: OAuth2, asked: Sequence[str]) -> None:
        slip = scopes.slip(oauth2, asked)
        if slip is not None:
            raise AuthError(
                f"{connection.service} has no set of scopes {printable(slip[0], 80)!r}, and no "
                f"such scope is known. Did you mean {slip[1]!r}?",
                service=connection.service,
                hint=f"arcrun setup {connection.name} --scopes {slip[1]}",
            )

    def _someone_or_nobody_needed(self, connection: Connection) -> None:
        if connection.method.unattended or self._person.reach is not None:
            return
        self._resolver.require(connection)
        raise LoginRequired(
            f"{connection.name}: to log in anew somebody has to be there, and nobody can be asked.",
            service=connection.service,
            hint=connection.setup,
        )

    # -- the app ---------------------------------------------------------------------

    def _registered(
        self, authority: Authority, wanted: Sequence[str], bring: Callable[[], Grant]
    ) -> Grant:
        """What `bring` brings, by a client that registers itself where there is none of use.

        One whose secret has ended, or that its server knows no more, registers anew, and never
        twice for one login.
        """
        from arcrun_auth.discovery import register

        known, now = authority.registration(), self._resolver.clock()
        ended = known is not None and known.ends is not None and known.ends <= now
        if authority.needs_app or ended:
            register(authority, scopes=wanted)
            return bring()
        try:
            return bring()
        except (LoginFailed, TokenRefused) as error:
            if known is not None and error.error == "invalid_scope":
                error.hint = (
                    f"arcrun app remove {known.key.account}, then: arcrun setup {authority.name}; "
                    "the app that registered itself did not name this scope then"
                )
            if known is None or error.error != "invalid_client":
                raise
        self._person.say("The provider no longer knows the app here: it is registered anew.")
        register(authority, scopes=wanted)
        return bring()

    def _app(self, authority: Authority, recipe: Recipe, wanted: Sequence[str]) -> App:
        if self._person.reach is None:
            return authority.known_app()
        title = recipe.display_name or recipe.service
        return apps.ask(
            authority.service,
            title,
            authority.way,
            wanted,
            self._person,
            open_url=self._open_url,
        )

    # -- the login -------------------------------------------------------------------

    def _log_in(self, plan: LoginPlan, authority: Authority) -> Grant:
        person, settings = self._person, self._resolver.settings
        here = self._here
        apps.check_redirect_uri(plan.app, plan.service)
        can_paste = person.reach in ("terminal", "notebook")
        ways = choose(
            plan,
            can_paste=can_paste,
            can_open=here.browser,
            elsewhere=here.elsewhere,
            wish=self._wish,
            tunnel=here.ssh_hint,
        )
        done = threading.Event()
        dialogue = Dialogue(
            say=person.say,
            show=person.show_link,
            open_url=self._open_url,
            paste=(lambda: person.paste(done)) if can_paste else None,
            picture=qr_lines if person.reach == "terminal" else None,
        )
        try:
            return log_in(
                plan,
                ways,
                dialogue,
                send=authority.send,
                timeout=settings.login_timeout,
                clock=self._resolver.clock,
                port=self._port,
            )
        finally:
            done.set()

    def _tell(self, way: Method, grant: Grant) -> None:
        """What the person should know of a grant that is less than what was asked for."""
        assert way.oauth2 is not None
        lacking = scopes.missing(way.oauth2, grant.requested, grant.scopes)
        if lacking:
            self._person.say(f"Not granted: {' '.join(lacking)}. What needs it will not work.")
        renewable = "refresh_token" in way.oauth2.grants and way.oauth2.refresh.mode == "yes"
        if renewable and grant.refresh_token is None and grant.expires is not None:
            self._person.say(
                "The provider gave no refresh token: when this access token ends, you log in again."
            )


def _to_loopback(oauth2: OAuth2) -> OAuth2:
    """The same server, for a login that comes back by another: that one sends it to this machine
    as it always does, whatever redirect URI the provider wants."""
    return replace(oauth2, redirect=Redirect(), grants=("authorization_code",))
