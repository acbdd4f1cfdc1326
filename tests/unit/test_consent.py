"""Consent: every field that matters changes the digest, no other does; and what is said of it."""

# ruff: noqa: E501 - the rows of a table stay rows
from __future__ import annotations

import copy
import json
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import consent
from arcrun_auth.recipe import Method, Param, Recipe, load, read
from arcrun_auth.recipe.reader import Document

# Every field of the model, set to something else than its default.
RICH = {
    "kind": "auth_recipe", "schema": 1, "version": 2, "service": "rich", "account": "family",
    "display_name": "Rich", "description": "All fields.", "aliases": ["wealthy"],
    "category": "test", "tags": ["t"], "status": "deprecated", "successor": "richer",
    "docs_url": "https://docs.rich.example", "service_account_kind": "kind",
    "token_exchange": {"endpoint": "https://x.rich.example"}, "options": {"a": 1},
    "oauth1": {"consumer_key": "a", "consumer_secret": "a", "token": "a", "token_secret": "a",
               "signature_method": "HMAC-SHA256", "realm": "r"},
    "digest": {"username": "a", "password": "a"},
    "mtls": {"certificate": "a", "key": "a", "passphrase": "a"},
    "service_account": {
        "federation": {"endpoint": "https://sts.rich.example", "variables": "RICH_"},
        "impersonation": {
            "url": "https://iam.rich.example/token", "sign_url": "https://iam.rich.example/sign",
            "signed": "jwt", "scopes": ["iam"], "scope_field": "scopes", "body": {"a": "b"},
            "token_response": {"access_token": "accessToken"},
        },
        "document": {"type": "external_account"},
    },
    "aws": {"service": "s3", "region": "eu"},
    "assume_role": {"endpoint": "https://sts.rich.example/", "role_arn": "arn:r", "session_name": "s",
                    "external_id": "e", "duration_s": 900},
    "verified": {"date": "2026-01-01", "method": "doc", "sources": ["https://s.example"]},
    "agent": {"read": [{"method": "POST", "path": "/find", "graphql": True}], "rpc": True},
    "deny_paths": ["/tokens/**"],
    "sdk": {"package": "rich", "import": "rich", "class": "Rich", "arguments": ["v1"],
            "argument": "key", "adapter": "bind", "call": "me"},
    "id": "oauth", "label": "OAuth", "primitive": "oauth2",
    "base_url": "https://{{param.region}}.rich.example/v1",
    "required_secrets": [
        {"key": "a", "label": "A", "help": "h", "help_url": "https://h.example", "type": "password",
         "optional": True, "pattern": "^x", "example": "xyz", "env": ["RICH_A"],
         "ambient": True, "files": ["~/.rich"]},
    ],
    "inject": {
        "header": {"Authorization": "Bearer {{token.access_token}}"}, "query": {"q": "{{secret.a}}"},
        "body": {"b": "{{secret.a}}"}, "path": {"p": "{{secret.a}}"}, "cookie": {"c": "{{secret.a}}"},
    },
    "oauth2": {
        "token_endpoint": "https://id.rich.example/token",
        "authorization_endpoint": "https://id.rich.example/authorize",
        "device_authorization_endpoint": "https://id.rich.example/device",
        "revocation_endpoint": "https://id.rich.example/revoke",
        "introspection_endpoint": "https://id.rich.example/introspect",
        "userinfo_endpoint": "https://id.rich.example/me",
        "registration_endpoint": "https://id.rich.example/register",
        "issuer": "https://id.rich.example",
        "discovery": True, "resource": "https://api.rich.example",
        "grants": ["authorization_code"], "scopes": ["read", "write"], "scope_separator": ",",
        "scope_param": "user_scope", "scope_sets": {"readonly": ["read"]}, "scopes_required": True,
        "scope_aliases": {"email": "mail"}, "param_names": {"client_id": "client_key"},
        "callback": {"code": "auth_code", "keep": ["realm"]}, "notices": ["A warning."],
        "pkce": "required", "authorize_params": {"access_type": "offline"},
        "redirect": {"policy": "fixed_port", "host": "localhost", "ports": [8080], "path": "/cb"},
        "client": {"auth": "none", "secret_required": False, "app": "rich_app", "alg": "ES256",
                   "audience": "https://id.rich.example", "registration": "static", "id": "public",
                   "id_pattern": "^p", "id_example": "p0"},
        "token_request": {"method": "GET", "body": "json", "params": {"p": "1"},
                          "headers": {"X-H": "1"}, "send_redirect_uri": False, "send_state": True, "send_scope": True},
        "token_response": {
            "root": "data", "access_token": "at", "refresh_token": "rt", "expires_in": "exp",
            "expires_at": "at_time", "expires_unit": "ms", "refresh_expires_in": "rei",
            "error_description": "why", "default_expires_in": 60, "scope": "s", "ok": {"path": "ok", "equals": 1},
            "error": "err", "keep": {"site": "site"},
        },
        "swap": {"url": "https://id.rich.example/swap", "params": {"p": "1"}, "method": "GET",
                 "body": "query", "client": False},
        "refresh": {"mode": "no", "url": "https://id.rich.example/refresh", "params": {"p": "1"},
                    "method": "GET", "body": "query", "client": False,
                    "rotates": "yes", "grace_s": 3, "lifetime_s": 1, "idle_s": 2},
        "revoke": {"method": "DELETE", "auth": "basic", "body": "json", "param": "access_token",
                   "which": "access", "params": {"p": "1"}},
    },
    "token_secret": "a",
    "params": {"region": {"label": "R", "help": "h", "type": "enum", "enum": ["eu", "us"],
                          "pattern": "..", "default": "eu", "per_call": True, "suffix": ".x", "from": "discover",
                          "key": "r", "take": "(.)$"}},
    "static_headers": {"X-Version": "1"}, "root_paths": ["/upload/"],
    "allowed_hosts": ["{{param.region}}.rich.example", "*.cdn.rich.example", "me.rich.example"],
    "discover": [{"url": "https://me.rich.example/sites", "headers": {"X-D": "1"},
                  "save": {"region": "id"}, "choose": {"items": "sites", "label": "name"}}],
    "git": {"hosts": ["git.rich.example"], "username": "git"},
    "docker": {"registries": ["docker.rich.example"], "username": "docker", "password": "{{secret.a}}"},
    "jwt": {"key": "a", "take": "(.+)", "alg": "ES256", "key_encoding": "hex",
            "header": {"kid": "1"},
            "claims": {"iss": "me"}, "scope_claim": "scope", "backdate_s": 9, "subject": "you", "ttl_s": 60},
    "diagnose": [{"when": {"status": 400, "error": "e", "body": "b", "age_s": [1, 2]},
                  "say": "It means this.", "do": "Do that."}],
    "test": {"method": "POST", "path": "/me", "url": "https://eu.rich.example/me",
             "headers": {"X-T": "1"}, "body": "{}", "expect": [201],
             "ok": {"path": "ok", "equals": "yes"}, "denied": "no right", "identity": "id", "identity_label": "User",
             "expires": "end"},
    "app_guide": [{"text": "Do", "url": "https://g.example", "value": "v"}],
    "setup_url": "https://setup.example", "app_register_url": "https://apps.example",
    "methods": [{"id": "key", "primitive": "static_key", "required_secrets": [{"key": "a"}],
                 "inject": {"header": {"X-Key": "{{secret.a}}"}}}],
}  # fmt: skip

