"""The requests that end a grant at the provider: RFC 7009, and those who do otherwise. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from arcrun_auth.oauth import TokenCall, basic_credentials
from arcrun_auth.template import Template
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth import recipe
    from arcrun_auth.oauth.app import App
    from arcrun_auth.tokens import Grant

DONE = (200, 202, 204)
"""Which answers say that the token is void? RFC 7009 §2.2 has 200, some answer otherwise."""

GONE = "invalid_token"
"""How some, against RFC 7009 §2.2, call a token that was void before."""

UNSUPPORTED = "unsupported_token_type"
"""RFC 7009 §2.2.1: the provider does not revoke this kind of token by itself."""


def revocation_requests(
    oauth2: recipe.OAuth2, app: App, grant: Grant, params: Mapping[str, str]
) -> list[TokenCall]:
    """What has to be sent, in order; none where the provider has no revocation endpoint.

    RFC 7009 §2.1: revoking the refresh token ends the access tokens with it. `params` fill
    the `{{param.x}}` that are left.
    """
    if not oauth2.revocation_endpoint:
        return []
    access, refresh = grant.access_token, grant.refresh_token
    first = access if oauth2.revoke.which == "access" or refresh is None else refresh
    tokens = [first, access] if oauth2.revoke.which == "both" else [first]
    return [_request(oauth2, app, token, access, params) for token in dict.fromkeys(tokens)]


def _request(
    oauth2: recipe.OAuth2, app: App, token: Secret, access: Secret, params: Mapping[str, str]
) -> TokenCall:
    revoke = oauth2.revoke
    # In a path or a query the id is a value like any other: it must not end or split it.
    url = _filled(oauth2.revocation_endpoint, params, quote(app.client_id, safe=""))
    fields: dict[str, str | Secret] = {}
    for name, text in revoke.params.items():
        value = _filled(text, params, app.client_id, access)
        fields[name] = Secret(value) if "{{token." in text else value
    if revoke.param:
        fields[revoke.param] = token
    headers = {"accept": "application/json"}
    if revoke.auth == "bearer":
        headers["authorization"] = f"Bearer {access.reveal()}"
    elif revoke.auth != "none":
        by_header = revoke.auth == "basic" or oauth2.client.auth == "basic"
        _authenticate(oauth2, app, fields, headers, by_header=by_header)
    secrets = [value for value in fields.values() if isinstance(value, Secret)]
    secrets += [access, *([app.client_secret] if app.client_secret else [])]
    return _call(oauth2, url, fields, headers, secrets)


def _authenticate(
    oauth2: recipe.OAuth2,
    app: App,
    fields: dict[str, str | Secret],
    headers: dict[str, str],
    *,
    by_header: bool,
) -> None:
    """RFC 6749 §2.3.1. The one place here that proves the client."""
    names, secret = oauth2.param_names, app.client_secret
    if by_header and secret is not None:
        headers["authorization"] = f"Basic {basic_credentials(app.client_id, secret.reveal())}"
        return
    fields[names.get("client_id", "client_id")] = app.client_id
    if oauth2.client.auth != "none" and secret is not None:
        fields[names.get("client_secret", "client_secret")] = secret


def _call(
    oauth2: recipe.OAuth2,
    url: str,
    fields: Mapping[str, str | Secret],
    headers: dict[str, str],
    secrets: list[Secret],
) -> TokenCall:
    plain = {k: v.reveal() if isinstance(v, Secret) else v for k, v in fields.items()}
    method, content = oauth2.revoke.method, b""
    if method == "GET" or oauth2.revoke.body == "query":
        url = _with_query(url, plain)
    elif oauth2.revoke.body == "json":
        import json

        headers["content-type"] = "application/json"
        content = json.dumps(plain).encode()
    elif plain:
        headers["content-type"] = "application/x-www-form-urlencoded"
        content = urlencode(plain).encode()
    return TokenCall(url, method=method, headers=headers, content=content, secrets=tuple(secrets))


def _with_query(url: str, query: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    together = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, together, ""))


def _filled(
    text: str, params: Mapping[str, str], client_id: str, access: Secret | None = None
) -> str:
    if "{{" not in text:
        return text
    known = {"param": dict(params), "client": {"id": client_id}}
    if access is not None:
        known["token"] = {"access_token": access.reveal()}
    rendered: str = Template.parse(text, strict=True).render(known)
    return rendered
