"""One recipe that sets every field of the model, and every change of it: for tests of consent."""

# ruff: noqa: E501 - the rows of a table stay rows
from __future__ import annotations

import copy
import json
import re

import msgspec
from msgspec import inspect

from arcrun_auth.recipe import Recipe

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
                          "headers": {"X-H": "1"}, "send_redirect_uri": False, "send_state": True,
                          "send_scope": True},
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
             "headers": {"X-T": "1", "Content-Type": "application/json"}, "body": "{}", "expect": [201],
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
}  # fmt: skip

FIXED = {("kind",), ("schema",)}
"""Which fields have one value, and cannot change?"""


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


def names(data, kind=None, place=()):
    """The places whose last step is a name of the recipe's own: a header, a param, a scope set."""
    kind = kind or inspect.type_info(Recipe)
    if isinstance(kind, inspect.UnionType):
        kind = next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if field.encode_name in data:
                yield from names(data[field.encode_name], field.type, (*place, field.encode_name))
    elif isinstance(kind, inspect.DictType):
        for name, value in data.items():
            yield (*place, name)
            yield from names(value, kind.value_type, (*place, name))
    elif isinstance(kind, inspect.VarTupleType):
        for index, item in enumerate(data):
            yield from names(item, kind.item_type, (*place, index))


def convert(data):
    # Straight into the model: a mutation need not make sense, it must be seen.
    return msgspec.convert(data, Recipe)


CHOICES = {
    ("primitive",): "static_key", ("status",): "closed", ("verified", "method"): "code",
    ("required_secrets", 0, "type"): "pem", ("params", "region", "type"): "host",
    ("oauth2", "grants", 0): "refresh_token", ("oauth2", "scope_separator"): "+",
    ("oauth2", "pkce"): "no", ("oauth2", "redirect", "policy"): "https_only",
    ("oauth2", "redirect", "host"): "127.0.0.1", ("oauth2", "redirect", "path"): "/other",
    ("oauth2", "client", "auth"): "basic", ("oauth2", "client", "alg"): "RS256",
    ("oauth2", "client", "registration"): "dcr", ("oauth2", "token_request", "method"): "POST",
    ("oauth2", "token_response", "expires_unit"): "s", ("oauth2", "refresh", "method"): "POST",
    ("oauth2", "swap", "method"): "POST", ("oauth2", "swap", "body"): "form",
    ("oauth2", "refresh", "body"): "form", ("oauth2", "revoke", "method"): "GET",
    ("oauth2", "revoke", "auth"): "none", ("oauth2", "revoke", "body"): "query",
    ("oauth2", "revoke", "which"): "both", ("params", "region", "from"): "user",
    ("oauth1", "signature_method"): "HMAC-SHA1", ("jwt", "alg"): "RS256", ("jwt", "key_encoding"): "pem", ("oauth2", "token_request", "body"): "form",
    ("oauth2", "refresh", "mode"): "yes", ("oauth2", "refresh", "rotates"): "no",
    ("test", "method"): "GET", ("agent", "read", 0, "method"): "GET", ("methods", 0, "primitive"): "oauth2",
}  # fmt: skip


def mutated(place, data=RICH):
    """`data` with another value at `place`."""
    data = copy.deepcopy(data)
    holder = holder_of(data, place)
    value = holder[place[-1]]
    if isinstance(value, bool):
        holder[place[-1]] = not value
    elif isinstance(value, int):
        holder[place[-1]] = value + 1
    else:
        holder[place[-1]] = CHOICES.get(place, value + "x")
    return data


def holder_of(data, place):
    """The map or list that holds the value at `place`."""
    for step in place[:-1]:
        data = data[step]
    return data


def rich_at(host):
    """The same recipe with all its servers at one loopback host with a port."""
    text = re.sub(r"https://[a-z0-9.{}_-]*rich\.example", f"http://{host}", json.dumps(RICH))
    return json.loads(
        re.sub(r"(?<![a-z.*])(?:[a-z]+|\{\{param\.region\}\})\.rich\.example", host, text)
    )