# What may change without asking anybody: places, a number standing for any index.
COSMETIC = {
    ("version",), ("display_name",), ("description",), ("aliases", 0), ("category",), ("tags", 0),
    ("status",), ("successor",), ("docs_url",), ("label",), ("setup_url",), ("app_register_url",),
    ("verified", "date"), ("verified", "method"), ("verified", "sources", 0),
    ("required_secrets", 0, "label"), ("required_secrets", 0, "help"),
    ("required_secrets", 0, "help_url"), ("required_secrets", 0, "example"),
    ("params", "region", "label"), ("params", "region", "help"), ("test", "identity_label"),
    ("diagnose", 0, "say"), ("diagnose", 0, "do"), ("diagnose", 0, "when", "status"),
    ("diagnose", 0, "when", "error"), ("diagnose", 0, "when", "body"),
    ("diagnose", 0, "when", "age_s", 0), ("diagnose", 0, "when", "age_s", 1),
    ("oauth2", "notices", 0), ("oauth2", "client", "id_example"),
    ("app_guide", 0, "text"), ("app_guide", 0, "url"), ("app_guide", 0, "value"),
    ("methods", 0, "id"), ("methods", 0, "primitive"), ("methods", 0, "required_secrets", 0, "key"),
    ("methods", 0, "inject", "header", "X-Key"),
    ("sdk", "package"), ("sdk", "import"), ("sdk", "class"), ("sdk", "arguments", 0),
    ("sdk", "argument"), ("sdk", "adapter"), ("sdk", "call"),
    ("kind",), ("schema",),  # have one value
}  # fmt: skip


