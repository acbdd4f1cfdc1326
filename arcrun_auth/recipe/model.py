"""The shape of a recipe: its fields, their types, and what each one says.

The docstring under a field is its description in the JSON Schema that editors use.
"""

from __future__ import annotations

import re
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from arcrun_auth.errors import RecipeError, printable
from arcrun_auth.recipe.account import Federation, Impersonation, ServiceAccount
from arcrun_auth.recipe.agent import Agent, PathPattern, Read
from arcrun_auth.recipe.aws import AssumeRole, Aws
from arcrun_auth.recipe.exchange import Step, TokenExchange
from arcrun_auth.recipe.helpers import Docker, Git
from arcrun_auth.recipe.jwt import Jwt
from arcrun_auth.recipe.oauth2 import (
    Callback,
    ClientAuth,
    OAuth2,
    Redirect,
    Refresh,
    Revoke,
    Swap,
    TokenRequest,
    TokenResponse,
)
from arcrun_auth.recipe.proofs import Digest, Mtls, OAuth1
from arcrun_auth.recipe.required import RequiredSecret
from arcrun_auth.recipe.sdk import Sdk
from arcrun_auth.recipe.types import Host, Model, Name, Ok, ServiceId, Strings, Text, Url, Verified

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "SCHEMA_VERSION", "Agent", "AssumeRole", "Aws", "Callback", "Choose", "ClientAuth",
    "Diagnosis", "Digest", "Discover", "Docker", "Federation", "Git", "GuideStep",
    "Impersonation", "Inject", "Jwt", "Method", "Model", "Mtls", "OAuth1", "OAuth2", "Ok",
    "Param", "Read", "Recipe", "Redirect", "Refresh", "RequiredSecret", "Revoke", "Sdk",
    "ServiceAccount", "Step", "Swap", "TestRequest", "TokenExchange", "TokenRequest",
    "TokenResponse", "Verified", "When",
]  # fmt: skip

SCHEMA_VERSION = 1
"""Which format version do we read? A higher one is refused."""

MAX_METHODS = 32
"""How many ways in may a service have beside the default one? Each inherits all that it can."""
MAX_VALUE = 2048
"""How long may the value of a param be? It stands in addresses."""

# What leaves its place in a path: RFC 3986 §3.3, and what some parsers take for a slash. Who
# made a redirect may not choose where in the API a request goes.
_PATH_BREAK = re.compile(r"[/\\?#%]|^\.{1,2}$")


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
    default: Text | None = None
    """The value if the user gives none; without a default it has to be given."""
    per_call: bool = False
    """Whether a call may name another value than the connection has: a region, and no account.
    Honoured in bundled recipes only."""
    suffix: str = ""
    """What users paste along with it and is cut off: `.myshopify.com`."""
    source: Literal["user", "callback", "token", "discover", "secret"] = msgspec.field(
        default="user", name="from"
    )
    """Who knows it: the user, the redirect, the token answer, `discover`, or a secret's text."""
    key: str = ""
    """Under which name it is found there; the name of the param if not given."""
    take: str = ""
    """A regular expression whose first group is the value in what was found: `-([a-z0-9]+)$`."""

    def check(self, name: str, given: str | None) -> str:
        """The value that counts for what the user gave. ValueError where it does not fit."""
        value = self.default if given is None else self._trimmed(given)
        if value is None or (not value and self.default is None):
            raise ValueError(f"a value for {name!r} is missing")
        if self.enum and value not in self.enum:
            raise ValueError(f"{name!r} must be one of: {', '.join(self.enum)}")
        if len(value) > MAX_VALUE:  # before it is matched: a match can cost the square of it
            raise ValueError(f"the value of {name!r} is too long")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"the value of {name!r} does not look as it should: {self.shape}")
        if not value.isprintable():
            raise ValueError(f"the value of {name!r} has a control character in it")
        if self.source == "callback" and not self.pattern and _PATH_BREAK.search(value):
            raise ValueError(f"the value of {name!r} would lead to another address")
        return value

    @property
    def shape(self) -> str:
        """What a value looks like: in words where the recipe has some, else by its pattern."""
        return self.help.rstrip(".") or self.pattern

    def _trimmed(self, given: str) -> str:
        value = given.strip()
        if self.type == "host":  # people and APIs give whole addresses
            value = re.sub(r"^https?://|/.*$", "", value)
        return value.removesuffix(self.suffix)

    def found(self, text: str) -> str:
        """The value in a text that was not typed for it; the text itself without `take`.

        >>> Param(take="-([a-z0-9]+)$").found("0123abcd-us6")
        'us6'
        """
        if not self.take:
            return text
        match = re.search(self.take, text)
        return match[1] if match else ""


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


