"""The conformance run itself: what is wrong with a recipe fails it, and what is right does not.

A good recipe is run against the service that it describes. Then one thing in it is changed while
the service stays as it was: the run must fail, in a step that has to do with it.
"""

# ruff: noqa: E501 - the rows of a table, and of a recipe, stay rows

from __future__ import annotations

import json

import pytest
import yaml

from arcrun_auth import recipe as recipes
from arcrun_auth.testing import Provider, Quirks, conform
from arcrun_auth.testing.conformance.run import run
from arcrun_auth.testing.conformance.stage import Stage
from tests import quiet

KEYED = """
service: shop
primitive: static_key
base_url: "https://{{param.shop}}.shop.example.com/v1"
params: {shop: {pattern: "[a-z]+"}}
root_paths: [/upload/]
allowed_hosts: ["{{param.shop}}.shop.example.com", files.shop.example.com]
static_headers: {Api-Version: "7"}
required_secrets: [{key: user}, {key: word}, {key: extra, optional: true}]
inject:
  header: {Authorization: "Basic {{secret.user}}:{{secret.word}}", X-Sum: "{{secret.word|sha256}}"}
  query: {key: "{{secret.word}}"}
  body: {auth.key: "{{secret.word}}"}
  path: {hook: "{{secret.extra}}"}
  cookie: {sid: "{{secret.word}}"}
test: {method: POST, path: /me, headers: {X-Asks: "yes"}, identity: "data.name", ok: {path: fine, equals: true}}
diagnose:
  - {when: {status: 401, body: "locked|blocked"}, say: The account is locked., do: Unlock it.}
  - {when: {status: 401}, say: The key is wrong., do: Make another.}
"""
OAUTH = """
service: shop
primitive: oauth2
base_url: "https://api.shop.example.com/v1/{{param.site}}"
params: {site: {from: discover}, realm: {from: callback, pattern: "[a-z0-9]+"}}
discover:
  - {url: "https://api.shop.example.com/sites", headers: {X-Asks: "yes"}, choose: {items: sites, label: name}, save: {site: id}}
oauth2:
  authorization_endpoint: https://id.shop.example.com/authorize
  token_endpoint: https://id.shop.example.com/token
  revocation_endpoint: https://id.shop.example.com/revoke
  scopes: [read, write]
  scope_separator: ","
  scope_param: user_scope
  pkce: required
  authorize_params: {access_type: offline}
  param_names: {client_id: client_key}
  callback: {code: auth_code, keep: [realm]}
  redirect: {policy: fixed_port, host: localhost, ports: [8423], path: /back}
  client: {auth: post}
  resource: https://api.shop.example.com/
  token_request: {body: json, params: {flavour: sweet}, headers: {Api-Version: "7"}}
  token_response: {root: data, access_token: token, refresh_token: again, ok: {path: fine, equals: true}}
  refresh: {mode: "yes", rotates: "yes", url: "https://id.shop.example.com/refresh", params: {kind: soft}}
test: {path: /me, identity: email}
"""
DEVICE = """
service: shop
primitive: oauth2
base_url: https://api.shop.example.com
oauth2:
  issuer: https://id.shop.example.com/here
  discovery: true
  device_authorization_endpoint: https://id.shop.example.com/device
  grants: [authorization_code, refresh_token, device_code]
  client: {registration: dcr, auth: none, secret_required: false}
  refresh: {mode: exchange, url: "https://id.shop.example.com/swap", method: GET, body: query, client: false, params: {kind: swap, live: "{{token.access_token}}"}}
inject: {query: {access_token: "{{token.access_token}}", nonce: "{{uuid}}"}, path: {seat: "{{token.access_token}}"}}
"""
SHORT = """
service: shop
primitive: oauth2
base_url: https://api.shop.example.com
oauth2:
  authorization_endpoint: https://id.shop.example.com/authorize
  token_endpoint: https://id.shop.example.com/token
  client: {auth: post}
  token_request: {send_state: true}
  swap: {url: "https://id.shop.example.com/swap", method: GET, body: query, params: {grant_type: long, live: "{{token.access_token}}"}}
  refresh: {mode: exchange, url: "https://id.shop.example.com/renew", client: false, params: {grant_type: longer, live: "{{token.access_token}}"}}
"""
STEPS = """
service: shop
primitive: token_exchange
base_url: https://api.shop.example.com/v1
required_secrets: [{key: user}, {key: word}]
token_exchange:
  steps:
    - {url: "https://api.shop.example.com/hello", method: POST, headers: {X-Asks: "yes"}, body: {user.name: "{{secret.user}}"}, body_format: json, save: {ticket: "header:X-Ticket"}}
    - {url: "https://api.shop.example.com/in/{{step1.ticket}}", method: PUT, query: {word: "{{secret.word}}"}, save: {access_token: "data[0].token", expires_in: ttl, seat: seat}}
inject: {header: {Authorization: "Token {{token.access_token}}", X-Seat: "{{token.seat}}"}}
test: {path: /me}
"""
SIGNED = """
service: shop
primitive: signed_jwt
base_url: https://api.shop.example.com/v1
params: {key_id: {pattern: "[A-Z]+"}, team: {}}
required_secrets: [{key: shop_key, type: pem}]
jwt: {key: shop_key, alg: ES256, header: {kid: "{{param.key_id}}"}, claims: {iss: "{{param.team}}", aud: shop}, ttl_s: 600}
test: {path: /me, identity: name}
"""
ASSERTED = """
service: shop
primitive: oauth2
base_url: https://api.shop.example.com/v1
params: {user: {}}
required_secrets: [{key: shop_key, type: pem}]
jwt: {key: shop_key, alg: ES256, claims: {iss: shop}, subject: "{{param.user}}", scope_claim: scope, ttl_s: 60}
oauth2:
  token_endpoint: https://id.shop.example.com/token
  grants: [jwt_bearer]
  scopes: [read]
  client: {auth: none, secret_required: false}
  refresh: {mode: reissue}
"""
AWS = """
service: shop
primitive: aws_sigv4
base_url: "https://s3.{{param.region}}.shop.example.com"
params: {region: {pattern: "[a-z-]+"}}
required_secrets: [{key: access_key_id}, {key: secret_access_key}, {key: session_token, optional: true}]
aws: {service: s3, region: "{{param.region}}"}
"""
ROLE = (
    AWS.replace("aws_sigv4", "aws_assume_role")
    + """
inject: {}
assume_role: {endpoint: "https://sts.shop.example.com/", role_arn: "arn:{{param.region}}", external_id: seven, duration_s: 900}
"""
)
OLD = """
service: shop
primitive: oauth1
base_url: https://api.shop.example.com/v1
required_secrets: [{key: app}, {key: app_secret}, {key: mine}, {key: my_secret}]
oauth1: {consumer_key: app, consumer_secret: app_secret, token: mine, token_secret: my_secret, realm: "7"}
test: {method: POST, path: /me, headers: {Content-Type: application/x-www-form-urlencoded}, body: "a=1&b=two"}
"""
DIGEST = """
service: shop
primitive: digest
base_url: https://api.shop.example.com/v1
required_secrets: [{key: user}, {key: word}]
digest: {username: user, password: word}
"""
TOLD = """
service: shop
primitive: oauth2
base_url: "https://api.shop.example.com/{{param.site}}"
static_headers: {Accept: application/json}
params: {site: {from: discover}, zone: {from: discover, take: "-([a-z]+)$", pattern: "[a-z]+"}}
discover:
  - {url: "https://api.shop.example.com/sites", headers: {Accept: text/json}, choose: {label: name}, save: {site: id, zone: where}}
oauth2:
  authorization_endpoint: https://id.shop.example.com/authorize?from=here
  token_endpoint: https://id.shop.example.com/token
test: {url: "https://api.shop.example.com/sites", headers: {Accept: text/json}, identity: "[0].owner"}
"""
SHARED = """
service: shop
primitive: signed_jwt
base_url: https://api.shop.example.com:8443/v1/
required_secrets: [{key: shop_key}]
jwt: {key: shop_key, alg: HS256, key_encoding: base64, claims: {sub: me, id: "{{uuid}}"}}
"""
MTLS = """
service: shop
primitive: mtls
base_url: https://api.shop.example.com/v1
required_secrets: [{key: chain, type: pem}, {key: shop_key, type: pem}, {key: token}]
mtls: {certificate: chain, key: shop_key}
inject: {header: {Authorization: "Bearer {{secret.token}}"}}
"""
TLS = """
service: shop
primitive: oauth2
base_url: https://api.shop.example.com
oauth2:
  token_endpoint: https://id.shop.example.com/token
  grants: [client_credentials]
  client: {auth: tls_client_auth}
  refresh: {mode: reissue}
"""
GOOD = {
    name: text
    for name, text in globals().items()
    if name.isupper() and isinstance(text, str) and "service: shop" in text
}

