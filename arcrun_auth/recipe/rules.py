"""What must hold between the fields of a recipe, whoever wrote it: checked at every load.

These are the rules that keep a secret where it belongs. What is merely unwise, or needs
the list of public suffixes, is the linter's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import answers, primitives
from arcrun_auth.hosts import parse_pattern
from arcrun_auth.recipe import helpers, parameters, parts, regex
from arcrun_auth.template import Template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.model import Method, OAuth2, Param, Recipe
    from arcrun_auth.recipe.reader import Place

    Names = Mapping[str, frozenset[str]]

# Which headers belong to the HTTP client? One set by a recipe would smuggle or reroute.
_HOP = frozenset({"host", "content-length", "transfer-encoding", "connection", "te", "upgrade"})
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 §5.6.2

# Scheme, host (with placeholders and port), the rest. No userinfo, no second reading.
_IN_AUTHORITY = r"(?:\{\{[^{}]*\}\}|[A-Za-z0-9._:\[\]-]++)++"
_URL = re.compile(rf"(https?)://({_IN_AUTHORITY})((?:[/?].*)?)", re.DOTALL)
_UNSAFE = re.compile(r'[^!"$-\[\]-~]')  # all but ASCII, and of that no white space, # and \
_HOST = re.compile(rf"(\*\.)?{_IN_AUTHORITY}")
_HOLE = re.compile(r"(\{\{[^{}]*\}\})")
_HOLE_FOR_PORT = re.compile(r":\{\{[^{}]*\}\}\Z")
_IN_HOST = re.compile(r"\{\{([^{}]*)\}\}")
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_AT_END = re.compile(r"\{\{param\.([^{}]*)\}\}\Z")

MAX_PATTERNS = 64
"""How many regular expressions may a recipe have, each counted once? To judge one takes up to
5 ms."""
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
    if "{{" not in match[2]:
        return match[2].lower()
    parts = _HOLE.split(match[2])
    return "".join(part if part.startswith("{{") else part.lower() for part in parts)


def spelled(host: str, params: Mapping[str, Param]) -> tuple[str, ...]:
    """`host` with each domain of an enum that it ends in; itself where it does not.

    >>> from arcrun_auth.recipe import Param
    >>> spelled("sts.{{param.domain}}", {"domain": Param(enum=("aws.example", "aws.test.example"))})
    ('sts.aws.example', 'sts.aws.test.example')
    """
    match = _AT_END.search(host) if host.endswith("}}") else None
    param = params.get(match[1]) if match else None
    if match is None or param is None or not all(map(_DOMAIN.fullmatch, param.enum)):
        return (host,)
    return tuple(host[: match.start()] + value for value in param.enum) or (host,)


def check(recipe: Recipe, *, strict: bool) -> None:
    """Raises Fault at the first rule that is broken."""
    for index, alias in enumerate(recipe.aliases):
        if "/" in alias:
            why = "`author/service` is the name of what an author signed, and never an alias."
            raise Fault(why, ("aliases", index))
    seen: set[str] = set()
    patterns: set[str] = set()
    for index, way in enumerate(recipe.ways):
        at: Place = () if index == 0 else ("methods", index - 1)
        if way.id in seen:
            raise Fault(f"There are two methods {way.id!r}.", (*at, "id"))
        seen.add(way.id)
        _check_method(way, at, patterns, strict=strict)


def _check_method(way: Method, at: Place, patterns: set[str], *, strict: bool) -> None:
    _check_primitive(way, at)
    _check_secrets(way, at)
    _check_patterns(way, at, patterns)
    for name, param in way.params.items():  # a default is matched: its pattern is known to end
        _check_param(param, (*at, "params", name))
    _check_texts(way, at, strict=strict)
    _check_hosts(way, at)
    for place, path in parts.paths(way):
        _check_path(path, (*at, *place))
    if way.params or way.discover:
        _check_found(way, at)
    if way.oauth2 is not None:
        _check_oauth2(way.oauth2, (*at, "oauth2"))
        _check_refresh(way.oauth2, (*at, "oauth2"))
        if "jwt_bearer" in way.oauth2.grants and way.jwt is None:
            raise Fault("The grant jwt_bearer needs the assertion to sign.", (*at, "jwt"))


def _check_texts(way: Method, at: Place, *, strict: bool) -> None:
    for place, text, names in parts.templates(way):
        if "{{" in text or len(text) >= _SHORT:
            _check_template(text, names, (*at, *place), strict=strict)
    for place, name in parts.headers(way):
        _check_header(name, (*at, *place))
    for place, url in parts.urls(way):
        _check_url(url, way.params, (*at, *place))


def _check_primitive(way: Method, at: Place) -> None:
    primitive = primitives.find(way.primitive)
    if (way.oauth2 is not None) != (primitive is not None and primitive.has_server):
        raise Fault("oauth2 is given for the primitive oauth2, and for no other.", (*at, "oauth2"))
    if primitive is None:  # it may come with a package later: it is told at its first use
        return
    try:
        faults = [*primitive.faults(way)]
        tuple(primitive.servers(way))
    except Exception as error:  # noqa: BLE001 - one recipe, and what a plug-in makes of it
        why = f"The primitive {way.primitive!r} cannot read this recipe ({type(error).__name__})."
        raise Fault(why, (*at, "primitive")) from None
    for place, why in faults:
        raise Fault(why, (*at, *place))


def _check_secrets(way: Method, at: Place) -> None:
    keys = [secret.key for secret in way.required_secrets]
    if len(keys) != len(set(keys)):
        raise Fault("Two secrets have the same key.", (*at, "required_secrets"))
    for place, key in parts.keys(way):
        whole, dot, _ = key.partition(".")
        if key not in keys and whole not in keys:
            raise Fault(f"There is no secret {whole!r}.", (*at, *place))
        if key not in keys and dot and whole not in parts.json_secrets(way):
            raise Fault(f"The secret {whole!r} has no members: it is no json_blob.", (*at, *place))


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


def _check_refresh(oauth2: OAuth2, at: Place) -> None:
    """The same grant again, with nobody at a browser: not where the first one needed somebody.

    Else the app's own grant would come in the place of a person's.
    """
    if oauth2.refresh.mode != "reissue":
        return
    from arcrun_auth.oauth.requests import UNATTENDED

    if not any(grant in UNATTENDED for grant in oauth2.grants[:1]):
        first = oauth2.grants[0] if oauth2.grants else "no grant at all"
        why = f"Nobody can ask for {first} again without a person: yes, no or exchange."
        raise Fault(why, (*at, "refresh", "mode"))


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


def _check_patterns(way: Method, at: Place, known: set[str]) -> None:
    """`known` are the patterns of the methods before it; those of this one are added."""
    for place, pattern in parts.patterns(way):
        if not pattern:
            continue
        known.add(pattern)
        if len(known) > MAX_PATTERNS:
            raise Fault(f"A recipe has at most {MAX_PATTERNS} patterns.", (*at, *place))
        _check_pattern(pattern, (*at, *place))


def _check_pattern(pattern: str, at: Place) -> None:
    # These two have to match the whole value; what the others look for may stand anywhere.
    whole = ("params" in at[:-1] and at[-1] == "pattern") or at[-2:] == ("when", "error")
    why = regex.fault(pattern, whole=whole)
    if why is not None:
        raise Fault(f"{why}.", at)
    if at[-1] == "take" and not re.compile(pattern).groups:
        raise Fault("It needs a group: what is in it is taken.", at)


# -- templates -------------------------------------------------------------------------


def _check_template(text: str, names: Names, at: Place, *, strict: bool) -> None:
    try:
        template = Template.parse(text, strict=strict)
    except ValueError as error:
        raise Fault(f"{error}.", at) from None
    for ns, name, _ in template.placeholders:
        allowed = names.get(ns, frozenset())
        if name in allowed or parts.any_member(name) in allowed:
            continue
        # On the platform an unknown secret renders empty; anywhere else it is a mistake.
        if not strict and ns in ("secret", "runtime") and at[-3:-2] != ("allowed_hosts",):
            continue
        known = ", ".join(f"{space}.{n}" for space, ns_ in names.items() for n in sorted(ns_) if n)
        raise Fault(f"{{{{{ns}.{name}}}}} is not declared here; there is: {known or 'none'}.", at)


# -- headers, URLs, hosts, paths -------------------------------------------------------


def _check_header(name: str, at: Place) -> None:
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise Fault("This is no name of a header (RFC 9110 §5.6.2).", at)
    if lower in _HOP or lower.startswith("proxy-"):
        raise Fault("This header belongs to the HTTP client.", at)


def _check_url(url: str, params: Mapping[str, Param], at: Place) -> None:
    if _UNSAFE.search(url):
        raise Fault("A URL has ASCII only, and no white space, backslash or #.", at)
    match = _URL.fullmatch(url)
    if match is None:
        raise Fault("This is no URL of the form https://host/path, without user.", at)
    _check_host(match[2], params, at)


def _check_hosts(way: Method, at: Place) -> None:
    for place, host in parts.hosts(way):
        _check_host(host, way.params, (*at, *place))
    for place, why in helpers.faults(way):
        raise Fault(why, (*at, *place))


def _check_host(host: str, params: Mapping[str, Param], at: Place) -> None:
    """A placeholder in a host: an enum, or a pattern followed by a fixed suffix; nothing else."""
    for each in spelled(host, params):
        _check_spelled(each, params, at)


def _check_spelled(host: str, params: Mapping[str, Param], at: Place) -> None:
    if not _HOST.fullmatch(host):
        raise Fault("This is no host: ASCII letters, digits, dots, hyphens, one leading *.", at)
    filled = host
    if "{{" in host:
        _check_holes(host, params, at)
        filled = _IN_HOST.sub("x.example", _HOLE_FOR_PORT.sub(":1", host))
    try:
        parse_pattern(filled)
    except ValueError as error:
        raise Fault(f"{error}.", at) from None


def _check_holes(host: str, params: Mapping[str, Param], at: Place) -> None:
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


def _check_path(path: str, at: Place) -> None:
    try:
        answers.parse(path)
    except ValueError as error:
        raise Fault(f"{error}.", at) from None
