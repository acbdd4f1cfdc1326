"""The client file that a provider's console lets one download, and what keys look like.

The layout is that of one large provider, which others have taken over: `installed` for an
app on a machine, `web` for a site; or the client's fields without either.
"""

from __future__ import annotations

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.oauth.app import App
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DESKTOP = "create an OAuth client of the type Desktop app, and take that file"


def read_client(text: str, service: str, redirects: Sequence[str] | None = None) -> App:
    """The app in the content of a client file. AuthError says what is wrong with it.

    `redirects` are the redirect URIs with a port that a login of this service comes back to:
    a Web client serves where one of them is registered, and nowhere else. None where they are
    not known: then it has to have any that leads to this machine.
    """
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise AuthError("The client file is no JSON.", service=service) from None
    if not isinstance(data, dict):
        raise AuthError("The client file holds no client.", service=service)
    if data.get("type") == "service_account":
        raise AuthError(
            "This is the key of a service account, not an OAuth client.",
            service=service,
            hint=_DESKTOP,
        )
    if "web" in data and "installed" not in data:
        _check_web(data["web"], service, redirects)
    client = data.get("installed", data.get("web", data))
    if not isinstance(client, dict) or not _text(client, "client_id"):
        raise AuthError("The client file holds no client_id.", service=service)
    parts = {name: text for name in App.__slots__ if (text := _text(client, name))}
    return App.of({name: Secret(text) for name, text in parts.items()})


def _check_web(client: object, service: str, redirects: Sequence[str] | None) -> None:
    """RFC 8252 §8.4: the URIs of such a client are compared exactly, the port included."""
    listed = client.get("redirect_uris") if isinstance(client, dict) else None
    registered = [uri for uri in listed if isinstance(uri, str)] if listed else []
    if redirects is None:
        redirects = [uri for uri in registered if _is_local(uri)]
    if set(registered) & set(redirects):
        return
    there = f" Registered are: {printable(', '.join(registered))}." if registered else ""
    wanted = f" A login comes back to {redirects[0]}, which is not registered." if redirects else ""
    raise AuthError(
        "This is a Web client: it takes only the redirect URIs registered for a web site."
        + there
        + wanted,
        service=service,
        hint=_DESKTOP + (f", or register {redirects[0]}" if redirects else ""),
    )


def _is_local(uri: str) -> bool:
    from urllib.parse import urlsplit

    try:
        return urlsplit(uri).hostname in ("127.0.0.1", "localhost")  # of `Redirect.host`
    except ValueError:
        return False


def _text(client: Mapping[str, object], name: str) -> str:
    value = client.get(name)
    return value.strip() if isinstance(value, str) else ""


def check_key(text: str, service: str) -> None:
    """AuthError where this is no private key that could sign: RFC 7468, RFC 7517."""
    if text.lstrip().startswith("{"):
        fault = _fault_of_jwk(text)
    elif "ENCRYPTED" in text and "PRIVATE KEY" in text:
        fault = "This private key is locked with a passphrase: unlock a copy of it first."
    elif "PRIVATE KEY-----" in text:
        fault = ""
    elif "PUBLIC KEY-----" in text:
        fault = "This is the public half of the key: the provider gets it, the private one is ours."
    elif "BEGIN CERTIFICATE" in text:
        fault = "This is a certificate, not its private key."
    else:
        fault = "This is no private key: neither a PEM nor a JWK."
    if fault:
        raise AuthError(fault, service=service)


def _fault_of_jwk(text: str) -> str:
    import json

    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return "This is no private key: neither a PEM nor a JWK."
    if data.get("type") == "service_account":
        return "This is the key of a service account, not that of an OAuth client."
    if "kty" not in data:
        return "This is no private key: it is JSON, but no JWK."
    return "" if "d" in data or "k" in data else "This JWK is the public half of the key."


def check_certificate(text: str, service: str) -> None:
    """AuthError where this is no certificate: RFC 7468 §5."""
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise AuthError("This is no certificate: it is wanted as a PEM.", service=service)
