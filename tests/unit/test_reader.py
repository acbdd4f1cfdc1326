"""YAML within limits: what is refused, where the fault is said to be, what a scalar becomes."""

from __future__ import annotations

from contextlib import suppress
from string import ascii_lowercase

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import reader
from arcrun_auth.recipe.reader import MAX_BYTES, MAX_DEPTH, parse


def refused(text, match):
    with pytest.raises(RecipeError, match=match) as caught:
        parse(text, "x.yaml")
    assert caught.value.path == "x.yaml"
    return caught.value


HOSTILE = [
    # text, what is said, line, field
    ("a: &x 1\nb: *x", "Anchors", 1, "a"),
    ("a: 1\nb: *x", "Anchors", 2, "b"),
    ("a: [1, &x {b: 1}]", "Anchors", 1, "a[1]"),
    ("&x a: 1", "Anchors", 1, None),
    ("base:\n  <<: {base_url: evil}", "Merge keys", 2, "base"),
    ("<<: [{a: 1}]", "Merge keys", 1, None),
    ("a: !!python/object/apply:os.system [id]", "Tags", 1, "a"),
    ("a: !!str 1", "Tags", 1, "a"),
    ("a: !custom x", "Tags", 1, "a"),
    ("!!str a: 1", "Anchors and tags", 1, None),
    ("a: 1\nb:\n  c: 1\n  c: 2", "twice", 4, "b.c"),
    ("a: 1\n'a': 2", "twice", 2, "a"),
    ("? [x]\n: 1", "A key is a text", 1, None),
    ("a: 1\n---\nb: 2", "second document", 2, None),
    ("- 1", "map of fields", 1, None),
    ("text", "map of fields", 1, None),
    ("", "empty", 1, None),
    ("# only a comment\n", "empty", 2, None),
    ("a: ]", "not valid YAML", 1, None),
    ("a: 1\n b: 2", "not valid YAML", 2, None),
    ("a: 'x", "not valid YAML", 1, None),
    ("a: b: c", "not valid YAML", 1, None),
    ("a: \x01", "not valid YAML", None, None),
]


@pytest.mark.parametrize(("text", "match", "line", "field"), HOSTILE)
def test_what_a_recipe_has_no_use_for_is_refused_where_it_stands(text, match, line, field):
    error = refused(text, match)
    assert error.line == line
    assert error.field == field


def test_an_alias_bomb_is_refused_at_its_first_anchor():
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
    )
    assert refused(bomb, "Anchors").line == 1


def test_depth_has_a_limit_that_holds_before_anything_is_built():
    parse("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    refused("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, "more than 20 deep")
    # From 6.0.4 on PyYAML has a limit of its own, which so many meet first.
    refused("a: " + "[" * 3000, "more than 20 deep|maximum nesting depth")
    refused("a: " + "{a: " * 3000, "more than 20 deep|maximum nesting depth")


def test_size_has_a_limit():
    parse(b"a: " + b"x" * (MAX_BYTES - 3))
    refused(b"a: " + b"x" * (MAX_BYTES - 2), "at most 64 KB")
    refused("a: " + "ü" * (MAX_BYTES // 2), "at most 64 KB")


@pytest.mark.parametrize("raw", [b"a: 1\nb: \xff", "a: 1\nb: ü".encode("latin-1")])
def test_only_utf_8(raw):
    assert refused(raw, "UTF-8").line == 2


def test_utf_16_is_not_guessed():
    refused("a: 1".encode("utf-16"), "UTF-8")


def test_a_lone_surrogate_is_refused():
    refused("a: \ud800", "UTF-8")


SCALARS = [
    ("null", None), ("~", None), ("", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
    ("true", True), ("True", True), ("FALSE", False), ("tRUE", "tRUE"),
    ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"),
    ("0", 0), ("-7", -7), ("+7", 7), ("0123", "0123"), ("-01", "-01"),
    ("1_000", "1_000"), ("0x1f", "0x1f"), ("0o17", "0o17"), ("1.10", "1.10"),
    ("1e3", "1e3"), (".inf", ".inf"), (".nan", ".nan"),
    ("12:30:45", "12:30:45"), ("2022-06-28", "2022-06-28"), ("=", "="),
    ("9" * 18, int("9" * 18)), ("9" * 19, "9" * 19), ("'1'", "1"), ('"true"', "true"),
    ("'~'", "~"), ("|\n  1", "1"), ("NO", "NO"), ("\u0661", "\u0661"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_plain_scalars_are_those_of_the_core_schema(text, value):
    found = parse(f"a: {text}").data["a"]
    assert (found, type(found)) == (value, type(value))


def test_the_source_of_what_is_no_text_is_kept():
    document = parse("a: +10\nb: [true, 'x', ~]\nc: text")
    assert document.sources == [(("a",), "+10"), (("b", 0), "true"), (("b", 2), "~")]


def test_a_line_is_that_of_the_place_or_the_nearest_around_it():
    document = parse("a:\n  b:\n    - x\n    - y\nc: 1\n")
    assert document.line(("a", "b", 1)) == 4
    assert document.line(("a", "b", 7)) == 3
    assert document.line(("c", "d", "e")) == 5
    assert document.line(("nowhere",)) == 1


def test_a_key_that_would_move_the_cursor_is_not_shown_as_it_is():
    error = refused('"\\e[2J\\u202e": {x: 1, x: 2}', "twice")
    assert "\x1b" not in str(error)
    assert "\u202e" not in str(error)


def test_the_slow_parser_of_pyyaml_gives_the_same(monkeypatch):
    text = "a: [1, no, {b: 'x'}]\nc: |\n  text\n"
    fast = parse(text).data
    monkeypatch.setattr(reader, "_Loader", yaml.SafeLoader)
    assert parse(text).data == fast
    for hostile, match, line, _ in HOSTILE:
        assert refused(hostile, match).line == line


# Put together and not drawn from a pattern, which takes ten times as long.
names = st.text(ascii_lowercase, min_size=1, max_size=6)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(names, inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(st.dictionaries(names, plain, min_size=1, max_size=6))
@example({"a": "08"})
def test_what_pyyaml_writes_is_read_back(data):
    dumper = yaml.SafeDumper
    text = yaml.dump(data, Dumper=type("D", (dumper,), {"ignore_aliases": lambda *_: True}))
    assert parse(text).data == data


@given(st.text(max_size=200))
def test_any_text_is_a_map_or_a_recipe_error(text):
    with suppress(RecipeError):
        assert isinstance(parse(text).data, dict)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_map_or_a_recipe_error(raw):
    with suppress(RecipeError):
        parse(raw)
