"""The HTTP and the forms of local pages: whatever comes is read or refused, and never raises."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import forms
from arcrun_auth.agents.site import _fit
from arcrun_auth.http1 import Reply, Request, body_length, parsed, response

HOSTS = frozenset({"127.0.0.1:1"})
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1)
VALUES = st.dictionaries(NAMES, NAMES, max_size=forms.MAX_FIELDS)
FIELDS = st.lists(
    st.sampled_from(
        [
            b"Host: 127.0.0.1:1",
            b"Origin: null",
            b"Cookie: a=b",
            b"Content-Length: 5",
            b"X: y",
            b" z",
        ]
    )
    | st.binary(max_size=20)
)


@given(st.sampled_from([b"GET /a?b HTTP/1.1", b"POST / HTTP/1.0"]) | st.binary(), FIELDS)
def test_a_head_is_a_request_under_our_name_or_refused(line, fields):
    found = parsed(b"\r\n".join([line, *fields]), HOSTS)
    if isinstance(found, Reply):
        assert found.status in {400, 403, 421}
        return
    assert found.headers["host"] == "127.0.0.1:1"
    assert found.path.startswith("/")
    length = body_length(found, 100)
    assert isinstance(length, Reply) or 0 <= length <= 100


def test_a_request_shows_neither_code_nor_key():
    request = Request("POST", "/path-that-is-a-secret", "code=c", {}, b"key=k")
    assert repr(request) == "Request('POST', 6 + 5 bytes)"


@given(st.binary(max_size=200), st.sampled_from([200, 303, 404, 410, 503]))
def test_an_answer_says_how_long_it_is_and_ends_there(page, status):
    wire = response(Reply(status, page, headers=(("Location", "/x"),)))
    head, _, body = wire.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Length: %d\r\n" % len(page) in head
    assert head.endswith(b"\r\nLocation: /x")
    assert body == page


@given(VALUES)
def test_a_form_comes_back_as_it_was_typed(values):
    assert forms.pairs(urlencode(values).encode()) == values


@given(st.binary())
def test_no_form_is_too_odd_to_be_refused(body):
    found = forms.pairs(body)
    assert found is None or all(isinstance(text, str) for text in found.values())


@given(NAMES, NAMES)
def test_what_stands_in_the_holes_of_a_pattern_comes_back(one, other):
    path = f"/a/{quote(one, safe='')}/b/{quote(other, safe='')}"
    assert _fit("/a/{one}/b/{other}", path) == {"one": one, "other": other}
    assert _fit("/a/{one}/c/{other}", path) is None
    assert _fit("/a/{one}", path) is None
