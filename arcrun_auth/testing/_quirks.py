"""What the embedded provider may do otherwise than the RFCs say, or as few providers do.

Each field names a kind of provider; `Provider.recipe_yaml` prints the recipe that fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

NESTED = ("root", "paths", "ok")
"""What needs an answer with depth or truth values: JSON, and no form."""


@dataclass(frozen=True)
class Quirks:
    """What is odd about a provider. Without arguments nothing is."""

    # The token answer.
    root: str = ""
    """Providers that wrap every answer: the tokens stand below this path (`data`)."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Providers with names of their own in answers: a standard field to the path it is found
    at (`{"access_token": "authed_user.access_token"}`); `error` and `error_description` too."""
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Providers that number their errors, a standard code to theirs: `{"invalid_grant": 40029}`."""
    ok: bool = False
    """Providers that answer 200 to everything, and say in `ok` whether it went well."""
    html: bool = False
    """Providers, or proxies before them, that refuse with an HTML page under 200."""
    encoding: Literal["json", "form"] = "json"
    """Early providers that answer in form encoding, where every value is a text."""
    status: int = 200
    """Providers that create a token and say so: 201."""
    expires: Literal["in", "text", "ms", "at", "at_ms", "at_date", "absent"] = "in"
    """How the token's end is told: seconds, seconds as a text, milliseconds, the time of the
    end in `expires_at` (seconds, milliseconds, a date of RFC 3339), or not at all."""
    refresh_expires_in: int | None = None
    """Providers whose refresh tokens end, after so many seconds, and who say when."""
    scope_list: bool = False
    """Providers that list the granted scopes as an array."""
    scope_aliases: Mapping[str, str] = field(default_factory=dict)
    """Providers that list a granted scope by another name, or (empty) never."""
    granted: tuple[str, ...] | None = None
    """Providers whose users untick scopes: of those asked for, only these are granted."""

    # Requests.
    scope_separator: Literal[" ", ",", "+"] = " "
    """Providers that separate scopes by something else, in requests and answers."""
    scope_param: str = "scope"
    """Providers that ask for a user's scopes by another parameter (`user_scope`)."""
    param_names: Mapping[str, str] = field(default_factory=dict)
    """Providers with other names for parameters, standard to theirs (`client_id` to
    `client_key`). The standard name is refused."""
    request_method: Literal["POST", "GET"] = "POST"
    """Providers whose token endpoint wants a GET."""
    request_body: Literal["", "form", "json", "query"] = ""
    """How token requests must come; empty: as a form or as JSON."""
    pkce: Literal["required", "optional", "ignored", "refused"] = "required"
    """Providers that demand PKCE, that check it where it comes, that never heard of it, and
    that answer invalid_request where it comes."""
    state_again: bool = False
    """Providers that want to hear the state of the login with the code, too."""
    scope_again: bool = False
    """Providers that want to hear the scopes with a device's code, too."""
    resource_required: bool = False
    """Providers that want to hear for which API a token is (RFC 8707)."""

    # Redirects.
    https_only: bool = False
    """Providers that take https redirect URIs alone, even on a loopback host."""
    ports: tuple[int, ...] = ()
    """Providers that compare the port of a redirect URI too: the ones that are registered."""
    host: Literal["", "127.0.0.1", "localhost"] = ""
    """Providers that take one way alone to write the loopback host."""
    code_param: str = "code"
    """Providers that call the code otherwise in the redirect."""
    redirect_params: Mapping[str, str] = field(default_factory=dict)
    """Providers that tell in the redirect whose data this is (`realmId`). The value stands in
    the path of every request to the API."""

    # Renewals.
    renewal: Literal["yes", "exchange", "no"] = "yes"
    """Providers without refresh tokens: the live access token for a longer one (by GET), or
    not at all. `yes` is by refresh token."""
    swap: bool = False
    """Such providers whose code brings a short token, which the app swaps for a long one, with
    its secret: the long one alone is renewed."""
    refresh_elsewhere: bool = False
    """Providers that renew at another URL than the token endpoint."""
    repeats_refresh_token: bool = False
    """Providers that do not rotate, and repeat the refresh token in every answer."""
    offline: bool = False
    """Providers that give a refresh token for `access_type=offline` alone, and at the second
    login of a user for `prompt=consent` alone."""

    # Endpoints.
    revoke: Literal["standard", "delete", "grant", "bearer", "get", "open"] = "standard"
    """Providers that revoke otherwise than RFC 7009: DELETE with JSON and Basic; the same at
    a URL with the client's id; POST by the bearer alone; GET with the token in the query; POST
    by whoever has the token, no client proved."""
    metadata: Literal["both", "oauth", "openid", "none"] = "both"
    """Providers that publish RFC 8414 metadata alone, OpenID's alone, or nothing."""
    wrong_issuer: bool = False
    """Providers whose metadata name another issuer than the one that was asked."""
    foreign_token_endpoint: bool = False
    """Providers whose token endpoint stands on another origin than the issuer."""
    hides_pkce: bool = False
    """Providers that support PKCE and do not say so in their metadata."""
    secret_seconds: int | None = None
    """Providers whose dynamically registered secrets end after so many seconds."""

    # The API.
    api_host: Literal["", "token", "redirect", "user"] = ""
    """Providers whose API stands on a host of the user's own: told by `instance_url` in the
    token answer, by `region` in the redirect, or by the user who knows the region."""
    sites: Mapping[str, str] = field(default_factory=dict)
    """Providers with several sites to a login, id to name: `/sites` lists them, and the id
    stands in the path of every request to the API."""
    site_header: str = ""
    """Providers that want the site in this header instead, and refuse one that is none."""

    def __post_init__(self) -> None:
        if self.encoding == "form" and any(getattr(self, name) for name in NESTED):
            raise ValueError("A form has no depth: encoding='form' goes without root, paths, ok.")
        if self.ok and self.html:
            raise ValueError("A failure is told by ok or by html.")
        if self.swap and self.renewal != "exchange":
            raise ValueError("A long token is exchanged: swap goes with renewal='exchange'.")
        if self.sites and self.redirect_params:
            raise ValueError("The path of the API has room for sites or for redirect_params.")
        if self.request_method == "GET" and self.request_body != "query":
            raise ValueError(
                "A GET has no body: request_method='GET' goes with request_body='query'."
            )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The loopback hosts that a redirect URI may name."""
        return (self.host,) if self.host else ("127.0.0.1", "localhost")

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        """What an app registers here if it does not choose."""
        scheme = "https" if self.https_only else "http"
        ends = [f":{port}" for port in self.ports] or [""]
        return tuple(f"{scheme}://{host}{end}/callback" for host in self.hosts for end in ends)

    @property
    def tenants(self) -> tuple[str, ...]:
        """What may stand between `/api/` and the rest; nothing at all for most."""
        if self.sites:
            return () if self.site_header else tuple(self.sites)
        return ("/".join(self.redirect_params.values()),) if self.redirect_params else ()
