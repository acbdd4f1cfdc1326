"""A pattern that is let in ends soon on any text; those that honest recipes need are let in."""

# ruff: noqa: E501 - the rows of a table stay rows
from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth import diagnosis
from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import Diagnosis, Param, When, load, parts, read, reader
from arcrun_auth.recipe.regex import MAX_PATTERN, MAX_TEXT, fault

RECIPES = Path(__file__).parents[2] / "recipes"

GOOD = [
    "", "^sk-[A-Za-z0-9_-]+$", "[a-z0-9-]+(\\.[a-z0-9-]+)*", "^[^@\\s]+@[^@\\s]+$", "https?://",
    "^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$", "^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$",
    "[Nn]ot.*found", "\\bAADSTS(50011|900971)\\b", "^(shpat|shpca)_[A-F0-9]+$|^x$", "(?=a)b", "(?<!a)b",
    "a|ab|abc", "(?:(?:25[0-5]|1[0-9]{2}|[0-9])\\.){3}[0-9]+", "^a*?b", "^x++y", "(?>x)y", "[^\\D\\W]\\S",
    "^[\\s\\S]*x", "^(?:^a|^b)", "^(?:\\sx|\\dx|[^\\w\\s]x|[^\\W\\d]x)+$", "^(?:[^\\n]x|\\nx)+$",
    "^(?:\u00e9x|\u0663x|\\sx)+$", "[a-z]{65}", "(^|\\s|$)a", "a|b?", "()a+", "x{3}y{2,}",
]  # fmt: skip

BAD = {
    "two ways": [
        "(a+)+b", "([a-zA-Z]+)*$", "(a|aa)+$", "(x+x+)+y", "(\\w+\\s?)*$", "(a{1,9}){1,9}", "(a|b|ab)*c",
        "^(?:[^']|\\\\.)*$", "(.*a){20}", "((((a+)+)+)+)+", "([kK]x|[A-K]x)+y",
        "(a+b?)+", "([0-9]x|\\dx)+y", "(\\wx|[_]x)+y", "(\\s,|[\\t ],)+x", "(?:[a-c]x|[c-e]x)+y",
        # what two classes share is no ASCII: a space, a digit, a letter, anything else
        "^(?:\\sx|[^\\x00-\\x7f]x)+$", "^(?:[^\\Wa-zA-Z0-9_]x|\\dx)+$", "^(?:\\wx|[\u4e00-\u9fff]x)+$",
        "^(?:\\Wx|[^\\x00-\uffff]x)+$", "^(?:\\dx|\u0663x)+$", "^(?:[^a]x|\U0010ffffx)+$", "^(?:\\sx|\u2003x)+$",
        "^(?:[^\\s\\d]x|[^\\x00-\u0fff]x)+$",
    ],
    "no flags": [
        "^(?i:ax|Ax)+$", "(?s)^(?:.x|\\nx)+$", "(?a)^(?:\\Wx|\u00e9x)+$", "(?i)^(?:sx|\u017fx)+$",
        "(?i)^(?:\u03c3x|\u03c2x)+$", "(?m)^a*$", "(?x)^a *$", "(?-i:a)", "(?=(?s:.))", "((?a:\\w))*",
    ],
    "too many parts": [".*.*.*x", "a.*b.*c.*d", "[a-z]{1,60}[a-z]{1,60}[a-z]{1,60}", "\\w+[a-z]+x"],
    "may be empty": ["(a*)*b", "^(a?){30}a{30}$", "(|a)+", "(?:a*|b){2}"],
    "match the same": ["(a|a)b", "(|a|)c", "(?:a(?:b?|c?))*x"],
    "too many choices": ["a?" * 30 + "a" * 30, "(a|ab|b)" * 4 + "x"],
    "no group": ["(a)\\1", "(a)?(?(1)b|c)"],
    "looks ahead": ["(?=(a+)+)b", "(?!.*x)y"],
    "at most": ["a" * (MAX_PATTERN + 1)],
    "too long": ["[ab]{60}" * 10],
    "too complicated": ["^(?:" + "|".join(a + "x" * 6 for a in "abcdefgh") + ")+(?:\\w{30})+(?:\\w{31})+$"],
    "no regular expression": ["(", "[z-a]", "*", "a{99999999999}", "(?<=ab?)c", "(?<=a+)b", "(" * 290, "(" * 145 + "[" + ")" * 145],
}  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD)
def test_what_ends_soon_is_let_in(pattern):
    assert fault(pattern) is None


