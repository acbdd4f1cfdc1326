"""The shape of a recipe: its fields, their types, and what each one says.

The docstring under a field is its description in the JSON Schema that editors use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from arcrun_auth.errors import RecipeError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1
"""Which format version do we read? A higher one is refused."""

# Python's `$` also matches before a last line break; `(?!\n)` ends that, in any dialect.
ServiceId = Annotated[
    str, Meta(pattern=r"^([a-z0-9-]+/)?_?[a-z0-9]+(_[a-z0-9]+)*$(?!\n)", max_length=128)
]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$(?!\n)")]
Text = Annotated[str, Meta(max_length=300)]
Url = Annotated[str, Meta(max_length=2048)]
Host = Annotated[str, Meta(max_length=253)]
# RFC 6749 §3.3
Scope = Annotated[str, Meta(pattern=r"^[!#-\[\]-~]+$(?!\n)", max_length=300)]
Strings = dict[str, str]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a recipe share: frozen, strict, defaults left out when written."""


class RequiredSecret(Model, frozen=True):
    """A secret the user has to give."""

    key: Name
    """Its name in templates: `{{secret.KEY}}`."""
    label: Text = ""
    """What it is called where the user finds it."""
    help: Text = ""
    """One sentence on how to get it."""
    help_url: Url = ""
    """The page where it is found or made."""
    type: Literal["text", "password", "json_blob", "pem", "file"] = "text"
    """What is asked for: a line, a line that is not echoed back, a JSON text, a PEM, a file."""
    optional: bool = False
    """Whether the service works without it."""
    pattern: str = ""
    """A regular expression it usually matches: a mismatch warns of a typo, and never refuses."""
    example: Text = ""
    """What one looks like; never a real one."""
    env: tuple[Name, ...] = ()
    """Further environment variables that hold it. Honoured in bundled recipes only."""


