"""A recipe from the metadata of an issuer, and from what somebody answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth import drafting
from arcrun_auth.drafting import Address, metadata, openapi
from arcrun_auth.errors import RecipeError
from tests.drafting_kit import API, JUNK, assert_makes_one, checked

ISSUER = "https://id.example.com/realms/shop"
TOLD = {
    "issuer": ISSUER, "token_endpoint": f"{ISSUER}/token",
    "authorization_endpoint": f"{ISSUER}/authorize",
    "scopes_supported": ["openid", "email", "offline_access"],
}  # fmt: skip


def login(**told):
    return metadata.draft({**TOLD, **told}, "shop", API, name="Shop")


def test_an_issuer_is_enough():
    draft = login()
    oauth2 = checked(draft).oauth2
    assert (oauth2.issuer, oauth2.discovery) == (ISSUER, True)
    assert oauth2.scopes == ("openid", "offline_access")
    assert oauth2.authorize_params == {"prompt": "consent"}
    assert oauth2.client.auth == "basic"  # RFC 8414 §2
    assert oauth2.token_endpoint == ""
    assert "# - email\n" in draft.text()


def test_what_lies_on_another_origin_is_named():
    oauth2 = checked(login(token_endpoint="https://tokens.example.com/t")).oauth2
    assert oauth2.token_endpoint == "https://tokens.example.com/t"
    assert oauth2.authorization_endpoint == ""


@pytest.mark.parametrize(
    ("methods", "auth"),
    [(["client_secret_post"], "post"), (["private_key_jwt"], "private_key_jwt"),
     (["none", "client_secret_basic"], "none"), (["unheard_of"], "basic"), ("x", "basic")],
)  # fmt: skip
def test_the_client_proves_itself_as_the_server_takes_it(methods, auth):
    found = checked(login(token_endpoint_auth_methods_supported=methods)).oauth2
    assert found.client.auth == auth


def test_grants_and_pkce_are_as_the_server_says():
    code, device = "authorization_code", "urn:ietf:params:oauth:grant-type:device_code"
    where = {"device_authorization_endpoint": f"{ISSUER}/device"}
    both = checked(login(grant_types_supported=[code, device], **where)).oauth2
    assert both.grants == ("authorization_code", "device_code", "refresh_token")
    robot = checked(login(grant_types_supported=["client_credentials"]))
    assert (robot.way().id, robot.oauth2.grants) == ("client_credentials", ("client_credentials",))
    assert checked(login(code_challenge_methods_supported=["plain"])).oauth2.pkce == "no"
    assert "registration: dcr" in login(registration_endpoint=f"{ISSUER}/register").text()


def test_metadata_of_another_place_or_without_an_issuer_are_refused():
    for issuer in "http://id.example.com", "https://id.example.com/?x", "no":
        with pytest.raises(RecipeError, match="is no issuer"):
            login(issuer=issuer)
    metadata.check_place(TOLD, f"{ISSUER}/.well-known/openid-configuration")
    with pytest.raises(RecipeError, match="lie elsewhere"):
        metadata.check_place(TOLD, "https://evil.example/.well-known/openid-configuration")


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([
    *metadata.ENDPOINTS, "scopes_supported", "grant_types_supported", "service_documentation",
    "token_endpoint_auth_methods_supported", "code_challenge_methods_supported",
]), JUNK))  # fmt: skip
def test_any_metadata_make_a_recipe_that_loads_or_a_clear_error(told):
    assert_makes_one(lambda: login(**told))


@pytest.mark.parametrize("kind", drafting.KINDS)
def test_each_kind_of_way_in_makes_a_recipe(kind):
    way = drafting.way_of(
        kind, "shop", login_at="https://id.example.com/a", token_at="https://id.example.com/t"
    )
    draft = drafting.blank("shop", "", API, way)
    assert "# test: {path: /me, identity: email}" in draft.text()
    found = checked(draft.with_help("https://example.com/keys").with_test({"path": "/me"}))
    assert found.test.path == "/me"
    assert [secret.help_url for secret in found.required_secrets] == (
        ["https://example.com/keys"] * len(found.required_secrets)
    )


def test_there_is_no_other_kind_and_no_other_document():
    with pytest.raises(ValueError, match="none of bearer"):
        drafting.way_of("magic", "shop")
    with pytest.raises(RecipeError, match="neither"):
        drafting.from_document({"a": 1}, "shop", API, way=None)
    with pytest.raises(RecipeError, match="base_url"):
        drafting.blank("shop", "", Address("ftp://x"), drafting.way_of("basic", "shop")).recipe()


FLOW = {"authorizationUrl": "https://id.example.com/a", "tokenUrl": "https://id.example.com/t"}


@pytest.mark.parametrize(
    "scheme",
    [
        {"type": "oauth2", "flows": {"authorizationCode": {**FLOW, "tokenUrl": "https://[x"}}},
        {"type": "oauth2", "flows": {"authorizationCode": {**FLOW, "authorizationUrl": "//["}}},
        {"type": "oauth2", "flows": {"authorizationCode": {**FLOW, "refreshUrl": "//[x"}}},
        {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "//[::1"}}},
        {"type": "openIdConnect", "openIdConnectUrl": "//["},
    ],
)
def test_an_address_that_is_none_is_the_reason_why_a_way_is_left_out(scheme):
    found = {
        "openapi": "3.1.0", "info": {"title": "Shop"},
        "components": {"securitySchemes": {"login": scheme}},
    }  # fmt: skip
    with pytest.raises(
        RecipeError, match=r"can be used: oauth2\.[a-z_.]+: .*\bno (URL|host name)\b"
    ):
        openapi.draft(found, "shop", Address("https://api.example.com"))


def test_a_server_that_is_no_address_is_passed_over():
    servers = [{"url": "//[x"}, {"url": "/v2"}]
    found = openapi.address_of(
        {"openapi": "3.1.0", "servers": servers}, "https://api.example.com/openapi.json"
    )
    assert found is not None
    assert found.base_url == "https://api.example.com/v2"
    assert (
        openapi.address_of({"openapi": "3.1.0", "servers": servers[:1]}, "https://a.example/x")
        is None
    )