class GuideStep(Model, frozen=True):
    """One step of registering one's own app."""

    text: Text
    """What to do."""
    url: Url = ""
    """The page to do it on."""
    value: str = ""
    """What to paste there; `{{redirect_uri}}` and `{{scopes}}` are filled in."""


class Choose(Model, frozen=True):
    """A list of which the user chooses one."""

    items: str = ""
    """The path of the list in the answer; the answer itself if empty."""
    label: str = ""
    """The path of an item's name."""


class Discover(Model, frozen=True):
    """A GET request after the login that finds params: a tenant, a data centre."""

    url: Url
    """The whole URL. Its host must be in `allowed_hosts`, letter for letter."""
    headers: Strings = {}
    """Further headers."""
    save: Strings = {}
    """Params to fill: name to path, in the answer or in the chosen item."""
    choose: Choose | None = None
    """Where the answer is a list; of one item nobody is asked."""


class When(Model, frozen=True):
    """What an error has to look like; all that is given must hold."""

    status: int | None = None
    """The HTTP status."""
    error: str = ""
    """A regular expression that the whole error code matches."""
    body: str = ""
    """A regular expression found in the answer or in the provider's words."""
    age_s: tuple[int, ...] = ()
    """The age of the login in seconds: at least the first number, at most the second."""


class Diagnosis(Model, frozen=True):
    """What an error of this provider really means."""

    when: When
    """Which error."""
    say: Text
    """What it means."""
    do: Text = ""
    """What to do about it: a command, or a page."""


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
    denied: str = ""
    """A regular expression found in an answer that takes the credential, and only does not
    allow it this request: that proves the connection, too."""
    identity: str = ""
    """The path of the account's name in the answer: `email || id`."""
    identity_label: Text = ""
    """What that is: a workspace, an e-mail address."""
    expires: str = ""
    """The path of the credential's own end, a date or seconds since 1970."""


Primitive = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$(?!\n)")]


ANEW = Refresh(mode="reissue", rotates="no")
"""How is a token renewed that nobody logged in for?"""


