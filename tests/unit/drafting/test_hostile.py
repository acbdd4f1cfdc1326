"""Any document makes a recipe, or an error that can be shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.drafting import document, openapi
from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import reader
from tests.drafting_kit import API, JUNK, assert_makes_one


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[1]", "no map"),
        (b"{\xff}", "JSON"),
        (b"a: &x 1\nb: *x", "Anchors"),
        (b"a: !!python/object:os.system 1", "Tags"),
        (b"a: 1\na: 2", "twice"),
        (b"a: " + b"[" * 200 + b"]" * 200, "100 deep"),
        (b"- 1", "A document is a map"),
        (b"", "A document is a map"),
        (b"<html></html>", "A document is a map"),
        (b"a: " + b"x" * document.MAX_YAML, "8 MB of YAML"),
        (b"{" + b" " * document.MAX_BYTES, "16 MB"),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_name(raw, why):
    with pytest.raises(RecipeError, match=why) as caught:
        document.read(raw, "shop.yaml")
    assert caught.value.path == "shop.yaml"


def test_of_what_is_no_recipe_no_number_is_kept_a_second_time(monkeypatch):
    documents, built = [], reader._Builder.build
    monkeypatch.setattr(
        reader._Builder, "build", lambda self: (documents.append(self._document), built(self))
    )
    assert document.read(b"a: [+10, true]", "shop.yaml") == {"a": [10, True]}
    assert reader.parse("a: +10").sources == [(("a",), "+10")]
    assert [len(each.sources) for each in documents] == [0, 1]


def test_a_document_may_be_longer_and_deeper_than_a_recipe_and_begin_with_a_mark():
    deep = b"a: " + b"[" * 90 + b"]" * 90
    assert document.read(b"\xef\xbb\xbf" + deep, "x")["a"]
    assert len(document.read(b"b: " + b"x" * 70_000, "x")["b"]) == 70_000
    assert document.read(b"swagger: 2.0", "x") == {"swagger": "2.0"}


SCHEME = st.one_of(
    JUNK,
    st.fixed_dictionaries({
        "type": st.sampled_from(["oauth2", "apiKey", "http", "openIdConnect", "basic", "x"]),
        "in": st.sampled_from(["header", "query", "cookie"]), "name": st.text(max_size=8),
        "scheme": st.sampled_from(["bearer", "basic", "digest"]),
        "openIdConnectUrl": st.text(max_size=20), "description": st.text(max_size=40),
        "flows": st.dictionaries(
            st.sampled_from(["authorizationCode", "clientCredentials", "implicit"]),
            st.dictionaries(
                st.sampled_from(["authorizationUrl", "tokenUrl", "refreshUrl"]),
                st.sampled_from(["https://id.example.com/t", "/t", "http://x", "{{secret.k}}"])
                | st.text(max_size=10),
            ) | JUNK,
        ),
    }),
)  # fmt: skip


@settings(max_examples=80)
@given(
    st.sampled_from(["openapi", "swagger"]),
    st.dictionaries(st.text(max_size=6) | st.just("k"), SCHEME, max_size=3),
    st.one_of(JUNK, st.just([{"k": []}]), st.just([{"k": ["read", " ", "a\nb"]}])),
    st.tuples(JUNK, JUNK, JUNK),
)  # fmt: skip
def test_any_document_makes_a_recipe_that_loads_or_a_clear_error(kind, schemes, security, rest):
    info, servers, paths = rest
    whole = {
        kind: "3.0.0" if kind == "openapi" else "2.0", "info": info, "servers": servers,
        "paths": paths, "components": {"securitySchemes": schemes},
        "securityDefinitions": schemes if kind == "swagger" else {}, "security": security,
    }  # fmt: skip
    service = openapi.service_name(whole) or "shop"
    where = openapi.address_of(whole, "https://docs.example.com/") or API
    assert_makes_one(lambda: openapi.draft(whole, service, where))
