"""What a recipe may say of an authorization server, and of what is found after a login."""

# ruff: noqa: E501 - the rows of a table stay rows
from __future__ import annotations

import textwrap

import pytest

from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import read
from arcrun_auth.recipe.model import OAuth2, Param

OAUTH = """\
service: mail
primitive: oauth2
base_url: https://api.mail.example
required_secrets: [{key: pem}]
params: {tenant: {default: common}}
oauth2:
  authorization_endpoint: https://id.mail.example/authorize
  token_endpoint: https://id.mail.example/token
"""

FOUND = """\
service: desk
primitive: oauth2
base_url: "https://api.desk.example/ex/{{param.site}}"
oauth2: {token_endpoint: "https://id.desk.example/token"}
params: {site: {from: discover}}
discover: [{url: "https://api.desk.example/sites", choose: {label: name}, save: {site: id}}]
"""


def server(more, *, at="  "):
    """A recipe with further fields of `oauth2`, or of the method."""
    return OAUTH + textwrap.indent(more, at) + "\n"


def method(more):
    return server(more, at="")


def refused(text, match, field=None):
    with pytest.raises(RecipeError, match=match) as caught:
        read(text)
    if field is not None:
        assert caught.value.field == field


def swap(text, old, new):
    assert old in text
    return text.replace(old, new, 1)


# -- endpoints and clients -------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "match", "field"),
    [
        ("grants: [device_code]", "device_authorization_endpoint is needed",
         "oauth2.device_authorization_endpoint"),
        ("client: {registration: dcr}", "registration_endpoint is needed",
         "oauth2.registration_endpoint"),
        ("discovery: true", "found by the issuer", "oauth2.issuer"),
        ("client: {id: abc}", "Only a public client", "oauth2.client"),
        ("client: {id: abc, auth: basic}", "Only a public client", "oauth2.client"),
        ("client: {id: abc, auth: none, registration: dcr}\nregistration_endpoint: https://id.mail.example/r",
         "Only a public client", "oauth2.client"),
        ("client: {id_pattern: '('}", "no regular expression", "oauth2.client.id_pattern"),
        ("client: {audience: 'ftp://x.example'}", "no URL", "oauth2.client.audience"),
        ("client: {auth: digest}", "Invalid enum", "oauth2.client.auth"),
        ("resource: 'https://u@x.example'", "no URL", "oauth2.resource"),
        ("authorize_params: {resource: x}", "set for each login", "oauth2.authorize_params.resource"),
        ("param_names: {client_id: state}", "Another parameter", "oauth2.param_names.client_id"),
        ("scope_param: user_scope\nauthorize_params: {user_scope: x}", "set for each login",
         "oauth2.authorize_params.user_scope"),
        ("token_response: {refresh_expires_in: 'a..b'}", "no path",
         "oauth2.token_response.refresh_expires_in"),
        ("token_response: {error_description: '['}", "no path",
         "oauth2.token_response.error_description"),
        ("refresh: {grace_s: 0}", ">= 1", "oauth2.refresh.grace_s"),
    ],
)  # fmt: skip
def test_an_authorization_server_that_cannot_work_is_refused(more, match, field):
    refused(server(more), match, field)


@pytest.mark.parametrize(
    "more",
    [
        "grants: [device_code]\ndevice_authorization_endpoint: https://id.mail.example/device",
        "client: {registration: dcr}\nregistration_endpoint: https://id.mail.example/register",
        "client: {id: abc, auth: none}",
        "issuer: https://id.mail.example\ndiscovery: true\ngrants: [device_code]\nclient: {registration: dcr}",
    ],
)
def test_its_neighbour_that_names_what_is_needed_is_not(more):
    assert read(server(more)).oauth2 is not None


def test_metadata_stand_for_every_endpoint_that_is_not_given():
    text = swap(OAUTH, "  token_endpoint: https://id.mail.example/token\n", "")
    refused(text, "token_endpoint is needed", "oauth2.token_endpoint")
    found = read(text + "  issuer: https://id.mail.example\n  discovery: true\n")
    assert found.oauth2 is not None
    assert found.oauth2.token_endpoint == ""


