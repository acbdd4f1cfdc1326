"""A token for a machine: by a key of the account's own, or by what stands in for one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec.structs import replace

from arcrun_auth.errors import AuthError
from arcrun_auth.primitives import documents
from arcrun_auth.primitives.oauth2 import OAuth2
from arcrun_auth.recipe.account import ServiceAccount as Account
from arcrun_auth.recipe.oauth2 import ClientAuth, TokenResponse
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from arcrun_auth.oauth.call import TokenCall
    from arcrun_auth.primitives.base import Desk
    from arcrun_auth.recipe.account import Impersonation
    from arcrun_auth.recipe.model import Jwt, Method
    from arcrun_auth.recipe.reader import Place
    from arcrun_auth.tokens import Grant

TARGET = "impersonate"
"""Which param names the account to act as?"""
_OF_THE_ACCOUNT = ("iss", "jti", "aud")
"""Which claims stand in each assertion of an account, whatever token it asks for?"""

_BY_THE_BOOK = TokenResponse()
"""Where do the fields of RFC 6749 §5.1 stand, if a recipe does not say otherwise?"""


class ServiceAccount(OAuth2):
    """Signs an assertion with the account's key (RFC 7523), or does what its document says."""

    label = "a service account"
    method_id = "service_account"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        if way.jwt is None:
            yield ("jwt",), "A service account needs the assertion to sign."

    def servers(self, way: Method) -> Iterable[tuple[Place, str]]:
        yield from super().servers(way)
        account = way.service_account
        if account is not None and account.federation is not None:
            yield ("service_account", "federation", "endpoint"), account.federation.endpoint
        if account is not None and account.impersonation is not None:
            for name in ("url", "sign_url"):
                if url := getattr(account.impersonation, name):
                    yield ("service_account", "impersonation", name), url

    def check(self, way: Method, secrets: Mapping[str, Secret]) -> None:
        """A key is validated here, once: to sign with it later costs a thousandth of that."""
        from arcrun_auth.jwt import check_key

        jwt = way.jwt
        assert jwt is not None
        key, dot, member = jwt.key.partition(".")
        secret = secrets.get(key)
        if secret is None:
            return
        if dot:
            document = documents.read(secret)
            if document["type"] != documents.OWN_KEY:
                return
            documents.check_members(document, key, jwt)
            secret = Secret(str(document[member]))
        check_key(alg=jwt.alg, key=secret, key_encoding=jwt.key_encoding)

    def issue(self, desk: Desk) -> Grant:
        try:
            return _Asking(desk).grant()
        except AuthError as error:
            error.service = error.service or desk.service
            if type(error) is AuthError:  # about the document: another one is wanted
                error.hint = error.hint or f"arcrun setup {desk.name} --service-account FILE"
            raise


