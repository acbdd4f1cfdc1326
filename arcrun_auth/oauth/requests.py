"""The requests that bring a grant, renew it, and ask who it belongs to: one function each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from arcrun_auth.oauth.call import Draft, TokenCall, filled, plain
from arcrun_auth.oauth.clients import prove
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth import recipe
    from arcrun_auth.oauth.app import App
    from arcrun_auth.oauth.call import Values

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

UNATTENDED = {
    "client_credentials": "client_credentials",  # RFC 6749 §4.4
    "jwt_bearer": "urn:ietf:params:oauth:grant-type:jwt-bearer",  # RFC 7523 §2.1
    "token_exchange": "urn:ietf:params:oauth:grant-type:token-exchange",  # RFC 8693 §2.1
}
"""Which grants need nobody at a browser, and how are they called on the wire?"""


def code_request(
    oauth2: recipe.OAuth2,
    app: App,
    *,
    code: Secret,
    redirect_uri: str,
    state: str,
    verifier: Secret | None,
    values: Values,
    now: float,
) -> TokenCall:
    """The request that turns a code into a grant (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
    fields: dict[str, str | Secret] = {"grant_type": "authorization_code", "code": code}
    if oauth2.token_request.send_redirect_uri:
        fields["redirect_uri"] = redirect_uri
    if oauth2.token_request.send_state:
        fields["state"] = state
    if verifier is not None:
        fields["code_verifier"] = verifier
    return _token_call(oauth2, fields, app=app, values=values, now=now)


def device_token_request(
    oauth2: recipe.OAuth2,
    app: App,
    *,
    device_code: Secret,
    scopes: Iterable[str],
    values: Values,
    now: float,
) -> TokenCall:
    """One question whether the person has agreed on the other device (RFC 8628 §3.4)."""
    fields: dict[str, str | Secret] = {"grant_type": DEVICE_GRANT, "device_code": device_code}
    if oauth2.token_request.send_scope:
        fields |= _scope(oauth2, scopes)
    return _token_call(oauth2, fields, app=app, values=values, now=now)


def device_request(
    oauth2: recipe.OAuth2, app: App, *, scopes: Iterable[str], values: Values, now: float
) -> TokenCall:
    """The request for a device code (RFC 8628 §3.1)."""
    draft = Draft(oauth2.device_authorization_endpoint, _scope(oauth2, scopes))
    _common(draft, oauth2, values)
    prove(draft, oauth2, app, now=now)
    return draft.call("POST", "form", oauth2.param_names)


def unattended_request(
    oauth2: recipe.OAuth2,
    app: App | None,
    *,
    grant: str,
    scopes: Iterable[str],
    assertion: Secret | None,
    values: Values,
    now: float,
) -> TokenCall:
    """A grant that needs no person: by the client's own credentials, an assertion, a token."""
    fields: dict[str, str | Secret] = {"grant_type": UNATTENDED[grant], **_scope(oauth2, scopes)}
    if assertion is not None:
        fields["assertion"] = assertion
    return _token_call(oauth2, fields, app=app, values=values, now=now)


def refresh_request(
    oauth2: recipe.OAuth2, app: App | None, *, refresh_token: Secret, values: Values, now: float
) -> TokenCall:
    """The request that renews a grant (RFC 6749 §6).

    It never names a scope: the same scopes are what its absence means, and to name one that
    the user had unticked makes the provider refuse the renewal with `invalid_scope`.
    """
    fields: dict[str, str | Secret] = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
    }
    return _renewal(oauth2, fields, oauth2.token_request.params, app=app, values=values, now=now)


def exchange_request(
    oauth2: recipe.OAuth2,
    app: App | None,
    *,
    values: Values,
    now: float,
    swap: recipe.Swap | None = None,
) -> TokenCall:
    """The request that swaps a live access token for a newer one: by `swap`, or as the renewal."""
    return _renewal(oauth2, {}, {}, app=app, values=values, now=now, swap=swap)


def userinfo_request(oauth2: recipe.OAuth2, access_token: Secret) -> TokenCall:
    """Whose grant it is (OpenID Connect Core §5.3.1)."""
    draft = Draft(oauth2.userinfo_endpoint, {})
    draft.headers["authorization"] = f"Bearer {access_token.reveal()}"
    draft.secrets.append(access_token)
    return draft.call("GET", "query")


def get_request(url: str) -> TokenCall:
    """A document: an issuer's metadata, or what lies at the address that somebody typed.

    There may be a token in its query, which no log shows.
    """
    draft, query = Draft(url, {}), url.partition("#")[0].partition("?")[2]
    draft.secrets += map(Secret, (query, *(value for _, value in parse_qsl(query))))
    return draft.call("GET", "query")


def _renewal(
    oauth2: recipe.OAuth2,
    fields: Mapping[str, str | Secret],
    further: Mapping[str, str],
    *,
    app: App | None,
    values: Values,
    now: float,
    swap: recipe.Swap | None = None,
) -> TokenCall:
    how, request = swap or oauth2.refresh, oauth2.token_request
    recipes_own = {**further, **how.params}
    for name in ("scope", oauth2.scope_param):
        recipes_own.pop(name, None)
    extra = {name: filled(text, values) for name, text in recipes_own.items()}
    draft = Draft(how.url or oauth2.token_endpoint, {**extra, **fields})
    _common(draft, oauth2, values)
    if app is not None and how.client:
        prove(draft, oauth2, app, now=now)
    return draft.call(how.method or request.method, how.body or request.body, oauth2.param_names)


def _token_call(
    oauth2: recipe.OAuth2,
    fields: Mapping[str, str | Secret],
    *,
    app: App | None,
    values: Values,
    now: float,
) -> TokenCall:
    """`fields` with what the recipe adds and the client's authentication, in one request."""
    request = oauth2.token_request
    extra = {name: filled(text, values) for name, text in request.params.items()}
    draft = Draft(oauth2.token_endpoint, {**extra, **fields})
    _common(draft, oauth2, values)
    if app is not None:
        prove(draft, oauth2, app, now=now)
    return draft.call(request.method, request.body, oauth2.param_names)


def _common(draft: Draft, oauth2: recipe.OAuth2, values: Values) -> None:
    for name, text in oauth2.token_request.headers.items():
        draft.headers[name.lower()] = plain(text, values)
    if oauth2.resource:  # RFC 8707 §2.2
        draft.fields["resource"] = oauth2.resource


def _scope(oauth2: recipe.OAuth2, scopes: Iterable[str]) -> dict[str, str | Secret]:
    wanted = oauth2.scope_separator.join(scopes)
    return {oauth2.scope_param: wanted} if wanted else {}
