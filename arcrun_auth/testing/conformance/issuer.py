"""The authorization server of a recipe: the embedded provider's rules behind its own addresses."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from arcrun_auth.testing import _clients, _grants, _wording
from arcrun_auth.testing._authority import GRANTS, Authority
from arcrun_auth.testing._quirks import Quirks
from arcrun_auth.testing._records import DEVICE, JWT_BEARER, App, Family, Refusal
from arcrun_auth.testing.conformance import answers, certificates, proofs
from arcrun_auth.testing.conformance.rendered import filled
from arcrun_auth.testing.conformance.stage import FORM, Arrived, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.recipe.oauth2 import OAuth2, Swap
    from arcrun_auth.testing.conformance.given import Given

    Issued = Callable[[str, dict[str, str]], None]
    """Told of each new token, and of what came beside it."""
    Role = Callable[[Arrived], Reply]

USER = "ada"
LIFETIME = 3600.0


class Issuer(Authority):
    """Codes and tokens as the recipe's `oauth2` says; what it says otherwise is noted."""

    def __init__(self, oauth2: OAuth2, given: Given, issued: Issued) -> None:
        super().__init__(
            clock=given.clock,
            lifetime=float(oauth2.token_response.default_expires_in or LIFETIME),
            rotates=oauth2.refresh.rotates != "no",
            reuse_grace=0.0,
            quirks=_quirks(oauth2),
            device_interval=0.001,
        )
        self.oauth2 = oauth2
        self.given = given
        self.issued = issued
        self.issuer = self.filled(oauth2.issuer)
        self.app = self.apps[given.client_id] = self._app()
        self.subjects |= dict.fromkeys(given.secrets.values(), USER)
        self.asked: list[str] = []
        """The grant of each token request, in order."""

    @property
    def audiences(self) -> tuple[str, ...]:
        client, token = self.oauth2.client, self.oauth2.token_endpoint
        return (self.filled(client.audience or token),)

    @property
    def api(self) -> str:
        return self.filled(self.oauth2.resource)

    def filled(self, text: str) -> str:
        return filled(text, self.given.known)

    def roles(self) -> dict[tuple[str, str], Role]:
        """What it answers, by origin and path."""
        oauth2 = self.oauth2
        named: dict[str, Role] = {
            oauth2.token_endpoint: self.for_token,
            **{swap.url: self.for_token for _, swap in oauth2.swaps},
            oauth2.device_authorization_endpoint: self.for_device,
            oauth2.registration_endpoint: self.for_registration,
            oauth2.userinfo_endpoint: self.for_userinfo,
            oauth2.revocation_endpoint: self.for_revocation,
        }
        found = {self.given.place(url): role for url, role in named.items() if url}
        if oauth2.discovery:
            origin, path = self.given.place(oauth2.issuer)
            for kind in ("oauth-authorization-server", "openid-configuration"):
                found[origin, f"/.well-known/{kind}{path.rstrip('/')}"] = self.for_metadata
            found[origin, "/token"] = self.for_token
            found[origin, "/device"] = self.for_device
            found[origin, "/register"] = self.for_registration
            found[origin, "/userinfo"] = self.for_userinfo
            found[origin, "/revoke"] = self.for_revocation
        return found

    def _app(self) -> App:
        client, redirect = self.oauth2.client, self.oauth2.redirect
        scheme = "https" if redirect.policy == "https_only" else "http"
        ports = [f":{port}" for port in redirect.ports] or [""]
        uris = tuple(f"{scheme}://{redirect.host}{port}{redirect.path}" for port in ports)
        secret = self.given.client_secret if self.has_secret else None
        auth: Any = client.auth
        if client.auth in ("post", "basic") and secret is None:
            auth = "none"
        key = None
        if client.auth == "private_key_jwt":
            from arcrun_auth.testing.conformance.invented import private_key

            key = private_key(client.alg or "RS256")
        return App(self.given.client_id, secret, auth, uris, key)

    @property
    def has_secret(self) -> bool:
        client = self.oauth2.client
        return client.auth == "client_secret_jwt" or (
            client.auth in ("post", "basic") and client.secret_required
        )

    # -- what a person sees ----------------------------------------------------------------

    def visited(self, url: str) -> str:
        """The person agrees at `url`: where the browser is sent."""
        head, _, text = url.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        wanted = {name: self.filled(t) for name, t in self.oauth2.authorize_params.items()}
        wanted |= {"resource": self.filled(self.oauth2.resource)} if self.oauth2.resource else {}
        for name, value in wanted.items():
            self.given.expect(query.get(name) == value, f"the page was not asked with {name}")
        scopes = query.get(self.oauth2.scope_param, "").split(self.oauth2.scope_separator)
        missing = set(self.oauth2.scopes) - set(scopes)
        self.given.expect(not missing, f"the page was not asked for {', '.join(sorted(missing))}")
        if self.oauth2.authorization_endpoint:
            page = self.filled(self.oauth2.authorization_endpoint).partition("?")[0]
            self.given.expect(head == page, "another page than the recipe's was opened")
        try:
            ticket, _ = self.begin(query)
        except Refusal as refusal:
            self.given.expect(False, f"the page said {refusal}")
            told = {"error": refusal.error, "state": query.get("state", "")}
            return refusal.location or f"{query.get('redirect_uri')}?{urlencode(told)}"
        return self.decide(ticket, user=USER, allow=True) + self._brought()

    def _brought(self) -> str:
        """What the redirect tells beside the code."""
        params = self.given.way.params
        wanted = {
            (param.key or name): self.given.told(name)
            for name, param in params.items()
            if param.source == "callback"
        }
        kept = {name: wanted.get(name, "kept-1") for name in self.oauth2.callback.keep}
        return "".join(f"&{urlencode({name: value})}" for name, value in kept.items())

    # -- tokens ----------------------------------------------------------------------------

    def for_token(self, arrived: Arrived) -> Reply:
        form = self._form(arrived)
        live = self._live(form)
        grant, how = self._meant(form, live)
        self.asked.append(grant)
        try:
            self._check(arrived, form, how, swaps=bool(live))
            if live and how is not None:
                given = self._swapped(arrived, form, live, how)
            elif grant == JWT_BEARER:
                given = self._by_assertion(form)
            elif self._needs_no_client(arrived, how):
                with self.lock:
                    given = GRANTS[grant](self, self.app, _wording.standard(form, self.quirks))
            else:
                given = self.token(form, arrived.headers.get("authorization", ""))
        except Refusal as refusal:
            self.given.expect(grant == DEVICE, f"the token endpoint said {refusal}")
            return self.refused(refusal.error, refusal.description, refusal.status)
        return self.worded(given)

    def _meant(self, form: Mapping[str, str], live: str) -> tuple[str, Swap | None]:
        """What a request is for, and how the recipe says that it is made, if in a way of its own.

        The first token of a login is swapped, the one that it is swapped for renewed.
        """
        if live and self.oauth2.swap is not None and live not in self.long:
            return "swap", self.oauth2.swap
        if live:
            return "exchange", self.oauth2.refresh
        grant = _wording.standard(form, self.quirks).get("grant_type", "")
        return grant, self.oauth2.refresh if grant == "refresh_token" else None

    def _swapped(
        self, arrived: Arrived, form: Mapping[str, str], live: str, how: Swap
    ) -> dict[str, object]:
        if not self._needs_no_client(arrived, how):
            named = _wording.standard(form, self.quirks)
            _clients.authenticate(self, named, arrived.headers.get("authorization", ""))
        family = self.living(live)
        assert family is not None
        given = self.issue(family, refresh=False)
        self.long.add(str(given["access_token"]))
        return given

    def _needs_no_client(self, arrived: Arrived, how: Swap | None) -> bool:
        """Whether the client proves itself otherwise than by the request, or need not at all."""
        if self.oauth2.client.auth == "tls_client_auth":
            good = arrived.shown == certificates.shown()
            self.given.expect(good, "the client's certificate was not shown")
            return True
        return how is not None and not how.client

    def _form(self, arrived: Arrived) -> dict[str, str]:
        return {**arrived.query, **arrived.fields}

    def _live(self, form: Mapping[str, str]) -> str:
        """The live token among the parameters, for a request that swaps it; or nothing."""
        if self.oauth2.refresh.mode != "exchange" and self.oauth2.swap is None:
            return ""
        return next((text for text in form.values() if self.living(text)), "")

    def worded(self, given: Mapping[str, Any]) -> Reply:
        """An answer with a token, in the recipe's words."""
        how, params = self.oauth2.token_response, self.given.way.params
        told = {
            (param.key or name): self.given.told(name)
            for name, param in params.items()
            if param.source == "token"
        }
        kept = {name: told.get(name, f"kept-{name}") for name in how.keep}
        aliases = self.oauth2.scope_aliases
        names = [aliases.get(name, name) for name in str(given.get("scope", "")).split()]
        worded = {**given, "scope": self.oauth2.scope_separator.join(filter(None, names))}
        answer = answers.token(worded, how, now=self.clock(), **kept)
        self.issued(str(given["access_token"]), kept)
        return Reply(200, answer.data, answer.headers)

    def refused(self, error: str, words: str, status: int = 400) -> Reply:
        answer = answers.refusal(error, words, self.oauth2.token_response)
        ok = self.oauth2.token_response.ok is not None
        return Reply(200 if ok else status, answer.data, answer.headers)

    def _check(
        self, arrived: Arrived, form: Mapping[str, str], how: Swap | None, *, swaps: bool
    ) -> None:
        """Is it asked in the way that the recipe says?"""
        request, expect = self.oauth2.token_request, self.given.expect
        method = (how and how.method) or request.method
        body = (how and how.body) or request.body
        expect(arrived.method == method, f"tokens were asked for by {arrived.method}")
        url = (how and how.url) or self.oauth2.token_endpoint
        if url:
            expect((arrived.origin, arrived.path) == self.given.place(url), "at another address")
        kind = {"form": FORM, "json": "application/json"}.get(body)
        if method != "GET" and kind is not None:
            expect(arrived.kind == kind, f"the token request came as {arrived.kind or 'nothing'}")
        wanted = {**({} if swaps else request.params), **(how.params if how else {})}
        ours = {} if swaps else {"grant_type", "client_secret"}
        names = self.oauth2.param_names
        for name, text in wanted.items():
            if name not in ours and "{{token." not in text and (value := self.filled(text)):
                expect(form.get(names.get(name, name)) == value, f"{name} is missing there")
        for name, text in request.headers.items():
            there = arrived.headers.get(name.lower())
            expect(there == self.filled(text), f"the header {name} is missing there")
        if self.oauth2.resource:
            expect(
                form.get("resource") == self.filled(self.oauth2.resource),
                "the resource is missing there",
            )

    def _by_assertion(self, form: Mapping[str, str]) -> dict[str, object]:
        claims = assertion(self.given, form.get("assertion", ""), self.oauth2)
        scope = str(claims.get("scope") or form.get(self.oauth2.scope_param, ""))
        with self.lock:
            return self.issue(Family(self.app, USER, scope), refresh=False)

    # -- all else --------------------------------------------------------------------------

    def for_device(self, arrived: Arrived) -> Reply:
        form = self._form(arrived)
        try:
            given = _grants.ask_device(self, form, arrived.headers.get("authorization", ""))
        except Refusal as refusal:
            self.given.expect(False, f"the device endpoint said {refusal}")
            return self.refused(refusal.error, refusal.description, refusal.status)
        page = "https://activate.example.com/device"
        return Reply(200, {**given, "verification_uri": page, "verification_uri_complete": page})

    def for_registration(self, arrived: Arrived) -> Reply:
        import json

        try:
            found = _clients.register(self, json.loads(arrived.body))
        except Refusal as refusal:
            self.given.expect(False, f"the registration said {refusal}")
            return self.refused(refusal.error, refusal.description)
        self.given.client_id = str(found["client_id"])
        self.app = self.apps[self.given.client_id]
        return Reply(201, found)

    def for_userinfo(self, arrived: Arrived) -> Reply:
        holder = self.holder(arrived.headers.get("authorization", ""))
        return Reply(200, {"email": IDENTITY}) if holder else Reply(401, {"error": "invalid_token"})

    def for_metadata(self, arrived: Arrived) -> Reply:
        paths = {"token_endpoint": "token", "authorization_endpoint": "authorize",
                 "device_authorization_endpoint": "device", "revocation_endpoint": "revoke",
                 "userinfo_endpoint": "userinfo", "registration_endpoint": "register"}  # fmt: skip
        return Reply(
            200,
            {
                "issuer": self.issuer,
                **{name: f"{arrived.origin}/{path}" for name, path in paths.items()},
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            },
        )

    def for_revocation(self, arrived: Arrived) -> Reply:
        how, expect = self.oauth2.revoke, self.given.expect
        form, bearer = self._form(arrived), arrived.headers.get("authorization", "")
        expect(arrived.method == how.method, f"revoked by {arrived.method}")
        for name, text in how.params.items():
            if "{{token." not in text:
                expect(form.get(name) == self.filled(text), f"{name} is missing there")
        token = form.get(how.param, "") if how.param else bearer.removeprefix("Bearer ")
        app: App | None = None
        try:
            if how.auth == "client":
                app = _clients.authenticate(self, _wording.standard(form, self.quirks), bearer)
            elif how.auth == "basic":
                app = _clients.by_basic(self, bearer)
        except Refusal as refusal:
            expect(False, f"the revocation said {refusal}")
        if how.auth == "bearer":
            expect(self.holder(bearer) is not None, "revoked by a token that is none")
        ended = self.end(token, app)
        expect(ended or self.families_revoked, "what was revoked is no token of this login")
        answer = answers.Answer()
        if self.oauth2.token_response.ok is not None:
            ok = self.oauth2.token_response.ok
            answer.put(ok.path, ok.equals)
        return Reply(200, answer.data)