class Method(Model, frozen=True, kw_only=True):
    """One way in. Under `methods` it inherits all but what says how it works: secrets, inject,
    oauth2, jwt, token_exchange and their like."""

    id: Name = ""
    """How the user names it: `key` for a static key, `oauth` for OAuth, if not given."""
    label: Text = ""
    """What it is called in a choice."""
    primitive: Primitive
    """How it works: `static_key`, `oauth2`, one of the others, or the name of a plug-in's. If not
    given, `oauth2` with a field of that name, else `static_key` with `required_secrets`."""
    base_url: Url = ""
    """What relative URLs are resolved against."""
    required_secrets: tuple[RequiredSecret, ...] = ()
    """The secrets the user has to give."""
    inject: Inject = Inject()
    """Where the secrets go. If not given, a token or the one secret of a `static_key` goes into
    the header `Authorization: Bearer …`."""
    oauth2: OAuth2 | None = None
    """The authorization server; for the primitive `oauth2` only."""
    token_secret: str = ""
    """Which secret is *the* token where there are several."""
    params: dict[Name, Param] = {}
    """What the URL needs from the user and is no secret."""
    static_headers: Strings = {}
    """Headers that carry no secret: an API version, a User-Agent."""
    root_paths: tuple[str, ...] = ()
    """URLs that begin with one of these stand at the origin, all others below `base_url`; the
    first segment of its path if not given: `/v1/`."""
    allowed_hosts: tuple[Host, ...] = ()
    """The only hosts that may receive the credential; the host of `base_url` if not given."""
    discover: Annotated[tuple[Discover, ...], Meta(max_length=2)] = ()
    """Requests after the login that find params."""
    jwt: Jwt | None = None
    """The JWT that is signed here: of the grant `jwt_bearer`, a service account, `signed_jwt`."""
    aws: Aws | None = None
    """What requests are signed for by AWS Signature Version 4; for `aws_sigv4` and
    `aws_assume_role`."""
    assume_role: AssumeRole | None = None
    """The role whose temporary credentials sign; for the primitive `aws_assume_role`."""
    service_account_kind: str = ""
    """Which kind of service account: the base of that name (`_google_jwt`) is laid under it."""
    service_account: ServiceAccount | None = None
    """How else than by a key of its own a service account is reached."""
    token_exchange: TokenExchange | None = None
    """The calls of a login that answer a token."""
    oauth1: OAuth1 | None = None
    """How requests are signed; for the primitive `oauth1`."""
    digest: Digest | None = None
    """Who answers challenges; for the primitive `digest`."""
    mtls: Mtls | None = None
    """The certificate that is shown; for the primitive `mtls`."""
    options: dict[str, Any] = {}
    """Settings of a plug-in's primitive, which alone knows what they mean."""
    git: Git | None = None
    """The git hosts that take its token as a password."""
    docker: Docker | None = None
    """The registries of container images that take its token as a password."""
    test: TestRequest | None = None
    """The request that proves the connection."""
    diagnose: tuple[Diagnosis, ...] = ()
    """What this provider's errors mean, the first that fits."""
    app_guide: tuple[GuideStep, ...] = ()
    """How one's own OAuth app is registered, step by step."""
    setup_url: Url = ""
    """Where the user starts."""
    app_register_url: Url = ""
    """Where one's own OAuth app is registered; the first page of `app_guide` if not given."""

    @property
    def renewal(self) -> Refresh:
        """How its token is renewed; by asking for it again, where there is no OAuth grant."""
        return self.oauth2.refresh if self.oauth2 is not None else ANEW

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are asked for unless the user chooses others."""
        if self.oauth2 is not None:
            return self.oauth2.scopes
        return self.token_exchange.scopes if self.token_exchange is not None else ()

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """The value of every param, checked; ValueError names one that is missing or unfit.

        >>> shop = Param(pattern="[a-z0-9-]+", suffix=".myshopify.com")
        >>> Method(primitive="static_key", params={"shop": shop}).values(
        ...     {"shop": "acme.myshopify.com"}
        ... )
        {'shop': 'acme'}
        """
        return {
            name: param.check(name, given.get(name))
            for name, param in self.params.items()
            # What a login brings is not known before it.
            if param.source == "user" or name in given or param.default is not None
        }


_of_method = attrgetter(*Method.__struct_fields__)


class Recipe(Method, frozen=True, kw_only=True, dict=True):
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
    """What people call the service; `service` as a title if not given: `Google Drive`."""
    description: Text = ""
    """One sentence on what it does."""
    aliases: tuple[str, ...] = ()
    """Other names it is found by; never one of the form `author/service`."""
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
    methods: Annotated[tuple[Method, ...], Meta(max_length=MAX_METHODS)] = ()
    """Further ways in, beside the default one."""
    agent: Agent = Agent()
    """What an AI agent may do without being allowed to write."""
    deny_paths: tuple[PathPattern, ...] = ()
    """Where an AI agent may never go: making tokens, revoking them, members and their rights."""
    sdk: Sdk | None = None
    """The official SDK, for `arcrun snippet --sdk`."""
    verified: Verified | None = None
    """Where the facts come from."""

    @cached_property
    def ways(self) -> tuple[Method, ...]:
        """All methods, the default one first, each complete."""
        own = zip(Method.__struct_fields__, _of_method(self), strict=True)
        return (Method(**dict(own)), *self.methods)

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
