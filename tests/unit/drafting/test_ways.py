"""The ways in, from the security schemes of a document."""

from __future__ import annotations

import pytest

from arcrun_auth import drafting
from arcrun_auth.drafting import openapi
from arcrun_auth.errors import RecipeError
from tests.drafting_kit import API, OAUTH, checked, made


@pytest.mark.parametrize(
    ("scheme", "inject"),
    [
        ({"type": "http", "scheme": "Bearer"},
         {"header": {"Authorization": "Bearer {{secret.shop_token}}"}}),
        ({"type": "http", "scheme": "basic"},
         {"header": {"Authorization": "Basic {{secret.shop_username}}:{{secret.shop_password}}"}}),
        ({"type": "basic"},
         {"header": {"Authorization": "Basic {{secret.shop_username}}:{{secret.shop_password}}"}}),
        ({"type": "apiKey", "in": "header", "name": "X-Key"},
         {"header": {"X-Key": "{{secret.shop_api_key}}"}}),
        ({"type": "apiKey", "in": "query", "name": "key"},
         {"query": {"key": "{{secret.shop_api_key}}"}}),
        ({"type": "apiKey", "in": "cookie", "name": "sid"},
         {"cookie": {"sid": "{{secret.shop_api_key}}"}}),
        ({"type": "apiKey", "in": "header", "name": "Authorization",
          "description": "Send `Token <your api key>`."},
         {"header": {"Authorization": "Token {{secret.shop_api_key}}"}}),
    ],
)  # fmt: skip
def test_a_key_goes_where_the_document_says(scheme, inject):
    found = checked(made({"k": scheme}))
    given = {name: getattr(found.inject, name) for name in ("header", "query", "cookie")}
    assert {name: fields for name, fields in given.items() if fields} == inject
    assert found.way().id == "key"


def test_a_key_in_authorization_is_to_be_looked_at():
    text = made({"k": {"type": "apiKey", "in": "header", "name": "Authorization"}}).text()
    assert "# Look up whether a word stands before the key" in text


def test_digest_answers_a_challenge():
    found = checked(made({"k": {"type": "http", "scheme": "digest"}}))
    assert found.digest.username == "shop_username"


def test_a_login_has_its_endpoints_and_what_is_to_be_looked_up():
    draft = made({"o": OAUTH}, security=[{"o": ["read"]}])
    found = checked(draft)
    oauth2 = found.oauth2
    assert oauth2.authorization_endpoint == "https://id.example.com/authorize"
    assert oauth2.token_endpoint == "https://api.example.com/oauth/token"
    assert (oauth2.refresh.url, oauth2.scopes) == ("https://id.example.com/refresh", ("read",))
    robot = found.way("client_credentials").oauth2
    assert (robot.grants, robot.refresh.mode) == (("client_credentials",), "reissue")
    text = draft.text()
    for said in "redirect URIs", "client: how an app proves itself", "- write\n", "the least":
        assert said in text


def test_of_many_scopes_the_first_are_listed():
    flow = {**OAUTH["flows"]["authorizationCode"], "scopes": {f"s{n}": "" for n in range(99)}}
    text = made({"o": {"type": "oauth2", "flows": {"authorizationCode": flow}}}).text()
    assert "# - s39\n" in text
    assert "# and 59 more\n" in text


def test_a_device_may_log_in_where_the_document_says_so():
    flow = {"deviceAuthorizationUrl": "https://id.example.com/d", "tokenUrl": "/t", "scopes": {}}
    found = checked(made({"o": {"type": "oauth2", "flows": {"deviceAuthorization": flow}}}))
    assert found.oauth2.grants == ("device_code", "refresh_token")
    flows = {**OAUTH["flows"], "deviceAuthorization": flow}
    found = checked(made({"o": {"type": "oauth2", "flows": flows}}))
    assert found.oauth2.grants[:2] == ("authorization_code", "device_code")


def test_the_flows_of_the_second_version_have_other_names():
    code = {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://id.example.com/a",
            "tokenUrl": "https://id.example.com/t", "scopes": {"read": "x"}}  # fmt: skip
    app = {"type": "oauth2", "flow": "application", "tokenUrl": "https://id.example.com/t"}
    whole = {"swagger": "2.0", "info": {}, "securityDefinitions": {"a": code, "b": app}}
    found = checked(openapi.draft(whole, "shop", API))
    assert [way.id for way in found.ways] == ["oauth", "client_credentials"]


def test_openid_connect_is_found_by_its_issuer():
    url = "https://id.example.com/realms/x/.well-known/openid-configuration"
    found = checked(made({"o": {"type": "openIdConnect", "openIdConnectUrl": url}}))
    assert found.oauth2.issuer == "https://id.example.com/realms/x"
    assert found.oauth2.discovery


