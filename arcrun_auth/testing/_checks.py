"""What a request must say, under the quirks of the provider. Pure: nothing, or a Refusal."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from arcrun_auth.testing import _wording
from arcrun_auth.testing._records import App, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.testing._quirks import Quirks


def request_of(query: Mapping[str, str], app: App) -> Request:
    """An authorization request as it came, for an app and a redirect URI that are known."""
    return Request(
        app,
        query["redirect_uri"],
        query.get("state", ""),
        query.get("scope", ""),
        query.get("code_challenge", ""),
        query.get("resource", ""),
        offline=query.get("access_type") == "offline",
        consent="consent" in query.get("prompt", "").split(),
    )


def check_authorization(query: Mapping[str, str], quirks: Quirks, api: str) -> str:
    """Check all that the app is told about; the scopes as RFC 6749 §3.3 writes them."""
    if query.get("response_type") != "code":
        raise Refusal("unsupported_response_type", "Only response_type=code is served.")
    if not query.get("state"):
        raise Refusal("invalid_request", "A state is required.")
    _check_challenge(query.get("code_challenge"), query.get("code_challenge_method"), quirks)
    check_resource(query.get("resource", ""), quirks, api)
    return " ".join(_wording.scopes(query.get("scope", ""), quirks))


def _check_challenge(challenge: str | None, method: str | None, quirks: Quirks) -> None:
    """RFC 7636 §4.3, with S256 alone (RFC 9700 §2.1.1)."""
    sent = bool(challenge or method)
    if quirks.pkce == "refused" and sent:
        raise Refusal("invalid_request", "code_challenge is no parameter.")
    due = quirks.pkce == "required" or (quirks.pkce == "optional" and sent)
    if due and not (challenge and method == "S256"):
        raise Refusal("invalid_request", "A code_challenge with S256 is required (RFC 7636).")


def check_verifier(verifier: str, challenge: str, quirks: Quirks) -> None:
    """RFC 7636 §4.6; a verifier where no challenge was is refused too (RFC 9700 §2.1.1)."""
    if quirks.pkce == "refused" and verifier:
        raise Refusal("invalid_request", "code_verifier is no parameter.")
    if quirks.pkce == "ignored" or not (verifier or challenge):
        return
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    if base64.urlsafe_b64encode(digest).decode().rstrip("=") != challenge:
        raise Refusal("invalid_grant", "The code_verifier does not fit the challenge.")


def check_resource(resource: str, quirks: Quirks, api: str, agreed: str = "") -> None:
    """RFC 8707 §2: a resource is our API, and a token's is the one that its code was for."""
    if resource and resource != (agreed or api):
        raise Refusal("invalid_target", "The resource is not the API, or not the one agreed.")
    if quirks.resource_required and not resource:
        raise Refusal("invalid_target", "A resource is required (RFC 8707).")