# -- assertions ------------------------------------------------------------------------


def test_an_assertion_is_signed_by_a_secret_of_the_recipe():
    assert read(server("grants: [jwt_bearer]") + "jwt: {key: pem}\n").jwt is not None
    refused(server("grants: [jwt_bearer]"), "needs the assertion", "jwt")
    refused(method("jwt: {key: other}"), "no secret 'other'", "jwt.key")
    refused(method("jwt: {key: pem, ttl_s: 3601}"), "<= 3600", "jwt.ttl_s")


# -- what a template may name, and where -----------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        "authorize_params: {hd: '{{param.tenant}}'}",
        "token_request: {params: {a: '{{secret.pem}}', b: '{{client.id}}', c: '{{param.tenant}}'}}",
        "refresh: {params: {a: '{{token.access_token}}', b: '{{client.id}}'}}",
        "revoke: {params: {a: '{{token.access_token}}', b: '{{secret.pem}}'}}",
        "revocation_endpoint: 'https://id.mail.example/apps/{{client.id}}/grant'",
    ],
)
def test_a_template_names_what_is_there(more):
    read(server(more))


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("authorize_params: {a: '{{secret.pem}}'}", "oauth2.authorize_params.a"),
        ("authorize_params: {a: '{{client.id}}'}", "oauth2.authorize_params.a"),
        ("token_request: {headers: {A: '{{secret.pem}}'}}", "oauth2.token_request.headers.A"),
        ("token_request: {params: {a: '{{token.access_token}}'}}", "oauth2.token_request.params.a"),
        ("refresh: {params: {a: '{{token.refresh_token}}'}}", "oauth2.refresh.params.a"),
        ("revoke: {params: {a: '{{token.refresh_token}}'}}", "oauth2.revoke.params.a"),
        ("revocation_endpoint: 'https://id.mail.example/{{client.secret}}'", "oauth2.revocation_endpoint"),
        ("revocation_endpoint: 'https://id.mail.example/{{secret.pem}}'", "oauth2.revocation_endpoint"),
        ("revocation_endpoint: 'https://{{client.id}}.mail.example/'", "oauth2.revocation_endpoint"),
        ("introspection_endpoint: 'https://id.mail.example/{{client.id}}'", "oauth2.introspection_endpoint"),
        ("device_authorization_endpoint: 'https://id.mail.example/{{client.id}}'",
         "oauth2.device_authorization_endpoint"),
        ("refresh: {url: 'https://id.mail.example/{{client.id}}'}", "oauth2.refresh.url"),
    ],
)  # fmt: skip
def test_a_template_that_would_carry_a_secret_elsewhere_is_refused(more, field):
    refused(server(more), "not declared|Only params", field)


def test_the_claims_of_an_assertion_may_name_secrets_and_the_client():
    read(
        method(
            "jwt: {key: pem, header: {kid: '{{secret.pem}}'}, claims: {iss: '{{client.id}}'}, subject: '{{param.tenant}}'}"
        )
    )
    refused(
        method("jwt: {key: pem, claims: {a: '{{token.access_token}}'}}"),
        "not declared",
        "jwt.claims.a",
    )
    refused(method("jwt: {key: pem, subject: '{{secret.other}}'}"), "not declared", "jwt.subject")


# -- discover --------------------------------------------------------------------------


def test_what_a_request_after_the_login_finds_fills_a_param():
    recipe = read(FOUND)
    assert recipe.params["site"].source == "discover"
    assert recipe.discover[0].save == {"site": "id"}
    alone = read(swap(FOUND, "choose: {label: name}, ", ""))
    assert alone.discover[0].choose is None