def leaves(data, place=()):
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*place, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from leaves(value, (*place, index))
    else:
        yield place, data


LEAVES = dict(leaves(RICH))


def convert(data):
    # Straight into the model: a mutation need not make sense, it must be seen.
    return msgspec.convert(data, Recipe)


def digest_of(recipe):
    return consent.digest(consent.project(recipe, recipe.way()))


CHOICES = {
    ("primitive",): "static_key", ("status",): "closed", ("verified", "method"): "code",
    ("required_secrets", 0, "type"): "pem", ("params", "region", "type"): "host",
    ("oauth2", "grants", 0): "refresh_token", ("oauth2", "scope_separator"): "+",
    ("oauth2", "pkce"): "no", ("oauth2", "redirect", "policy"): "https_only",
    ("oauth2", "redirect", "host"): "127.0.0.1", ("oauth2", "redirect", "path"): "/other",
    ("oauth2", "client", "auth"): "basic", ("oauth2", "client", "alg"): "RS256",
    ("oauth2", "client", "registration"): "dcr", ("oauth2", "token_request", "method"): "POST",
    ("oauth2", "token_response", "expires_unit"): "s", ("oauth2", "refresh", "method"): "POST",
    ("oauth2", "refresh", "body"): "form", ("oauth2", "revoke", "method"): "GET",
    ("oauth2", "revoke", "auth"): "none", ("oauth2", "revoke", "body"): "query",
    ("oauth2", "revoke", "which"): "both", ("params", "region", "from"): "user",
    ("oauth1", "signature_method"): "HMAC-SHA1", ("jwt", "alg"): "RS256", ("jwt", "key_encoding"): "pem", ("oauth2", "token_request", "body"): "form",
    ("oauth2", "swap", "method"): "POST", ("oauth2", "swap", "body"): "form",
    ("oauth2", "refresh", "mode"): "yes", ("oauth2", "refresh", "rotates"): "no",
    ("test", "method"): "GET", ("agent", "read", 0, "method"): "GET", ("methods", 0, "primitive"): "oauth2",
}  # fmt: skip


def mutated(place):
    data = copy.deepcopy(RICH)
    holder = data
    for step in place[:-1]:
        holder = holder[step]
    value = holder[place[-1]]
    if isinstance(value, bool):
        holder[place[-1]] = not value
    elif isinstance(value, int):
        holder[place[-1]] = value + 1
    else:
        holder[place[-1]] = CHOICES.get(place, value + "x")
    return data


def test_the_rich_recipe_sets_every_field_of_the_model():
    """A field that is added to the model has to be added above, and thought through."""

    def fields(kind):
        return {field.encode_name for field in msgspec.structs.fields(kind)}

    assert set(RICH) | {"extends"} == fields(Recipe)
    recipe = convert(RICH)
    for name in ("oauth2", "inject", "test", "verified", "jwt", "sdk", "agent"):
        assert set(RICH[name]) == fields(type(getattr(recipe, name))), name
    for name in (
        "callback", "redirect", "client", "token_request", "token_response", "swap", "refresh",
        "revoke",
    ):  # fmt: skip
        assert set(RICH["oauth2"][name]) == fields(type(getattr(recipe.oauth2, name))), name
    assert set(RICH["required_secrets"][0]) == fields(type(recipe.required_secrets[0]))
    assert set(RICH["params"]["region"]) == fields(Param)
    assert set(RICH["discover"][0]) == fields(type(recipe.discover[0]))
    assert set(RICH["discover"][0]["choose"]) == fields(type(recipe.discover[0].choose))
    assert set(RICH["diagnose"][0]) == fields(type(recipe.diagnose[0]))
    assert set(RICH["diagnose"][0]["when"]) == fields(type(recipe.diagnose[0].when))
    assert set(RICH["app_guide"][0]) == fields(type(recipe.app_guide[0]))
    assert fields(Recipe) >= consent.NOT_IN_RECIPE
    assert fields(Method) >= consent.NOT_IN_METHOD


