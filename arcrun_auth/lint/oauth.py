"""The linter's rules on an authorization server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.recipe.parts import templates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.lint import Finding, Subject
    from arcrun_auth.recipe.reader import Place

_LITERAL_SECRETS = frozenset({"client_secret", "password", "client_assertion", "refresh_token"})
_KEPT_SECRETS = frozenset({"access_token", "refresh_token", "id_token"})


def sound(subject: Subject) -> Iterator[Finding]:
    """RFC 6749, RFC 7636 and RFC 9700, as far as a recipe can break them."""
    for of_method, way, stated in subject.ways():
        oauth2 = way.oauth2
        if oauth2 is None:
            continue
        at: Place = (*of_method, "oauth2")
        if oauth2.pkce == "no" and oauth2.client.auth == "none":
            yield subject.finding(
                "oauth-pkce", (*at, "pkce"),
                "A client without a secret and without PKCE proves nothing (RFC 9700 §2.1.1).",
                "Use S256, or name the client authentication.",
            )  # fmt: skip
        named = oauth2.authorization_endpoint or oauth2.discovery
        if "authorization_code" in oauth2.grants and not named:
            yield subject.finding(
                "oauth-endpoint", at, "There is no authorization_endpoint to log in on.",
                "Name it, or leave authorization_code out of grants.",
            )  # fmt: skip
        if oauth2.scopes_required and not oauth2.scopes:
            yield subject.finding(
                "oauth-scopes", at, "Scopes are required, and none is given.", "Name the least."
            )
        for name in sorted(_KEPT_SECRETS & oauth2.token_response.keep.keys()):
            yield subject.finding(
                "oauth-keep", (*at, "token_response", "keep", name),
                "What is kept is not treated as a secret.",
                "Leave it out: tokens have fields of their own.",
            )  # fmt: skip
        if oauth2.refresh.mode == "yes" and "rotates" not in stated.get("oauth2", {}).get(
            "refresh", {}
        ):
            yield subject.finding(
                "oauth-rotates", (*at, "refresh"),
                "It is not stated whether refresh tokens rotate.",
                "refresh: {rotates: yes, no or maybe}", "warning",
            )  # fmt: skip


def unused(subject: Subject) -> Iterator[Finding]:
    """What is stated and never comes into play."""
    for of_method, way, stated in subject.ways():
        oauth2 = way.oauth2
        if oauth2 is None or oauth2.discovery:
            continue
        at: Place = (*of_method, "oauth2")
        if "revoke" in stated.get("oauth2", {}) and not oauth2.revocation_endpoint:
            yield subject.finding(
                "oauth-unused", (*at, "revoke"), "There is no revocation_endpoint to revoke at.",
                "Name it, or leave revoke out.", "warning",
            )  # fmt: skip
        if oauth2.device_authorization_endpoint and "device_code" not in oauth2.grants:
            yield subject.finding(
                "oauth-unused", (*at, "device_authorization_endpoint"),
                "Nobody asks here: device_code is not among the grants.",
                "Add it if such a client may use it, or leave the endpoint out.", "warning",
            )  # fmt: skip


def literals(subject: Subject) -> Iterator[Finding]:
    """No secret in clear, and no grant that hands over a password (RFC 9700 §2.4)."""
    for at, way, _ in subject.ways():
        for place, text, _names in templates(way):
            if place[0] != "oauth2":
                continue
            name = str(place[-1]).lower()
            if name in _LITERAL_SECRETS:
                yield subject.finding(
                    "oauth-secret", (*at, *place), "A secret that is shipped is none.",
                    "Leave it out: users bring their own app.",
                )  # fmt: skip
            if name == "grant_type" and text in ("password", "implicit"):
                yield subject.finding(
                    "oauth-grant", (*at, *place), f"The grant {text!r} is not supported.",
                    "Use authorization_code.",
                )  # fmt: skip
