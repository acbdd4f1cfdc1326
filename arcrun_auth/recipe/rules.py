"""What must hold between the fields of a recipe, whoever wrote it: checked at every load.

These are the rules that keep a secret where it belongs. What is merely unwise, or needs
the list of public suffixes, is the linter's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import answers
from arcrun_auth.recipe import helpers, parameters
from arcrun_auth.recipe.parameters import ENDPOINTS
from arcrun_auth.template import Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcrun_auth.recipe.model import Method, OAuth2, Param, Recipe
    from arcrun_auth.recipe.reader import Place

    Names = Mapping[str, frozenset[str]]

ANSWER_PATHS = (
    "root", "access_token", "refresh_token", "expires_in", "expires_at", "refresh_expires_in",
    "scope", "error", "error_description",
)  # fmt: skip

# Which headers belong to the HTTP client? One set by a recipe would smuggle or reroute.
_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2

# Scheme, host (with placeholders and port), the rest. No userinfo, no second reading.
_URL = re.compile(r"(https?)://((?:\{\{[^{}]*\}\}|[A-Za-z0-9._:\[\]-])+)((?:[/?].*)?)", re.DOTALL)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\#]|[^\x00-\x7f]")
_HOST = re.compile(r"(\*\.)?(?:\{\{[^{}]*\}\}|[A-Za-z0-9._:\[\]-])+")
_IN_HOST = re.compile(r"\{\{([^{}]*)\}\}")

_SHORT = 1000  # far below the limit of a template, whatever its characters


class Fault(ValueError):
    """A rule is broken at `place`."""

    def __init__(self, why: str, place: Place) -> None:
        super().__init__(why)
        self.place = place


def host_of(url: str) -> str:
    """The host of a URL template with its port, lower-case but for placeholders; "" if none.

    >>> host_of("https://{{param.Shop}}.MyShopify.com/admin")
    '{{param.Shop}}.myshopify.com'
    """
    match = _URL.fullmatch(url)
    if match is None:
        return ""
    parts = re.split(r"(\{\{[^{}]*\}\})", match[2])
    return "".join(part if part.startswith("{{") else part.lower() for part in parts)


def check(recipe: Recipe, *, strict: bool) -> None:
    """Raises Fault at the first rule that is broken."""
    seen: set[str] = set()
    for index, way in enumerate(recipe.ways):
        at: Place = () if index == 0 else ("methods", index - 1)
        if way.id in seen:
            raise Fault(f"There are two methods {way.id!r}.", (*at, "id"))
        seen.add(way.id)
        _check_method(way, at, strict=strict)


def _check_method(way: Method, at: Place, *, strict: bool) -> None:
    if (way.oauth2 is not None) != (way.primitive == "oauth2"):
        raise Fault("oauth2 is given for the primitive oauth2, and for no other.", (*at, "oauth2"))
    _check_secrets(way, at)
    for name, param in way.params.items():
        _check_param(param, (*at, "params", name))
    for place, text, names in templates(way):
        _check_template(text, names, (*at, *place), strict=strict)
    for place, name in headers(way):
        _check_header(name, (*at, *place))
    for place, url in urls(way):
        _check_url(url, way.params, (*at, *place))
    _check_hosts(way, at)
    for place, pattern in patterns(way):
        _check_pattern(pattern, (*at, *place))
    for place, path in paths(way):
        _check_path(path, (*at, *place))
    _check_found(way, at)
    if way.oauth2 is not None:
        _check_oauth2(way.oauth2, (*at, "oauth2"))
        _check_assertion(way, at)


def _check_secrets(way: Method, at: Place) -> None:
    keys = [secret.key for secret in way.required_secrets]
    if len(keys) != len(set(keys)):
        raise Fault("Two secrets have the same key.", (*at, "required_secrets"))
    if way.token_secret and way.token_secret not in keys:
        raise Fault(f"There is no secret {way.token_secret!r}.", (*at, "token_secret"))


def _check_oauth2(oauth2: OAuth2, at: Place) -> None:
    for place, why in parameters.faults(oauth2):
        raise Fault(why, (*at, *place))
    if oauth2.redirect.policy == "fixed_port" and not oauth2.redirect.ports:
        raise Fault("fixed_port needs the ports.", (*at, "redirect", "ports"))
    if oauth2.discovery and not oauth2.issuer:
        raise Fault("Metadata are found by the issuer.", (*at, "issuer"))
    needed = {
        "token_endpoint": True,
        "device_authorization_endpoint": "device_code" in oauth2.grants,
        "registration_endpoint": oauth2.client.registration == "dcr",
    }
    for name, is_needed in needed.items():
        if is_needed and not getattr(oauth2, name) and not oauth2.discovery:
            raise Fault(f"{name} is needed, or discovery: true.", (*at, name))
    if oauth2.client.id and (oauth2.client.auth != "none" or oauth2.client.registration == "dcr"):
        raise Fault("Only a public client (auth: none) can come with a recipe.", (*at, "client"))


def _check_assertion(way: Method, at: Place) -> None:
    assert way.oauth2 is not None
    keys = [secret.key for secret in way.required_secrets]
    if "jwt_bearer" in way.oauth2.grants and way.jwt is None:
        raise Fault("The grant jwt_bearer needs the assertion to sign.", (*at, "jwt"))
    if way.jwt is not None and way.jwt.key not in keys:
        raise Fault(f"There is no secret {way.jwt.key!r}.", (*at, "jwt", "key"))


def _check_found(way: Method, at: Place) -> None:
    """Params that nobody types, and the requests that find them."""
    saved = {name for found in way.discover for name in found.save}
    for index, found in enumerate(way.discover):
        here: Place = (*at, "discover", index)
        host = host_of(found.url)
        if host not in way.allowed_hosts:
            raise Fault(f"The host {host!r} is not in allowed_hosts.", (*here, "url"))
        for name in found.save:
            if name not in way.params or way.params[name].source != "discover":
                raise Fault(f"There is no param {name!r} that is from: discover.", (*here, "save"))
    _check_sources(way, at)
    for name, param in way.params.items():
        if param.source == "discover" and name not in saved and param.default is None:
            raise Fault("Nothing under discover saves it.", (*at, "params", name, "from"))


def _check_sources(way: Method, at: Place) -> None:
    oauth2 = way.oauth2
    kept = {
        "token": oauth2.token_response.keep if oauth2 else (),
        "callback": oauth2.callback.keep if oauth2 else (),
        "secret": [secret.key for secret in way.required_secrets],
    }
    for name, param in way.params.items():
        if param.source in kept and (param.key or name) not in kept[param.source]:
            raise Fault(
                f"Nothing of that name is kept from the {param.source}.",
                (*at, "params", name, "from"),
            )
        if param.source == "secret" and not param.take:
            raise Fault(
                "A param shows, in addresses and in lists: say which part of the secret it is.",
                (*at, "params", name, "take"),
            )


def _check_param(param: Param, at: Place) -> None:
    if param.default is not None:
        try:
            param.check(str(at[-1]), param.default)
        except ValueError as error:
            raise Fault(f"The default does not fit: {error}.", (*at, "default")) from None


def patterns(way: Method) -> Iterator[tuple[Place, str]]:
    """The regular expressions of a method."""
    for name, param in way.params.items():
        yield ("params", name, "pattern"), param.pattern
        yield ("params", name, "take"), param.take
    for index, item in enumerate(way.diagnose):
        yield ("diagnose", index, "when", "error"), item.when.error
        yield ("diagnose", index, "when", "body"), item.when.body
    if way.oauth2 is not None:
        yield ("oauth2", "client", "id_pattern"), way.oauth2.client.id_pattern


def _check_pattern(pattern: str, at: Place) -> None:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise Fault(f"This is no regular expression: {error}.", at) from None
    if at[-1] == "take" and pattern and not compiled.groups:
        raise Fault("It needs a group: what is in it is taken.", at)


# -- templates -------------------------------------------------------------------------


def templates(way: Method) -> Iterator[tuple[Place, str, Names]]:
    """Every template of a method: where, what, and which names it may use."""
    everywhere = {"param": frozenset(way.params), "now": frozenset({""}), "uuid": frozenset({""})}
    early = {**everywhere, "param": _known_before_login(way)}
    signing = everywhere | _signing(way)
    for kind in ("header", "query", "body", "path", "cookie"):
        for name, text in getattr(way.inject, kind).items():
            yield ("inject", kind, name), text, signing
    for place, text in urls(way):
        own = place == ("oauth2", "revocation_endpoint")
        known = early if place[0] == "oauth2" else everywhere
        yield place, text, known | ({"client": frozenset({"id"})} if own else {})
    yield from ((place, text, everywhere) for place, text in hosts(way))
    users = {**everywhere, "secret": frozenset(secret.key for secret in way.required_secrets)}
    yield from ((place, text, users) for place, text in helpers.texts(way))
    for place, fields in _plain_maps(way):
        known = early if place[0] == "oauth2" else everywhere
        for name, text in fields.items():
            yield (*place, name), text, known
    for place, fields, names in _secret_maps(way, early, everywhere):
        for name, text in fields.items():
            yield (*place, name), text, names
    if way.test is not None:
        yield ("test", "path"), way.test.path, everywhere
        yield ("test", "body"), way.test.body, everywhere


def _known_before_login(way: Method) -> frozenset[str]:
    """The params that a login may name; the others are what it brings."""
    return frozenset(
        name
        for name, param in way.params.items()
        if param.source == "user" or param.default is not None
    )


def _signing(way: Method) -> dict[str, frozenset[str]]:
    """The names of what signs a request: secrets, or the token and what came with it."""
    secrets = {"secret": frozenset(secret.key for secret in way.required_secrets)}
    if way.oauth2 is None:
        return secrets
    kept = frozenset(way.oauth2.token_response.keep)
    return {
        **secrets,
        "token": frozenset({"access_token"}) | kept,
        "runtime": frozenset({"access_token"}),  # the platform's name for the same
        "client": frozenset({"id"}),
    }


def _plain_maps(way: Method) -> Iterator[tuple[Place, Mapping[str, str]]]:
    """The maps of templates that carry no secret."""
    yield ("static_headers",), way.static_headers
    if way.test is not None:
        yield ("test", "headers"), way.test.headers
    if way.oauth2 is not None:
        yield ("oauth2", "authorize_params"), way.oauth2.authorize_params
        yield ("oauth2", "token_request", "headers"), way.oauth2.token_request.headers
    for index, found in enumerate(way.discover):
        yield ("discover", index, "headers"), found.headers


def _secret_maps(
    way: Method, early: Names, everywhere: Names
) -> Iterator[tuple[Place, Mapping[str, str], Names]]:
    """The maps of templates that end in the body of a token request, or in its signature."""
    if way.oauth2 is None:
        return
    signing = _signing(way)
    hidden = {name: signing[name] for name in ("secret", "client")}
    mine = {**early, **hidden}
    yield ("oauth2", "token_request", "params"), way.oauth2.token_request.params, mine
    later = {**everywhere, **hidden, "token": frozenset({"access_token"})}
    yield ("oauth2", "refresh", "params"), way.oauth2.refresh.params, later
    yield ("oauth2", "revoke", "params"), way.oauth2.revoke.params, later
    if way.jwt is not None:
        yield ("jwt", "header"), way.jwt.header, mine
        yield ("jwt", "claims"), way.jwt.claims, mine
        yield ("jwt",), {"subject": way.jwt.subject}, mine


def _check_template(text: str, names: Names, at: Place, *, strict: bool) -> None:
    if "{{" not in text and len(text) < _SHORT:
        return
    try:
        template = Template.parse(text, strict=strict)
    except ValueError as error:
        raise Fault(f"{error}.", at) from None
    for ns, name, _ in template.placeholders:
        allowed = names.get(ns)
        if allowed is not None and name in allowed:
            continue
        # On the platform an unknown secret renders empty; anywhere else it is a mistake.
        if not strict and ns in ("secret", "runtime") and at[-3:-2] != ("allowed_hosts",):
            continue
        known = ", ".join(f"{space}.{n}" for space, ns_ in names.items() for n in sorted(ns_) if n)
        raise Fault(f"{{{{{ns}.{name}}}}} is not declared here; there is: {known or 'none'}.", at)


# -- headers, URLs, hosts, paths -------------------------------------------------------


def headers(way: Method) -> Iterator[tuple[Place, str]]:
    """The names of all headers that a method sets."""
    maps: list[tuple[Place, Mapping[str, str]]] = [
        (("inject", "header"), way.inject.header),
        (("static_headers",), way.static_headers),
    ]
    if way.test is not None:
        maps.append((("test", "headers"), way.test.headers))
    if way.oauth2 is not None:
        maps.append((("oauth2", "token_request", "headers"), way.oauth2.token_request.headers))
    for place, fields in maps:
        for name in fields:
            yield (*place, name), name


def _check_header(name: str, at: Place) -> None:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise Fault("This is no name of a header (RFC 9110 §5.6.2).", at)
    if lower in _HOP or lower.startswith("proxy-"):
        raise Fault("This header belongs to the HTTP client.", at)


def urls(way: Method) -> Iterator[tuple[Place, str]]:
    """The URLs that a method sends requests to."""
    if way.base_url:
        yield ("base_url",), way.base_url
    if way.test is not None and way.test.url:
        yield ("test", "url"), way.test.url
    for index, found in enumerate(way.discover):
        yield ("discover", index, "url"), found.url
    if way.oauth2 is not None:
        for name in ENDPOINTS:
            if url := getattr(way.oauth2, name):
                yield ("oauth2", name), url
        for place, url in (
            (("oauth2", "refresh", "url"), way.oauth2.refresh.url),
            (("oauth2", "resource"), way.oauth2.resource),
            (("oauth2", "client", "audience"), way.oauth2.client.audience),
        ):
            if url:
                yield place, url


def _check_url(url: str, params: Mapping[str, Param], at: Place) -> None:
    if _UNSAFE.search(url):
        raise Fault("A URL has ASCII only, and no white space, backslash or #.", at)
    match = _URL.fullmatch(url)
    if match is None:
        raise Fault("This is no URL of the form https://host/path, without user.", at)
    _check_host(match[2], params, at)


def hosts(way: Method) -> Iterator[tuple[Place, str]]:
    """The hosts that get the credential: with requests, and as a password."""
    yield from ((("allowed_hosts", i), host) for i, host in enumerate(way.allowed_hosts))
    yield from helpers.hosts(way)


def _check_hosts(way: Method, at: Place) -> None:
    for place, host in hosts(way):
        _check_host(host, way.params, (*at, *place))
    for place, why in helpers.faults(way):
        raise Fault(why, (*at, *place))


def _check_host(host: str, params: Mapping[str, Param], at: Place) -> None:
    """A placeholder in a host: an enum, or a pattern followed by a fixed suffix; nothing else."""
    if not _HOST.fullmatch(host):
        raise Fault("This is no host: ASCII letters, digits, dots, hyphens, one leading *.", at)
    for match in _IN_HOST.finditer(host):
        ns, _, name = match[1].partition(".")
        param = params.get(name)
        if ns != "param" or param is None:
            raise Fault("Only params, without a filter, may stand in a host.", at)
        if param.enum:
            continue
        if param.source == "callback":
            raise Fault(f"{name!r} comes with the redirect, from anybody: it needs an enum.", at)
        if not param.pattern:
            raise Fault(f"The param {name!r} fills a host: it needs an enum or a pattern.", at)
        suffix = _IN_HOST.split(host[match.end() :])[-1]
        if not re.fullmatch(r"[a-z0-9-]*(\.[a-z0-9-]+){2,}(:[0-9]+)?", suffix.lower()):
            raise Fault(
                f"After {{{{param.{name}}}}} a fixed suffix has to follow: .example.com", at
            )


def paths(way: Method) -> Iterator[tuple[Place, str]]:
    """The paths into answers of a method."""
    if way.test is not None:
        yield ("test", "identity"), way.test.identity
        if way.test.ok is not None:
            yield ("test", "ok", "path"), way.test.ok.path
        yield ("test", "expires"), way.test.expires
    for index, found in enumerate(way.discover):
        for name, path in found.save.items():
            yield ("discover", index, "save", name), path
        if found.choose is not None:
            yield ("discover", index, "choose", "items"), found.choose.items
            yield ("discover", index, "choose", "label"), found.choose.label
    if way.oauth2 is None:
        return
    answer, at = way.oauth2.token_response, ("oauth2", "token_response")
    for name in ANSWER_PATHS:
        yield (*at, name), getattr(answer, name)
    for name, path in answer.keep.items():
        yield (*at, "keep", name), path
    if answer.ok is not None:
        yield (*at, "ok", "path"), answer.ok.path


def _check_path(path: str, at: Place) -> None:
    try:
        answers.parse(path)
    except ValueError as error:
        raise Fault(f"{error}.", at) from None
