"""The authorization server of one connection: its endpoints, our app there, and how we talk to it.

Login, renewal and revocation all speak through this, so that each request goes to the
endpoints of the recipe, or to those its issuer named at the login, and to no other host.
"""

from __future__ import annotations

from arcrun_auth.errors import AuthError, MissingSecret
from arcrun_auth.oauth.app import App

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall, Values
    from arcrun_auth.recipe.model import Method, OAuth2
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Credential, Grant, Secret


class Authority:
    """One way in with the params of one record. `app` is None until there is one."""

    def __init__(self, resolver: Resolver, service: str, way: Method, record: Credential) -> None:
        from arcrun_auth import rendering

        self.resolver = resolver
        self.service = service
        self.way = way
        self.record = record
        self.oauth2 = rendering.endpoints(way, record.params, service, record.endpoints)
        self.app = self._app()

    def _app(self) -> App | None:
        from arcrun_auth.apps.kept import stored

        client_id = self.oauth2.client.id
        if client_id:
            return App(client_id)
        by_itself = self.oauth2.client.registration == "dcr"
        server = self.oauth2.registration_endpoint if by_itself else ""
        instance = self.record.key.instance
        return stored(self.resolver.store, self.service, self.way, server, instance=instance)

    @property
    def needs_app(self) -> bool:
        """Whether nothing can be asked of the server before there is an app."""
        grants = set(self.oauth2.grants)
        by_itself = grants <= {"jwt_bearer", "token_exchange", "refresh_token"}
        return self.app is None and not (by_itself and self.oauth2.client.auth == "none")

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
            self.record.params,
            secrets=self.record.secrets,
            app=self.app,
            access_token=access_token,
        )

    def send(self, call: TokenCall) -> Answer:
        """Sends a request to an endpoint of this server. Raises as `_http.send_token`."""
        from urllib.parse import urlsplit

        from arcrun_auth._http import send_token
        from arcrun_auth.hosts import Fence

        hosts = [urlsplit(url).netloc for url in _endpoints(self.oauth2)]
        try:
            return send_token(call, guard=Fence(hosts, self.resolver.allow))
        except AuthError as error:
            error.service = self.service
            raise

    def ask(
        self, call: TokenCall, *, previous: Grant | None = None, requested: Sequence[str] = ()
    ) -> Grant:
        """Sends a token request and reads the grant in its answer."""
        from arcrun_auth.token_answer import read_token

        answer = self.send(call)
        return read_token(
            self.oauth2,
            answer.status,
            answer.headers,
            answer.body,
            now=self.resolver.clock(),
            previous=previous,
            requested=requested,
            secrets=call.secrets,
            rules=self.way.diagnose,
            service=self.service,
        )

    def issue(self, scopes: Sequence[str]) -> Grant:
        """A grant that needs no person. TokenRefused, ProviderUnavailable, MissingSecret."""
        from arcrun_auth.oauth.requests import UNATTENDED, unattended_request

        grant = next(name for name in self.oauth2.grants if name in UNATTENDED)
        if self.needs_app:
            self.known_app()
        now = self.resolver.clock()
        call = unattended_request(
            self.oauth2,
            self.app,
            grant=grant,
            scopes=scopes,
            assertion=self._assertion(now) if grant == "jwt_bearer" else None,
            values=self.values(),
            now=now,
        )
        return self.ask(call, requested=scopes)

    def _assertion(self, now: float) -> Secret:
        """What the recipe's `jwt` says, signed with the secret that it names."""
        from arcrun_auth.jwt import bearer_assertion
        from arcrun_auth.oauth.call import plain
        from arcrun_auth.tokens import Secret

        jwt = self.way.jwt
        assert jwt is not None
        key = self.record.secrets.get(jwt.key)
        if key is None:
            raise MissingSecret(
                f"{self.service} needs its {jwt.key} to sign with.",
                key=jwt.key,
                service=self.service,
            )
        known = self.values()
        return Secret(
            bearer_assertion(
                jwt,
                key=key,
                audience=self.oauth2.token_endpoint,
                now=now,
                render=lambda text: plain(text, known),
            )
        )

    def renewed(self, grant: Grant) -> Grant:
        """A newer grant in place of `grant`, in the way that the recipe says."""
        from arcrun_auth.oauth.requests import exchange_request, refresh_request

        mode, now = self.oauth2.refresh.mode, self.resolver.clock()
        if mode == "reissue":
            fresh = self.issue(grant.requested)
            since = grant.since or fresh.since
            return fresh.replace(since=since, kept={**grant.kept, **fresh.kept})
        if self.needs_app:
            self.known_app()
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
    return [url for url in (*named, oauth2.refresh.url) if url]
