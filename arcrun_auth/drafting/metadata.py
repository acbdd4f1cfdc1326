"""A recipe from what an authorization server says of itself (RFC 8414, OIDC Discovery). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting import flows, ways
from arcrun_auth.drafting.document import as_list, as_text
from arcrun_auth.drafting.draft import Draft
from arcrun_auth.errors import LoginFailed, RecipeError, printable
from arcrun_auth.hosts import bare
from arcrun_auth.oauth.metadata import ENDPOINTS, origin, well_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.drafting.draft import Address, Way

_AUTH = {
    "client_secret_basic": "basic", "client_secret_post": "post",
    "private_key_jwt": "private_key_jwt", "client_secret_jwt": "client_secret_jwt",
    "tls_client_auth": "tls_client_auth",
}  # fmt: skip
_GRANTS = {
    "authorization_code": "authorization_code",
    "urn:ietf:params:oauth:grant-type:device_code": "device_code",
}
_REGISTERS = (
    "Apps may register themselves here: if anybody's may, client: {registration: dcr, auth: none}."
)


def is_metadata(document: Mapping[str, Any]) -> bool:
    """Whether this is the metadata of an authorization server."""
    return isinstance(document.get("issuer"), str)


def check_place(document: Mapping[str, Any], at: str) -> None:
    """RecipeError where metadata lay at a place that is not their issuer's (RFC 8414 §3.3)."""
    issuer = _issuer(document)
    if at not in well_known(issuer):
        raise RecipeError(
            f"These are the metadata of {printable(issuer, 100)}, which lie elsewhere.",
            path=printable(bare(at)),
        )


def _issuer(document: Mapping[str, Any]) -> str:
    issuer = as_text(document.get("issuer"))
    try:
        well_known(issuer)
    except LoginFailed as error:
        raise RecipeError(error.message) from None
    return issuer


def draft(document: Mapping[str, Any], service: str, address: Address, *, name: str = "") -> Draft:
    """The recipe of an API at `address`, which has no params, whose logins are this server's.

    RecipeError where the metadata cannot be used.
    """
    issuer = _issuer(document)
    fields: dict[str, Any] = {
        "service": service, **({"display_name": name} if name else {}),
        "base_url": address.base_url,
    }  # fmt: skip
    whole = Draft(fields, (_login(document, issuer),), {})
    whole.recipe()
    return whole


def _login(document: Mapping[str, Any], issuer: str) -> Way:
    oauth2: dict[str, Any] = {"issuer": issuer, "discovery": True, **_elsewhere(document, issuer)}
    client = _client(document)
    granted = as_list(document.get("grant_types_supported"))
    scopes = [s for s in as_list(document.get("scopes_supported")) if isinstance(s, str)]
    listed = dict.fromkeys(scopes)
    if granted and "client_credentials" in granted and not set(granted) & set(_GRANTS):
        unattended = flows.choice(listed, [], renewed=False)
        return ways.robot({**oauth2, "scopes": [], "client": client}, scopes=unattended)
    grants = [name for grant, name in _GRANTS.items() if grant in granted]
    if "device_code" in grants and document.get("device_authorization_endpoint"):
        oauth2["grants"] = [*grants, "refresh_token"]
    asked = [name for name in ("openid", "offline_access") if name in scopes]
    oauth2["scopes"] = asked
    if "offline_access" in asked:
        oauth2["authorize_params"] = {"prompt": "consent"}  # OIDC Core §11
    if _takes_no_pkce(document):
        oauth2["pkce"] = "no"
    oauth2["client"] = client
    way = ways.login(oauth2, scopes=flows.choice(listed, asked), known=("client",))
    if document.get("registration_endpoint"):
        way.notes["oauth2", "client"] = _REGISTERS
    return way


def _elsewhere(document: Mapping[str, Any], issuer: str) -> dict[str, str]:
    """Endpoints on another origin: those have to be named, for everybody to see and agree to."""
    told = {name: as_text(document.get(name)) for name in ENDPOINTS}
    return {name: url for name, url in told.items() if url and origin(url) != origin(issuer)}


def _client(document: Mapping[str, Any]) -> dict[str, Any]:
    """The simplest way to prove oneself that it takes; RFC 8414 §2: basic where it is silent."""
    named = as_list(document.get("token_endpoint_auth_methods_supported"))
    if "none" in named:
        return {"auth": "none", "secret_required": False}
    return {"auth": next((_AUTH[each] for each in _AUTH if each in named), "basic")}


def _takes_no_pkce(document: Mapping[str, Any]) -> bool:
    told = document.get("code_challenge_methods_supported")
    return isinstance(told, list) and "S256" not in told
