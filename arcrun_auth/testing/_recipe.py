"""The recipe that fits a provider: each quirk as the fields that tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from arcrun_auth.testing._grants import ACCESS_TOKEN_TYPE

if TYPE_CHECKING:
    from arcrun_auth.testing._quirks import Quirks
    from arcrun_auth.testing._records import Auth
    from arcrun_auth.testing.provider import Provider

GrantName = Literal[
    "authorization_code", "device_code", "client_credentials", "jwt_bearer", "token_exchange"
]

LASTING = ("authorization_code", "device_code")
"""Which grants come with a refresh token?"""

REVOKE: dict[str, dict[str, Any]] = {
    "standard": {},
    "delete": {"method": "DELETE", "auth": "basic", "body": "json", "param": "access_token",
               "which": "access"},
    "grant": {"method": "DELETE", "auth": "basic", "body": "json", "param": "access_token",
              "which": "access"},
    "bearer": {"auth": "bearer", "param": "", "which": "access"},
    "get": {"method": "GET", "auth": "none", "body": "query"},
    "open": {"auth": "none"},
}  # fmt: skip

EXPIRES: dict[str, dict[str, Any]] = {
    "in": {},
    "text": {},
    "ms": {"expires_unit": "ms"},
    "at": {"expires_at": "expires_at"},
    "at_ms": {"expires_at": "expires_at", "expires_unit": "ms"},
    "at_date": {"expires_at": "expires_at"},
}


def with_key(provider: Provider, service: str) -> dict[str, Any]:
    """A recipe by a static key."""
    return {
        "service": service,
        "primitive": "static_key",
        "display_name": "Demo with a key",
        "description": "The demo provider on this machine, by a static key.",
        "base_url": f"{provider.issuer}/api",
        "required_secrets": [
            {"key": f"{service}_key", "label": "Demo key", "type": "password", "pattern": "^demo_"}
        ],
        "inject": {"header": {"Authorization": f"Bearer {{{{secret.{service}_key}}}}"}},
        "test": {"path": "/static", "identity": "name"},
    }


def with_oauth(
    provider: Provider,
    service: str,
    *,
    auth: Auth,
    grant: GrantName,
    discovery: bool,
    registration: Literal["static", "dcr"],
) -> dict[str, Any]:
    """A recipe by OAuth, with one way in."""
    quirks = provider.quirks
    way = {
        "oauth2": _some(
            **_endpoints(provider, grant, discovery=discovery, dcr=registration == "dcr"),
            grants=[grant, "refresh_token"] if grant in LASTING else [grant],
            **_asking(provider, quirks),
            redirect=_redirect(quirks),
            client=_client(auth, registration),
            token_request=_token_request(quirks, service, grant),
            token_response=_token_response(provider, quirks),
            swap=_swap(provider, quirks),
            refresh=_refresh(provider, quirks, grant),
            revoke=REVOKE[quirks.revoke],
        ),
        **_secrets(provider, service, grant),
    }
    return {
        "service": service,
        "primitive": "oauth2",
        "display_name": "Demo",
        "description": "The demo provider on this machine.",
        **_address(provider, quirks),
        "inject": {"header": _headers(quirks)},
        **way,
        "test": {"path": "/me", "identity": "email"},
    }


def _some(**fields: Any) -> dict[str, Any]:
    """Those that say something."""
    return {name: value for name, value in fields.items() if value not in ("", {}, [], None)}


def _endpoints(
    provider: Provider, grant: GrantName, *, discovery: bool, dcr: bool
) -> dict[str, Any]:
    issuer = {"issuer": provider.issuer}
    if discovery:
        return {**issuer, "discovery": True}
    names = ["authorization_endpoint", "token_endpoint", "revocation_endpoint",
             "userinfo_endpoint"]  # fmt: skip
    names += ["device_authorization_endpoint"] if grant == "device_code" else []
    names += ["registration_endpoint"] if dcr else []
    found = {name: f"{provider.issuer}/{PATHS[name]}" for name in names}
    if provider.quirks.revoke == "grant":
        found["revocation_endpoint"] = f"{provider.issuer}/applications/{{{{client.id}}}}/grant"
    return {**issuer, **found}


PATHS = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "revocation_endpoint": "revoke",
    "userinfo_endpoint": "userinfo",
    "device_authorization_endpoint": "device",
    "registration_endpoint": "register",
}


def _asking(provider: Provider, quirks: Quirks) -> dict[str, Any]:
    """What is odd about authorization requests and their answers."""
    callback = [*quirks.redirect_params, *(["region"] if quirks.api_host == "redirect" else [])]
    return {
        "scopes": ["read", "write"],
        "scope_separator": "" if quirks.scope_separator == " " else quirks.scope_separator,
        "scope_param": "" if quirks.scope_param == "scope" else quirks.scope_param,
        "scope_aliases": dict(quirks.scope_aliases),
        "param_names": dict(quirks.param_names),
        "resource": f"{provider.issuer}/api" if quirks.resource_required else "",
        "pkce": {"required": "required", "refused": "no"}.get(quirks.pkce, ""),
        "authorize_params": (
            {"access_type": "offline", "prompt": "consent"} if quirks.offline else {}
        ),
        "callback": _some(
            code="" if quirks.code_param == "code" else quirks.code_param, keep=callback
        ),
    }


def _redirect(quirks: Quirks) -> dict[str, Any]:
    policy = "https_only" if quirks.https_only else "fixed_port" if quirks.ports else "any_port"
    return _some(policy=policy, host=quirks.host, ports=list(quirks.ports))


def _client(auth: Auth, registration: Literal["static", "dcr"]) -> dict[str, Any]:
    return _some(
        auth=auth,
        secret_required=auth in ("post", "basic", "client_secret_jwt") and registration == "static",
        alg="ES256" if auth == "private_key_jwt" else "",
        registration="dcr" if registration == "dcr" else "",
    )


def _token_request(quirks: Quirks, service: str, grant: GrantName) -> dict[str, Any]:
    params = {}
    if grant == "token_exchange":
        params = {
            "subject_token": f"{{{{secret.{service}_subject_token}}}}",
            "subject_token_type": ACCESS_TOKEN_TYPE,
        }
    method = "" if quirks.request_method == "POST" else quirks.request_method
    again = {"send_state": quirks.state_again, "send_scope": quirks.scope_again}
    return _some(
        method=method, body=quirks.request_body, params=params,
        **{name: True for name, wanted in again.items() if wanted},
    )  # fmt: skip


def _token_response(provider: Provider, quirks: Quirks) -> dict[str, Any]:
    names = {"refresh_token_expires_in": "refresh_expires_in"}
    expires = EXPIRES.get(quirks.expires)
    if expires is None:
        expires = {"default_expires_in": int(provider.authority.lifetime)}
    return _some(
        root=quirks.root,
        **expires,
        **{names.get(name, name): path for name, path in quirks.paths.items()},
        ok={"path": "ok", "equals": True} if quirks.ok else {},
        keep={"instance_url": "instance_url"} if quirks.api_host == "token" else {},
    )


def _swap(provider: Provider, quirks: Quirks) -> dict[str, Any]:
    if not quirks.swap:
        return {}
    params = {"grant_type": "swap_token", "access_token": "{{token.access_token}}"}
    return {"url": f"{provider.issuer}/swap", "method": "GET", "body": "query", "params": params}


def _refresh(provider: Provider, quirks: Quirks, grant: GrantName) -> dict[str, Any]:
    if grant not in LASTING:
        return {"mode": "reissue"}
    if quirks.renewal == "exchange":
        params = {"grant_type": "exchange_token", "access_token": "{{token.access_token}}"}
        return {
            "mode": "exchange", "url": f"{provider.issuer}/exchange", "method": "GET",
            "body": "query", "params": params, "client": False,
        }  # fmt: skip
    if quirks.renewal != "yes":
        return {"mode": quirks.renewal}
    return _some(
        url=f"{provider.issuer}/refresh" if quirks.refresh_elsewhere else "", rotates="maybe"
    )


def _secrets(provider: Provider, service: str, grant: GrantName) -> dict[str, Any]:
    """What the grants ask for that need no browser."""
    if grant == "token_exchange":
        key = {"key": f"{service}_subject_token", "label": "Subject token", "type": "password"}
        return {"required_secrets": [key]}
    if grant == "jwt_bearer":
        key = {"key": f"{service}_private_key", "label": "Private key", "type": "pem"}
        claims = {"iss": provider.robot, "sub": provider.robot}
        return {
            "required_secrets": [key],
            "jwt": {"key": key["key"], "alg": "ES256", "claims": claims},
        }
    return {}


def _headers(quirks: Quirks) -> dict[str, str]:
    site = {quirks.site_header: "{{param.site}}"} if quirks.site_header else {}
    return {"Authorization": "Bearer {{token.access_token}}", **site}


def _address(provider: Provider, quirks: Quirks) -> dict[str, Any]:
    """Where the API stands, and who knows it."""
    origin, params, discover = provider.issuer, {}, []
    path = "/api"
    authority = provider.issuer.partition("//")[2]
    if quirks.api_host == "token":
        params["instance_url"] = {
            "type": "host", "from": "token", "enum": [provider.api_host, authority],
        }  # fmt: skip
        origin = "http://{{param.instance_url}}"
    elif quirks.api_host:
        host, colon, port = provider.api_host.partition(":")
        source = "callback" if quirks.api_host == "redirect" else "user"
        params["region"] = {"from": source, "enum": [host, authority.partition(":")[0]]}
        origin = f"http://{{{{param.region}}}}{colon}{port}"
    for name in quirks.redirect_params:
        params[name] = {"from": "callback", "pattern": "[A-Za-z0-9_-]+"}
        path += f"/{{{{param.{name}}}}}"
    if quirks.sites:
        params["site"] = {"from": "discover"}
        path += "" if quirks.site_header else "/{{param.site}}"
        listed = origin if quirks.api_host == "user" else provider.issuer
        discover = [{"url": f"{listed}/sites", "save": {"site": "id"}, "choose": {"label": "name"}}]
    hosts = [origin.partition("//")[2], authority] if quirks.sites else []
    return _some(
        base_url=origin + path,
        params=params,
        discover=discover,
        allowed_hosts=list(dict.fromkeys(hosts)),
    )
