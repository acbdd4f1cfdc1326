"""What one way in holds, as far as rules and the linter look at it: its templates, URLs,
headers, paths into answers, regular expressions; each with its place. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth import primitives
from arcrun_auth.recipe import helpers
from arcrun_auth.recipe.parameters import ENDPOINTS
from arcrun_auth.template import STEPS, Template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcrun_auth.recipe.account import ServiceAccount
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.oauth2 import OAuth2, TokenResponse
    from arcrun_auth.recipe.reader import Place

    Names = Mapping[str, frozenset[str]]
    Strings = Mapping[str, str]

ANSWER_PATHS = (
    "root", "access_token", "refresh_token", "expires_in", "expires_at", "refresh_expires_in",
    "scope", "error", "error_description",
)  # fmt: skip

INJECTED = ("header", "query", "body", "path", "cookie")
"""Where can a secret be put into a request?"""

_NO_NAME = frozenset({""})

_NAMING = {
    "oauth1": ("consumer_key", "consumer_secret", "token", "token_secret"),
    "digest": ("username", "password"),
    "mtls": ("certificate", "key", "passphrase"),
}
"""Which fields of these parts are keys of secrets?"""


def patterns(way: Method) -> Iterator[tuple[Place, str]]:
    """The regular expressions of a method."""
    for index, secret in enumerate(way.required_secrets):
        yield ("required_secrets", index, "pattern"), secret.pattern
    for name, param in way.params.items():
        yield ("params", name, "pattern"), param.pattern
        yield ("params", name, "take"), param.take
    for index, item in enumerate(way.diagnose):
        yield ("diagnose", index, "when", "error"), item.when.error
        yield ("diagnose", index, "when", "body"), item.when.body
    if way.jwt is not None:
        yield ("jwt", "take"), way.jwt.take
    if way.test is not None:
        yield ("test", "denied"), way.test.denied
    if way.oauth2 is not None:
        yield ("oauth2", "client", "id_pattern"), way.oauth2.client.id_pattern


def keys(way: Method) -> Iterator[tuple[Place, str]]:
    """The keys of secrets that a method names outside of its templates."""
    if way.token_secret:
        yield ("token_secret",), way.token_secret
    yield from signing_keys(way)


def signing_keys(way: Method) -> Iterator[tuple[Place, str]]:
    """Of these the ones that sign or prove, and are not sent."""
    account = way.service_account
    # A document that the recipe writes holds no key.
    if way.jwt is not None and not (account is not None and account.document):
        yield ("jwt", "key"), way.jwt.key
    for name, proof in (("oauth1", way.oauth1), ("digest", way.digest), ("mtls", way.mtls)):
        for field in _NAMING[name] if proof is not None else ():
            if key := getattr(proof, field):
                yield (name, field), key


def templates(way: Method) -> Iterator[tuple[Place, str, Names]]:
    """Every template of a method: where, what, and which names it may use."""
    everywhere = {"param": frozenset(way.params), "now": _NO_NAME, "uuid": _NO_NAME}
    early = {**everywhere, "param": _known_before_login(way)} if way.params else everywhere
    for place, fields, names in _maps(way, early, everywhere):
        for name, text in fields.items():
            yield (*place, name), text, names
    for place, text in urls(way):
        yield place, text, _in_url(way, place, early, everywhere)
    for place, text in hosts(way):
        yield place, text, everywhere


def _maps(way: Method, early: Names, everywhere: Names) -> Iterator[tuple[Place, Strings, Names]]:
    """The templates that have names of their own: all but those of addresses."""
    signing = _signing(way)
    for kind in INJECTED:
        if fields := getattr(way.inject, kind):
            yield ("inject", kind), fields, {**everywhere, **signing}
    for place, text in helpers.texts(way):
        users = {**everywhere, "secret": frozenset(secret.key for secret in way.required_secrets)}
        yield place[:-1], {str(place[-1]): text}, users
    for place, fields in _plain_maps(way):
        yield place, fields, early if place[0] == "oauth2" else everywhere
    hidden: Names = {name: signing[name] for name in ("secret", "client") if name in signing}
    yield from _secret_maps(way, early, everywhere, hidden)
    if way.test is not None:
        yield ("test",), {"path": way.test.path, "body": way.test.body}, everywhere


def _in_url(way: Method, place: Place, early: Names, everywhere: Names) -> Names:
    """The names that a URL may use."""
    if place == ("oauth2", "revocation_endpoint"):
        return {**early, "client": frozenset({"id"})}
    if place[:2] == ("token_exchange", "steps"):
        return {**early, **_saved_before(way, int(place[2]))}
    return early if place[0] in ("oauth2", "token_exchange", "options") else everywhere


def injected(way: Method, *spaces: str) -> frozenset[str]:
    """The names of these namespaces that `inject` has placeholders for."""
    return frozenset(
        name
        for kind in INJECTED
        for text in getattr(way.inject, kind).values()
        if "{{" in text
        for space, name, _ in Template.parse(text, strict=False).placeholders
        if space in spaces
    )


def _saved_before(way: Method, index: int) -> dict[str, frozenset[str]]:
    """What the calls of a login before that one have saved."""
    steps = way.token_exchange.steps if way.token_exchange is not None else ()
    return {f"step{number}": frozenset(step.save) for number, step in enumerate(steps[:index], 1)}


def json_secrets(way: Method) -> frozenset[str]:
    """The keys of the secrets that are JSON texts, whose members have names of their own."""
    return frozenset(s.key for s in way.required_secrets if s.type == "json_blob")


def any_member(name: str) -> str:
    """What stands among the known names for each member of a secret: `key.` for `key.member`."""
    key, dot, _ = name.partition(".")
    return key + dot


def _known_before_login(way: Method) -> frozenset[str]:
    """The params that a login may name; the others are what it brings."""
    return frozenset(
        name
        for name, param in way.params.items()
        if param.source in ("user", "secret") or param.default is not None
    )


def _signing(way: Method) -> dict[str, frozenset[str]]:
    """The names of what signs a request: secrets, or the token and what came with it."""
    keys = frozenset(secret.key for secret in way.required_secrets)
    keys |= {any_member(f"{key}.") for key in json_secrets(way)}
    secrets: dict[str, frozenset[str]] = {"secret": keys}
    primitive = primitives.find(way.primitive)
    if primitive is not None and primitive.source == "secrets":
        return secrets
    given = {"token": frozenset({"access_token"}), "runtime": frozenset({"access_token"})}
    for saved in _saved_before(way, len(STEPS)).values():
        given["token"] |= saved
    if way.oauth2 is not None:
        given["token"] |= frozenset(way.oauth2.token_response.keep)
        given["client"] = frozenset({"id"})
    return secrets | given


def _plain_maps(way: Method) -> Iterator[tuple[Place, Strings]]:
    """The maps of templates that carry no secret."""
    yield ("static_headers",), way.static_headers
    if way.test is not None:
        yield ("test", "headers"), way.test.headers
    if way.oauth2 is not None:
        yield ("oauth2", "authorize_params"), way.oauth2.authorize_params
        yield ("oauth2", "token_request", "headers"), way.oauth2.token_request.headers
    if way.oauth1 is not None:
        yield ("oauth1",), {"realm": way.oauth1.realm}
    for index, found in enumerate(way.discover):
        yield ("discover", index, "headers"), found.headers
    if way.aws is not None:
        yield ("aws",), {"region": way.aws.region}
    if (role := way.assume_role) is not None:
        named = ("role_arn", "session_name", "external_id")
        yield ("assume_role",), {name: getattr(role, name) for name in named}


def _secret_maps(
    way: Method, early: Names, everywhere: Names, hidden: Names
) -> Iterator[tuple[Place, Strings, Names]]:
    """The maps of templates that end in a token request, or in its signature."""
    mine: Names = {**early, **hidden}
    if way.jwt is not None:
        yield ("jwt", "header"), way.jwt.header, mine
        yield ("jwt", "claims"), way.jwt.claims, mine
        yield ("jwt",), {"subject": way.jwt.subject}, mine
    if way.token_exchange is not None:
        signs = {"token": frozenset({"jwt"})} if way.jwt is not None else {}
        for index, step in enumerate(way.token_exchange.steps):
            known: Names = {**mine, **signs, **_saved_before(way, index)}
            for field in ("headers", "query", "body"):
                yield ("token_exchange", "steps", index, field), getattr(step, field), known
    yield from _account_maps(way, mine)
    if way.oauth2 is None:
        return
    yield ("oauth2", "token_request", "params"), way.oauth2.token_request.params, mine
    later: Names = {**everywhere, **hidden, "token": frozenset({"access_token"})}
    for name, swap in way.oauth2.swaps:
        yield ("oauth2", name, "params"), swap.params, later
    yield ("oauth2", "revoke", "params"), way.oauth2.revoke.params, later


def hosts(way: Method) -> Iterator[tuple[Place, str]]:
    """The hosts that get the credential: with requests, and as a password."""
    yield from ((("allowed_hosts", i), host) for i, host in enumerate(way.allowed_hosts))
    yield from helpers.hosts(way)


def _account_maps(way: Method, known: Names) -> Iterator[tuple[Place, Strings, Names]]:
    account = way.service_account
    if account is None:
        return
    if account.impersonation is not None:
        yield ("service_account", "impersonation", "body"), account.impersonation.body, known
    for place, text in texts(account.document):
        *above, last = place
        yield ("service_account", "document", *above), {str(last): text}, known


def texts(data: Any) -> Iterator[tuple[Place, str]]:
    """The texts in a JSON value, each with its place."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    for name, value in inner:
        if isinstance(value, str):
            yield (name,), value
        elif isinstance(value, dict | list):
            yield from (((name, *place), text) for place, text in texts(value))


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
    for index, step in enumerate(way.token_exchange.steps if way.token_exchange else ()):
        maps.append((("token_exchange", "steps", index, "headers"), step.headers))
    for place, fields in maps:
        for name in fields:
            yield (*place, name), name


