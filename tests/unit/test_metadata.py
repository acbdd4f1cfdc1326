"""The metadata of an authorization server: where they lie, and how little of them is believed."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.errors import LoginFailed, ProviderUnavailable
from arcrun_auth.oauth.metadata import ALIASED, ENDPOINTS, Metadata, read_metadata, well_known
from arcrun_auth.recipe import OAuth2

ISSUER = "https://id.example.com/tenant"


def read(issuer=ISSUER, status=200, named=(), certificate=False, **members):
    body = json.dumps({"issuer": issuer, **members}).encode()
    return read_metadata(issuer, status, body, named=named, by_certificate=certificate)


class TestWellKnown:
    def test_an_issuer_without_a_path_has_two_places(self):
        expected = (
            "https://id.example.com/.well-known/oauth-authorization-server",
            "https://id.example.com/.well-known/openid-configuration",
        )
        assert well_known("https://id.example.com") == expected
        assert well_known("https://id.example.com/") == expected

    def test_a_path_goes_behind_or_before(self):
        expected = (
            "https://id.example.com:8443/.well-known/oauth-authorization-server/a/b",
            "https://id.example.com:8443/a/b/.well-known/openid-configuration",
            "https://id.example.com:8443/.well-known/openid-configuration/a/b",
        )
        assert well_known("https://id.example.com:8443/a/b") == expected
        assert well_known("https://id.example.com:8443/a/b/") == expected

    @pytest.mark.parametrize(
        "issuer",
        ["http://127.0.0.1:8000", "http://localhost/x", "http://[::1]:9", "https://[2001:db8::1]"],
    )
    def test_this_machine_may_do_without_tls(self, issuer):
        assert well_known(issuer)[0].startswith(issuer.removesuffix("/x") + "/.well-known/")

    @pytest.mark.parametrize(
        "issuer",
        [
            "", "id.example.com", "http://id.example.com", "ftp://127.0.0.1", "https://",
            "http://10.0.0.1", "https://id.example.com?x", "https://id.example.com/#x",
            "https://me@id.example.com", "https://id.example.com\\@evil.example",
            "https://id.example.com/\n", "https://id.exa\tmple.com", "https://id.example.com:a",
            "https://id.example.com/?x=1", "https://ïd.example.com", "https://id.example.com/ü",
        ],
    )  # fmt: skip
    def test_what_is_no_issuer_is_refused(self, issuer):
        with pytest.raises(LoginFailed, match="is no issuer"):
            well_known(issuer)


class TestReading:
    def test_the_endpoints_are_known_by_the_names_a_recipe_has_for_them(self):
        assert set(ENDPOINTS) <= set(OAuth2.__struct_fields__)
        places = {name: f"{ISSUER}/{name}" for name in ENDPOINTS}
        found = read(**places, jwks_uri="https://elsewhere.example/keys")
        assert found == Metadata(places, pkce=None, iss_in_callback=False)

    def test_what_is_not_named_is_not_there(self):
        found = read(token_endpoint=f"{ISSUER}/t?a=b", userinfo_endpoint=None)
        assert found.endpoints == {"token_endpoint": f"{ISSUER}/t?a=b"}

    @pytest.mark.parametrize(
        ("methods", "pkce"),
        [(["S256"], True), (["plain", "S256"], True), (["plain"], False), ([], False),
         ("S256", False), (None, None)],
    )  # fmt: skip
    def test_whether_pkce_is_taken_is_told_and_not_judged(self, methods, pkce):
        assert read(code_challenge_methods_supported=methods).pkce is pkce

    @pytest.mark.parametrize(("said", "told"), [(True, True), (False, False), ("true", False)])
    def test_whether_callbacks_name_the_issuer(self, said, told):
        found = read(authorization_response_iss_parameter_supported=said)
        assert found.iss_in_callback is told

    @pytest.mark.parametrize(
        "other", [ISSUER + "/", ISSUER.upper(), "https://evil.example", None, 5, [ISSUER]]
    )
    def test_another_issuer_is_refused_by_plain_comparison(self, other):
        with pytest.raises(LoginFailed, match="another issuer") as caught:
            read_metadata(ISSUER, 200, json.dumps({"issuer": other}).encode())
        assert caught.value.error == "issuer_mismatch"

    @pytest.mark.parametrize(
        "url",
        [
            "https://evil.example/t", "https://id.example.com.evil.example/t",
            "https://id.example.com:444/t", "http://id.example.com/t",
            "https://id.example.com@evil.example/t", "https://id.example.com\\@evil.example/t",
            "https://sub.id.example.com/t", "//id.example.com/t", "/t", "", "javascript:x",
            "https://id.example.com/t#x", "https://id.example.com/t x", "https://id.exa\nmple.com/t",
            5, ["https://id.example.com/t"], {}, False,
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("name", ["token_endpoint", "registration_endpoint"])
    def test_an_endpoint_elsewhere_is_refused_and_the_recipe_can_name_it(self, name, url):
        with pytest.raises(LoginFailed, match=f"The {name} that") as caught:
            read(**{name: url})
        assert caught.value.error == "foreign_endpoint"
        assert caught.value.hint == f"if it is right, name it in the recipe: `oauth2.{name}`"
        assert "\n" not in caught.value.message
        assert read(**{name: url}, named={name}).endpoints == {}

    def test_the_same_origin_may_be_written_in_another_way(self):
        url = "https://ID.example.com:443/t"
        assert read(token_endpoint=url).endpoints == {"token_endpoint": url}

    def test_without_tls_only_where_the_issuer_is_without(self):
        local = "http://127.0.0.1:8000"
        url = f"{local}/t"
        assert read(local, token_endpoint=url).endpoints == {"token_endpoint": url}
        for other in ("https://127.0.0.1:8000/t", "http://127.0.0.1:8001/t", "http://localhost/t"):
            with pytest.raises(LoginFailed):
                read(local, token_endpoint=other)

    def test_by_a_certificate_the_client_goes_to_the_aliases(self):
        """RFC 8705 §5: where it authenticates they come first, and the browser never goes there."""
        usual = {name: f"{ISSUER}/{name}" for name in ENDPOINTS}
        aliases = {name: f"{ISSUER}/mtls/{name}" for name in ENDPOINTS}
        assert read(**usual, mtls_endpoint_aliases=aliases).endpoints == usual
        found = read(certificate=True, **usual, mtls_endpoint_aliases=aliases)
        assert found.endpoints == usual | {name: aliases[name] for name in ALIASED}
        assert "authorization_endpoint" not in ALIASED

    def test_an_alias_alone_is_an_endpoint_and_what_a_recipe_names_is_not_read(self):
        one = {"token_endpoint": f"{ISSUER}/mtls"}
        assert read(certificate=True, mtls_endpoint_aliases=one).endpoints == one
        named = read(certificate=True, named={"token_endpoint"}, mtls_endpoint_aliases=one)
        assert named.endpoints == {}

    @pytest.mark.parametrize("url", ["https://mtls.example.com/t", "http://id.example.com/t", 5])
    def test_an_alias_elsewhere_is_refused_like_any_other(self, url):
        usual = f"{ISSUER}/t"
        aliases = {"token_endpoint": url}
        with pytest.raises(LoginFailed, match="The token_endpoint that") as caught:
            read(certificate=True, token_endpoint=usual, mtls_endpoint_aliases=aliases)
        assert caught.value.error == "foreign_endpoint"
        assert read(token_endpoint=usual, mtls_endpoint_aliases=aliases).endpoints

    @pytest.mark.parametrize("aliases", [None, [], "x", 5, {"token_endpoint": None}, {"x": 1}])
    def test_what_is_no_alias_changes_nothing(self, aliases):
        usual = {"token_endpoint": f"{ISSUER}/t"}
        assert read(certificate=True, **usual, mtls_endpoint_aliases=aliases).endpoints == usual

    @pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 404, 410])
    def test_where_nothing_lies_the_next_place_is_asked(self, status):
        assert read(status=status) is None

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff", b"[" * 100_000])
    def test_a_page_that_is_no_metadata_is_nothing(self, body):
        assert read_metadata(ISSUER, 200, body) is None

    @pytest.mark.parametrize("status", [408, 429, 500, 503])
    def test_what_may_work_later_is_retryable(self, status):
        with pytest.raises(ProviderUnavailable) as caught:
            read(status=status)
        assert caught.value.status == status

    def test_what_the_server_wrote_is_fit_for_a_terminal(self):
        with pytest.raises(LoginFailed) as caught:
            read(token_endpoint="https://evil.example/\x1b[2J\u202e")
        assert not {"\x1b", "\u202e"} & set(str(caught.value))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
PLACES = st.sampled_from(
    [f"{ISSUER}/x", "https://id.example.com", "https://[x", "http://[::1/", ""]
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [*ENDPOINTS, "issuer", "code_challenge_methods_supported",
             "authorization_response_iss_parameter_supported", "mtls_endpoint_aliases"]
        ),
        JSON | PLACES | st.dictionaries(st.sampled_from(ENDPOINTS), JSON | PLACES),
    )
    | JSON,
    st.booleans(),
)  # fmt: skip
def test_any_json_is_metadata_nothing_or_one_of_our_errors(data, ours):
    if isinstance(data, dict) and ours:
        data = {**data, "issuer": ISSUER}
    try:
        found = read_metadata(ISSUER, 200, json.dumps(data).encode())
    except LoginFailed:
        return
    assert found is None or isinstance(found, Metadata)
    for url in found.endpoints.values() if found else ():
        assert urlsplit(url)[:2] == ("https", "id.example.com")


@settings(deadline=None)
@given(st.text() | st.builds("https://{}".format, st.text()))
def test_any_text_as_an_issuer_has_places_or_is_refused(text):
    try:
        places = well_known(text)
    except LoginFailed:
        return
    assert all(urlsplit(place).netloc == urlsplit(text).netloc for place in places)


def test_an_endpoint_with_a_placeholder_is_no_address() -> None:
    with pytest.raises(LoginFailed, match="is no URL"):
        read(revocation_endpoint=f"{ISSUER}/revoke?k={{{{secret.signing_key}}}}")
