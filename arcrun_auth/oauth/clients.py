"""Client authentication: RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2. Pure.

Declared by the recipe and never probed: a code is single-use, and a wrong guess spends it.
"""

from __future__ import annotations

from urllib.parse import quote_plus

from arcrun_auth.errors import MissingSecret
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth import recipe
    from arcrun_auth.oauth.app import App
    from arcrun_auth.oauth.call import Draft

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def prove(draft: Draft, oauth2: recipe.OAuth2, app: App, *, now: float) -> None:
    """Put into `draft` what shows the provider that this is `app`."""
    how = oauth2.client.auth
    secret = app.client_secret
    if how == "basic" and secret is not None:
        by_basic(draft, app)
        return
    draft.fields["client_id"] = app.client_id
    if how in ("private_key_jwt", "client_secret_jwt"):
        draft.fields["client_assertion_type"] = ASSERTION_TYPE
        draft.fields["client_assertion"] = _assertion(oauth2, app, now=now)
    elif how == "tls_client_auth":
        draft.certificate = _needed(app, "certificate"), _needed(app, "private_key")
    elif how == "post" and secret is not None:
        draft.fields["client_secret"] = secret


def by_basic(draft: Draft, app: App) -> None:
    """RFC 6749 §2.3.1, in the header."""
    basic = basic_credentials(app.client_id, _needed(app, "client_secret").reveal())
    draft.headers["authorization"] = f"Basic {basic}"
    draft.secrets += [_needed(app, "client_secret"), Secret(basic)]


def basic_credentials(client_id: str, client_secret: str) -> str:
    """What stands after `Basic `: both halves form-encoded first, as RFC 6749 §2.3.1 wants.

    >>> import base64
    >>> base64.b64decode(basic_credentials("me", "a&b=c:d"))
    b'me:a%26b%3Dc%3Ad'
    """
    from base64 import b64encode

    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return b64encode(pair.encode()).decode()


def _assertion(oauth2: recipe.OAuth2, app: App, *, now: float) -> Secret:
    """RFC 7523 §3. A secret too: whoever has it is the client while it lives."""
    from arcrun_auth.jwt import client_assertion

    client = oauth2.client
    shared = client.auth == "client_secret_jwt"
    return Secret(
        client_assertion(
            client_id=app.client_id,
            audience=client.audience or oauth2.token_endpoint,
            alg=client.alg or ("HS256" if shared else "RS256"),
            key=_needed(app, "client_secret" if shared else "private_key"),
            key_id=app.key_id,
            key_encoding="utf8" if shared else "pem",
            now=now,
        )
    )


def _needed(app: App, name: str) -> Secret:
    found: Secret | None = getattr(app, name)
    if found is None:
        raise MissingSecret(
            f"The OAuth app {app.client_id} has no {name}, and its provider asks for one.",
            key=name,
            service="",
            hint="arcrun app list",
        )
    return found
