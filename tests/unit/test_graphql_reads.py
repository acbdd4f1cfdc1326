"""A GraphQL request that reads: a query, and nothing else, however it is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.agents.graphql import document_reads, reads

READS = {
    "short": "{ me { id } }",
    "named": "query Mine { me { id } }",
    "with variables": "query ($a: [Int!] = [1, 2], $b: In = {x: {y: 1}}) @d(a: {b: 1}) { a }",
    "with fragments": "query Q { ...F ... on T @x(if: true) { a } } fragment F on T { b(c: [1]) }",
    "comments": "# mutation { a }\nquery # }\n{ a # }\n}",
    "strings": '{ a(b: "} mutation { c }", d: "\\"}") }',
    "block strings": '{ a(b: """ } mutation { " "" \\""" } """) }',
    "commas and marks": "\ufeffquery,,{,a,}",
    "a field of that name": "{ mutation subscription query fragment on }",
    "an operation of that name": "query mutation { a }",
}  # fmt: skip

DOES_NOT = {
    "nothing": "",
    "a comment": "# {a}",
    "a mutation": "mutation { a }",
    "a named one": "mutation M($a: Int) { a }",
    "a subscription": "subscription { a }",
    "beside a query": "query A { a } mutation B { b }",
    "two without a name": "{ a } { b }",
    "the same name twice": "query A { a } mutation A { b }",
    "after what looks like its end": "{ a } mutation { b }",
    "behind a string": 'query A { a(b: "\\"") } mutation B { c(d: "") }',
    "a schema": "type Query { a: Int }",
    "a fragment alone": "fragment F on T { a }",
    "an open bracket": "query { a ",
    "a bracket too many": "query { a } }",
    "brackets crossed": "query ( { ) }",
    "an open string": 'query { a(b: "x) }',
    "an open block string": 'query { a(b: """x\\""") }',
    "a character that is none": "query { a ? }",
    "no selection": "query",
    "another word": "queries { a }",
    "a closing bracket first": "query ) { a }",
}


@pytest.mark.parametrize("text", READS.values(), ids=READS)
def test_a_query_reads(text) -> None:
    assert document_reads(text)


@pytest.mark.parametrize("text", DOES_NOT.values(), ids=DOES_NOT)
def test_what_else_there_is_does_not(text) -> None:
    assert not document_reads(text)


def test_of_several_operations_the_named_one_counts() -> None:
    text = "query A { a } mutation B { b } query C { c } fragment F on T { d }"
    assert document_reads(text, "A")
    assert document_reads(text, "C")
    assert not any(document_reads(text, name) for name in ("B", "F", "D", "", None))


@given(st.text('{}()[]"\\#\n aq', max_size=30))
def test_a_mutation_after_anything_does_not_read_without_a_comment_or_string(noise) -> None:
    """Where the mutation is outside of strings and comments, which a line's end closes."""
    if '"' in noise or "#" in noise:
        return
    assert not document_reads(f"{noise} mutation M {{ a }}")


@given(st.text(max_size=60), st.one_of(st.none(), st.text(max_size=5)))
def test_no_text_makes_it_fail(text, operation) -> None:
    assert document_reads(text, operation) in (True, False)


class TestBodies:
    def test_a_request_reads_by_its_query(self) -> None:
        body = {"query": "query A {a} mutation B {b}", "operationName": "A", "variables": {"x": 1}}
        assert reads(json.dumps(body).encode(), "application/json; charset=utf-8")
        body["operationName"] = "B"
        assert not reads(json.dumps(body).encode(), "application/json")

    def test_of_a_batch_all_have_to(self) -> None:
        one, two = {"query": "{a}"}, {"query": "mutation {b}"}
        assert reads(json.dumps([one, one]).encode(), "application/json")
        assert not reads(json.dumps([one, two]).encode(), "application/json")
        assert not reads(json.dumps([one] * 101).encode(), "application/json")

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"{}", b"null", b"[[]]", b'"{a}"', b"{a}", b"\xff", b"[" * 100_000,
            b'{"query": 1}', b'{"query": "{a}", "operationName": 1}',
            b'{"query": "{a}", "query": "mutation {b}"}',
            b'{"query": "{a}", "extensions": {"persistedQuery": {"sha256Hash": "x"}}}',
            b'{"query": "{a}", "id": "stored-mutation"}',
            b'{"operationName": "A", "variables": {}}',
        ],
    )  # fmt: skip
    def test_what_is_unclear_does_not(self, body) -> None:
        assert not reads(body, "application/json")

    def test_a_document_may_be_the_body_itself_and_a_form_is_none(self) -> None:
        assert reads(b"{a}", "application/graphql")
        assert not reads(b"mutation {a}", "application/graphql")
        assert not reads(b"query={a}", "application/x-www-form-urlencoded")
        assert not reads(b'{"query": "{a}"}', "")