class Param(Model, frozen=True):
    """Something a service's URL needs and that is no secret: a subdomain, a region, a tenant."""

    label: Text = ""
    """What it is called where the user finds it."""
    help: Text = ""
    """One sentence on where to find it."""
    type: Literal["string", "enum", "host", "url"] = "string"
    """What is asked for. `enum` offers the values of the field `enum`."""
    enum: tuple[str, ...] = ()
    """The only values it may have."""
    pattern: str = ""
    """A regular expression that the whole value must match."""
    default: str | None = None
    """The value if the user gives none; without a default it has to be given."""
    suffix: str = ""
    """What users paste along with it and is cut off: `.myshopify.com`."""

    def check(self, name: str, given: str | None) -> str:
        """The value that counts for what the user gave. ValueError where it does not fit."""
        value = self.default if given is None else given.strip().removesuffix(self.suffix)
        if value is None or (not value and self.default is None):
            raise ValueError(f"a value for {name!r} is missing")
        if self.enum and value not in self.enum:
            raise ValueError(f"{name!r} must be one of: {', '.join(self.enum)}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"the value of {name!r} does not look as it should: {self.pattern}")
        return value


class Inject(Model, frozen=True):
    """Where the secrets go. The values are templates, the names are not."""

    header: Strings = {}
    """Headers by name. `Basic user:password` is base64-encoded after `Basic `."""
    query: Strings = {}
    """Query parameters by name. A secret here can end up in logs of the service."""
    body: Strings = {}
    """Keys of a JSON or form body; dots make nested keys."""
    path: Strings = {}
    """Values for the path: `{bot_token}` in a caller's URL is filled from `bot_token`."""
    cookie: Strings = {}
    """Cookies by name."""


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

    auth: Literal["none", "post", "basic"] = "post"
    """In the body (post), in the header (basic), or with the client id alone (none)."""
    secret_required: bool = True
    """Whether the provider demands a client secret."""
    app: str = ""
    """Services with the same name here share one's own OAuth app; the service's id if empty."""


class TokenRequest(Model, frozen=True):
    """How a token request differs from RFC 6749 §4.1.3."""

    body: Literal["form", "json"] = "form"
    """How the body is encoded."""
    params: Strings = {}
    """Further parameters of every token request."""
    headers: Strings = {}
    """Further headers of every token request."""


class Ok(Model, frozen=True):
    """An answer counts as good only if the value at `path` equals this one."""

    path: str
    """Where to look in the answer."""
    equals: bool | int | str = True
    """What has to stand there."""


class TokenResponse(Model, frozen=True):
    """Where the fields of RFC 6749 §5.1 stand in this provider's answer: paths."""

    root: str = ""
    """Where all the others are looked for; the whole answer if empty."""
    access_token: str = "access_token"  # noqa: S105 - a path
    """The path of the access token."""
    refresh_token: str = "refresh_token"  # noqa: S105 - a path
    """The path of the refresh token."""
    expires_in: str = "expires_in"
    """The path of the lifetime in seconds."""
    default_expires_in: int | None = None
    """The lifetime in seconds where the answer names none."""
    scope: str = "scope"
    """The path of the granted scopes."""
    ok: Ok | None = None
    """For providers that answer 200 to a failure: what a good answer says."""
    error: str = "error"
    """The path of the error code."""
    keep: Strings = {}
    """Values of the answer to keep beside the token: name to path."""


class Refresh(Model, frozen=True):
    """How a grant is renewed: RFC 6749 §6."""

    mode: Literal["yes", "no"] = "yes"
    """Whether there is a refresh token at all."""
    url: Url = ""
    """Where to renew, if not at the token endpoint."""
    params: Strings = {}
    """Further parameters of a renewal."""
    rotates: Literal["yes", "no", "maybe"] = "maybe"
    """Whether each renewal ends the refresh token it used."""
    lifetime_s: int | None = None
    """How long a refresh token lives, in seconds."""
    idle_s: int | None = None
    """How long a refresh token lives unused, in seconds."""


class GuideStep(Model, frozen=True):
    """One step of registering one's own app."""

    text: Text
    """What to do."""
    url: Url = ""
    """The page to do it on."""
    value: str = ""
    """What to paste there; `{{redirect_uri}}` and `{{scopes}}` are filled in."""


class OAuth2(Model, frozen=True):
    """An authorization server, by the names of RFC 8414, and what is odd about it."""

    token_endpoint: Url
    """Where a code or a refresh token becomes an access token."""
    authorization_endpoint: Url = ""
    """The page the user logs in on."""
    device_authorization_endpoint: Url = ""
    """Where a device code is asked for: RFC 8628."""
    revocation_endpoint: Url = ""
    """Where a token is revoked: RFC 7009."""
    introspection_endpoint: Url = ""
    """Where a token is asked about: RFC 7662."""
    userinfo_endpoint: Url = ""
    """Who logged in: OpenID Connect Core §5.3."""
    registration_endpoint: Url = ""
    """Where a client registers itself: RFC 7591."""
    issuer: Url = ""
    """What `iss` must say where the provider sends it: RFC 9207."""
    grants: tuple[Literal["authorization_code", "refresh_token"], ...] = (
        "authorization_code",
        "refresh_token",
    )
    """The grants the provider gives to a client of this kind."""
    scopes: tuple[Scope, ...] = ()
    """The scopes asked for unless the user chooses others."""
    scope_separator: Literal[" ", ",", "+"] = " "
    """What stands between two scopes in a request."""
    scope_param: Name = "scope"
    """The name of the parameter that carries the scopes."""
    scope_sets: dict[str, tuple[Scope, ...]] = {}
    """Named choices of scopes: `readonly`, `full`."""
    scopes_required: bool = False
    """Whether a login without any scope is refused."""
    pkce: Literal["S256", "required", "no"] = "S256"
    """RFC 7636: sent, demanded by the provider, or `no` where the provider rejects it."""
    authorize_params: Strings = {}
    """Further parameters of the authorization request: `access_type: offline`."""
    redirect: Redirect = Redirect()
    """Which redirect URI the provider takes."""
    client: ClientAuth = ClientAuth()
    """How the client authenticates."""
    token_request: TokenRequest = TokenRequest()
    """How token requests differ from the standard."""
    token_response: TokenResponse = TokenResponse()
    """How token answers differ from the standard."""
    refresh: Refresh = Refresh()
    """How a grant is renewed."""


class TestRequest(Model, frozen=True):
    """One harmless request that proves the connection, and tells whose account it is."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    method: Literal["GET", "HEAD", "POST"] = "GET"
    """The HTTP method."""
    path: str = ""
    """The path, relative to `base_url`."""
    url: Url = ""
    """A whole URL instead of a path; its host must be in `allowed_hosts`."""
    headers: Strings = {}
    """Further headers."""
    body: str = ""
    """The body, as it is sent."""
    expect: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = (200,)
    """The status codes that prove the connection."""
    ok: Ok | None = None
    """For services that answer 200 to a failure: what a good answer says."""
    identity: str = ""
    """The path of the account's name in the answer: `email || id`."""
    identity_label: Text = ""
    """What that is: a workspace, an e-mail address."""


class Verified(Model, frozen=True):
    """Where the facts of this recipe come from."""

    date: str
    """When they were last checked: YYYY-MM-DD."""
    method: Literal["live", "doc", "code"]
    """`live`: tried; `doc`: two sources agree; `code`: unconfirmed."""
    sources: tuple[str, ...] = ()
    """The pages and files they were taken from."""


Primitive = Literal["static_key", "oauth2"]


class Method(Model, frozen=True, kw_only=True):
    """One way in. Under `methods`, all is inherited but secrets, inject, oauth2, token_secret."""

    id: Name = ""
    """How the user names it: `key` for a static key, `oauth` for OAuth, if not given."""
    label: Text = ""
    """What it is called in a choice."""
    primitive: Primitive
    """How it works: a static key, or an OAuth 2 grant."""
    base_url: Url = ""
    """What relative URLs are resolved against."""
    required_secrets: tuple[RequiredSecret, ...] = ()
    """The secrets the user has to give."""
    inject: Inject = Inject()
    """Where the secrets go. OAuth: the header `Authorization: Bearer …` if not given."""
    oauth2: OAuth2 | None = None
    """The authorization server; for the primitive `oauth2` only."""
    token_secret: str = ""
    """Which secret is *the* token where there are several."""
    params: dict[Name, Param] = {}
    """What the URL needs from the user and is no secret."""
    static_headers: Strings = {}
    """Headers that carry no secret: an API version, a User-Agent."""
    root_paths: tuple[str, ...] = ()
    """URLs that begin with one of these stand at the origin, all others below `base_url`."""
    allowed_hosts: tuple[Host, ...] = ()
    """The only hosts that may receive the credential; the host of `base_url` if not given."""
    test: TestRequest | None = None
    """The request that proves the connection."""
    app_guide: tuple[GuideStep, ...] = ()
    """How one's own OAuth app is registered, step by step."""
    setup_url: Url = ""
    """Where the user starts."""
    app_register_url: Url = ""
    """Where one's own OAuth app is registered."""

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """The value of every param, checked; ValueError names one that is missing or unfit.

        >>> shop = Param(pattern="[a-z0-9-]+", suffix=".myshopify.com")
        >>> Method(primitive="static_key", params={"shop": shop}).values(
        ...     {"shop": "acme.myshopify.com"}
        ... )
        {'shop': 'acme'}
        """
        return {name: param.check(name, given.get(name)) for name, param in self.params.items()}


class Recipe(Method, frozen=True, kw_only=True):
    """What one service is. The top level is the default method."""

    kind: Literal["auth_recipe"] = "auth_recipe"
    """What this file is."""
    schema: Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    """The version of the format."""
    version: int = 1
    """The version of this recipe."""
    service: ServiceId
    """The name the service is bound by."""
    extends: str = ""
    """A base (`_google_base`) that this recipe is laid over."""
    account: str = ""
    """Under which name the credential is kept, where several services share one."""
    display_name: Text = ""
    """What people call the service."""
    description: Text = ""
    """One sentence on what it does."""
    aliases: tuple[str, ...] = ()
    """Other names it is found by."""
    category: Text = ""
    """The kind of service, for lists."""
    tags: tuple[str, ...] = ()
    """Words to find it by."""
    status: Literal["active", "deprecated", "closed"] = "active"
    """`deprecated` warns; `closed` refuses and names the successor."""
    successor: str = ""
    """The service to use instead."""
    docs_url: Url = ""
    """The documentation of its API."""
    service_account_kind: str = ""
    """A field of the platform, for a primitive that this version does not have."""
    token_exchange: dict[str, Any] | None = None
    """A field of the platform, for a primitive that this version does not have."""
    methods: tuple[Method, ...] = ()
    """Further ways in, beside the default one."""
    verified: Verified | None = None
    """Where the facts come from."""

    @property
    def ways(self) -> tuple[Method, ...]:
        """All methods, the default one first, each complete."""
        own = {name: getattr(self, name) for name in Method.__struct_fields__}
        return (Method(**own), *self.methods)

    def way(self, id: str | None = None) -> Method:  # noqa: A002 - the recipe's word for it
        """The method of that id, complete; None: the default. RecipeError names those there are.

        >>> Recipe(service="x", primitive="static_key", id="key").way().id
        'key'
        """
        for way in self.ways:
            if id is None or way.id == id:
                return way
        raise RecipeError(
            f"{self.service} has no method {printable(str(id), 80)!r}.",
            service=self.service,
            hint="choose one of: " + ", ".join(way.id for way in self.ways),
        )