# Which recipe, what in it (a path), what stands there instead, the step that must fail.
CHANGES = [
    ("KEYED", "base_url", "https://{{param.shop}}.shop.example.com/v2", "called"),
    ("KEYED", "root_paths", ["/uploads/"], "called"),
    ("KEYED", "static_headers.Api-Version", "8", "set up"),
    ("KEYED", "inject.header.Authorization", "Basic {{secret.word}}:{{secret.user}}", "set up"),
    ("KEYED", "inject.header.Authorization", "basic {{secret.user}}:{{secret.word}}", "set up"),
    ("KEYED", "inject.header.Authorization", "Bearer {{secret.word}}", "set up"),
    ("KEYED", "inject.header.X-Sum", "{{secret.word|hex}}", "set up"),
    ("KEYED", "inject.header", {"X-Sum": "{{secret.word|sha256}}"}, "set up"),
    ("KEYED", "inject.query", {"api_key": "{{secret.word}}"}, "set up"),
    ("KEYED", "inject.body", {"auth.token": "{{secret.word}}"}, "set up"),
    ("KEYED", "inject.path", {"hook": "{{secret.word}}"}, "called"),
    ("KEYED", "inject.cookie", {"session": "{{secret.word}}"}, "set up"),
    ("KEYED", "test.method", "GET", "set up"),
    ("KEYED", "test.path", "/you", "tested"),
    ("KEYED", "test.headers", {}, "set up"),
    ("KEYED", "test.identity", "data.mail", "tested"),
    ("KEYED", "test.ok", {"path": "fine", "equals": 7}, "set up"),
    ("KEYED", "test.expect", [204], "tested"),
    ("OAUTH", "oauth2.authorization_endpoint", "https://id.shop.example.com/log-in", "set up"),
    ("OAUTH", "oauth2.token_endpoint", "https://id.shop.example.com/tokens", "set up"),
    ("OAUTH", "oauth2.token_endpoint", "https://api.shop.example.com/token", "set up"),
    ("OAUTH", "oauth2.revocation_endpoint", "https://id.shop.example.com/end", "ended"),
    ("OAUTH", "oauth2.revoke", {"method": "DELETE"}, "ended"),
    ("OAUTH", "oauth2.revoke", {"param": "refresh_token"}, "ended"),
    ("OAUTH", "oauth2.scopes", ["read"], "set up"),
    ("OAUTH", "oauth2.scope_separator", " ", "set up"),
    ("OAUTH", "oauth2.scope_param", "scope", "set up"),
    ("OAUTH", "oauth2.pkce", "no", "set up"),
    ("OAUTH", "oauth2.authorize_params", {}, "set up"),
    ("OAUTH", "oauth2.param_names", {}, "set up"),
    ("OAUTH", "oauth2.callback", {"code": "code", "keep": ["realm"]}, "set up"),
    ("OAUTH", "oauth2.redirect.ports", [8424], "set up"),
    ("OAUTH", "oauth2.redirect.host", "127.0.0.1", "set up"),
    ("OAUTH", "oauth2.redirect.path", "/callback", "set up"),
    ("OAUTH", "oauth2.client.auth", "basic", "set up"),
    ("OAUTH", "oauth2.resource", "https://api.shop.example.com/v2", "set up"),
    ("OAUTH", "oauth2.token_request.body", "form", "set up"),
    ("OAUTH", "oauth2.token_request.params", {}, "set up"),
    ("OAUTH", "oauth2.token_request.headers", {}, "set up"),
    ("OAUTH", "oauth2.token_response.root", "result", "set up"),
    ("OAUTH", "oauth2.token_response.access_token", "access_token", "set up"),
    ("OAUTH", "oauth2.token_response.refresh_token", "refresh_token", "renewed"),
    ("OAUTH", "oauth2.token_response.ok.path", "good", "set up"),
    ("OAUTH", "oauth2.refresh.url", "https://id.shop.example.com/token", "renewed"),
    ("OAUTH", "oauth2.refresh.params", {}, "renewed"),
    ("OAUTH", "discover", [{"url": "https://api.shop.example.com/all", "save": {"site": "id"}}],
     "set up"),
    ("DEVICE", "oauth2.issuer", "https://id.shop.example.com/there", "set up"),
    ("DEVICE", "oauth2.device_authorization_endpoint", "https://id.shop.example.com/c", "device"),
    ("DEVICE", "oauth2.refresh.method", "POST", "renewed"),
    ("DEVICE", "oauth2.refresh.params", {"kind": "swap"}, "renewed"),
    ("DEVICE", "oauth2.refresh.params", {"live": "{{token.access_token}}"}, "renewed"),
    ("DEVICE", "inject.query", {"token": "{{token.access_token}}"}, "called"),
    ("STEPS", "token_exchange.steps.0.method", "PUT", "set up"),
    ("STEPS", "token_exchange.steps.0.headers", {}, "set up"),
    ("STEPS", "token_exchange.steps.0.body", {"user": "{{secret.user}}"}, "set up"),
    ("STEPS", "token_exchange.steps.0.body_format", "form", "set up"),
    ("STEPS", "token_exchange.steps.0.save", {"ticket": "ticket"}, "set up"),
    ("STEPS", "token_exchange.steps.1.query", {"word": "{{secret.user}}"}, "set up"),
    ("STEPS", "token_exchange.steps.1.url", "https://api.shop.example.com/in", "set up"),
    ("STEPS", "token_exchange.steps.1.save.access_token", "data[1].token", "set up"),
    ("STEPS", "inject.header.Authorization", "Bearer {{token.access_token}}", "set up"),
    ("STEPS", "inject.header.X-Seat", "{{token.access_token}}", "set up"),
    ("SIGNED", "jwt.header", {"kid": "{{param.team}}"}, "set up"),
    ("SHORT", "oauth2.token_request", {}, "set up"),
    ("SHORT", "oauth2.swap", None, "renewed"),
    ("SHORT", "oauth2.swap.url", "https://id.shop.example.com/renew", "set up"),
    ("SHORT", "oauth2.swap.method", "POST", "set up"),
    ("SHORT", "oauth2.swap.client", False, "set up"),
    ("SHORT", "oauth2.swap.params", {"grant_type": "x", "live": "{{token.access_token}}"}, "set up"),
    ("SHORT", "oauth2.refresh.url", "https://id.shop.example.com/swap", "renewed"),
    ("SHORT", "oauth2.refresh.params.grant_type", "long", "renewed"),
    ("SIGNED", "jwt.claims.aud", "other", "set up"),
    ("SIGNED", "jwt.ttl_s", 700, "set up"),
    ("ASSERTED", "jwt.claims.iss", "other", "set up"),
    ("ASSERTED", "jwt.subject", "", "set up"),
    ("ASSERTED", "jwt.scope_claim", "", "set up"),
    ("ASSERTED", "oauth2.token_endpoint", "https://id.shop.example.com/v2/token", "set up"),
    ("AWS", "aws.service", "ses", "called"),
    ("AWS", "aws.region", "elsewhere", "called"),
    ("ROLE", "assume_role.endpoint", "https://sts.shop.example.com/v2", "set up"),
    ("ROLE", "assume_role.role_arn", "arn:other", "set up"),
    ("ROLE", "assume_role.external_id", "", "set up"),
    ("ROLE", "assume_role.duration_s", 1000, "set up"),
    ("OLD", "oauth1.signature_method", "HMAC-SHA256", "set up"),
    ("OLD", "oauth1.realm", "8", "set up"),
    ("OLD", "oauth1.token_secret", "app_secret", "set up"),
    ("OLD", "test.body", "a=1&b=three", "set up"),
    ("TOLD", "discover.0.headers", {}, "set up"),
    ("TOLD", "test.headers", {}, "set up"),
    ("SHARED", "jwt.key_encoding", "utf8", "called"),
    ("TLS", "oauth2.client.auth", "post", "set up"),
    ("DIGEST", "digest", {"username": "word", "password": "user"}, "called"),
    ("DIGEST", "primitive", "static_key", "called"),
    ("MTLS", "primitive", "static_key", "called"),
]  # fmt: skip