@pytest.mark.parametrize(
    ("why", "pattern"), [(why, p) for why, each in BAD.items() for p in each], ids=lambda t: t[:30]
)
def test_what_could_take_for_ever_is_refused(why, pattern):
    assert why in (fault(pattern) or "")


def test_a_set_in_a_set_is_refused_where_warnings_are_errors():
    assert "Possible nested set" in (fault("[[a]+") or "")


def test_a_pattern_for_the_whole_value_is_tried_at_one_place_alone():
    assert fault("[a-z]+[a-z]+") is not None
    assert fault("[a-z]+[a-z]+", whole=True) is None
    assert fault("^[a-z]+[a-z]+") is None


def test_every_pattern_of_every_shipped_recipe_is_let_in():
    documents = [reader.parse(path.read_bytes()) for path in sorted(RECIPES.glob("*.yaml"))]
    bases = {d.data["service"]: d for d in documents if d.data["service"].startswith("_")}
    count = 0
    for document in documents:
        if document.data["service"] not in bases:
            for way in load(document, bases=bases).ways:
                count += sum(bool(pattern) for _, pattern in parts.patterns(way))
    assert count > 200


SHOP = "service: shop\nprimitive: static_key\nbase_url: https://api.shop.example\n"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("required_secrets: [{key: a, pattern: '(a+)+b'}]", "required_secrets[0].pattern"),
        ("params: {a: {pattern: '(a+)+b'}}", "params.a.pattern"),
        # before its default is matched
        (f"params: {{a: {{default: {'a' * 60}c, pattern: '(a+)+b'}}}}", "params.a.pattern"),
        ("params: {a: {take: '((a+)+b)'}}", "params.a.take"),
        ("diagnose: [{when: {body: '(a+)+b'}, say: x}]", "diagnose[0].when.body"),
        ("diagnose: [{when: {error: '(a+)+b'}, say: x}]", "diagnose[0].when.error"),
        ("test: {path: /me, denied: '(a+)+b'}", "test.denied"),
    ],
)
def test_no_recipe_is_loaded_with_one(text, field):
    with pytest.raises(RecipeError, match="two ways") as caught:
        read(SHOP + text)
    assert (caught.value.line, caught.value.field) == (4, field)


def test_a_default_is_short_enough_to_be_matched_while_a_recipe_loads():
    with pytest.raises(RecipeError, match="300"):
        read(SHOP + f"params: {{a: {{default: {'a' * 301}, pattern: '[a-z]+[a-z]+'}}}}")


def test_a_value_that_is_too_long_is_never_matched(monkeypatch):
    monkeypatch.setattr("arcrun_auth.recipe.model.MAX_VALUE", 3)
    with pytest.raises(ValueError, match="too long"):
        Param(pattern="(a+)+b").check("a", "a" * 60)


def test_of_a_long_answer_only_the_beginning_is_searched():
    rules = [Diagnosis(when=When(body="wrong"), say="It is wrong.")]
    assert diagnosis.find(rules, text="x" * (MAX_TEXT - 5) + "wrong") is not None
    assert diagnosis.find(rules, text="x" * MAX_TEXT + "wrong") is None


# -- against a matcher that counts its tries -------------------------------------------


