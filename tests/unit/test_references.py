"""References: their exact shape, and where they stand in values and texts."""

from __future__ import annotations

from string import ascii_letters, ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import references
from arcrun_auth.references import Reference
from tests import canary

# Put together and not drawn from a pattern, which takes ten times as long.
SMALL = ascii_lowercase + digits
AUTHORS = st.text(SMALL + "-", min_size=1, max_size=9).map(lambda name: f"{name}/")
INSTANCES = st.builds("@{}{}".format, st.sampled_from(SMALL), st.text(SMALL + "._+-", max_size=9))
NAMES = st.builds(
    "{}{}{}".format,
    st.just("") | AUTHORS, st.text(SMALL, min_size=1, max_size=9), st.just("") | INSTANCES,
)  # fmt: skip
KEYS = st.text(ascii_letters + digits + "_.-", min_size=1, max_size=64)


@given(NAMES, KEYS)
def test_a_reference_is_taken_apart_at_its_last_slash(name, key) -> None:
    found = Reference(f"arcrun://{name}/{key}")

    assert (found.name, found.key) == (name, key)
    assert found.service == name.partition("@")[0]


WRONG = [
    "",
    "arcrun:/notion/token",
    "ARCRUN://notion/token",
    " arcrun://notion/token",
    "arcrun://",
    "arcrun://notion",
    "arcrun://notion/",
    "arcrun:///token",
    "arcrun://notion@/token",
    "arcrun://Notion/token",
    "arcrun://notion/to ken",
    "arcrun://notion/token\n",
    "arcrun://notion/token?version=1",
    "arcrun://notion/a/b/token",
    "arcrun://notion/" + "k" * 65,
]


@pytest.mark.parametrize("text", WRONG)
def test_another_shape_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reference(text)


@given(st.text(), st.booleans())
def test_whatever_is_refused_is_not_repeated(text, with_scheme) -> None:
    text = canary.WORD + text
    said = ""
    try:
        Reference(f"arcrun://{text}" if with_scheme else text)
    except ValueError as error:
        said = str(error)
    assert canary.hits(said) == []


def test_a_value_is_one_reference_or_has_some_in_braces() -> None:
    composed = "postgres://app:{{ arcrun://db/password }}@h/{{arcrun://db/name}}?x={{ other }}"

    assert references.in_value("arcrun://notion/token") == ["arcrun://notion/token"]
    assert references.in_value(composed) == ["arcrun://db/password", "arcrun://db/name"]
    assert references.in_value("see arcrun://notion/token") == []
    secrets = {"arcrun://db/password": "p", "arcrun://db/name": "n"}
    assert references.fill_value(composed, secrets) == "postgres://app:p@h/n?x={{ other }}"
    assert references.fill_value("arcrun://a/b", {"arcrun://a/b": "{{ arcrun://c/d }}"}) == (
        "{{ arcrun://c/d }}"  # a secret is not looked into
    )


def test_in_a_text_each_has_its_line() -> None:
    text = "a\n{{arcrun://x/y}} {{ arcrun://x/z }}\n{{\narcrun://x/y }}\nb arcrun://x/y\n"

    assert references.in_text(text) == [("arcrun://x/y", 2), ("arcrun://x/z", 2)]
    assert references.left_in(text) == [4, 5]


@given(st.text().filter(lambda text: "arcrun://" not in text))
def test_a_text_without_references_stays_as_it_is(text) -> None:
    assert references.fill(text, {}) == references.fill_value(text, {}) == text
    assert references.in_text(text) == references.in_value(text) == references.left_in(text) == []


@given(st.lists(st.tuples(st.text(), NAMES), min_size=1))
def test_between_the_secrets_nothing_changes(parts) -> None:
    parts = [(text.replace("{", "").replace("}", ""), name) for text, name in parts]
    text = "".join(f"{before}{{{{ arcrun://{name}/k }}}}" for before, name in parts)
    secrets = {f"arcrun://{name}/k": f"<{name}>" for _, name in parts}

    assert references.fill(text, secrets) == "".join(f"{text}<{name}>" for text, name in parts)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("notion_token", ["notion_token"]),
        ("token", ["notion_token"]),
        ("id", ["app_id", "user_id"]),
        ("user_id", ["user_id"]),
        ("oken", []),
        ("", []),
    ],
)
def test_a_name_may_be_short_and_may_fit_several(name, fits) -> None:
    assert references.named(name, ["notion_token", "app_id", "user_id"], "notion") == fits


@pytest.mark.parametrize("text", ["{{ arcrun://a" + " " * 200_000 + "!", "{{" + " " * 200_000])
def test_a_long_run_of_blanks_is_looked_at_once(text) -> None:
    # Looked at from each of them on, it would take minutes: the hang guard of the suite.
    assert references.in_text(text) == []
    assert references.left_in(text) == ([1] if "arcrun" in text else [])


def test_blanks_around_and_within_a_reference() -> None:
    assert references.in_value("{{\t arcrun://a b/c \t}}{{arcrun:// }}") == [
        "arcrun://a b/c",
        "arcrun://",
    ]
