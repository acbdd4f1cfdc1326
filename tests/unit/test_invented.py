"""What a conformance run makes up fits what a recipe says of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.answers import pick
from arcrun_auth.recipe.oauth2 import TokenResponse
from arcrun_auth.template import FILTERS, Template
from arcrun_auth.testing.conformance import answers, invented, rendered
from arcrun_auth.testing.conformance.answers import Answer

PATTERNS = [
    r"^sk-[A-Za-z0-9]+$", r"^(a|bc)d?$",
    r"[^@\s]+@[^@\s]+", r"\bword\b", r"AADSTS(1|2)\b", r"a{3,5}",
    r"\d{4}-\w+", r".+x", r"[^a]", r"(?:ab)*c", r"x[\]\-]y", r"[^\w]\S\D", r"(?i:Key)", r"a+?b",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_is_found_by_its_pattern(pattern) -> None:
    found = list(invented.texts(pattern))
    assert found
    assert all(re.search(pattern, text) for text in found)


@pytest.mark.parametrize("pattern", [r"^a(?=b)$", r"a\Bz\b\B", r"(?!)"])
def test_where_none_can_be_made_up_that_is_said(pattern) -> None:
    with pytest.raises(ValueError, match="no text could be made up"):
        invented.text(pattern)


def test_the_example_stands_in_where_it_fits() -> None:
    assert invented.text("^(a)(?=b)b$", example="ab") == "ab"
    with pytest.raises(ValueError, match="no text"):
        invented.text("^(a)(?=b)$", example="ac")


def test_each_branch_has_its_text() -> None:
    assert list(invented.texts("one|two|three")) == ["one", "two", "three"]


def test_a_group_holds_what_it_shall() -> None:
    text = invented.text(r"^https://([a-z0-9.-]+)\.example\.com", group="acme")
    assert text == "https://acme.example.com"


@given(st.from_regex(r"[a-z]{1,3}([0-9]|-[a-f]+)?", fullmatch=True))
def test_a_pattern_of_plain_text_brings_that_text(text) -> None:
    assert invented.text(re.escape(text), whole=True) == text


PATHS = st.lists(
    st.one_of(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.integers(0, 3)),
    min_size=1, max_size=4,
)  # fmt: skip


@given(st.lists(PATHS, min_size=1, max_size=1))
def test_what_is_put_at_a_path_is_picked_there(paths) -> None:
    answer = Answer()
    for steps in paths:
        path = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps).lstrip(".")
        answer.put(path, "here")
        assert pick(answer.data, path) == "here"


def test_the_first_of_several_paths_counts_and_headers_are_apart() -> None:
    answer = Answer()
    answer.put("a.b || c", 1)
    answer.put("header:X-Id", 7)
    answer.put("", "nowhere")
    assert (answer.data, answer.headers) == ({"a": {"b": 1}}, {"X-Id": "7"})


def test_a_refusal_is_worded_as_the_recipe_reads_it() -> None:
    how = TokenResponse(error="fault.code", error_description="fault.text")
    assert answers.refusal("no", "words", how).data == {"fault": {"code": "no", "text": "words"}}


@given(
    st.text(max_size=12), st.sampled_from(sorted(set(FILTERS) - {"fingerprint", "iso", "epoch"}))
)
def test_both_renderings_agree_on_any_secret(secret, name) -> None:
    text, known = f"a {{{{secret.key|{name}}}}} b", {"secret": {"key": secret}}
    assert rendered.filled(text, known) == Template.parse(text, strict=True).render(known)


@given(st.text(max_size=12))
def test_both_agree_on_a_keyed_hash_and_on_moments(secret) -> None:
    known = {"secret": {"key": secret, "other": "o"}, "now": {"": "1800000000"}}
    for text in ("{{secret.other|hmac_sha256(key)}}", "{{now|iso}}", "{{now|epoch}}"):
        assert rendered.filled(text, known) == Template.parse(text, strict=True).render(known)


def test_every_filter_is_known_to_both() -> None:
    assert set(rendered._FILTERS) == set(FILTERS) - {"fingerprint"}
