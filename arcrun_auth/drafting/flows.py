"""From the OAuth flows of an OpenAPI document to logins. Pure.

Which scopes are the least that somebody needs, no document tells: they become a comment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting import ways
from arcrun_auth.drafting.document import as_map, as_text, joined
from arcrun_auth.drafting.texts import clean, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from arcrun_auth.drafting.draft import Way

MAX_SCOPES = 40
"""How many scopes do we list for somebody to choose from?"""

_WELL_KNOWN = "/.well-known/openid-configuration"
# The names of version 2.
_NEW_NAMES = {"accessCode": "authorizationCode", "application": "clientCredentials"}
_REFUSED = {
    "implicit": "the implicit flow hands its token to web pages (RFC 9700 §2.1.2); look up "
    "whether the vendor has the authorization code flow, too",
    "password": "the password flow hands over the password itself (RFC 9700 §2.4)",
}


def _of_flows(
    found: Mapping[str, Mapping[str, Any]],
    asked: Sequence[str],
    base_url: str,
    note: Callable[[str], None],
) -> Iterator[Way]:
    """A login for each flow that a program can use; `note` is told of the others."""
    code = found.get("authorizationCode")
    device = found.get("deviceAuthorization")
    if code is not None or device is not None:
        yield _login(code or {}, device or {}, asked, base_url)
    if (app := found.get("clientCredentials")) is not None:
        oauth2 = {"token_endpoint": _url(app, "tokenUrl", base_url), "scopes": _usable(asked)}
        yield ways.robot(oauth2, scopes=choice(as_map(app.get("scopes")), asked, renewed=False))
    for name, why in _REFUSED.items():
        if name in found and not {"authorizationCode", "clientCredentials"} & found.keys():
            note(why)


def ways_of(
    scheme: Mapping[str, Any], asked: Sequence[str], base_url: str, note: Callable[[str], None]
) -> Iterator[Way]:
    """The logins of a scheme of the type oauth2 or openIdConnect, of any version of OpenAPI."""
    if as_text(scheme.get("type")) == "openIdConnect":
        yield _discovered(as_text(scheme.get("openIdConnectUrl")), asked, base_url)
        return
    flows = {name: as_map(flow) for name, flow in as_map(scheme.get("flows")).items()}
    if as_text(scheme.get("flow")):  # version 2 has one
        flows = {as_text(scheme.get("flow")): as_map(scheme)}
    named = {_NEW_NAMES.get(name, name): flow for name, flow in flows.items()}
    yield from _of_flows(named, asked, base_url, note)


def _login(
    code: Mapping[str, Any], device: Mapping[str, Any], asked: Sequence[str], base_url: str
) -> Way:
    main = code or device
    token = _url(main, "tokenUrl", base_url)
    oauth2: dict[str, Any] = {}
    if code:
        oauth2["authorization_endpoint"] = _url(code, "authorizationUrl", base_url)
    oauth2["token_endpoint"] = token
    if device:
        oauth2["device_authorization_endpoint"] = _url(device, "deviceAuthorizationUrl", base_url)
        oauth2["grants"] = [
            *(["authorization_code"] if code else []),
            "device_code",
            "refresh_token",
        ]
    oauth2["scopes"] = _usable(asked)
    renewed_at = _url(main, "refreshUrl", base_url)
    if renewed_at not in ("", token):
        oauth2["refresh"] = {"url": renewed_at}
    return ways.login(oauth2, scopes=choice(as_map(main.get("scopes")), asked))


def _discovered(url: str, asked: Sequence[str], base_url: str) -> Way:
    """OpenID Connect Discovery §4: the issuer is what stands before the well-known part."""
    issuer = joined(f"{base_url}/", url).removesuffix(_WELL_KNOWN)
    scopes = _usable(asked) or ["openid"]
    way = ways.login(
        {"issuer": issuer, "discovery": True, "scopes": scopes}, scopes=choice({}, scopes)
    )
    way.notes["oauth2", "issuer"] = "Exactly as its metadata write it, to the last slash."
    return way


def _url(flow: Mapping[str, Any], name: str, base_url: str) -> str:
    given = as_text(flow.get(name)).strip()
    return joined(f"{base_url}/", given) if given else ""


def _usable(scopes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(scope for scope in scopes if scope and not scope.isspace()))


def choice(known: Mapping[str, Any], asked: Sequence[str], *, renewed: bool = True) -> str:
    """A comment on scopes: which there are, and what has to be found out about them."""
    more = ", and what brings a refresh token (offline_access?)" if renewed else ""
    lines = [f"Look up the least that is needed{more}."]
    others = [(name, about) for name, about in known.items() if name not in asked]
    lines += [_described(name, about) for name, about in others[:MAX_SCOPES]]
    if len(others) > MAX_SCOPES:
        lines.append(f"and {len(others) - MAX_SCOPES} more")
    return "\n".join(lines)


def _described(name: str, about: object) -> str:
    text = sentence(as_text(about))
    shown = clean(name, 200)
    return f"- {shown}: {text}" if text else f"- {shown}"