class _Asking:
    """The requests for one token: at most the workload's own, a source's, and the last."""

    def __init__(self, desk: Desk) -> None:
        from arcrun_auth import rendering

        assert desk.way.jwt is not None
        self.desk = desk
        self.jwt = desk.way.jwt
        self.account = desk.way.service_account or Account()
        self.server = rendering.endpoints(desk.way, desk.params, desk.service)
        self.subject = self.plain(self.jwt.subject)

    def grant(self) -> Grant:
        source, target, delegates = documents.unfolded(self.document())
        chosen = self.desk.params.get(TARGET, "")
        if chosen and chosen != target:
            target, delegates = chosen, []
        if target:
            return self.acting(source, target, delegates)
        if source["type"] == documents.OWN_KEY:
            return self.by_key(self.jwt, self.desk.scopes, self.server.token_response)
        self.check_kind()
        return self.access(source, self.desk.scopes)

    def document(self) -> Mapping[str, Any]:
        """What the account is known by; a bare key is one, too."""
        key, dot, _ = self.jwt.key.partition(".")
        if self.account.document:
            for secret in self.desk.way.required_secrets:
                self.desk.secret(secret.key)
            filled = self.filled(self.account.document)
            return documents.check(filled)
        if not dot:
            return {"type": documents.OWN_KEY}
        return documents.read(self.desk.secret(key))

    def check_kind(self) -> None:
        """AuthError where only an account of its own can have what is asked for."""
        other = self.server.token_response.access_token != _BY_THE_BOOK.access_token
        wanted = (
            "To act for a user" if self.subject else "For a token of this kind" if other else ""
        )
        if wanted:
            raise AuthError(
                f"{wanted} it takes a service account, and what was given is of none.",
                service=self.desk.service,
                hint=f"arcrun setup {self.desk.service} --method {self.desk.way.id} "
                f"--param {TARGET}=NAME@PROJECT",
            )

    # -- an access token of whoever the document tells of ----------------------------------

    def access(self, source: Mapping[str, Any], scopes: Sequence[str]) -> Grant:
        if source["type"] == documents.USER:
            return self.by_login(source, scopes)
        if source["type"] == documents.WORKLOAD:
            return self.exchanged(source, scopes)
        own = {name: text for name, text in self.jwt.claims.items() if name in _OF_THE_ACCOUNT}
        claim = self.jwt.scope_claim or "scope"
        jwt = replace(self.jwt, claims=own, subject="", scope_claim=claim)
        return self.by_key(jwt, scopes, _BY_THE_BOOK)

    def by_key(self, jwt: Jwt, scopes: Sequence[str], response: TokenResponse) -> Grant:
        from arcrun_auth.primitives.assertions import assertion

        signed = assertion(self.desk, jwt, audience=self.server.token_endpoint, scopes=scopes)
        return self.by_assertion(jwt, signed, scopes, response)

    def by_assertion(
        self, jwt: Jwt, signed: Secret, scopes: Sequence[str], response: TokenResponse
    ) -> Grant:
        from arcrun_auth.oauth.requests import unattended_request
        from arcrun_auth.primitives.assertions import named_outside

        call = unattended_request(
            self.server,
            None,
            grant="jwt_bearer",
            scopes=named_outside(jwt, scopes),
            assertion=signed,
            values=self.desk.values(),
            now=self.desk.now,
        )
        return self.ask(call, response, scopes)

    def by_login(self, source: Mapping[str, Any], scopes: Sequence[str]) -> Grant:
        """By the refresh token of a login that another program made. Its scopes are fixed; what
        was asked for is noted for the day when the document is another one."""
        from arcrun_auth.oauth.delegation import app_in
        from arcrun_auth.oauth.requests import refresh_request

        call = refresh_request(
            replace(self.server, client=ClientAuth(auth="post")),
            app_in(source),
            refresh_token=Secret(str(source["refresh_token"])),
            values=self.desk.values(),
            now=self.desk.now,
        )
        return self.ask(call, _BY_THE_BOOK, scopes)

    def exchanged(self, source: Mapping[str, Any], scopes: Sequence[str]) -> Grant:
        """A workload's token for one of the service (RFC 8693)."""
        from arcrun_auth.oauth.delegation import exchange_request

        federation = self.account.federation
        if federation is None:
            raise self.unknown("the token of a workload")
        documents.agreed(source, "token_url", federation.endpoint)
        subject = self.desk.subject_token(source, federation.variables)
        call = exchange_request(federation.endpoint, source, subject, scopes)
        return self.ask(call, _BY_THE_BOOK, scopes)

    # -- and by that, a token of another account -------------------------------------------

    def acting(self, source: Mapping[str, Any], target: str, delegates: Sequence[str]) -> Grant:
        from arcrun_auth.oauth.delegation import json_request

        hop, scopes = self.account.impersonation, self.desk.scopes
        if hop is None:
            raise self.unknown("one account that acts as another")
        documents.agreed(source, documents.ACTING_URL, hop.url)
        token = self.access(source, hop.scopes).access_token
        further = {"delegates": list(delegates)} if delegates else {}
        if self.subject:
            signed = self.signed_there(hop, token, target, further)
            return self.by_assertion(self.jwt, signed, scopes, self.server.token_response)
        filled = {name: self.plain(text, target) for name, text in hop.body.items()}
        body: dict[str, Any] = {name: text for name, text in filled.items() if text}
        if hop.scope_field:
            body[hop.scope_field] = list(scopes)
        call = json_request(self.plain(hop.url, target), token, {**body, **further})
        return self.ask(call, hop.token_response, scopes)

    def signed_there(
        self, hop: Impersonation, token: Secret, target: str, further: Mapping[str, Any]
    ) -> Secret:
        """The assertion of an account whose key nobody here has: its service signs it."""
        from arcrun_auth.jwt import bearer_claims
        from arcrun_auth.oauth.delegation import json_request

        if not hop.sign_url:
            raise self.unknown("acting for a user without a key")
        claims = bearer_claims(
            self.jwt,
            audience=self.server.token_endpoint,
            now=self.desk.now,
            render=self.plain,
            scopes=self.desk.scopes,
        )
        body = {"payload": json.dumps({**claims, "iss": target}), **further}
        call = json_request(self.plain(hop.sign_url, target), token, body)
        response = replace(hop.token_response, access_token=hop.signed)
        return self.ask(call, response, ()).access_token

    # -- tools -------------------------------------------------------------------------------

    def ask(self, call: TokenCall, response: TokenResponse, scopes: Sequence[str]) -> Grant:
        """Sends a request, and reads the token in its answer."""
        from arcrun_auth.token_answer import read_token

        answer = self.desk.send(call)
        return read_token(
            replace(self.server, token_endpoint=call.url, token_response=response),
            answer.status,
            answer.headers,
            answer.body,
            now=self.desk.now,
            requested=scopes,
            secrets=call.secrets,
            rules=self.desk.way.diagnose,
            service=self.desk.service,
        )

    def plain(self, text: str, target: str = "") -> str:
        from arcrun_auth.oauth.call import plain

        known = self.desk.values()
        if target:
            known = {**known, "param": {**known["param"], TARGET: target}}
        return plain(text, known)

    def filled(self, value: Any) -> Any:
        """A document of the recipe, its texts filled in."""
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        return self.plain(value) if isinstance(value, str) else value

    def unknown(self, what: str) -> AuthError:
        return AuthError(
            f"The recipe of {self.desk.service} knows no {what}.", service=self.desk.service
        )
