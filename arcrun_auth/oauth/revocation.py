"""The requests that end a grant at the provider: RFC 7009, and those who do otherwise. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from arcrun_auth.oauth.call import Draft, TokenCall, filled, plain
from arcrun_auth.oauth.clients import by_basic, prove

if TYPE_CHECKING:
    from arcrun_auth import recipe
    from arcrun_auth.oauth.app import App
    from arcrun_auth.oauth.call import Values
    from arcrun_auth.tokens import Grant, Secret

DONE = (200, 202, 204)
"""Which answers say that the token is void? RFC 7009 §2.2 has 200, some answer otherwise."""

GONE = "invalid_token"
"""How some, against RFC 7009 §2.2, call a token that was void before."""

UNSUPPORTED = "unsupported_token_type"
"""RFC 7009 §2.2.1: the provider does not revoke this kind of token by itself."""


def revocation_requests(
    oauth2: recipe.OAuth2, app: App | None, grant: Grant, *, values: Values, now: float
) -> list[TokenCall]:
    """What has to be sent, in order; none where the provider has no revocation endpoint.

    RFC 7009 §2.1: revoking the refresh token ends the access tokens with it. `app` may be
    None where the recipe says that no client authenticates.
    """
    if not oauth2.revocation_endpoint:
        return []
    access, refresh = grant.access_token, grant.refresh_token
    first = access if oauth2.revoke.which == "access" or refresh is None else refresh
    tokens = [first, access] if oauth2.revoke.which == "both" else [first]
    return [
        _request(oauth2, app, token, access, values, now=now) for token in dict.fromkeys(tokens)
    ]


def _request(
    oauth2: recipe.OAuth2,
    app: App | None,
    token: Secret,
    access: Secret,
    values: Values,
    *,
    now: float,
) -> TokenCall:
    revoke = oauth2.revoke
    # In a path the id is a value like any other: it must not end or split it. All else of the
    # address is rendered, or an issuer's word: it is no template (any more).
    client_id = quote(app.client_id if app else "", safe="")
    url = oauth2.revocation_endpoint.replace("{{client.id}}", client_id)
    fields = {name: filled(text, values) for name, text in revoke.params.items()}
    if revoke.param:
        fields[revoke.param] = token
    draft = Draft(url, fields)
    for name, text in oauth2.token_request.headers.items():  # an API version, say
        draft.headers[name.lower()] = plain(text, values)
    draft.secrets.append(access)
    if revoke.auth == "bearer":
        draft.headers["authorization"] = f"Bearer {access.reveal()}"
    elif app is not None and revoke.auth == "basic":
        by_basic(draft, app)
    elif app is not None and revoke.auth == "client":
        prove(draft, oauth2, app, now=now)
    return draft.call(revoke.method, revoke.body, oauth2.param_names)
