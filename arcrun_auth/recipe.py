"""The recipe model: what a service is, as frozen and validated data.

The fields are those of docs/recipes.md. Everything here is pure: text and files are
`catalog.py`'s business. The model also prints the JSON Schema that editors use.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SCHEMA_VERSION = 1
"""Which format version do we read? A higher one is refused."""

ServiceId = Annotated[str, Meta(pattern=r"^_?[a-z0-9]+(_[a-z0-9]+)*$", max_length=64)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Text = Annotated[str, Meta(max_length=300)]
Url = Annotated[str, Meta(max_length=2048)]
"""An https URL; where a template is legal in it, the linter says."""
Host = Annotated[str, Meta(max_length=253)]
Strings = dict[str, str]


class _Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class RequiredSecret(_Frozen):
    """A secret the user has to give: one entry of `required_secrets`."""

    key: Name
    label: Text = ""
    help: Text = ""
    help_url: Url = ""
    type: Literal["text", "password", "json_blob", "pem", "file"] = "text"
    optional: bool = False
    pattern: str = ""
    example: Text = ""
    env: tuple[Name, ...] = ()


class Param(_Frozen):
    """Something the URL of a service needs and that is no secret: a subdomain, a region."""

    label: Text = ""
    help: Text = ""
    type: Literal["string", "enum", "host", "url"] = "string"
    enum: tuple[str, ...] = ()
    pattern: str = ""
    default: str | None = None
    suffix: str = ""


class Inject(_Frozen):
    """Where the secrets go: templates by header, query parameter, body key, path value, cookie."""

    header: Strings = {}
    query: Strings = {}
    body: Strings = {}
    path: Strings = {}
    cookie: Strings = {}


class Redirect(_Frozen):
    """Which redirect URI the provider takes: RFC 8252 §7.3, and those who do otherwise."""

    policy: Literal["any_port", "fixed_port", "https_only"] = "any_port"
    host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    ports: tuple[Annotated[int, Meta(ge=1024, le=65535)], ...] = ()
    path: Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/_-]*$")] = "/callback"


class ClientAuth(_Frozen):
    """How the client names itself at the token endpoint: RFC 6749 §2.3."""

    auth: Literal["none", "post", "basic"] = "post"
    secret_required: bool = True
    app: str = ""
    """Services with the same name share one's own OAuth app; the service's id if empty."""


class TokenRequest(_Frozen):
    body: Literal["form", "json"] = "form"
    params: Strings = {}
    headers: Strings = {}


class Ok(_Frozen):
    """An answer counts as good only if the value at `path` equals this one."""

    path: str
    equals: bool | int | str = True


class TokenResponse(_Frozen):
    """Where the fields of RFC 6749 §5.1 stand in this provider's answer: paths."""

    root: str = ""
    access_token: str = "access_token"  # noqa: S105 - a path
    refresh_token: str = "refresh_token"  # noqa: S105 - a path
    expires_in: str = "expires_in"
    default_expires_in: int | None = None
    scope: str = "scope"
    ok: Ok | None = None
    error: str = "error"
    keep: Strings = {}


class Refresh(_Frozen):
    mode: Literal["yes", "no"] = "yes"
    url: Url = ""
    params: Strings = {}
    rotates: Literal["yes", "no", "maybe"] = "maybe"
    lifetime_s: int | None = None
    idle_s: int | None = None


class GuideStep(_Frozen):
    """One step of registering one's own app: what to do, where, and the value to paste."""

    text: Text
    url: Url = ""
    value: str = ""


class OAuth2(_Frozen):
    """An authorization server, by the names of RFC 8414, and what is odd about it."""

    token_endpoint: Url
    authorization_endpoint: Url = ""
    device_authorization_endpoint: Url = ""
    revocation_endpoint: Url = ""
    introspection_endpoint: Url = ""
    userinfo_endpoint: Url = ""
    registration_endpoint: Url = ""
    issuer: Url = ""
    grants: tuple[Literal["authorization_code", "refresh_token"], ...] = (
        "authorization_code",
        "refresh_token",
    )
    scopes: tuple[str, ...] = ()
    scope_separator: Literal[" ", ",", "+"] = " "
    scope_param: Name = "scope"
    scope_sets: dict[str, tuple[str, ...]] = {}
    scopes_required: bool = False
    pkce: Literal["S256", "required", "no"] = "S256"
    authorize_params: Strings = {}
    redirect: Redirect = Redirect()
    client: ClientAuth = ClientAuth()
    token_request: TokenRequest = TokenRequest()
    token_response: TokenResponse = TokenResponse()
    refresh: Refresh = Refresh()


class TestRequest(_Frozen):
    """One harmless request that proves the connection, and tells whose account it is."""

    __test__ = False  # not a test case, whatever pytest makes of the name

    method: Literal["GET", "HEAD", "POST"] = "GET"
    path: str = ""
    url: Url = ""
    headers: Strings = {}
    body: str = ""
    expect: tuple[int, ...] = (200,)
    ok: Ok | None = None
    identity: str = ""
    identity_label: Text = ""


class Verified(_Frozen):
    """Where the facts come from. `live`: tried; `doc`: two sources agree; `code`: unconfirmed."""

    date: str
    method: Literal["live", "doc", "code"]
    sources: tuple[str, ...] = ()


Primitive = Literal["static_key", "oauth2"]

DEFAULT_METHOD_ID = {"static_key": "key", "oauth2": "oauth"}


class Method(_Frozen, frozen=True, kw_only=True):
    """One way in. In `methods`, what is not given is taken from the top level, except
    `required_secrets`, `inject`, `oauth2` and `token_secret`, which belong to one method."""

    id: Name = ""
    label: Text = ""
    primitive: Primitive
    base_url: Url = ""
    required_secrets: tuple[RequiredSecret, ...] = ()
    inject: Inject = Inject()
    oauth2: OAuth2 | None = None
    token_secret: str = ""
    params: dict[Name, Param] = {}
    static_headers: Strings = {}
    root_paths: tuple[str, ...] = ()
    allowed_hosts: tuple[Host, ...] = ()
    test: TestRequest | None = None
    app_guide: tuple[GuideStep, ...] = ()
    setup_url: Url = ""
    app_register_url: Url = ""


class Recipe(Method, frozen=True, kw_only=True):
    """A whole recipe. The top level is the default method."""

    kind: Literal["auth_recipe"] = "auth_recipe"
    schema: Annotated[int, Meta(ge=1, le=SCHEMA_VERSION)] = SCHEMA_VERSION
    version: int = 1
    service: ServiceId
    extends: str = ""
    account: str = ""
    display_name: Text = ""
    description: Text = ""
    aliases: tuple[str, ...] = ()
    category: Text = ""
    tags: tuple[str, ...] = ()
    status: Literal["active", "deprecated", "closed"] = "active"
    successor: str = ""
    docs_url: Url = ""
    service_account_kind: str = ""
    token_exchange: dict[str, Any] | None = None
    methods: tuple[Method, ...] = ()
    verified: Verified | None = None