IDENTITY = "ada@conformance.example.com"
"""Whose account everything is."""


def assertion(given: Given, token: str, oauth2: OAuth2 | None = None) -> dict[str, Any]:
    """The claims of an assertion (RFC 7523 §3) that is signed and worded as the recipe says."""
    jwt = given.way.jwt
    assert jwt is not None
    key: str | bytes = given.known["secret"].get(jwt.key, "")
    if jwt.take:
        from re import search

        found = search(jwt.take, str(key))
        key = found[1] if found else ""
    if jwt.key_encoding == "hex":
        key = bytes.fromhex(str(key))
    elif jwt.key_encoding == "base64":
        from base64 import b64decode

        key = b64decode(str(key))
    try:
        header, claims = proofs.jwt(token, key, jwt.alg)
    except ValueError as error:
        raise Refusal("invalid_grant", str(error)) from None
    from arcrun_auth.testing.conformance.rendered import UNSURE

    wanted = {name: text for name, text in jwt.claims.items() if not UNSURE.search(text)}
    if jwt.subject and "sub" not in wanted:
        wanted["sub"] = jwt.subject
    for name, text in wanted.items():
        value = filled(text, given.known)
        there = str(claims.get(name, ""))
        given.expect(there == value, f"the claim {name} is another one")
    for name, text in jwt.header.items():
        given.expect(
            header.get(name, "") == filled(text, given.known), f"{name} of the JWT differs"
        )
    if jwt.scope_claim:
        scopes = " ".join(given.way.scopes)
        given.expect(claims.get(jwt.scope_claim) == scopes, "the JWT has no scopes, or others")
    lasts = claims.get("exp", 0) - claims.get("iat", 0)
    given.expect(lasts == jwt.ttl_s + jwt.backdate_s, "the JWT holds for another time")
    if oauth2 is not None and "aud" not in jwt.claims:
        audience = filled(oauth2.token_endpoint, given.known)
        given.expect(claims.get("aud") == audience, "the JWT is for somebody else")
    return claims


def _quirks(oauth2: OAuth2) -> Quirks:
    """What the recipe says that is odd about requests; answers are worded in `_answers`."""
    return Quirks(
        scope_separator=oauth2.scope_separator,
        scope_param=oauth2.scope_param,
        param_names=oauth2.param_names,
        pkce="refused" if oauth2.pkce == "no" else "required",
        https_only=oauth2.redirect.policy == "https_only",
        ports=oauth2.redirect.ports,
        host=oauth2.redirect.host,
        code_param=oauth2.callback.code,
        state_again=oauth2.token_request.send_state,
        scope_again=oauth2.token_request.send_scope,
    )


def fresh(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(18)