def urls(way: Method) -> Iterator[tuple[Place, str]]:
    """The URLs that a method sends requests to; those among the options of a plug-in too."""
    own = dict(_urls(way))
    yield from own.items()
    primitive = primitives.find(way.primitive)
    for place, url in primitive.servers(way) if primitive is not None else ():
        if place not in own:
            yield place, url


def stated(way: Method, place: Place) -> Any:
    """What the recipe says at `place`; None where it says nothing.

    >>> from arcrun_auth.recipe import Method
    >>> stated(Method(primitive="hawk", options={"at": ["a", "b"]}), ("options", "at", 1))
    'b'
    """
    found: Any = way
    for step in place:
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(step, int):
            found = found[step] if isinstance(found, list | tuple) and step < len(found) else None
        else:
            found = getattr(found, step, None)
    return found


def _urls(way: Method) -> Iterator[tuple[Place, str]]:
    if way.base_url:
        yield ("base_url",), way.base_url
    if way.test is not None and way.test.url:
        yield ("test", "url"), way.test.url
    for index, found in enumerate(way.discover):
        yield ("discover", index, "url"), found.url
    yield from _token_urls(way)


def _token_urls(way: Method) -> Iterator[tuple[Place, str]]:
    """The URLs of requests that get a token."""
    if way.token_exchange is not None:
        if way.token_exchange.endpoint:
            yield ("token_exchange", "endpoint"), way.token_exchange.endpoint
        for index, step in enumerate(way.token_exchange.steps):
            yield ("token_exchange", "steps", index, "url"), step.url
    if way.service_account is not None:
        yield from _account_urls(way.service_account)
    if way.assume_role is not None:
        yield ("assume_role", "endpoint"), way.assume_role.endpoint
    if way.oauth2 is not None:
        yield from _server_urls(way.oauth2)