@pytest.mark.parametrize(
    ("old", "new", "match", "field"),
    [
        ('[{url: "https://api.desk', '[{url: "https://other',
         "'other.example' is not in allowed_hosts", "discover[0].url"),
        ("save: {site: id}", "save: {site: id, more: x}", "no param 'more'", "discover[0].save"),
        ("params: {site: {from: discover}}", "params: {site: {}}", "from: discover", "discover[0].save"),
        ("site: {from: discover}}", "site: {from: discover}, zone: {from: discover}}",
         "Nothing under discover saves it", "params.zone.from"),
        ("save: {site: id}", "save: {site: 'a..b'}", "no path", "discover[0].save.site"),
        ("label: name", "label: '['", "no path", "discover[0].choose.label"),
        ("label: name", "items: '['", "no path", "discover[0].choose.items"),
        ("save:", "headers: {A: '{{token.access_token}}'}, save:", "not declared", "discover[0].headers.A"),
        ("/sites", "/{{client.id}}", "not declared", "discover[0].url"),
    ],
)  # fmt: skip
def test_a_request_that_finds_nothing_or_leaves_the_hosts_is_refused(old, new, match, field):
    refused(swap(FOUND, old, new), match, field)


def test_a_param_that_nobody_finds_may_have_a_default():
    text = swap(
        FOUND,
        "site: {from: discover}}",
        "site: {from: discover}, zone: {from: discover, default: eu}}",
    )
    assert read(text).params["zone"].default == "eu"


@pytest.mark.parametrize("source", ["token", "callback", "secret"])
def test_a_param_comes_from_something_that_is_kept(source):
    text = FOUND.partition("discover:")[0].replace(
        "from: discover", f"from: {source}, key: tenant, take: '(.*)'"
    )
    refused(text, f"kept from the {source}", "params.site.from")


def test_a_login_names_nothing_that_only_the_login_brings():
    for fields in (
        'authorize_params: {site: "{{param.site}}"}',
        'token_request: {params: {site: "{{param.site}}"}}',
        'authorization_endpoint: "https://id.desk.example/{{param.site}}"',
    ):
        refused(swap(FOUND, '/token"}', f'/token", {fields}}}'), "not declared")
    read(swap(FOUND, '/token"}', '/token", refresh: {params: {site: "{{param.site}}"}}}'))


def test_two_requests_are_the_limit():
    one = FOUND.rpartition("discover: [")[2].rstrip("]\n")
    refused(FOUND.replace(one, ", ".join([one] * 3)), "length <= 2", "discover")


def test_what_came_with_the_redirect_fills_a_host_only_by_an_enum():
    hosts = "https://{{param.zone}}.desk.example"
    free = FOUND.replace("https://api.desk.example/ex/{{param.site}}", hosts)
    free = free.partition("discover:")[0].replace("site: {from: discover}", "{}")
    kept = "callback: {keep: [zone]}, token_response: {keep: {zone: zone}}"
    free = swap(free, '/token"}', f'/token", {kept}}}')
    refused(
        free.replace("{}", "zone: {from: callback, pattern: '[a-z]+'}"), "needs an enum", "base_url"
    )
    assert read(free.replace("{}", "zone: {from: callback, enum: [eu, us]}")).base_url == hosts
    assert read(free.replace("{}", "zone: {from: token, pattern: '[a-z]+'}")).base_url == hosts


# -- diagnose, and the end of a key ----------------------------------------------------


def test_a_rule_about_errors_has_regular_expressions():
    rule = "diagnose: [{when: {error: 'a|b', body: 'x\\d+', status: 400, age_s: [1, 2]}, say: No.}]"
    assert read(method(rule)).diagnose[0].when.age_s == (1, 2)
    refused(
        method("diagnose: [{when: {error: '('}, say: No.}]"), "no regular", "diagnose[0].when.error"
    )
    refused(
        method("diagnose: [{when: {body: '['}, say: No.}]"), "no regular", "diagnose[0].when.body"
    )


def test_the_end_of_a_key_is_a_path():
    assert read(method("test: {path: /, expires: 'header:X-Ends || data.ends'}")).test is not None
    refused(method("test: {path: /, expires: 'a..b'}"), "no path", "test.expires")


