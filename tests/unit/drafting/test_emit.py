"""What is written is read back."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth import recipe
from arcrun_auth.drafting import texts
from arcrun_auth.drafting.emit import emit
from arcrun_auth.recipe import reader

ANY_TEXT = st.text(max_size=40)
KEYS = st.text(min_size=1, max_size=12)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**15), 10**15), ANY_TEXT,
    st.sampled_from(["no", "1", "2022-06-28", "a: b", "- x", "{{secret.k}}", "#", " x ", "0x1f"]),
)  # fmt: skip
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def places(data, at=()):
    yield at
    items = data.items() if isinstance(data, dict) else ()
    for key, value in enumerate(data) if isinstance(data, list) else items:
        yield from places(value, (*at, key))


@settings(max_examples=60)
@given(st.dictionaries(KEYS, DATA, min_size=1, max_size=6), st.data())
def test_what_is_written_is_read_back_whatever_the_comments(data, draw):
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a UTF-16 pair is no text
        return
    noted = draw.draw(st.lists(st.sampled_from([p for p in places(data) if p]), max_size=3))
    notes = {place: draw.draw(ANY_TEXT) for place in noted}

    assert reader.parse(emit(data, notes)).data == data


def test_a_comment_from_elsewhere_stays_one():
    for end in "\r", "\x85", "\u2028", "\u2029", "\x0b":
        written = emit({"a": "1"}, {("a",): f"harmless{end}inject: {{}}"})
        assert reader.parse(written).data == {"a": "1"}
    assert emit({"a": 1}, {("a",): "- one two\nthree"}) == "# - one two\n# three\na: 1\n"


def test_long_maps_and_what_has_a_comment_inside_stand_on_lines_of_their_own():
    data = {"a": {"b": "x " * 60}, "c": {"d": {"e": 1}}, "f": [{"g": {"h": 1}, "i": 2}, "x"]}
    assert emit(data, {("c", "d", "e"): "Why.", ("f", 0, "g"): "And why."}) == (
        f'a:\n  b: "{"x " * 60}"\nc:\n  d:\n    # Why.\n    e: 1\n'
        "f:\n  # And why.\n  - g: {h: 1}\n    i: 2\n  - x\n"
    )


def test_every_bundled_recipe_is_written_and_read_back():
    for path in sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml")):
        data = reader.parse(path.read_bytes()).data
        assert reader.parse(emit(data)).data == data, path.name


@given(st.text(max_size=200))
def test_what_comes_from_elsewhere_fits_into_a_recipe(text):
    for made in texts.clean(text), texts.sentence(text), texts.title(text):
        assert len(made) <= texts.MAX_SENTENCE
        assert made == "" or (made.isprintable() and made == made.strip())
    name = texts.slug(text)
    assert len(name) <= texts.MAX_NAME
    assert name == "" or recipe.Recipe(service=name, primitive="static_key").service == name


def test_a_word_that_is_too_long_for_a_name_is_cut():
    assert texts.slug("x" * 90) == "x" * texts.MAX_NAME
    assert texts.slug("one " + "x" * 90) == "one"