@pytest.fixture(scope="module")
def stage():
    with quiet.libraries(), Stage() as stage:
        yield stage


def changed(text: str, path: str, value: object) -> recipes.Recipe:
    """The recipe with something else at `path`."""
    data = yaml.safe_load(text)
    *above, last = path.split(".")
    at = data
    for name in above:
        at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
    at[last] = value
    return recipes.read(json.dumps(data))


@pytest.mark.parametrize("name", GOOD)
def test_a_good_recipe_passes(name, stage) -> None:
    assert conform(recipes.read(GOOD[name]), stage=stage).failures == []


@pytest.mark.parametrize("row", CHANGES, ids=[f"{row[0]}-{row[1]}" for row in CHANGES])
def test_a_recipe_that_its_service_is_not_fails(row, stage, tmp_path) -> None:
    name, path, value, step = row
    good, other = recipes.read(GOOD[name]), changed(GOOD[name], path, value)
    found = run(other, other.way(), stage, str(tmp_path), plays=good.way())
    assert found.get(step, "ok") != "ok", found


# What a recipe says by itself can be wrong, whatever its service is: the recipe, the step that
# must fail, a word of why.
WRONG = [
    ("KEYED", "required_secrets", [{"key": "user"}, {"key": "word"}, {"key": "extra"}, {"key": "more"}],
     "used", "more is asked for, and goes nowhere"),
    ("KEYED", "allowed_hosts", ["files.shop.example.com"], "called", "was not agreed to"),
    ("KEYED", "test.url", "https://status.example.com/me", "tested", "was not agreed to"),
    ("KEYED", "params.shop.pattern", "[a-z]+(?!.)(?=x)", "made up", "no text could be made up"),
    ("KEYED", "inject", {"header": {"X-Key": "{{secret.user}}{{secret.word}}\n{{secret.extra}}"}},
     "called", "line break"),
    ("KEYED", "diagnose", [{"when": {"status": 401}, "say": "Wrong."},
                           {"when": {"status": 401, "body": "locked"}, "say": "Locked."}],
     "explained", "diagnose[1] never fits: diagnose[0] does"),
    ("KEYED", "diagnose", [{"when": {"error": "a(?=b)"}, "say": "Never."}],
     "explained", "diagnose[0] never fits"),
    ("OAUTH", "inject", {"header": {"X-App": "{{client.id}}"}}, "used", "the token goes nowhere"),
    ("OAUTH", "oauth2.client", {"auth": "none", "secret_required": False, "id_pattern": "^a(?=b)$"},
     "made up", "no text could be made up"),
    ("OAUTH", "oauth2.revoke", {"auth": "basic", "param": ""}, "ended", "no token of this login"),
    ("OAUTH", "oauth2.refresh", {"mode": "exchange"}, "renewed", "unsupported_grant_type"),
    ("OAUTH", "oauth2.grants", ["client_credentials"], "set up", "realm"),
]  # fmt: skip