def _server_urls(oauth2: OAuth2) -> Iterator[tuple[Place, str]]:
    for name in ENDPOINTS:
        if url := getattr(oauth2, name):
            yield ("oauth2", name), url
    for place, url in (
        *((("oauth2", name, "url"), swap.url) for name, swap in oauth2.swaps),
        (("oauth2", "resource"), oauth2.resource),
        (("oauth2", "client", "audience"), oauth2.client.audience),
    ):
        if url:
            yield place, url


def _account_urls(account: ServiceAccount) -> Iterator[tuple[Place, str]]:
    if account.federation is not None:
        yield ("service_account", "federation", "endpoint"), account.federation.endpoint
    if account.impersonation is not None:
        for name in ("url", "sign_url"):
            if url := getattr(account.impersonation, name):
                yield ("service_account", "impersonation", name), url


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
    yield from _paths_of_calls(way)
    if way.service_account is not None and way.service_account.impersonation is not None:
        hop, place = way.service_account.impersonation, ("service_account", "impersonation")
        yield (*place, "signed"), hop.signed
        yield from _answer_paths(hop.token_response, (*place, "token_response"))
    if way.oauth2 is not None:
        yield from _answer_paths(way.oauth2.token_response, ("oauth2", "token_response"))


def _answer_paths(answer: TokenResponse, at: Place) -> Iterator[tuple[Place, str]]:
    for name in ANSWER_PATHS:
        yield (*at, name), getattr(answer, name)
    for name, path in answer.keep.items():
        yield (*at, "keep", name), path
    if answer.ok is not None:
        yield (*at, "ok", "path"), answer.ok.path


def _paths_of_calls(way: Method) -> Iterator[tuple[Place, str]]:
    for index, step in enumerate(way.token_exchange.steps if way.token_exchange else ()):
        at: Place = ("token_exchange", "steps", index)
        for name, path in step.save.items():
            yield (*at, "save", name), path
        if step.ok is not None:
            yield (*at, "ok", "path"), step.ok.path
