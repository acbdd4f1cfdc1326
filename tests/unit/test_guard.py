"""The shape of an agent's request: nothing in it may be read in two ways, or say too much."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.agents import guard, places, reading
from arcrun_auth.errors import HostNotAllowed, PolicyRefused
from arcrun_auth.policy import Rule, Wanted
from arcrun_auth.recipe.agent import Agent, Read
from tests.agents_kit import INJECTIONS

BASE = "https://api.example.com/v1"
OWN = guard.Injected(
    headers=frozenset({"x-api-key"}), query=frozenset({"api_key"}),
    body=frozenset({"auth.key"}), path=frozenset({"bot"}),
)  # fmt: skip
REFUSED = (PolicyRefused, HostNotAllowed)


def place(path: str, base: str = BASE, roots: tuple[str, ...] = ()) -> places.Place:
    return places.place(path, base, roots, OWN)


def rule(work) -> str:
    with pytest.raises(PolicyRefused) as caught:
        work()
    assert "Nothing was sent." in caught.value.message
    return caught.value.rule


class TestPath:
    @pytest.mark.parametrize(
        ("given", "sent", "path"),
        [
            ("/pages", "/v1/pages", "/pages"),
            ("pages/x", "/v1/pages/x", "/pages/x"),
            ("", "/v1/", "/"),
            ("/", "/v1/", "/"),
            ("/a b/é", "/v1/a%20b/%C3%A9", "/a b/é"),
            ("/a%20b", "/v1/a%20b", "/a b"),
            ("/calendars/%23day%40group", "/v1/calendars/%23day%40group", "/calendars/#day@group"),
            ("/100%25", "/v1/100%25", "/100%"),
            ("/{bot}/send", "/v1/%7Bbot%7D/send", "/{bot}/send"),
            ("/v1/pages", "/v1/v1/pages", "/v1/pages"),
            ("/a...b/..c", "/v1/a...b/..c", "/a...b/..c"),
            ("/things:list", "/v1/things:list", "/things:list"),
        ],
    )
    def test_a_plain_one_leads_below_the_base(self, given, sent, path) -> None:
        assert place(given) == places.Place(sent, path)

    def test_an_encoded_base_is_the_same_base(self) -> None:
        found = place("/pages", base="https://api.example.com/a%20b")
        assert found == places.Place("/a%20b/pages", "/pages")

    def test_below_a_root_path_it_stands_at_the_origin(self) -> None:
        found = place("/upload/v1/files", roots=("/upload/",))
        assert found == places.Place("/upload/v1/files", "/upload/v1/files")

    def test_rules_see_one_path_however_it_is_named(self) -> None:
        assert place("/v1/keys", roots=("/v1/",)).path == place("/keys").path == "/keys"

    def test_what_is_below_the_base_and_looks_like_a_root_path_stays_whole(self) -> None:
        assert place("/v1/v1/keys", roots=("/v1/",)).path == "/v1/v1/keys"

    @pytest.mark.parametrize(
        "path", sorted({each.path for each in INJECTIONS if not each.harmless and "%" in each.path})
    )
    def test_no_encoding_hides_what_it_means(self, path) -> None:
        try:
            at = place(path)
        except REFUSED:
            return
        assert places.denied(["/tokens"], at, BASE) == "/tokens"

    @pytest.mark.parametrize(
        "path",
        ["//evil.example", "/\\evil", "https://evil.example", "https:evil", "mailto:a@b", "a//b"],
    )
    def test_an_address_of_its_own_is_not_taken(self, path) -> None:
        with pytest.raises(HostNotAllowed, match="Nothing was sent"):
            place(path)

    @pytest.mark.parametrize(
        "path",
        ["/a/../b", "/./a", "/a/..", "/a/.. /b", "/%2e", "/\u2025/a", "/a\u2100b", "/a?b", "/a#b",
         "/%", "/%2", "/%gg", "/\x7f", "/\u2028", "/\ud800", "/%ff", "/%25252525252525252e",
         "/" + "a" * 5000, "/{bot}/{bot}"],
    )  # fmt: skip
    def test_what_may_be_read_in_two_ways_is_refused(self, path) -> None:
        assert rule(lambda: place(path)) == "path"

    @given(st.text(st.sampled_from("/.%2e5cfF\\;:@?#ab \x00\uff0f\uff0e"), max_size=20))
    def test_whatever_is_let_through_stays_below_the_base(self, text) -> None:
        try:
            found = place(text)
        except REFUSED:
            return
        assert found.sent.startswith("/v1/")
        parts = urlsplit(f"https://api.example.com{found.sent}")
        assert (parts.hostname, parts.query, parts.fragment) == ("api.example.com", "", "")
        assert not {".", ".."} & set(found.path.split("/"))
        assert "//" not in found.path
        assert found.path.count("/") == found.sent.count("/") - 1
        assert place(found.sent.removeprefix("/v1")) == found
        assert httpx.URL(f"https://api.example.com{found.sent}").raw_path.decode() == found.sent


class TestDenied:
    PATTERNS = ("/tokens", "/tokens/**", "/users/*/keys")

    def denied(self, path: str, roots: tuple[str, ...] = ()) -> bool:
        return places.denied(self.PATTERNS, place(path, roots=roots), BASE) is not None

    @pytest.mark.parametrize(
        "path",
        ["/tokens", "/tokens/", "/tokens/new", "/TOKENS", "/Tokens/a/b", "/tokens.json",
         "/%54okens", "/tokens;v=1", "/tokens%3Fa", "/tokens%23", "/tokens.", "/users/me/keys",
         "/users/me/KEYS.xml", "/tokens%20", "/\uff34okens"],
    )  # fmt: skip
    def test_however_it_is_written_it_is_denied(self, path) -> None:
        assert self.denied(path)

    @pytest.mark.parametrize("path", ["/", "/token", "/tokens2", "/users/me", "/a/tokens"])
    def test_others_are_not(self, path) -> None:
        assert not self.denied(path)

    def test_no_root_path_leads_around_it(self) -> None:
        assert self.denied("/v1/tokens", roots=("/v1/",))
        assert self.denied("/v1/tokens/x", roots=("/",))


class TestProhibitions:
    def wanted(self, path: str) -> Wanted:
        return Wanted(service="a", instance="b", client="c", what="read", method="GET", path=path)

    def test_one_holds_for_a_server_that_knows_no_case(self) -> None:
        rules = [
            Rule(id="r1", service="a", what="any", paths=("/a/*",)),
            Rule(id="r2", service="a", what="any", allow=False, paths=("/Pages/*",)),
        ]
        for path in ("/pages/x", "/PAGES/X", "/Pages/x.json", "/pages/x;v=1", "/pages/x "):
            assert places.prohibition(rules, self.wanted(path)) == rules[1]
        for path in ("/a/x", "/pages", "/pages/x/y"):
            assert places.prohibition(rules, self.wanted(path)) is None


class TestQuery:
    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ({}, ""),
            ({"a": "b c", "d": ["1", "2"]}, "a=b%20c&d=1&d=2"),
            ({"q": "a&b=c#d"}, "q=a%26b%3Dc%23d"),
            ("?a=b&c", "a=b&c"),
            ("a=é d&b=%2F", "a=%C3%A9%20d&b=%2F"),
            ({"method": "people.list"}, "method=people.list"),
            ({"method": "get"}, "method=get"),
            ({"filter[key]": "x"}, "filter%5Bkey%5D=x"),
        ],
    )
    def test_it_is_sent_as_it_is_meant(self, given, sent) -> None:
        assert guard.query(given, OWN.query, "GET") == sent

    @pytest.mark.parametrize(
        "given",
        [{"api_key": "x"}, {"API-Key": "x"}, {"api.key": "x"}, {"api_key[]": "x"},
         {"api%5Fkey": "x"}, {" api_key": "x"}, "api_key", "a=1;api_key=x", "a&%61pi_key=x",
         {"\uff41pi_key": "x"}, {"access_token": "x"}, {"_method": "PUT"}, "_METHOD=put",
         {"method": "delete"}, "method=DELETE", "X-HTTP-Method-Override=PUT", "a=b#c", "a=\r\n",
         {"a": "\ud800"}, {"a": "x" * 20000}],
    )  # fmt: skip
    def test_no_spelling_says_what_only_the_recipe_says(self, given) -> None:
        assert rule(lambda: guard.query(given, OWN.query, "GET")) == "query"

    @given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=4))
    def test_whatever_is_given_stays_a_query(self, given) -> None:
        try:
            text = guard.query(given, OWN.query, "GET")
        except PolicyRefused:
            return
        assert text.isascii()
        assert text.isprintable()
        assert "#" not in text
        sent = httpx.URL(f"https://api.example.com/x?{text}").query.decode()
        assert unquote(sent) == unquote(text)


class TestHeaders:
    def test_ordinary_ones_pass(self) -> None:
        given = {"Accept": "text/plain", "If-None-Match": '"a"', "Notion-Version": "2022"}
        assert guard.headers(given, OWN) == tuple(given.items())

    @pytest.mark.parametrize(
        "name",
        ["Authorization", "x-api-key", "X_API_KEY", "Cookie", "Host", "Content-Length", "TE",
         "Transfer-Encoding", "Connection", "Upgrade", "Proxy-Authorization", "Proxy-Connection",
         "Forwarded", "X-Forwarded-For", "X-Forwarded-Anything", "X-HTTP-Method-Override",
         "X-HTTP-Method", "X-Method-Override", "X_Method_Override", "X-Original-URL",
         "Accept-Encoding", "Content-Encoding", "Expect", "Keep-Alive", "X-Auth-Token", "bad name",
         "", "a:b", "é"],
    )  # fmt: skip
    def test_those_of_the_connection_and_of_the_recipe_do_not(self, name) -> None:
        assert rule(lambda: guard.headers([(name, "x")], OWN)) == "header"

    @pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "\0", "x" * 9000, "€"])
    def test_a_value_is_one_line(self, value) -> None:
        assert rule(lambda: guard.headers({"x-a": value}, OWN)) == "header"

    def test_a_body_is_of_one_type(self) -> None:
        given = [("Content-Type", "text/plain"), ("content-type", "application/json")]
        assert rule(lambda: guard.headers(given, OWN)) == "header"

    def test_there_are_not_too_many(self) -> None:
        assert rule(lambda: guard.headers([("a", "b")] * 51, OWN)) == "header"

    def test_who_takes_requests_leaves_those_of_its_connection_out(self) -> None:
        given = [
            ("Host", "a"), ("Connection", "close, X-Mine"), ("x-mine", "1"), ("Accept", "b"),
            ("Proxy-Authorization", "c"), ("Accept-Encoding", "br"), ("content-length", "0"),
        ]  # fmt: skip
        assert guard.end_to_end(given) == (("Accept", "b"),)

    def test_of_several_values_all_are_seen(self) -> None:
        assert guard.header([("A", "1"), ("a", "2"), ("b", "3")], "a") == "1, 2"


class TestBody:
    FORM, JSON = "application/x-www-form-urlencoded", "application/json; charset=utf-8"

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b"", ""),
            (b'{"auth": {"other": 1}, "key": 2, "method": "a.b"}', JSON),
            (b"[1, 2]", JSON),
            (b"key=1&auth=2", FORM),
            (b"\xff\x00", "application/octet-stream"),
            (b"{not json", JSON),
            (b"[" * 100_000, JSON),
        ],
    )
    def test_ordinary_ones_pass(self, data, kind) -> None:
        guard.body(data, "POST", kind, OWN)

    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b'{"auth": {"key": "x"}}', JSON),
            (b'{"auth": {"KEY": "x"}, "auth": {}}', ""),
            (b'{"auth.key": "x"}', JSON),
            (b'{"_method": "DELETE"}', JSON),
            (b'{"method": "delete"}', JSON),
            (b"auth.key=x", FORM),
            (b"a=1&auth%2Ekey=x", FORM),
            (b"_method=DELETE", FORM),
            (b"a=1&_method=DELETE", ""),
            (
                b'--x\r\nContent-Disposition: form-data; NAME="_method"\r\n\r\nPUT',
                "multipart/form-data",
            ),
            (b"--x\r\ncontent-disposition: form-data; name=auth.key\r\n", "multipart/mixed; x=y"),
            (b"&" * 10_000, ""),
        ],
    )
    def test_no_member_says_what_only_the_recipe_says(self, data, kind) -> None:
        assert rule(lambda: guard.body(data, "POST", kind, OWN)) == "body"

    def test_a_get_has_none_and_no_body_is_endless(self) -> None:
        assert rule(lambda: guard.body(b"x", "GET", "", OWN)) == "body"
        assert rule(lambda: guard.body(bytes((16 << 20) + 1), "PUT", "", OWN)) == "size"


def test_methods_are_of_a_list() -> None:
    assert [guard.method(name) for name in ("get", "Patch")] == ["GET", "PATCH"]
    for name in ("", "TRACE", "CONNECT", "GET /x", "DELETE\r\n", "PROPFIND"):
        assert rule(lambda name=name: guard.method(name)) == "method"


def test_a_service_without_an_address_has_no_paths() -> None:
    assert rule(lambda: guard.origin("")) == "path"


def test_a_digest_is_of_one_request_alone() -> None:
    parts = [
        ("POST", "/a", "", "t", b"x"), ("PUT", "/a", "", "t", b"x"), ("POST", "/b", "", "t", b"x"),
        ("POST", "/a", "q", "t", b"x"), ("POST", "/a", "", "u", b"x"), ("POST", "/a", "", "t", b""),
    ]  # fmt: skip
    assert len({guard.digest(*each) for each in parts}) == len(parts)


class TestReading:
    AGENT = Agent(read=(Read(path="/search"), Read(path="/graphql", graphql=True)))
    RPC = Agent(rpc=True, read=(Read(path="/*.list", method="GET"), Read(path="/*.list")))

    def what(self, agent: Agent, method: str, path: str, **more) -> str:
        given = {"query": "", "kind": "application/json", "body": b"", **more}
        return reading.what(agent, method, path, **given)

    def test_without_a_word_of_the_recipe_it_is_the_verb(self) -> None:
        found = {name: self.what(Agent(), name, "/x") for name in guard.METHODS}
        assert {name for name, what in found.items() if what == "read"} == {"GET", "HEAD"}

    def test_a_search_by_post_reads(self) -> None:
        assert self.what(self.AGENT, "POST", "/search") == "read"
        assert self.what(self.AGENT, "PUT", "/search") == "write"
        assert self.what(self.AGENT, "POST", "/search/x") == "write"

    def test_where_get_acts_only_what_is_listed_reads(self) -> None:
        assert self.what(self.RPC, "GET", "/chat.list") == "read"
        assert self.what(self.RPC, "HEAD", "/chat.list") == "read"
        assert self.what(self.RPC, "GET", "/chat.post") == "write"

    def test_graphql_reads_by_its_query(self) -> None:
        query, mutation = b'{"query": "{a}"}', b'{"query": "mutation {a}"}'
        assert self.what(self.AGENT, "POST", "/graphql", body=query) == "read"
        assert self.what(self.AGENT, "POST", "/graphql", body=mutation) == "write"

    def test_a_mutation_in_the_address_does_not_pass_for_a_query(self) -> None:
        body = b'{"query": "{a}"}'
        for query in ("query=mutation{a}", "Query=x", "a=1&extensions=x", "id=7"):
            assert self.what(self.AGENT, "POST", "/graphql", body=body, query=query) == "write"
            assert self.what(self.AGENT, "GET", "/graphql", query=query) == "write"
        assert self.what(self.AGENT, "GET", "/graphql", query="a=1") == "read"


def test_what_a_recipe_puts_in_is_read_off_it() -> None:
    from tests.bound import inject

    found = guard.injected(inject("header", "query", "body", "path"), {"x-api-key"})
    assert found == guard.Injected(
        frozenset({"x-api-key"}), frozenset({"key"}), frozenset({"auth.key"}), frozenset({"key"})
    )
