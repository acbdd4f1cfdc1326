"""A client that registers itself: RFC 7591. Pure."""

from __future__ import annotations

import json

from arcrun_auth.errors import LoginFailed, printable
from arcrun_auth.moments import epoch_of
from arcrun_auth.oauth import redirect_uri
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import TokenCall
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth import recipe

# RFC 7591 §2: how are our ways of client authentication called there?
METHODS = {"none": "none", "post": "client_secret_post", "basic": "client_secret_basic"}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CREATED = (200, 201)


def registration_request(oauth2: recipe.OAuth2, *, scopes: Iterable[str]) -> TokenCall:
    """Asks for a client of our own: a native one, that comes back to this machine."""
    grants = [DEVICE if grant == "device_code" else grant for grant in oauth2.grants]
    fields: dict[str, object] = {
        "client_name": "arcrun-auth",
        "application_type": "native",  # OpenID Connect Registration §2: any loopback port
        "redirect_uris": redirect_uris(oauth2.redirect),
        "grant_types": grants,
        "response_types": ["code"] if "authorization_code" in grants else [],
        "token_endpoint_auth_method": METHODS.get(oauth2.client.auth, oauth2.client.auth),
    }
    wanted = " ".join(scopes)
    if wanted:
        fields["scope"] = wanted
    headers = {"accept": "application/json", "content-type": "application/json"}
    content = json.dumps(fields).encode()
    return TokenCall(oauth2.registration_endpoint, headers=headers, content=content, secrets=())


def redirect_uris(redirect: recipe.Redirect) -> list[str]:
    """Every redirect URI to register: one without a port where any port will do."""
    ports = redirect.ports if redirect.policy == "fixed_port" else (None,)
    return [redirect_uri(redirect, port) for port in ports]


def read_registration(status: int, body: bytes) -> tuple[App, float | None, Secret | None]:
    """The client in an answer, when its secret ends, and the token that manages it.

    Raises LoginFailed with what the server said where there is none (RFC 7591 §3.2.2).
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    data = data if isinstance(data, dict) else {}
    client_id = _text(data.get("client_id"))
    if status not in CREATED or client_id is None:
        said = data.get("error_description") or data.get("error") or f"it answered {status}"
        raise LoginFailed(
            f"The provider does not register us as a client: {printable(str(said))}.",
            error=str(data.get("error") or "") or None,
        )
    secret, manage = (_secret(data.get(n)) for n in ("client_secret", "registration_access_token"))
    # RFC 7591 §3.2.1: 0 is never.
    return App(client_id, secret), epoch_of(data.get("client_secret_expires_at")), manage


def _text(value: object) -> str | None:
    """What may stand in a form or a header: a line break in it could forge another one."""
    return value if isinstance(value, str) and value and value.isprintable() else None


def _secret(value: object) -> Secret | None:
    text = _text(value)
    return None if text is None else Secret(text)
