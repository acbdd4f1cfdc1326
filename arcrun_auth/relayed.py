"""A login by the shared OAuth app of a server, and its renewals: they pass through that server.

The server adds the app's secret, and keeps nothing. It answers only to the key that began the
login (RFC 9449), so what it gave back is of no use to whoever finds it elsewhere. What a renewal
needs stands in the grant: the server, that key, and what binds the refresh token to both.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arcrun_auth._http import Answer, send_token
from arcrun_auth.answers import json_object
from arcrun_auth.errors import AuthError, LoginRequired, ProviderUnavailable, printable
from arcrun_auth.hosts import fence_of
from arcrun_auth.oauth import dpop
from arcrun_auth.oauth.call import TokenCall
from arcrun_auth.platform_api import KEY_HEADER, understood
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.oauth.call import HttpMethod
    from arcrun_auth.recipe.model import OAuth2
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Grant

_NOT_FOUND = 404
_REFUSED = (401, 403)


def server_in(relay: Secret) -> str:
    """The address of the server that a grant is renewed by."""
    return str(json.loads(relay.reveal())["server"])


class Relay:
    """The shared app of one server for one service, as the holder of one proof key.

    Every method raises HostNotAllowed, ProviderUnavailable and AuthError.
    """

    def __init__(
        self,
        resolver: Resolver,
        service: str,
        server: str,
        *,
        proof_key: Secret | None = None,
        binding: str = "",
    ) -> None:
        from arcrun_auth.sync.account import account

        self.server = server
        self.service = service
        self.client_id = ""
        """The app's id, once the server has named it."""
        self._proof_key = proof_key or dpop.new_key()
        self._binding = binding
        self._clock = resolver.clock
        self._oauth2: OAuth2 | None = None
        self._shown: tuple[Secret, ...] = ()
        """What the last request carried: no error may repeat it."""
        self._scopes: tuple[str, ...] = ()
        try:
            self._fence = fence_of(server, resolver.allow)
        except ValueError as error:
            raise AuthError(f"No platform is at what is named: {error}.") from None
        self.host = printable(self._fence.hosts[0], 100)
        who = account(resolver.store, resolver.settings)
        # A key is for the platform that gave it, and for no other.
        self._account = who if who is not None and who.server == server else None

    @classmethod
    def of(cls, resolver: Resolver, service: str, grant: Grant) -> Relay:
        """The one that a grant came through."""
        assert grant.relay is not None
        known = json.loads(grant.relay.reveal())
        return cls(
            resolver, service, known["server"],
            proof_key=Secret(known["key"]), binding=known["binding"],
        )  # fmt: skip

    @property
    def notice(self) -> str:
        """What the person should know before the login."""
        return (
            f"This login uses the OAuth app of {self.host}. Its tokens pass through {self.host} "
            "in passing, now and at each renewal; it keeps none."
        )

    # -- the login -----------------------------------------------------------------------

    def offered(self, oauth2: OAuth2, scopes: Sequence[str]) -> bool:
        """Whether the server shares an app for this very authorization server. LoginRequired
        where it does so for its accounts alone, and nobody is logged in."""
        answer = self._sent("GET", "app")
        if answer.status == _NOT_FOUND:
            return False
        if answer.status in _REFUSED and self._account is None:
            raise LoginRequired(
                f"{self.host} shares its app for {self.service} with its accounts only.",
                service=self.service,
                hint=f"arcrun login --server {self.server}",
            )
        found = self._understood(answer)
        ends = (oauth2.authorization_endpoint, oauth2.token_endpoint)
        if (found.get("authorization_endpoint"), found.get("token_endpoint")) != ends:
            return False
        self.client_id = str(found.get("client_id") or "")
        self._oauth2, self._scopes = oauth2, tuple(scopes)
        return bool(self.client_id)

    def start(self, challenge: str, port: int) -> tuple[str, str]:
        """A login: its state, and the address to open, which is the server's own."""
        assert self._oauth2 is not None, "`offered` comes first"
        body = {
            "challenge": challenge, "port": port, "scopes": list(self._scopes),
            "authorization_endpoint": self._oauth2.authorization_endpoint,
            "token_endpoint": self._oauth2.token_endpoint,
        }  # fmt: skip
        found = self._understood(self._sent("POST", "start", body))
        state, url = found.get("state"), found.get("url")
        if not isinstance(state, str) or not isinstance(url, str) or not state:
            raise AuthError(f"{self.host} answered without a login.")
        if not url.startswith(f"{self.server}/"):
            # Whoever is sent elsewhere by it would believe our word that it is the server.
            raise AuthError(f"{self.host} names an address that is not its own.")
        return state, url

    def redeem(self, state: str, code: Secret, verifier: Secret) -> tuple[Answer, Secret]:
        """What the provider answered to the code, and what a renewal will need."""
        body = {
            "grant_type": "authorization_code", "state": state, "code": code.reveal(),
            "code_verifier": verifier.reveal(),
        }  # fmt: skip
        return self._relayed(self._sent("POST", "token", body, (code, verifier)))

    # -- after it ------------------------------------------------------------------------

    def refresh(self, refresh_token: Secret) -> tuple[Answer, Secret]:
        """The same for a refresh token."""
        body = {
            "grant_type": "refresh_token", "refresh_token": refresh_token.reveal(),
            "binding": self._binding,
        }  # fmt: skip
        return self._relayed(self._sent("POST", "token", body, (refresh_token,)))

    def revoke(self, grant: Grant) -> Answer:
        """What the provider answered when it was told to end the login."""
        access, refresh = grant.access_token, grant.refresh_token or Secret("")
        body = {
            "grant_type": "revoke", "access_token": access.reveal(),
            "refresh_token": refresh.reveal(), "binding": self._binding,
        }  # fmt: skip
        return self._relayed(self._sent("POST", "token", body, (access, refresh)))[0]

    def _relayed(self, answer: Answer) -> tuple[Answer, Secret]:
        if answer.status == _NOT_FOUND:
            raise AuthError(
                f"{self.host} shares no app for {self.service} any more.",
                service=self.service,
                hint=f"arcrun setup {self.service}, with an app of your own",
            )
        found = self._understood(answer)
        status, headers, body = found.get("status"), found.get("headers"), found.get("body")
        if (
            not isinstance(status, int)
            or not isinstance(headers, dict)
            or not isinstance(body, str)
        ):
            raise AuthError(f"{self.host} answered without the answer of the provider.")
        if found.get("binding"):
            self._binding = str(found["binding"])
        known = {name: value for name, value in headers.items() if isinstance(value, str)}
        return Answer(status, known, body.encode()), self._record()

    def _record(self) -> Secret:
        known = {
            "server": self.server, "key": self._proof_key.reveal(), "binding": self._binding,
        }  # fmt: skip
        return Secret(json.dumps(known))

    # -- asking --------------------------------------------------------------------------

    def _sent(
        self, method: HttpMethod, what: str, body: Mapping[str, Any] | None = None,
        secrets: tuple[Secret, ...] = (),
    ) -> Answer:  # fmt: skip
        """The answer to a request with a proof; to one with the server's nonce, where it wants
        that (RFC 9449 §8): our clock may be wrong."""
        answer = self._asked(method, what, body, secrets)
        nonce = answer.headers.get(dpop.NONCE_HEADER, "")
        if nonce and (json_object(answer.body) or {}).get("error") == dpop.USE_NONCE:
            return self._asked(method, what, body, secrets, nonce)
        return answer

    def _asked(
        self, method: HttpMethod, what: str, body: Mapping[str, Any] | None,
        secrets: tuple[Secret, ...], nonce: str = "",
    ) -> Answer:  # fmt: skip
        path = f"/oauth/{quote(self.service)}/{what}"
        url = self.server + path
        proof = dpop.proof(self._proof_key, method, url, now=self._clock(), nonce=nonce)
        headers = {"accept": "application/json", dpop.HEADER: proof.reveal()}
        if self._account is not None:
            key = self._account.api_key()
            headers[KEY_HEADER.lower()] = key.reveal()
            secrets = (*secrets, key)
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(body).encode()
        self._shown = (*secrets, proof)
        call = TokenCall(url, method=method, headers=headers, content=content, secrets=self._shown)
        return send_token(call, guard=self._fence)

    def _understood(self, answer: Answer) -> dict[str, Any]:
        data = json_object(answer.body) or {}
        try:
            return understood(answer, self.host, self._clock(), self._shown)
        except ProviderUnavailable as error:
            # What lies behind the server may have got it, unless it says that it has not.
            error.sent = data.get("sent") is not False
            raise
        except AuthError as error:
            # The server's own no is none of the provider's: it must end no grant.
            hint = f"arcrun setup {self.service}"
            if answer.status in _REFUSED:
                hint = f"arcrun login --server {self.server}; then: {hint}"
            raise AuthError(error.message, service=self.service, hint=hint) from None
