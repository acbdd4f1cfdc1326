"""The authorization server of one connection: its endpoints, our app there, and how we talk to it.

Login, renewal and revocation all speak through this, so that each request goes to the
endpoints of the recipe, or to those its issuer named at the login, and to no other host.
"""

from __future__ import annotations

from arcrun_auth.desk import Desk
from arcrun_auth.oauth.app import App

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall, Values
    from arcrun_auth.recipe.model import Method, OAuth2
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Credential, Grant, Key, Secret


class Authority(Desk):
    """One way in with the params of one record. `app` is None until there is one."""

    def __init__(self, resolver: Resolver, name: str, way: Method, record: Credential) -> None:
        from arcrun_auth import rendering

        super().__init__(resolver, name, way, record)
        self.oauth2 = rendering.endpoints(way, record.params, name, record.endpoints)
        self.app = self._app()

    def _app(self) -> App | None:
        """The app of the grant that is there, where it is not one's own; else one's own; else the
        one that comes with the recipe."""
        public, grant = self.oauth2.client.id, self.record.grant
        if grant is not None and grant.relay is not None:
            return App(grant.client or "")
        if public and grant is not None and grant.client in (None, public):
            return App(public)
        return self.own_app() or (App(public) if public else None)

    def own_app(self) -> App | None:
        """One's own app here, or the one that registered itself; None where there is none."""
        from arcrun_auth.apps.kept import stored

        store, instance = self.resolver.store, self.record.key.instance
        return stored(store, self.service, self.way, self._registrar, instance=instance)

    @property
    def registers(self) -> bool:
        """Whether the app here registers itself (RFC 7591)."""
        return self.oauth2.client.registration == "dcr"

    def registration(self) -> Credential | None:
        """The record of the app, if it is one that registered itself."""
        from arcrun_auth.apps.kept import registration

        store, instance = self.resolver.store, self.record.key.instance
        return registration(store, self.service, self.way, self._registrar, instance=instance)

    @property
    def app_key(self) -> Key:
        """Which record is the app here."""
        from arcrun_auth.apps.kept import key_for

        store, instance = self.resolver.store, self.record.key.instance
        return key_for(store, self.service, self.way, instance, self._registrar)

    @property
    def _registrar(self) -> str:
        """Where the app registers itself; empty where it does not."""
        return self.oauth2.registration_endpoint if self.registers else ""

    @property
    def needs_app(self) -> bool:
        """Whether nothing can be asked of the server before there is an app."""
        grants = set(self.oauth2.grants)
        by_itself = grants <= {"jwt_bearer", "token_exchange", "refresh_token"}
        return self.app is None and not (by_itself and self.oauth2.client.auth == "none")

    @property
    def needs_setup(self) -> bool:
        """An issuer that has to say where its tokens are is asked at a login alone."""
        return not self.oauth2.token_endpoint

    def known_app(self) -> App:
        """The app. MissingSecret where there is none."""
        from arcrun_auth.apps.kept import missing

        if self.app is None:
            raise missing(self.service, self.way)
        return self.app

    def values(self, access_token: Secret | None = None) -> Values:
        """What the templates of its requests may name."""
        from arcrun_auth.oauth import call

        return call.values(
            self.params,
            secrets=self.secrets,
            app=self.app,
            access_token=access_token,
        )

    def hosts(self) -> Sequence[str]:
        """Those of its endpoints, the ones that its issuer named included."""
        from urllib.parse import urlsplit

        others = () if self.way.primitive == "oauth2" else super().hosts()
        return [*(urlsplit(url).netloc for url in _endpoints(self.oauth2)), *others]

    def ask(
        self, call: TokenCall, *, previous: Grant | None = None, requested: Sequence[str] = ()
    ) -> Grant:
        """Sends a token request and reads the grant in its answer."""
        return self._read(self.send(call), call.secrets, previous, requested)

    def _read(
        self,
        answer: Answer,
        sent: tuple[Secret, ...],
        previous: Grant | None,
        requested: Sequence[str],
    ) -> Grant:
        from arcrun_auth import usual
        from arcrun_auth.token_answer import read_token

        return read_token(
            self.oauth2,
            answer.status,
            answer.headers,
            answer.body,
            now=self.resolver.clock(),
            previous=previous,
            requested=requested,
            secrets=sent,
            rules=(*self.way.diagnose, *usual.of_server(self.way)),
            service=self.name,
        )

    def _relayed(self, grant: Grant) -> Grant:
        """The same by the server whose app the login used: it alone can prove that app."""
        from arcrun_auth.relayed import Relay

        assert grant.refresh_token is not None, "nothing else is renewed by a server"
        answer, known = Relay.of(self.resolver, self.service, grant).refresh(grant.refresh_token)
        fresh = self._read(answer, (grant.refresh_token,), grant, grant.requested)
        return fresh.replace(relay=known)

    def issue(self, scopes: Sequence[str]) -> Grant:
        """A grant that needs no person. TokenRefused, ProviderUnavailable, MissingSecret."""
        from arcrun_auth.oauth.requests import UNATTENDED, unattended_request
        from arcrun_auth.primitives import assertions

        if self.way.primitive != "oauth2":  # one that builds on a server's grants
            return super().issue(scopes)
        grant = next(name for name in self.oauth2.grants if name in UNATTENDED)
        if self.needs_app:
            self.known_app()
        jwt, signed = self.way.jwt, None
        if grant == "jwt_bearer":
            assert jwt is not None
            at = self.oauth2.token_endpoint
            signed = assertions.assertion(self, jwt, audience=at, scopes=scopes)
        call = unattended_request(
            self.oauth2,
            self.app,
            grant=grant,
            scopes=scopes if signed is None else assertions.named_outside(jwt, scopes),
            assertion=signed,
            values=self.values(),
            now=self.resolver.clock(),
        )
        return self.ask(call, requested=scopes)

    def _check_client(self, grant: Grant) -> None:
        """LoginRequired where a grant is another client's: its server renews it for that one
        alone (RFC 6749 §6), and may take any other for a thief (RFC 9700 §4.14.2)."""
        if self.app is None or grant.client in (None, self.app.client_id):
            return
        from arcrun_auth.apps.kept import key_of
        from arcrun_auth.errors import LoginRequired

        name = key_of(self.service, self.way).account
        raise LoginRequired(
            f"{self.name}: this login was made with another OAuth app than the one that is there "
            "now, and its provider renews it for that one alone. It is kept as it is.",
            service=self.service,
            why="expired",
            hint=f"arcrun setup {self.name}, or arcrun app add {name} with the app of before",
        )

    def renewed(self, grant: Grant) -> Grant:
        """A newer grant in place of `grant`, in the way that the recipe says."""
        from arcrun_auth.oauth.requests import exchange_request, refresh_request

        if grant.relay is not None:
            return self._relayed(grant)
        mode, now = self.oauth2.refresh.mode, self.resolver.clock()
        if mode == "reissue":
            return super().renewed(grant)
        if self.needs_app:
            self.known_app()
        self._check_client(grant)
        if mode == "exchange":
            known = self.values(grant.access_token)
            call = exchange_request(self.oauth2, self.app, values=known, now=now)
        else:
            assert grant.refresh_token is not None
            call = refresh_request(
                self.oauth2,
                self.app,
                refresh_token=grant.refresh_token,
                values=self.values(grant.access_token),
                now=now,
            )
        return self.ask(call, previous=grant, requested=grant.requested)


def _endpoints(oauth2: OAuth2) -> list[str]:
    """Every URL that a request of ours may go to."""
    from arcrun_auth.recipe.parameters import ENDPOINTS

    named = [getattr(oauth2, name) for name in ENDPOINTS]
    return [url for url in (*named, *(swap.url for _, swap in oauth2.swaps)) if url]
