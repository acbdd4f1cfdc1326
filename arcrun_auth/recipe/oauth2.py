"""The part of a recipe about an authorization server, and what is odd about it.

Names are those of the RFCs. The docstring under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from arcrun_auth.recipe.types import Model, Name, Ok, Scope, Strings, Text, Url

Seconds = Annotated[int, Meta(ge=1)]


class Callback(Model, frozen=True):
    """What the redirect brings back beside the standard: RFC 6749 §4.1.2."""

    code: Name = "code"
    """The parameter that holds the code."""
    keep: tuple[Name, ...] = ()
    """Parameters to keep: `realmId`. Whoever made the redirect chose them: they are untrusted."""


class Redirect(Model, frozen=True):
    """Which redirect URI the provider takes: RFC 8252 §7.3, and those who do otherwise."""

    policy: Literal["any_port", "fixed_port", "https_only"] = "any_port"
    """Whether a loopback URI may have any port, one that is registered, or is refused."""
    host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    """How the loopback host is written. Some providers take only one of them."""
    ports: tuple[Annotated[int, Meta(ge=1024, le=65535)], ...] = ()
    """The ports to try with `fixed_port`, in order."""
    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/_-]*$(?!\n)")] = "/callback"
    """The path of the redirect URI."""


class ClientAuth(Model, frozen=True):
    """How the client names itself at the token endpoint: RFC 6749 §2.3."""

    auth: Literal[
        "none", "post", "basic", "private_key_jwt", "client_secret_jwt", "tls_client_auth"
    ] = "post"
    """In the body (post), the header (basic), a signed JWT (RFC 7523), TLS (RFC 8705), or not."""
    secret_required: bool = True
    """Whether the provider demands a client secret."""
    alg: Literal["", "RS256", "PS256", "ES256", "EdDSA", "HS256"] = ""
    """How the JWT is signed: RS256, or HS256 for client_secret_jwt, if not given."""
    audience: Url = ""
    """The `aud` of that JWT; the token endpoint if not given."""
    registration: Literal["static", "dcr"] = "static"
    """`dcr`: the client registers itself at the registration endpoint (RFC 7591)."""
    id: str = ""
    """The id of a public client that comes with the recipe: then no app is needed."""
    app: str = ""
    """Services with the same name here share one's own OAuth app; the service's id if empty."""
    id_pattern: str = ""
    """A regular expression that client ids usually match: a mismatch warns of a mix-up."""
    id_example: Text = ""
    """What a client id looks like; never a real one."""


class TokenRequest(Model, frozen=True):
    """How a token request differs from RFC 6749 §4.1.3."""

    method: Literal["POST", "GET"] = "POST"
    """The HTTP method."""
    body: Literal["form", "json", "query"] = "form"
    """How the parameters are sent: as a form, as JSON, or in the URL."""
    params: Strings = {}
    """Further parameters of every token request."""
    headers: Strings = {}
    """Further headers of every token request."""
    send_redirect_uri: bool = True
    """Whether the redirect URI is repeated with the code."""
    send_state: bool = False
    """Whether the state of the login is repeated with the code."""
    send_scope: bool = False
    """Whether the scopes are repeated with the code of another device."""


class TokenResponse(Model, frozen=True):
    """Where the fields of RFC 6749 §5.1 stand in this provider's answer: paths."""

    root: str = ""
    """Where the tokens, times and scopes are looked for; the whole answer if empty."""
    access_token: str = "access_token"  # noqa: S105 - a path
    """The path of the access token."""
    refresh_token: str = "refresh_token"  # noqa: S105 - a path
    """The path of the refresh token."""
    expires_in: str = "expires_in"
    """The path of the lifetime."""
    expires_at: str = ""
    """The path of the end, a number since 1970 or a date (RFC 3339), where that is told instead."""
    expires_unit: Literal["s", "ms"] = "s"
    """The unit of both: seconds or milliseconds."""
    default_expires_in: int | None = None
    """The lifetime in seconds where the answer names none."""
    refresh_expires_in: str = "refresh_token_expires_in || refresh_expires_in"
    """The path of the refresh token's lifetime, in the same unit."""
    scope: str = "scope"
    """The path of the granted scopes, a text or a list."""
    ok: Ok | None = None
    """For providers that answer 200 to a failure: what a good answer says."""
    error: str = "error"
    """The path of the error code."""
    error_description: str = "error_description"
    """The path of the provider's own words about it."""
    keep: Strings = {}
    """Values of the answer to keep beside the token: name to path."""


class Swap(Model, frozen=True):
    """A request that brings a newer token in place of a live one."""

    url: Url = ""
    """Where it goes, if not to the token endpoint."""
    method: Literal["", "POST", "GET"] = ""
    """The HTTP method, if not that of the token request."""
    body: Literal["", "form", "json", "query"] = ""
    """How the parameters are sent, if not as in the token request."""
    params: Strings = {}
    """Further parameters; the live token is `{{token.access_token}}`."""
    client: bool = True
    """Whether the client authenticates here too."""