@pytest.mark.parametrize("row", WRONG, ids=[f"{row[0]}-{row[1]}" for row in WRONG])
def test_a_recipe_that_cannot_work_fails(row, stage) -> None:
    name, path, value, step, why = row
    (way,) = conform(changed(GOOD[name], path, value), stage=stage).ways
    failed = {step: what for step, what in way.steps.items() if what != "ok"}
    assert why in failed.get(step, ""), failed or way.steps


QUIRKS = [
    {}, {"root": "data"}, {"paths": {"access_token": "user.token", "error": "fault.code"}},
    {"ok": True}, {"scope_list": True}, {"scope_aliases": {"read": "r"}}, {"scope_separator": "+"},
    {"scope_param": "user_scope"}, {"param_names": {"client_id": "client_key"}},
    {"request_method": "GET", "request_body": "query"}, {"request_body": "json"},
    {"pkce": "refused"}, {"resource_required": True}, {"https_only": True}, {"ports": (8423,)},
    {"host": "localhost"}, {"code_param": "auth_code"}, {"redirect_params": {"realmId": "7"}},
    {"renewal": "exchange"}, {"renewal": "exchange", "swap": True}, {"renewal": "no"},
    {"state_again": True}, {"sites": {"s-1": "One"}, "site_header": "X-Site", "api_host": "user"},
    {"refresh_elsewhere": True}, {"offline": True},
    {"revoke": "bearer"}, {"revoke": "get"}, {"revoke": "open"}, {"api_host": "token"},
    {"api_host": "redirect"}, *({"expires": how} for how in ("text", "ms", "at", "at_ms", "absent")),
]  # fmt: skip
GRANTS = [
    {"auth": "post"}, {"auth": "basic"}, {"auth": "private_key_jwt"}, {"auth": "client_secret_jwt"},
    {"grant": "device_code"}, {"grant": "client_credentials", "auth": "post"},
    {"grant": "jwt_bearer"}, {"grant": "token_exchange"}, {"discovery": True},
    {"registration": "dcr"}, {"primitive": "static_key"},
]  # fmt: skip


