"""Paths into answers."""

from __future__ import annotations

from contextlib import suppress
from string import ascii_letters, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.answers import MAX_LENGTH, parse, pick

ANSWER = {
    "ok": False,
    "id": 7,
    "email": None,
    "name": "",
    "data": {"viewer": {"id": "v1"}, "@odata.x": 1},
    "list": [{"id": "first"}, {"id": "second", "deep": [[1, 2]]}],
    "authed_user": {"access_token": "t"},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", 7),
        ("ok", False),
        ("data.viewer.id", "v1"),
        ("list[1].id", "second"),
        ("list[1].deep[0][1]", 2),
        ("authed_user.access_token", "t"),
        ("email || id", 7),
        ("missing||name || data.viewer.id", "v1"),
        ("missing", None),
        ("email", None),
        ("name", None),
        ("list[9].id", None),
        ("list.id", None),
        ("id.x", None),
        ("data[0]", None),
        ("header:X-Request-Id", "r1"),
        ("header:x-request-id", "r1"),
        ("missing || header:X-Request-Id", "r1"),
        ("header:Absent || id", 7),
        ("", ANSWER),
    ],
)
def test_a_path_finds_what_stands_there(path, found):
    assert pick(ANSWER, path, {"x-Request-ID": "r1"}) == found


def test_a_list_at_the_root():
    assert pick([{"id": 1}], "[0].id") == 1


def test_a_header_without_headers_is_nothing():
    assert pick({}, "header:X") is None


@pytest.mark.parametrize(
    "path",
    [
        " ", ".a", "a.", "a..b", "a b", "a[", "a[x]", "a[-1]", "a[0]b", "a[]", "||", "a ||",
        "|| a", "a | b", "header:", "header:a b", "$.a[*]", "a\nb", "a[99999]",
        "x" * (MAX_LENGTH + 1),
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ValueError, match="path"):
        parse(path)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)
steps = st.lists(
    st.text(ascii_letters + digits + "_@$-", min_size=1, max_size=5) | st.integers(0, 9999),
    min_size=1,
)


def spell(path):
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


@given(json, st.lists(steps, min_size=1, max_size=3))
def test_no_answer_makes_a_valid_path_raise(data, alternatives):
    path = " || ".join(map(spell, alternatives))
    if len(path) <= MAX_LENGTH:
        assert parse(path) == tuple(map(tuple, alternatives))
        pick(data, path)


@given(steps, st.integers(1))
def test_what_was_put_at_a_path_is_found_there(path, value):
    data = value
    for step in reversed(path):
        data = {step: data} if isinstance(step, str) else [None] * step + [data]
        if isinstance(step, int) and step > 50:
            return
    if len(spell(path)) <= MAX_LENGTH:
        assert pick(data, spell(path)) == value


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_a_value_error(text):
    with suppress(ValueError):
        pick({"a": [1]}, text)
