"""The ways in that a draft is made of: keys in their places, passwords, logins. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting.draft import Way

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.recipe.reader import Place

REDIRECT = (
    "- redirect: which redirect URIs an app may have. Assumed: a loopback address, on any port."
)
CLIENT = (
    "- client: how an app proves itself at the token endpoint: post, basic, or none (a public "
    "client). Assumed: {assumed}."
)
ROTATES = (
    "- refresh: whether each renewal brings a new refresh token (rotates: yes or no), and how "
    "long one lives unused (idle_s)."
)
APP = (
    "- app_register_url, app_guide: where an app of one's own is registered, step by step; and "
    "revocation_endpoint: where a login is ended (RFC 7009)."
)
LOOK_UP = "Look up in the vendor's documentation:"


def key(service: str, *, where: str, name: str, value: str = "", label: str = "") -> Way:
    """A key in a header, the query or a cookie. `value` is what stands there, `{}` the key.

    >>> key("shop", where="header", name="X-API-Key").fields["inject"]
    {'header': {'X-API-Key': '{{secret.shop_api_key}}'}}
    """
    secret = {"key": f"{service}_api_key", "label": label or "API key"}
    return _static([secret], {where: {name: (value or "{}").replace("{}", _hole(secret))}})


def bearer(service: str, *, label: str = "") -> Way:
    """A token in `Authorization: Bearer …` (RFC 6750 §2.1)."""
    secret = {"key": f"{service}_token", "label": label or "API token"}
    return _static([secret], {"header": {"Authorization": f"Bearer {_hole(secret)}"}})


def basic(service: str) -> Way:
    """A user and a password in `Authorization: Basic …` (RFC 7617)."""
    user, password = _user(service)
    return _static(
        [user, password],
        {"header": {"Authorization": f"Basic {_hole(user)}:{_hole(password)}"}},
    )


def digest(service: str) -> Way:
    """A user and a password that answer a challenge (RFC 7616)."""
    secrets = _user(service)
    names = {"username": secrets[0]["key"], "password": secrets[1]["key"]}
    return Way({"primitive": "digest", "required_secrets": list(secrets), "digest": names})


def _user(service: str) -> tuple[dict[str, str], dict[str, str]]:
    return (
        {"key": f"{service}_username", "label": "User name"},
        {"key": f"{service}_password", "label": "Password", "type": "password"},
    )


def _hole(secret: Mapping[str, str]) -> str:
    return f"{{{{secret.{secret['key']}}}}}"


def _static(secrets: list[dict[str, str]], inject: dict[str, dict[str, str]]) -> Way:
    return Way({"primitive": "static_key", "required_secrets": secrets, "inject": inject})


def login(
    oauth2: Mapping[str, Any], *, scopes: str = "", assumed: str = "post", known: Sequence[str] = ()
) -> Way:
    """A login of a person (RFC 6749 §4.1). `scopes` is a comment that lists what there is;
    `known` are the fields that nobody has to look up."""
    about = [LOOK_UP]
    about += [REDIRECT] if "redirect" not in known else []
    about += [CLIENT.format(assumed=assumed)] if "client" not in known else []
    about += [ROTATES, APP]
    notes: dict[Place, str] = {("oauth2",): "\n".join(about)}
    if scopes:
        notes["oauth2", "scopes"] = scopes
    fields = {**oauth2, "refresh": {"rotates": "maybe", **oauth2.get("refresh", {})}}
    return Way({"primitive": "oauth2", "oauth2": fields}, notes)


def robot(oauth2: Mapping[str, Any], *, scopes: str = "") -> Way:
    """A login of the app itself (RFC 6749 §4.4)."""
    fields = {
        **oauth2,
        "grants": ["client_credentials"],
        "client": oauth2.get("client", {"auth": "basic"}),
        "refresh": {"mode": "reissue"},
    }
    about = f"{LOOK_UP}\n{CLIENT.format(assumed='basic')}" if "client" not in oauth2 else ""
    notes: dict[Place, str] = {("oauth2",): about} if about else {}
    if scopes:
        notes["oauth2", "scopes"] = scopes
    way = {"id": "client_credentials", "label": "As the app itself", "primitive": "oauth2"}
    return Way({**way, "oauth2": fields}, notes)
