"""The signer: the recipe's values in their places, encoded so that they stay there."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_auth.hosts import Fence
from arcrun_auth.recipe import Inject, Method, Param
from arcrun_auth.signing import Binding, Signer, bind_method
from arcrun_auth.tokens import Secret, Token
from tests import bound, canary

ORIGIN = "https://api.example.com"


def signer(inject: Inject, **params: str) -> Signer:
    return Signer(Binding("demo", ORIGIN, Fence(["api.example.com"]), inject, params=params))


def sign(inject: Inject, token: Token, url: str = ORIGIN + "/", **more):
    given = {"method": "GET", "headers": {}, "body": b""} | more
    return signer(inject).sign(url=url, token=token, **given)


def test_headers_are_rendered_once_per_token() -> None:
    ours, token = signer(bound.inject("header")), bound.static("key-number-1")
    first = ours.sign(method="GET", url=ORIGIN, headers={}, body=None, token=token)
    again = ours.sign(method="GET", url=ORIGIN, headers={}, body=None, token=token)
    assert first.headers is again.headers
    assert first.url is ORIGIN
    newer = ours.sign(
        method="GET", url=ORIGIN, headers={}, body=None, token=bound.static("key-number-2")
    )
    assert dict(newer.headers) == {"X-Api-Key": "key-number-2"}
    assert set(ours.secrets) == {"key-number-1", "key-number-2"}, "both may still be under way"
    assert "key-number" not in repr(newer) + repr(ours) + repr(ours.binding)


def test_all_namespaces_can_be_named() -> None:
    inject = Inject(header={
        "A": "{{token.token_type}} {{token.access_token}}", "B": "{{runtime.access_token}}",
        "C": "{{runtime.key}}", "D": "{{param.region}}", "E": "literal", "F": "{{secret.absent}}",
        "G": "{a} {{a}}",
    })  # fmt: skip
    token = Token("access-token", token_type="DPoP", secrets={"key": Secret("s3cret-key")})
    ours = signer(inject, region="eu")
    signed = ours.sign(method="GET", url=ORIGIN, headers={}, body=None, token=token)
    assert dict(signed.headers) == {
        "A": "DPoP access-token", "B": "access-token", "C": "s3cret-key", "D": "eu", "E": "literal",
        "G": "{a} {{a}}",
    }  # fmt: skip
    assert not {"DPoP", "eu", "literal"} & set(ours.secrets)


any_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(any_text, any_text, any_text)
def test_no_secret_leaves_its_place_in_the_url(key, other, fragment) -> None:
    from urllib.parse import quote

    tail = quote(fragment, safe="")
    url = f"{ORIGIN}/v1/bot%7Bkey%7D/x?a={quote(other, safe='')}&key=old#{tail}"
    signed = sign(bound.inject("query", "path"), bound.static(key), url)
    parts = urlsplit(signed.url)
    assert (parts.scheme, parts.netloc) == ("https", "api.example.com")
    assert parts.path.count("/") == 3
    assert unquote(parts.path.split("/")[2]) == f"bot{key}"
    assert parse_qsl(parts.query, keep_blank_values=True) == [("a", other), ("key", key)]
    assert parts.fragment == tail


@given(any_text)
def test_no_secret_leaves_its_place_in_a_cookie(key) -> None:
    signed = sign(bound.inject("cookie"), bound.static(key), headers={"cookie": "a=1; sid=x"})
    ((name, value),) = signed.headers
    crumbs = value.split("; ")
    assert name == "Cookie"
    assert crumbs[0] == "a=1"
    assert len(crumbs) == 2
    assert unquote(crumbs[1].removeprefix("sid=")) == unquote(key)
    assert value.isascii()
    assert value.isprintable()


@given(any_text)
def test_json_and_form_bodies_take_it_whole(key) -> None:
    inject = Inject(body={"auth.key": "{{secret.key}}"})
    body = sign(inject, bound.static(key), method="POST", headers={"content-type": "application/json; charset=utf-8"},  # noqa: E501
                body=b'{"auth": 5, "b": [1]}').body  # fmt: skip
    assert json.loads(body) == {"auth": {"key": key}, "b": [1]}
    form = sign(inject, bound.static(key), method="POST", headers={"content-type": "application/x-www-form-urlencoded"},  # noqa: E501
                body=b"a=1&a=2&auth.key=old&e=").body  # fmt: skip
    pairs = parse_qsl(form.decode(), keep_blank_values=True)
    assert pairs == [("a", "1"), ("a", "2"), ("e", ""), ("auth.key", key)]


def test_a_missing_body_becomes_one_only_where_the_method_has_one() -> None:
    inject, token = bound.inject("body"), bound.static("key-number-1")
    assert sign(inject, token).body is None
    signed = sign(inject, token, method="post")
    assert json.loads(signed.body) == {"auth": {"key": "key-number-1"}}
    assert dict(signed.headers) == {
        "Content-Type": "application/json", "Content-Length": str(len(signed.body)),
    }  # fmt: skip


@pytest.mark.parametrize("body", [None, b"\xff", b"[]", b'"x"'])
def test_a_body_that_does_not_fit_is_refused(body) -> None:
    headers = {"content-type": "application/json"}
    with pytest.raises(AuthError, match="Nothing was sent") as caught:
        sign(
            bound.inject("body"),
            bound.static(canary.fresh()),
            method="POST",
            headers=headers,
            body=body,
        )
    assert not canary.hits(str(caught.value))


@pytest.mark.parametrize("bad", ["\r", "\n", "\0"])
def test_a_header_value_with_a_line_break_is_refused(bad) -> None:
    with pytest.raises(AuthError, match="X-Api-Key") as caught:
        sign(bound.inject("header"), bound.static(canary.fresh() + bad + "X: y"))
    assert not canary.hits(str(caught.value))
    assert caught.value.__context__ is None


def test_short_values_are_only_replaced_where_they_stand_alone() -> None:
    ours = signer(bound.inject("query", "path"))
    ours.sign(method="GET", url=ORIGIN, headers={}, body=None, token=bound.static("ab"))
    url = ORIGIN + "/ab/abacus?key=ab&tab=1"
    assert ours.unsigned_url(url) == ORIGIN + "/{key}/abacus?tab=1"
    assert signer(bound.inject("query")).unsigned_url(url) == url


@given(any_text)
def test_a_url_made_by_us_can_be_undone(key) -> None:
    ours = signer(bound.inject("query", "path"))
    url = f"{ORIGIN}/v1/%7Bkey%7D/x?a=1"
    signed = ours.sign(method="GET", url=url, headers={}, body=None, token=bound.static(key))
    if len(key) >= 6:
        clean = ours.unsigned_url(signed.url)
        assert ours.sign(method="GET", url=clean.replace("{key}", "%7Bkey%7D"), headers={}, body=None,  # noqa: E501
                         token=bound.static(key)).url == signed.url or "***" in clean  # fmt: skip


def test_a_method_of_a_recipe_becomes_a_binding() -> None:
    way = Method(
        primitive="static_key", base_url="https://{{param.shop}}.example.com/v1", inject=bound.inject("header"),  # noqa: E501
        allowed_hosts=("{{param.shop}}.example.com",), params={"shop": Param(pattern="[a-z]+", suffix=".example.com")},  # noqa: E501
        static_headers={"X-Shop": "{{param.shop}}"}, root_paths=("/upload/",),
    )  # fmt: skip
    binding = bind_method(
        way, service="demo", params={"shop": "acme"}, allow=["http://127.0.0.1:1"]
    )
    assert binding.base_url == "https://acme.example.com/v1"
    assert binding.fence.permits("https", "acme.example.com", None)
    assert not binding.fence.permits("https", "other.example.com", None)
    assert binding.static_headers == {"X-Shop": "acme"}
    assert binding.root_paths == ("/upload/",)
    with pytest.raises(ValueError, match="shop"):
        bind_method(way, service="demo", params={})