class Counting:
    """Goes back and tries again as Python's matcher does, without its short cuts. Whether one
    character fits, Python's own says."""

    def __init__(self, pattern, limit):
        self.tries, self.limit = 0, limit
        self.parsed = re._parser.parse(pattern)
        self.known = {}

    def run(self, text):
        with suppress(RecursionError):
            for _ in self.ends(list(self.parsed), text, 0):
                pass

    def ends(self, tokens, text, at):
        if not tokens:
            yield at
            return
        (kind, value), rest = tokens[0], tokens[1:]
        for end in self.one(str(kind), value, text, at):
            yield from self.ends(rest, text, end)

    def one(self, kind, value, text, at):
        self.tries += 1
        assert self.tries <= self.limit, "it goes back too often"
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            yield from [at + 1] if self.fits(kind, value, text[at : at + 1]) else []
        elif kind == "SUBPATTERN":
            yield from self.ends(list(value[3]), text, at)
        elif kind == "BRANCH":
            for each in value[1]:
                yield from self.ends(list(each), text, at)
        else:
            assert kind == "MAX_REPEAT"
            yield from self.repeat((*value[:2], list(value[2])), text, at, 0)

    def fits(self, kind, value, char):
        key = (f"{kind} {value}", char)
        if key not in self.known:
            token = (getattr(re._constants, kind), value)
            alone = re._parser.SubPattern(self.parsed.state, [token])
            self.known[key] = re._compiler.compile(alone).fullmatch(char) is not None
        return self.known[key]

    def repeat(self, wanted, text, at, count):
        least, most, tokens = wanted
        if count < most:
            for end in self.ends(tokens, text, at):
                if end > at or count < least:
                    yield from self.repeat(wanted, text, end, count + 1)
        if count >= least:
            yield at


def patterns(atoms):
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "*", "?", "{2}", "{1,3}"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            ),
            st.lists(inner, min_size=2, max_size=3).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})"),
        ),
        max_leaves=8,
    )


def words(chars):
    return st.lists(st.sampled_from(chars), min_size=1, max_size=3).map("".join)


LENGTH = 14


def goes_back_seldom(pattern, word):
    """AssertionError for more tries than the square of the length, of a pattern that is let in."""
    text = (word * LENGTH)[:LENGTH] + "!"
    Counting(pattern, limit=16 * (len(pattern) + 1) * LENGTH**2).run(text)


@settings(max_examples=300)
@given(patterns(["a", "b", "[ab]", "c"]), words("ab"))
def test_what_is_let_in_goes_back_no_more_than_the_square_of_the_length(pattern, word):
    if fault(pattern, whole=True) is None:
        goes_back_seldom(pattern, word)


# One of each kind that `\\d`, `\\w`, `\\s` tell apart, in ASCII, beyond, and beyond 16 bits.
CHARS = "0aA_ \n-\u0663\u00e9\u2003\u201c\U0001d7d8\U00010400\U0001f600s\u017f"
CLASSES = [
    "\\d", "\\D", "\\w", "\\W", "\\s", "\\S", ".", "[^a]", "[^\\Wa-zA-Z0-9_]", "[^\\x00-\\x7f]",
    "[\u0100-\uffff]", "[^\\s\\w]", "\n", "\u00e9", "\u0663", "\u2003", "[\\d\u2003]", "\U0001f600", "[a-z]", "x",
]  # fmt: skip


@settings(max_examples=300)
@given(patterns(CLASSES), words(CHARS))
def test_so_it_is_with_every_class_and_every_alphabet(pattern, word):
    if fault(pattern, whole=True) is None:
        goes_back_seldom(pattern, word)


@given(st.sampled_from(CLASSES), st.sampled_from(CLASSES))
def test_two_ways_of_one_character_are_seen_wherever_they_are(one, other):
    """What Python's own matcher takes for either is refused."""
    shared = [char for char in CHARS if all(re.fullmatch(each, char) for each in (one, other))]
    if shared:
        assert fault(f"^(?:{one}y|{other}y)+$") is not None