def test_the_rich_recipe_is_valid():
    document = Document("", None)
    document.data = copy.deepcopy(RICH)
    assert load(document).service == "rich"


@pytest.mark.parametrize("place", [p for p in LEAVES if p not in COSMETIC], ids=str)
def test_every_field_that_matters_changes_the_digest(place):
    assert digest_of(convert(mutated(place))) != digest_of(convert(RICH))


@pytest.mark.parametrize("place", sorted(COSMETIC - {("kind",), ("schema",)}, key=str), ids=str)
def test_no_cosmetic_field_does(place):
    assert place in LEAVES
    assert digest_of(convert(mutated(place))) == digest_of(convert(RICH))


def test_the_name_of_a_header_or_param_matters_as_its_value_does():
    for place in (("inject", "header"), ("static_headers",), ("params",), ("oauth2", "scope_sets")):
        data = copy.deepcopy(RICH)
        holder = data
        for step in place:
            holder = holder[step]
        name = next(iter(holder))
        holder[name + "x"] = holder.pop(name)
        assert digest_of(convert(data)) != digest_of(convert(RICH))


def test_a_projection_is_of_one_method():
    recipe = read(
        "service: x\nprimitive: static_key\nbase_url: https://api.x.example\n"
        "methods: [{id: b, primitive: static_key}]"
    )
    one, two = (consent.project(recipe, way) for way in recipe.ways)
    assert consent.digest(one) != consent.digest(two)


def test_a_projection_survives_json():
    recipe = convert(RICH)
    projection = consent.project(recipe, recipe.way())
    assert consent.digest(json.loads(json.dumps(projection))) == consent.digest(projection)
    assert consent.changes(json.loads(json.dumps(projection)), projection) == ()


def test_an_empty_recipe_projects_to_what_is_stated():
    recipe = read("service: x\nprimitive: static_key\nbase_url: https://api.x.example")
    assert consent.project(recipe, recipe.way()) == {
        "service": "x", "account": "x", "id": "key", "primitive": "static_key",
        "base_url": "https://api.x.example", "allowed_hosts": ["api.x.example"],
    }  # fmt: skip


# -- hosts -----------------------------------------------------------------------------


def hosts(patterns, params=None, **given):
    method = Method(primitive="static_key", allowed_hosts=tuple(patterns), params=params or {})
    return consent.hosts(method, given)


def test_hosts_are_rendered_lower_case_and_once():
    shop = {"shop": Param(pattern="[A-Za-z-]+")}
    patterns = [
        "{{param.shop}}.shop.example",
        "API.Shop.example",
        "api.shop.example",
        "*.cdn.example",
    ]
    assert hosts(patterns, shop, shop="ACME") == (
        "acme.shop.example", "api.shop.example", "*.cdn.example",
    )  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["evil.com/", "evil.com#", "evil.com?", "u@evil.com:1", "a b", "a\nb", "é", "*.evil", ""],
)
def test_a_value_that_would_end_the_host_is_refused(value):
    with pytest.raises(ValueError, match=r"host|shop|port|wildcard"):
        hosts(["{{param.shop}}.shop.example"], {"shop": Param(pattern="(?s).*")}, shop=value)


@given(st.text(max_size=60))
def test_whatever_a_user_types_the_suffix_stays_the_vendors(value):
    params = {"shop": Param(pattern="(?s).*")}
    try:
        (host,) = hosts(["{{param.shop}}.shop.example"], params, shop=value)
    except ValueError:
        return
    assert host.endswith(".shop.example")
    assert urlsplit(f"https://{host}/x").hostname == host
    assert urlsplit(f"https://{host}/x").path == "/x"


