"""The way in by an authorization code: RFC 6749 §4.1 with PKCE (RFC 7636)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from arcrun_auth import oauth
from arcrun_auth.errors import LoginFailed, ProviderUnavailable, TokenRefused
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.callback import is_answer, read_callback
from arcrun_auth.oauth.requests import code_request, exchange_request
from arcrun_auth.token_answer import read_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.login.plan import Answer, LoginPlan, Send
    from arcrun_auth.loopback import Loopback
    from arcrun_auth.tokens import Grant, Secret

FIRST_PORT, PORTS = 49152, 16384
"""Which ports belong to nobody (RFC 6335 §6)? One of them stands in an address that is only
copied: where nothing of ours listens, nothing else should get the code either."""


class CodeLogin:
    """One login under way: what binds its answer to it (state, verifier, redirect URI)."""

    def __init__(self, plan: LoginPlan, loopback: Loopback | None) -> None:
        self.plan = plan
        self.loopback = loopback
        self.verifier: Secret | None = None
        challenge: str | None
        if plan.relay is not None:
            self.verifier, challenge = oauth.new_proof_key()
            port = loopback.port if loopback is not None else _nobodys_port()
            self.state, self.url = plan.relay.start(challenge, port)
            self.redirect_uri = oauth.redirect_uri(plan.oauth2.redirect, port)
            return
        self.state = oauth.new_state()
        challenge = None
        if plan.oauth2.pkce != "no":
            self.verifier, challenge = oauth.new_proof_key()
        self.redirect_uri = loopback.redirect_uri if loopback else _nobodys(plan)
        self.url = oauth.authorization_url(
            plan.oauth2,
            client_id=plan.app.client_id,
            redirect_uri=self.redirect_uri,
            scopes=plan.scopes,
            state=self.state,
            challenge=challenge,
            params=plan.params,
        )

    def is_ours(self, callback: str) -> bool:
        return is_answer(callback, state=self.state)

    def redeem(self, callback: str, *, send: Send, clock: Callable[[], float]) -> Grant:
        """The grant for the code in `callback`. Each request is sent once, whatever comes."""
        plan = self.plan
        code, kept = read_callback(
            callback,
            state=self.state,
            issuer=plan.oauth2.issuer,
            iss_required=plan.iss_required,
            parameters=plan.oauth2.callback,
            rules=plan.rules,
            service=plan.service,
        )
        try:
            grant = self._exchanged(code, send, clock)
        except TokenRefused as error:
            raise failed(error, plan) from None
        except ProviderUnavailable as error:
            error.service, error.hint = plan.service, plan.again  # the code is spent
            raise
        return grant.replace(kept={**kept, **grant.kept})

    def _exchanged(self, code: Secret, send: Send, clock: Callable[[], float]) -> Grant:
        plan = self.plan
        if plan.relay is not None:
            assert self.verifier is not None
            answer, known = plan.relay.redeem(self.state, code, self.verifier)
            return self._read(answer, (code, self.verifier), clock).replace(relay=known)
        call = code_request(
            plan.oauth2,
            plan.app,
            code=code,
            redirect_uri=self.redirect_uri,
            state=self.state,
            verifier=self.verifier,
            values=values(plan.params, app=plan.app),
            now=clock(),
        )
        grant = self._read(send(call), call.secrets, clock)
        if plan.oauth2.swap is None:
            return grant
        known_token = values(plan.params, app=plan.app, access_token=grant.access_token)
        call = exchange_request(
            plan.oauth2, plan.app, values=known_token, now=clock(), swap=plan.oauth2.swap
        )
        return self._read(send(call), call.secrets, clock, previous=grant)

    def _read(
        self,
        answer: Answer,
        sent: tuple[Secret, ...],
        clock: Callable[[], float],
        previous: Grant | None = None,
    ) -> Grant:
        """The grant in an answer; `sent` is what no error may repeat."""
        plan = self.plan
        return read_token(
            plan.oauth2,
            answer.status,
            answer.headers,
            answer.body,
            now=clock(),
            previous=previous,
            requested=plan.scopes,
            secrets=sent,
            rules=plan.rules,
            service=plan.service,
        )


def failed(error: TokenRefused, plan: LoginPlan) -> LoginFailed:
    """There was no grant that the refusal could be about: the login is what failed."""
    return LoginFailed(
        error.message,
        service=plan.service,
        hint=error.hint,
        error=error.error,
        description=error.description,
        uri=error.uri,
        meaning=error.meaning,
    )


def _nobodys(plan: LoginPlan) -> str:
    """A redirect URI that nothing of ours answers: that of the app's owner, or one whose page
    cannot be reached."""
    if plan.app.redirect_uri:
        return plan.app.redirect_uri
    redirect = plan.oauth2.redirect
    free = redirect.policy == "any_port"
    return oauth.redirect_uri(redirect, _nobodys_port() if free else None)


def _nobodys_port() -> int:
    return FIRST_PORT + secrets.randbelow(PORTS)
