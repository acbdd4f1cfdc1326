"""The address of an API, from what a document says of its servers."""

from __future__ import annotations

import pytest

from arcrun_auth.drafting import openapi
from tests.drafting_kit import address


def variable(url, at="", **fields):
    return address({"url": url, "variables": {"v": fields}}, at=at)


def test_an_address_without_variables_is_taken_as_it_is():
    assert address({"url": "https://api.example.com/v1/"}) == ("https://api.example.com/v1", {})


def test_a_relative_address_needs_to_know_where_the_document_was():
    at = "https://api.example.com/docs/openapi.json"
    assert address({"url": "/v2"}) is None
    assert address({"url": "/v2"}, at=at) == ("https://api.example.com/v2", {})
    assert address(at=at) == ("https://api.example.com", {})
    assert address({"url": "{v}/x"}) is None


def test_the_first_public_https_server_counts_and_the_others_are_told():
    servers = [{"url": f"{each}/v1"} for each in (
        "http://localhost:8080", "http://api.example.com", "https://api.example.com",
        "https://sandbox.example.com",
    )]  # fmt: skip
    found = openapi.address_of({"openapi": "3.0.0", "servers": servers})
    assert found.base_url == "https://api.example.com/v1"
    assert "https://sandbox.example.com/v1" in found.note
    assert openapi.address_of({"servers": servers[:1]}).base_url == "http://localhost:8080/v1"


def test_the_second_version_of_openapi_says_it_in_three_fields():
    old = {"swagger": "2.0", "host": "api.example.com", "basePath": "/v1"}
    assert openapi.address_of(old).base_url == "https://api.example.com/v1"
    assert openapi.address_of({**old, "schemes": ["http"]}).base_url == "http://api.example.com/v1"
    assert openapi.address_of({"swagger": "2.0", "basePath": "/v1"}) is None


def test_what_fills_a_host_is_one_of_a_few_or_keeps_its_suffix():
    assert variable("https://{v}.example.com/x", enum=["eu", "us"], default="eu") == (
        "https://{{param.v}}.example.com/x",
        {"v": {"label": "V", "enum": ["eu", "us"], "default": "eu"}},
    )
    assert variable("https://{v}.example.com", default="your-shop") == (
        "https://{{param.v}}.example.com",
        {"v": {"label": "V", "help": "For example: your-shop", "pattern": "[a-z0-9][a-z0-9-]*"}},
    )
    # Nothing fixed follows it: whoever fills it could name any host.
    assert variable("https://{v}/x", default="api.example.com") == ("https://api.example.com/x", {})
    assert variable("https://{v}.com/x") is None
    assert variable("https://{v}.com/x", default="a b") is None
    assert variable("https://a.{v}.com", enum=["only"]) == ("https://a.only.com", {})


def test_what_fills_a_path_may_be_anything_that_stays_in_it():
    assert variable("https://a.example.com/{v}", default="v2", description="The *version*.") == (
        "https://a.example.com/{{param.v}}",
        {"v": {"label": "V", "help": "The version.", "pattern": "[A-Za-z0-9._~-]+",
               "default": "v2"}},
    )  # fmt: skip
    assert variable("https://a.example.com/{v}", enum=["v2"])[0] == "https://a.example.com/v2"
    both = variable("https://a.example.com/{v}/{v}", enum=["x", "y"], default="z")
    assert both[0].count("{{param.v}}") == 2
    assert both[1] == {"v": {"label": "V", "enum": ["x", "y"]}}


def test_scheme_and_port_are_not_worth_a_question():
    assert variable("{v}://a.example.com", enum=["http", "https"], default="http")[0] == (
        "http://a.example.com"
    )
    assert variable("{v}://a.example.com", default="ftp")[0] == "https://a.example.com"
    assert variable("https://a.example.com:{v}/x", default="8443")[0] == (
        "https://a.example.com:8443/x"
    )
    assert variable("https://a.example.com:{v}/x", default=443)[0] == "https://a.example.com/x"


@pytest.mark.parametrize(
    "url",
    ["ftp://a.example.com", "https://user@a.example.com", "https://a.example.com/?x=1", "https://",
     "https://a.example.com/{x", "https://a.example.com/{{secret.k}}", "https://[::1", ""],
)  # fmt: skip
def test_what_is_no_address_is_none(url):
    assert address({"url": url}) is None


def test_two_variables_of_one_name_in_short_are_two_params():
    found = address({"url": "https://a.example.com/{a b}/{a-b}/{日}", "variables": {}})
    assert found[0] == "https://a.example.com/{{param.a_b}}/{{param.a_b_2}}/{{param.value}}"
