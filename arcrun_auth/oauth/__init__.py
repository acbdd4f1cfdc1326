"""OAuth 2.0, as values: what to open, and what to send for a token.

Pure: nothing in this package does I/O. This module makes the authorization request, `requests`
those that follow it, `clients` what proves the app, and `callback` and `token_answer` read
what comes back. Only the proof key asks a library, inside the function that needs it.
"""

from __future__ import annotations

from arcrun_auth.oauth.call import TokenCall, plain, with_query
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth import recipe

__all__ = ["TokenCall", "authorization_url", "new_proof_key", "new_state", "redirect_uri"]

# Which parameters of an authorization request are never a recipe's to choose? Those that
# bind the answer to this login (RFC 6749 §4.1.1, RFC 7636 §4.3).
RESERVED = frozenset(
    (
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "redirect_uri",
        "resource",
        "response_type",
        "state",
    )
)

# How many random bytes make a value that nobody guesses? 32: 256 bits for the state, and a
# verifier of 43 characters (RFC 7636 §4.1 recommends exactly that).
RANDOM_BYTES = 32


def new_state() -> str:
    """A fresh `state`: 256 random bits (RFC 6749 §10.10, RFC 9700 §4.7)."""
    import secrets

    return secrets.token_urlsafe(RANDOM_BYTES)


def new_proof_key() -> tuple[Secret, str]:
    """A fresh PKCE verifier, and its S256 challenge (RFC 7636 §4.1, §4.2)."""
    import secrets

    from authlib.oauth2.rfc7636 import (  # type: ignore[import-untyped]
        create_s256_code_challenge,
    )

    verifier = secrets.token_urlsafe(RANDOM_BYTES)
    return Secret(verifier), create_s256_code_challenge(verifier)


def redirect_uri(redirect: recipe.Redirect, port: int | None = None) -> str:
    """The redirect URI of a login that listens on `port`; without one, the URI to register.

    Where a provider takes only https, nothing of ours listens there: the browser shows an
    error page whose address holds the code, and the user pastes it.
    """
    scheme = "https" if redirect.policy == "https_only" else "http"
    if port is None and redirect.policy != "any_port" and redirect.ports:
        port = redirect.ports[0]
    authority = redirect.host if port is None else f"{redirect.host}:{port}"
    return f"{scheme}://{authority}{redirect.path}"


def authorization_url(
    oauth2: recipe.OAuth2,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: Iterable[str],
    state: str,
    challenge: str | None,
    params: Mapping[str, str] | None = None,
) -> str:
    """The URL that the user's browser opens (RFC 6749 §4.1.1, RFC 7636 §4.3).

    `challenge` is None where the recipe says that the provider rejects PKCE. `params` fill
    the `{{param.x}}` of the recipe's `authorize_params`.
    """
    known = {"param": dict(params or {})}
    query = {
        name: plain(text, known)
        for name, text in oauth2.authorize_params.items()
        if name not in RESERVED
    }
    wanted = oauth2.scope_separator.join(scopes)
    if wanted:
        query[oauth2.scope_param] = wanted
    query |= {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
    }
    if challenge is not None:
        query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    if oauth2.resource:  # RFC 8707 §2.1
        query["resource"] = oauth2.resource
    named = {oauth2.param_names.get(name, name): value for name, value in query.items()}
    return with_query(oauth2.authorization_endpoint, named)