def test_a_param_makes_no_wildcard():
    with pytest.raises(ValueError, match="wildcard"):
        hosts(["{{param.host}}"], {"host": Param(enum=("*.evil.example",))}, host="*.evil.example")


def test_a_missing_param_is_named():
    with pytest.raises(ValueError, match="'shop' is missing"):
        hosts(["{{param.shop}}.shop.example"], {"shop": Param(pattern="a")})


# -- words -----------------------------------------------------------------------------


def project(**fields):
    return {"service": "notion", "allowed_hosts": ["api.notion.com"], **fields}


def test_a_new_host_is_told_as_such():
    assert consent.changes(project(), project(allowed_hosts=["evil.example"])) == (
        "api.notion.com → evil.example: your notion credential would be sent to a new host",
    )


def test_fewer_hosts_are_told_otherwise():
    (line,) = consent.changes(project(allowed_hosts=["a", "b"]), project(allowed_hosts=["a"]))
    assert line == "a, b → a: your credential could be sent to other hosts"


def test_each_changed_field_has_its_line_and_oauth_is_looked_into():
    old = project(oauth2={"token_endpoint": "https://a", "pkce": "S256", "x": 1})
    new = project(oauth2={"token_endpoint": "https://b", "x": {"y": [1]}})
    assert consent.changes(old, new) == (
        "S256 → nothing: the protection of the login against interception (PKCE) would change",
        "https://a → https://b: your login and refresh token would be sent to another address",
        '1 → {"y":[1]}: x would change',
    )
    assert consent.changes(project(), old) == (
        'nothing → {"pkce":"S256","token_endpoint":"https://a","x":1}: oauth2 would change',
    )


def test_every_field_of_the_method_has_words_of_its_own():
    told = set(consent.project(convert(RICH), convert(RICH).way())) - {"oauth2", "id"}
    assert told - consent.WORDS.keys() == {"schema"} & told


def test_no_change_says_nothing():
    assert consent.changes(project(), project()) == ()


def test_what_a_recipe_says_cannot_move_the_cursor():
    (line,) = consent.changes(project(), project(base_url="https://x\x1b[2J\u202e"))
    assert "\x1b" not in line
    assert "\u202e" not in line


# -- narrower --------------------------------------------------------------------------


def scopes(*names, **more):
    return project(oauth2={"token_endpoint": "https://a", "scopes": list(names)}, **more)


def test_fewer_scopes_and_nothing_else_are_narrower():
    assert consent.narrower(scopes("a", "b"), scopes("a"))
    assert consent.narrower(scopes("a", "b"), scopes("b"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (scopes("a"), scopes("a")),
        (scopes("a"), scopes("a", "b")),
        (scopes("a", "b"), scopes("c")),
        (scopes("a"), scopes()),
        (scopes("a", "b"), scopes("a", base_url="https://evil.example")),
        (scopes("a", "b"), project(oauth2={"token_endpoint": "https://b", "scopes": ["a"]})),
        (scopes("a", "b"), project()),
        (project(), project()),
    ],
)
def test_nothing_else_is(old, new):
    assert not consent.narrower(old, new)


# -- before the login ----------------------------------------------------------------------


def late(**fields) -> Method:
    return Method(
        primitive="static_key",
        params={
            "shop": Param(pattern="[a-z]+"),
            "host": Param(source="token", enum=("a.example.com", "b.example.com")),
        },
        **fields,
    )


def test_a_host_that_the_login_brings_stands_as_the_recipe_writes_it_before_it() -> None:
    way = late(allowed_hosts=("{{param.shop}}.x.example.com", "{{param.host}}"))
    before = consent.hosts(way, {"shop": "acme"}, before_login=True)
    assert before == ("acme.x.example.com", "{{param.host}}")
    known = {"shop": "acme", "host": "a.example.com"}
    for early in (True, False):
        found = consent.hosts(way, known, before_login=early)
        assert found == ("acme.x.example.com", "a.example.com")


def test_after_the_login_no_host_is_open() -> None:
    way = late(allowed_hosts=("{{param.host}}",))
    with pytest.raises(ValueError, match=r"param\.host"):
        consent.hosts(way, {"shop": "acme"})
    with pytest.raises(ValueError, match="shop"):  # what the user types is known before
        consent.hosts(way, {}, before_login=True)
