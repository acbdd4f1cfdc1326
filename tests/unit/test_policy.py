"""The rules for agents: which are about what, what they decide together, and which paths fit."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arcrun_auth import policy
from arcrun_auth.policy import Rule, Wanted, decide, fault, matches, writes

NOW = 1_000.0
WRITE = Wanted(
    service="notion", instance="work", client="codex", what="write", method="POST", path="/pages/a"
)
READ = replace(WRITE, what="read", method="GET")


def allow(**fields) -> Rule:
    return Rule(**{"id": "r1", "service": "notion", "what": "write", **fields})


def deny(**fields) -> Rule:
    return allow(**{"id": "r2", "allow": False, **fields})


# -- deciding --------------------------------------------------------------------------------


def test_without_a_rule_reading_is_allowed_and_nothing_else():
    for what in ("read", "write", *policy.REVEALS):
        verdict = decide([], replace(WRITE, what=what), NOW)
        assert (verdict.allowed, verdict.rule) == (what == "read", None)


@pytest.mark.parametrize(
    ("fields", "serves"),
    [
        ({}, True),
        ({"service": "*"}, True),
        ({"service": "github"}, False),
        ({"instance": "work"}, True),
        ({"instance": "default"}, False),
        ({"client": "codex"}, True),
        ({"client": "claude-code"}, False),
        ({"what": "read"}, False),
        ({"what": "token"}, False),
        ({"methods": ("PATCH", "POST")}, True),
        ({"methods": ("PATCH",)}, False),
        ({"paths": ("/databases/**", "/pages/*")}, True),
        ({"paths": ("/pages",)}, False),
        ({"expires": NOW + 1}, True),
        ({"expires": NOW}, False),
        ({"left": 1}, True),
        ({"left": 0}, False),
        ({"digest": "d"}, False),
    ],
)
def test_a_permission_serves_only_what_it_is_about(fields, serves):
    rule = allow(**fields)
    assert decide([rule], WRITE, NOW) == policy.Verdict(serves, rule if serves else None)
    # and a prohibition of the same forbids exactly that
    assert decide([allow(id="r9"), replace(rule, allow=False)], WRITE, NOW).allowed is not serves


def test_a_prohibition_beats_every_permission_however_special_that_is():
    special = allow(
        instance="work", client="codex", methods=("POST",), paths=("/pages/a",), digest="d"
    )
    for each in (deny(service="*", what="any"), deny(), deny(methods=("POST",))):
        wanted = replace(WRITE, digest="d")
        assert decide([special, each], wanted, NOW) == policy.Verdict(False, each)
        assert decide([each, special], wanted, NOW) == policy.Verdict(False, each)


def test_reading_can_be_forbidden_and_needs_no_permission_that_is_counted():
    assert not decide([deny(what="read")], READ, NOW).allowed
    counted = allow(what="read", left=1)
    assert decide([counted], READ, NOW) == policy.Verdict(True, None)
    free = allow(what="read")
    assert decide([counted, free], READ, NOW).rule is free


def test_what_was_approved_is_that_request_and_no_other():
    once = allow(digest="d", left=1, client="codex", methods=("POST",), paths=("/pages/a?b",))
    assert decide([once], replace(WRITE, digest="d"), NOW).rule is once
    assert not decide([once], replace(WRITE, digest="e"), NOW).allowed
    assert not decide([once], replace(WRITE, digest="d", client="other"), NOW).allowed


def test_nothing_is_used_up_without_need():
    counted, once, free = allow(left=3), allow(digest="d", left=1), allow()
    wanted = replace(WRITE, digest="d")
    assert decide([counted, once, free], wanted, NOW).rule is free
    assert decide([counted, once], wanted, NOW).rule is once
    assert decide([counted, once], WRITE, NOW).rule is counted


WORDS = st.sampled_from(["*", "notion", "github"])
RULES = st.builds(
    Rule,
    service=WORDS,
    what=st.sampled_from(["read", "write", "token", "any"]),
    allow=st.booleans(),
    client=st.sampled_from(["*", "codex", "claude-code"]),
    methods=st.sampled_from([(), ("POST",), ("GET",)]),
    paths=st.sampled_from([(), ("/pages/*",), ("/**",), ("/users",)]),
    expires=st.sampled_from([None, NOW - 1, NOW + 1]),
    left=st.sampled_from([None, 0, 1]),
).filter(lambda rule: not (rule.allow and rule.what == "any"))


@given(st.lists(RULES, max_size=6), RULES, st.sampled_from([READ, WRITE]), st.randoms())
def test_order_means_nothing_and_one_more_prohibition_never_widens(rules, more, wanted, random):
    before = decide(rules, wanted, NOW).allowed
    shuffled = random.sample(rules, len(rules))
    assert decide(shuffled, wanted, NOW).allowed == before
    after = decide([*rules, more], wanted, NOW).allowed
    assert after >= before if more.allow else after <= before


@given(st.lists(RULES, max_size=6))
def test_whoever_may_write_something_is_told_so(rules):
    may = any(
        decide(rules, replace(WRITE, service=service, method=method, path=path), NOW).allowed
        for service in ("notion", "github", "other")
        for method in ("POST", "GET")
        for path in ("/pages/a", "/users", "/else")
    )
    assert writes(rules, "codex", NOW) >= may


def test_a_prohibition_of_all_writes_leaves_none():
    assert writes([allow()], "codex", NOW)
    assert not writes([allow(client="other")], "codex", NOW)
    assert not writes([allow(what="token")], "codex", NOW)
    assert not writes([allow(), deny(what="any")], "codex", NOW)
    assert not writes([allow(instance="work"), deny(service="*")], "codex", NOW)
    assert writes([allow(), deny(paths=("/pages/*",))], "codex", NOW)
    assert writes([allow(), deny(instance="work")], "codex", NOW)
    assert writes([allow(), deny(client="other")], "codex", NOW)
    assert writes([allow(), deny(what="read")], "codex", NOW)


# -- names and commands ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("claude-code", "claude-code"),
        ("CLAUDE_CODE", "claude_code"),
        ("Visual Studio Code", "visual-studio-code"),
        ("\x1b[31mred\u202e", "31mred"),
        ("../..", "agent"),
        ("é", "agent"),
        ("x" * 99, "x" * 64),
        ("", "agent"),
        (None, "agent"),
    ],
)
def test_a_client_s_name_is_fit_for_a_rule_a_log_and_a_screen(said, name):
    assert policy.client_name(said) == name


@given(st.text())
def test_a_client_s_name_is_one_whatever_it_says(text):
    name = policy.client_name(text)
    assert re.fullmatch(r"[a-z0-9._-]{1,64}", name)
    assert policy.client_name(name) == name


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({}, "arcrun policy allow notion@work --write /pages/a --method POST --for 1h"),
        ({"instance": "default", "what": "token"},
         "arcrun policy allow notion --command token --for 1h"),
        ({"path": "/a b", "method": ""}, "arcrun policy allow notion@work --write /a%20b --for 1h"),
        ({"path": "/a*b", "method": ""}, "arcrun policy allow notion@work --write /a%2Ab --for 1h"),
        ({"path": "/$(x)", "method": ""},
         "arcrun policy allow notion@work --write '/$(x)' --for 1h"),
        ({"service": "*", "instance": "*", "what": "export"},
         "arcrun policy allow '*' --command export --for 1h"),
    ],
)  # fmt: skip
def test_the_command_that_would_allow_it_is_fit_to_be_typed(changes, command):
    assert policy.command_to_allow(replace(WRITE, **changes)) == command


@pytest.mark.parametrize("path", ["/a*", "/**", "/*/é", "/a b?c#d", "/100%", "/a\tb", "/a:b@c"])
def test_the_command_allows_the_path_that_was_asked_for_and_no_other(path):
    *_, pattern, _, _ = shlex.split(policy.command_to_allow(replace(WRITE, path=path, method="")))
    assert policy.fault(pattern) == ""
    assert policy.matches(pattern, path)
    for other in ("/ab", "/b", "/a/b", "/x/é"):
        assert not policy.matches(pattern, other)


# -- patterns ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("/pages/*", ["/pages/a", "/pages/a/"], ["/pages", "/pages/a/b", "/Pages/a", "/pagesa"]),
        ("/pages/**", ["/pages", "/pages/", "/pages/a/b"], ["/page", "/pagesa", "/"]),
        ("/**", ["/", "", "/a", "/a/b"], []),
        ("/", ["/", ""], ["/a"]),
        ("/a/*/c", ["/a/b/c"], ["/a/c", "/a/b/b/c"]),
        ("/*.list", ["/users.list", "/.list"], ["/users.lists", "/a/b.list"]),
        ("/get_*", ["/get_", "/get_a"], ["/forget_a"]),
        ("/a*b*c", ["/abc", "/aXbYc", "/abbc"], ["/ab", "/acb", "/ac"]),
        ("/ab*ba", ["/abba", "/abXba"], ["/aba"]),
        ("/query/", ["/query", "/query/"], []),
        ("/[a]", ["/[a]"], ["/a"]),
        ("/100%25", ["/100%25", "/100%", "/100%2525"], []),
        ("/a%2Ab", ["/a*b"], ["/aXb"]),
        ("/keys/**", ["/KEYS/../keys/a", "/x/../keys", "//keys/a", "/keys\\a", "/%6Beys/a",
                      "/%256beys", "/./keys", "/%2e/keys", "/keys%2Fa"], []),
        ("/pages/**", [], ["/pages/../users", "/pages/%2e%2e/users", "/pages/%252e%252e/users",
                           "/pages/..\\users", "/pages%2f..%2fusers", "/pages/.././users"]),
        ("/pages/*", [], ["/pages/a%2Fdelete", "/pages/a%255Cdelete", "/pages/%2e%2e"]),
    ],
)  # fmt: skip
def test_a_pattern_fits_these_paths_and_not_those(pattern, fits, not_):
    assert [path for path in fits if not matches(pattern, path)] == []
    assert [path for path in not_ if matches(pattern, path)] == []


SEGMENT = st.text("abA.-_:~é \U0001f600(+", min_size=1, max_size=4).filter(
    lambda text: text not in (".", "..")
)
PATHS = st.lists(SEGMENT, max_size=4).map(lambda found: "/" + "/".join(found))
PATTERNS = st.tuples(
    st.lists(st.one_of(SEGMENT, st.text("ab*", min_size=1, max_size=4)), max_size=3),
    st.sampled_from([[], ["**"], ["*"]]),
).map(lambda found: "/" + "/".join([each.replace("**", "*") for each in found[0]] + found[1]))


def naive(pattern: str) -> str:
    """The pattern as a regular expression, word by word as its documentation says."""
    bare = pattern.removesuffix("/**")
    pieces = [re.escape(each).replace(r"\*", "[^/]*") for each in bare.split("/")]
    stars = re.compile(r"(?:\[\^/\]\*)+")  # a segment is never empty
    body = "/".join("[^/]+" if stars.fullmatch(each) else each for each in pieces)
    return body if bare == pattern else f"{body}(?:/.*)?"


@given(PATTERNS, PATHS)
@example("/**", "/")
@example("/a/**", "/a")
@example("/**/**", "/")
def test_a_pattern_fits_what_a_regular_expression_of_it_fits(pattern, path):
    assert matches(pattern, path) == bool(re.fullmatch(naive(pattern), path, re.DOTALL))


def disguised(char: str, depth: int) -> str:
    """A character, percent-encoded so many times over."""
    for number in range(depth):
        char = quote(char, safe="") if number else "".join(f"%{b:02x}" for b in char.encode())
    return char


@st.composite
def written(draw) -> tuple[str, str]:
    """A path, and another way of writing it."""
    path = draw(PATHS)
    text = ""
    for char in path:
        if char == "/":
            text += draw(st.sampled_from(["", "", "/.", "/", "/x/.."]))
        text += disguised(char, draw(st.sampled_from([0, 0, 1, 2, 3])))
    return path, text


@given(PATTERNS, written())
@example("/a/*", ("/a/b", "/a/%62"))
def test_no_way_of_writing_a_path_changes_what_fits(pattern, ways):
    path, other = ways
    assert matches(pattern, other) == matches(pattern, path)


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_given_it_answers(pattern, path):
    assert matches(pattern, path) in (True, False)
    found = policy.segments(path)
    assert policy.segments("/".join(found)) == found
    assert not {"", ".", ".."} & set(found)


@pytest.mark.parametrize(
    "good", ["/", "/**", "/a", "/a/", "/a/*", "/a/**", "/a*b/*.c", "/é", "/a%20b"]
)
def test_such_patterns_are_good(good):
    assert fault(good) == ""


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "slash"), ("a", "slash"), ("*", "slash"), ("https://x/a", "slash"),
        ("/a?b", "query"), ("/a#b", "query"), ("/a b", "query"), ("/a\n", "query"),
        ("/a\\b", "query"), ("/a\x00", "query"),
        ("/a**", "two stars"), ("/**/a", "two stars"), ("/***", "two stars"),
        ("/a/**b", "two stars"), ("//", "as it is sent"),
        ("/a//b", "as it is sent"), ("//a", "as it is sent"), ("/a/../b", "as it is sent"),
        ("/./a", "as it is sent"), ("/a%2Fb", "as it is sent"), ("/%2e", "as it is sent"),
    ],
)  # fmt: skip
def test_a_pattern_that_fits_nothing_is_told(bad, why):
    assert why in fault(bad)


@given(PATHS.filter(lambda path: " " not in path))
def test_every_path_that_is_a_good_pattern_fits_itself(path):
    assert fault(path) == ""
    assert matches(path, path)