def test_what_is_needed_together_is_one_way_in_and_alternatives_are_several():
    schemes = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Under [Settings](https://x).",
        },
        "app": {"type": "apiKey", "in": "header", "name": "X-App"},
        "o": OAUTH,
    }
    both = made(schemes, security=[{"token": [], "app": []}, {"o": [], "app": []}, {}])
    found = checked(both)
    assert found.inject.header == {
        "X-App": "{{secret.shop_app}}", "Authorization": "Bearer {{secret.shop_token}}",
    }  # fmt: skip
    assert [secret.label for secret in found.required_secrets] == ["Token", "App"]
    assert "Under Settings." in both.text()
    login = found.way("oauth")
    assert login.inject.header == {
        "Authorization": "Bearer {{token.access_token}}", "X-App": "{{secret.shop_app}}",
    }  # fmt: skip


def test_what_cannot_be_together_is_left_out_with_the_reason():
    schemes = {
        "a": {"type": "http", "scheme": "bearer"},
        "b": {"type": "http", "scheme": "basic"},
        "d": {"type": "http", "scheme": "digest"},
    }
    draft = made(
        schemes, security=[{"a": [], "b": []}, {"a": [], "d": []}, {"gone": []}, {"a": []}]
    )
    assert [way.id for way in checked(draft).ways] == ["key"]
    for said in "two of them stand in the header", "cannot be combined", "no scheme of this name":
        assert said in draft.text()


def test_the_ways_of_operations_count_where_the_document_has_none_the_commonest_first():
    schemes = {"a": {"type": "http", "scheme": "basic"}, "b": {"type": "http", "scheme": "bearer"},
               "never": {"type": "apiKey", "in": "query", "name": "x"}}  # fmt: skip
    a, b = {"security": [{"a": []}]}, {"security": [{"b": []}]}
    more = [{"required": True}]
    paths = {"/a": {"post": a}, "/b": {"put": b}, "/c": {"get": {**b, "parameters": more}}}
    found = checked(made(schemes, paths=paths))
    assert [way.inject.header["Authorization"][:6] for way in found.ways] == ["Bearer", "Basic "]


def test_ways_of_the_same_kind_get_names_and_secrets_of_their_own():
    schemes = {
        "a": {"type": "apiKey", "in": "header", "name": "X-A"},
        "adminKey": {"type": "apiKey", "in": "header", "name": "X-B"},
        "shopKey": {"type": "apiKey", "in": "header", "name": "X-C"},
        "same": {"type": "apiKey", "in": "header", "name": "X-A"},
    }
    draft = made(schemes)
    found = checked(draft).ways
    assert [way.id for way in found] == ["key", "key2", "key3"]
    assert [way.label for way in found] == ["", "Admin Key", "Shop Key"]
    keys = [secret.key for way in found for secret in way.required_secrets]
    assert keys == ["shop_api_key", "shop_admin_key", "shop_key"]
    assert "# - 'same': it is the same as another" in draft.text()


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ({"type": "oauth2", "flows": {"implicit": {}}}, "web pages"),
        ({"type": "oauth2", "flows": {"password": {"tokenUrl": "/t"}}}, "the password itself"),
        ({"type": "oauth2"}, "none of its flows"),
        ({"type": "oauth2", "flows": {"authorizationCode": {}}}, "token_endpoint"),
        ({"type": "mutualTLS"}, "primitive: mtls"),
        ({"type": "http", "scheme": "hoba"}, "no way in for http hoba"),
        ({"type": "apiKey", "in": "body", "name": "x"}, "where the key stands"),
        ({"type": "apiKey", "in": "header", "name": "Host"}, "HTTP client"),
        ({"type": "apiKey", "in": "header", "name": "a b"}, "no name of a header"),
        ({"type": "openIdConnect", "openIdConnectUrl": "ftp://x"}, "URL"),
        ({"$ref": "https://evil.example/s.yaml"}, "Nothing was fetched"),
        ({"$ref": "#/components/securitySchemes/k"}, "leads to itself"),
        ({"$ref": "#/components/none"}, "leads to nothing"),
        ({}, "no way in for no type"),
        ("x", "no way in for no type"),
    ],
)
def test_where_no_way_in_is_left_the_reason_is_told(scheme, why):
    with pytest.raises(RecipeError, match=why) as caught:
        made({"k": scheme})
    assert "--auth" in caught.value.hint


def test_a_document_without_any_way_in_takes_one_that_is_said():
    whole = {"openapi": "3.0.0", "info": {"title": "Shop"}}
    with pytest.raises(RecipeError, match="no security schemes"):
        openapi.draft(whole, "shop", API)
    way = drafting.way_of("query", "shop", field="k")
    found = checked(drafting.from_document(whole, "shop", API, way=way))
    assert found.inject.query == {"k": "{{secret.shop_api_key}}"}


def test_a_reference_within_the_document_is_followed():
    schemes = {"k": {"$ref": "#/components/x~1y/~0z"}}
    more = {"x/y": {"~z": {"type": "http", "scheme": "bearer"}}}
    assert checked(made(schemes, components={**more, "securitySchemes": schemes})).inject.header


@pytest.mark.parametrize("version", ["1.2", "4.0.0", None, 3])
def test_other_versions_of_openapi_are_refused(version):
    with pytest.raises(RecipeError, match="of OpenAPI, not"):
        openapi.draft({"openapi": version}, "shop", API)