def printed(quirks: dict, how: dict) -> recipes.Recipe:
    """The recipe that the embedded provider prints of itself, for one that stands elsewhere."""
    provider = Provider(quirks=Quirks(**quirks))
    provider.issuer = "https://op.example.com"
    provider.authorities = ("op.example.com", "api.example.com")
    provider.api_host = provider.authority.api_host = "api.example.com"
    text = provider.recipe_yaml("shop", **how)
    return recipes.read(text.replace("http://{{", "https://{{"))


def test_a_recipe_for_each_quirk_and_each_grant_passes(stage) -> None:
    rows = [(quirks, {}) for quirks in QUIRKS] + [({}, how) for how in GRANTS]
    rows += [({"revoke": how}, {"auth": "post"}) for how in ("delete", "grant")]
    rows += [({"scope_again": True, "scope_param": "scopes"}, {"grant": "device_code"})]
    for quirks, how in rows:
        assert conform(printed(quirks, how), stage=stage).failures == [], (quirks, how)


def test_a_plug_in_that_nobody_has_is_said() -> None:
    recipe = recipes.read(
        "service: shop\nprimitive: hawk\nbase_url: https://api.shop.example.com\n"
    )
    (failure,) = conform(recipe).failures
    assert "hawk" in failure


def test_a_run_of_its_own_has_its_own_server() -> None:
    assert conform(recipes.read(GOOD["AWS"])).failures == []
