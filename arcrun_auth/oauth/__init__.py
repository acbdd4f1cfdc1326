"""The requests of OAuth 2.0, as values: what to open, and what to send for a token.

Pure: nothing here does I/O. What comes back is read by `oauth/callback.py` and `token_answer.py`.
Only the proof key asks a library, inside the function that needs it: a renewal passes
through this module on its way to a token and pays for none of a login's parts.
"""

from __future__ import annotations

from urllib.parse import quote_plus, urlencode, urlsplit, urlunsplit

from arcrun_auth.tokens import Secret, _Unsharable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Literal

    from arcrun_auth import recipe

# Which parameters of an authorization request are never a recipe's to choose? Those that
# bind the answer to this login (RFC 6749 §4.1.1, RFC 7636 §4.3).
RESERVED = frozenset(
    (
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "redirect_uri",
        "response_type",
        "state",
    )
)

# How many random bytes make a value that nobody guesses? 32: 256 bits for the state, and a
# verifier of 43 characters (RFC 7636 §4.1 recommends exactly that).
RANDOM_BYTES = 32


class TokenCall(_Unsharable):
    """A request to a token endpoint, ready to be sent once. Its `repr` shows only the host.

    `headers` have lower-case names; `content` is the body. `secrets` are the values in it
    that must not come back in the text of an error.
    """

    __slots__ = ("content", "headers", "method", "secrets", "url")

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes,
        secrets: tuple[Secret, ...],
        method: Literal["POST", "GET", "DELETE"] = "POST",
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.content = content
        self.secrets = secrets

    def __repr__(self) -> str:
        return f"TokenCall({self.method!r}, host={urlsplit(self.url).hostname!r})"


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
    query = {
        name: _render(text, params)
        for name, text in oauth2.authorize_params.items()
        if name not in RESERVED
    }
    wanted = oauth2.scope_separator.join(scopes)
    if wanted:
        query[oauth2.scope_param] = wanted
    query["response_type"] = "code"
    query["client_id"] = client_id
    query["redirect_uri"] = redirect_uri
    query["state"] = state
    if challenge is not None:
        query["code_challenge"] = challenge
        query["code_challenge_method"] = "S256"
    url = urlsplit(oauth2.authorization_endpoint)
    # RFC 6749 §3.1: a query that the endpoint brings along is kept.
    together = "&".join(part for part in (url.query, urlencode(query)) if part)
    return urlunsplit((url.scheme, url.netloc, url.path, together, ""))


def code_request(
    oauth2: recipe.OAuth2,
    *,
    client_id: str,
    client_secret: Secret | None,
    code: Secret,
    redirect_uri: str,
    verifier: Secret | None,
    params: Mapping[str, str] | None = None,
) -> TokenCall:
    """The request that turns a code into a grant (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
    fields: dict[str, str | Secret] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
    }
    if verifier is not None:
        fields["code_verifier"] = verifier
    extra = {name: _render(text, params) for name, text in oauth2.token_request.params.items()}
    return _token_call(
        oauth2,
        oauth2.token_endpoint,
        {**extra, **fields},
        client_id=client_id,
        client_secret=client_secret,
        params=params,
    )


def refresh_request(
    oauth2: recipe.OAuth2,
    *,
    client_id: str,
    client_secret: Secret | None,
    refresh_token: Secret,
    params: Mapping[str, str] | None = None,
) -> TokenCall:
    """The request that renews a grant (RFC 6749 §6).

    It never names a scope: the same scopes are what its absence means, and to name one that
    the user had unticked makes the provider refuse the renewal with `invalid_scope`.
    """
    recipes_own = {**oauth2.token_request.params, **oauth2.refresh.params}
    for name in ("scope", oauth2.scope_param):
        recipes_own.pop(name, None)
    extra = {name: _render(text, params) for name, text in recipes_own.items()}
    fields: dict[str, str | Secret] = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
    }
    url = _render(oauth2.refresh.url, params) or oauth2.token_endpoint
    return _token_call(
        oauth2,
        url,
        {**extra, **fields},
        client_id=client_id,
        client_secret=client_secret,
        params=params,
    )


def basic_credentials(client_id: str, client_secret: str) -> str:
    """What stands after `Basic `: both halves form-encoded first, as RFC 6749 §2.3.1 wants.

    >>> import base64
    >>> base64.b64decode(basic_credentials("me", "a&b=c:d"))
    b'me:a%26b%3Dc%3Ad'
    """
    from base64 import b64encode

    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return b64encode(pair.encode()).decode()


def _token_call(
    oauth2: recipe.OAuth2,
    url: str,
    fields: dict[str, str | Secret],
    *,
    client_id: str,
    client_secret: Secret | None,
    params: Mapping[str, str] | None,
) -> TokenCall:
    """`fields` with the client's authentication and the recipe's headers, in one request."""
    headers = {"accept": "application/json"}
    for name, text in oauth2.token_request.headers.items():
        headers[name.lower()] = _render(text, params)
    secrets = [value for value in fields.values() if isinstance(value, Secret)]
    if oauth2.client.auth == "basic" and client_secret is not None:
        basic = basic_credentials(client_id, client_secret.reveal())
        headers["authorization"] = f"Basic {basic}"
        secrets += [client_secret, Secret(basic)]
    else:
        fields["client_id"] = client_id
        if oauth2.client.auth != "none" and client_secret is not None:
            fields["client_secret"] = client_secret
            secrets.append(client_secret)
    plain = {k: v.reveal() if isinstance(v, Secret) else v for k, v in fields.items()}
    if oauth2.token_request.body == "json":
        import json

        headers["content-type"] = "application/json"
        content = json.dumps(plain).encode()
    else:
        headers["content-type"] = "application/x-www-form-urlencoded"
        content = urlencode(plain).encode()
    return TokenCall(url, headers=headers, content=content, secrets=tuple(secrets))


def _render(text: str, params: Mapping[str, str] | None) -> str:
    if "{{" not in text:
        return text
    from arcrun_auth.template import Template

    rendered: str = Template.parse(text, strict=True).render({"param": dict(params or {})})
    return rendered