class Refresh(Swap, frozen=True):
    """How a grant is renewed: RFC 6749 §6."""

    mode: Literal["yes", "no", "reissue", "exchange"] = "yes"
    """By a refresh token, not at all, by the same grant again (`reissue`, where the first of the
    grants needs nobody at a browser), or by the live access token."""
    rotates: Literal["yes", "no", "maybe"] = "maybe"
    """Whether each renewal ends the refresh token it used."""
    grace_s: Seconds | None = None
    """For how many seconds a refresh token still works after its first use."""
    lifetime_s: Seconds | None = None
    """How long a refresh token lives, in seconds."""
    idle_s: Seconds | None = None
    """How long a refresh token lives unused, in seconds."""


class Revoke(Model, frozen=True):
    """How a grant is ended at the provider: RFC 7009, and those who do otherwise."""

    method: Literal["POST", "GET", "DELETE"] = "POST"
    """The HTTP method."""
    auth: Literal["client", "basic", "bearer", "none"] = "client"
    """As at the token endpoint, by Basic, by the access token itself, or not."""
    body: Literal["form", "json", "query"] = "form"
    """How the parameters are sent."""
    param: str = "token"
    """The parameter that holds the token; empty where the header is enough."""
    which: Literal["refresh", "access", "both"] = "refresh"
    """Which token ends the grant; the access token where there is no refresh token."""
    params: Strings = {}
    """Further parameters."""


class OAuth2(Model, frozen=True):
    """An authorization server, by the names of RFC 8414, and what is odd about it."""

    token_endpoint: Url = ""
    """Where a code or a refresh token becomes an access token."""
    authorization_endpoint: Url = ""
    """The page the user logs in on."""
    device_authorization_endpoint: Url = ""
    """Where a device code is asked for: RFC 8628."""
    revocation_endpoint: Url = ""
    """Where a token is revoked: RFC 7009. May name the app: `{{client.id}}`."""
    introspection_endpoint: Url = ""
    """Where a token is asked about: RFC 7662."""
    userinfo_endpoint: Url = ""
    """Who logged in: OpenID Connect Core §5.3. Asked where there is no `test`."""
    registration_endpoint: Url = ""
    """Where a client registers itself: RFC 7591."""
    issuer: Url = ""
    """What `iss` must say where the provider sends it: RFC 9207."""
    discovery: bool = False
    """Whether the issuer's metadata (RFC 8414, OIDC) name the endpoints that are not given."""
    grants: tuple[
        Literal[
            "authorization_code", "refresh_token", "device_code", "client_credentials",
            "jwt_bearer", "token_exchange",
        ],
        ...,
    ] = ("authorization_code", "refresh_token")  # fmt: skip
    """The grants the provider gives to a client of this kind, the preferred way in first."""
    scopes: tuple[Scope, ...] = ()
    """The scopes asked for unless the user chooses others; the first of `scope_sets` if not
    given, the least. `[]` asks for none."""
    scope_separator: Literal[" ", ",", "+"] = " "
    """What stands between two scopes in a request."""
    scope_param: Name = "scope"
    """The name of the parameter that carries the scopes."""
    scope_sets: dict[str, tuple[Scope, ...]] = {}
    """Named choices of scopes: `readonly`, `full`."""
    scope_aliases: Strings = {}
    """Scopes that an answer lists by another name, or (empty) never: `offline_access: ""`."""
    scopes_required: bool = False
    """Whether a login without any scope is refused."""
    resource: Url = ""
    """The API that the token is for, named in every request: RFC 8707."""
    pkce: Literal["S256", "required", "no"] = "S256"
    """RFC 7636: sent, demanded by the provider, or `no` where the provider rejects it."""
    authorize_params: Strings = {}
    """Further parameters of the authorization request: `access_type: offline`."""
    param_names: Strings = {}
    """Parameters that have another name here, standard to theirs: `client_id: client_key`."""
    callback: Callback = Callback()
    """What the redirect brings back beside the code."""
    redirect: Redirect = Redirect()
    """Which redirect URI the provider takes."""
    client: ClientAuth = ClientAuth()
    """How the client authenticates."""
    token_request: TokenRequest = TokenRequest()
    """How token requests differ from the standard."""
    token_response: TokenResponse = TokenResponse()
    """How token answers differ from the standard."""
    swap: Swap | None = None
    """For providers whose code brings a token of an hour: what turns it into one that lasts."""
    refresh: Refresh = Refresh()
    """How a grant is renewed."""
    revoke: Revoke = Revoke()
    """How a grant is ended at the provider."""
    notices: tuple[Text, ...] = ()
    """What to tell before the browser opens: a warning page, an administrator who must agree."""

    @property
    def swaps(self) -> tuple[tuple[str, Swap], ...]:
        """The requests that bring a newer token, by the names of their fields."""
        after_login = (("swap", self.swap),) if self.swap is not None else ()
        return (*after_login, ("refresh", self.refresh))

    @property
    def login_at(self) -> str:
        """Where a person logs in, as far as the recipe says it; empty where nobody has to."""
        if not {"authorization_code", "device_code"} & set(self.grants):
            return ""
        if self.authorization_endpoint or (self.discovery and "authorization_code" in self.grants):
            return self.authorization_endpoint or self.issuer
        return self.device_authorization_endpoint or self.issuer