# -- values of params ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("param", "given", "value"),
    [
        (Param(type="host"), "https://git.example/", "git.example"),
        (Param(type="host"), " http://git.example/group/x ", "git.example"),
        (Param(type="host"), "git.example:8443", "git.example:8443"),
        (Param(type="host", suffix=".desk.example"), "https://acme.desk.example/home", "acme"),
        (Param(), "https://git.example/", "https://git.example/"),
        (Param(suffix=".desk.example"), " acme.desk.example ", "acme"),
        (Param(suffix=".desk.example"), "acme", "acme"),
        (Param(default="eu"), None, "eu"),
        (Param(default=""), "", ""),
        (Param(enum=("eu", "us")), "us", "us"),
    ],
)
def test_a_value_is_trimmed_of_what_people_paste_along(param, given, value):
    assert param.check("site", given) == value


@pytest.mark.parametrize(
    ("param", "given", "match"),
    [
        (Param(), None, "missing"),
        (Param(), "  ", "missing"),
        (Param(type="host"), "https:///", "missing"),
        (Param(suffix=".desk.example"), ".desk.example", "missing"),
        (Param(enum=("eu",)), "us", "one of: eu"),
        (Param(type="host", pattern="[a-z.]+"), "https://u@git.example/", "does not look"),
    ],
)
def test_a_value_that_does_not_fit_is_named(param, given, match):
    with pytest.raises(ValueError, match=match) as caught:
        param.check("site", given)
    assert "'site'" in str(caught.value)


def test_a_value_is_taken_out_of_what_was_found():
    param = Param(take="-([a-z]+[0-9]+)$")
    assert param.found("0123abcd-us6") == "us6"
    assert param.found("0123abcd") == ""
    assert Param().found("as it is") == "as it is"


@pytest.mark.parametrize(
    ("take", "match"), [("-[a-z]+$", "needs a group"), ("(", "no regular expression")]
)
def test_what_takes_a_value_out_has_a_group(take, match):
    refused(swap(OAUTH, "default: common", f"take: '{take}'"), match, "params.tenant.take")


def test_a_param_is_a_named_part_of_a_secret_and_never_all_of_it():
    """Params stand in addresses, lists and errors: a whole key there would be in clear."""
    text = swap(OAUTH, "default: common", "from: secret, key: pem")
    refused(text, "which part", "params.tenant.take")
    assert read(text.replace("key: pem}}", "key: pem, take: '-([a-z]+)$'}}")).params["tenant"].take


ID = "https://id.example.com"
BOTH = {"authorization_endpoint": f"{ID}/auth", "device_authorization_endpoint": f"{ID}/device"}


@pytest.mark.parametrize(
    ("fields", "page"),
    [
        (BOTH, f"{ID}/auth"),
        ({"device_authorization_endpoint": f"{ID}/device"}, f"{ID}/device"),
        ({"issuer": ID, "discovery": True}, ID),
        (BOTH | {"grants": ("client_credentials",)}, ""),
    ],
)
def test_where_a_person_logs_in_is_told_as_far_as_it_is_known(fields, page):
    assert OAuth2(**fields).login_at == page


@pytest.mark.parametrize(
    "grants",
    [
        None, "[authorization_code]", "[device_code]", "[refresh_token]", "[]",
        "[authorization_code, client_credentials]",
    ],
)  # fmt: skip
def test_a_grant_that_needs_a_person_is_not_asked_for_again_without_one(grants):
    more = f"grants: {grants}\n" if grants else ""
    device = "device_authorization_endpoint: https://id.mail.example/device\n"
    text = server(device + more + "refresh: {mode: reissue}")
    refused(text, "without a person", "oauth2.refresh.mode")
    for mode in ("yes", "no", "exchange"):
        assert read(swap(text, "reissue", mode)).oauth2.refresh.mode == mode


@pytest.mark.parametrize("grant", ["client_credentials", "token_exchange"])
def test_a_grant_that_needs_nobody_is_asked_for_again(grant):
    found = read(server(f"grants: [{grant}]\nrefresh: {{mode: reissue}}"))
    assert found.oauth2.refresh.mode == "reissue"
