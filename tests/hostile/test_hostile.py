"""Files made to do harm, at every door: refused, and said so in words that a terminal can show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import arcrun_cli
from arcrun_auth import markers
from arcrun_auth.catalog import Catalog
from arcrun_auth.errors import RecipeError, clean_lines
from arcrun_auth.lint import errors, lint
from arcrun_auth.recipe import read, regex, rules
from arcrun_auth.recipe.reader import MAX_BYTES
from arcrun_auth.recipe.rules import MAX_PATTERNS
from arcrun_cli import hardening
from tests.hostile import corpus

BUNDLED = Path(__file__).parents[2] / "recipes"
LONGEST = 1000
"""How long may it be that is said of one file?"""


def assert_can_be_shown(text):
    assert clean_lines(text) == text
    assert len(text) < LONGEST


def test_there_are_enough_of_them():
    assert len(corpus.REFUSED) + len(corpus.UNSHIPPED) >= 200


@pytest.mark.parametrize("case", corpus.REFUSED.values(), ids=corpus.REFUSED)
def test_the_reader_and_the_linter_refuse_it(case):
    raw = corpus.raw(case)
    with pytest.raises(RecipeError) as caught:
        read(raw, path="x.yaml")
    assert_can_be_shown(str(caught.value))
    for tier in ("bundled", "local"):
        bad = errors(lint({"x.yaml": raw}, tier=tier))
        assert bad
        for finding in bad:
            assert_can_be_shown(f"{finding.field} {finding.message} {finding.mend}")


def test_of_a_file_full_of_patterns_few_are_judged(monkeypatch):
    judged = []
    real = regex.fault
    monkeypatch.setattr(
        regex, "fault", lambda pattern, whole: judged.append(pattern) or real(pattern, whole=whole)
    )
    text = corpus.SHOP + "diagnose:\n"
    while len(text) < MAX_BYTES - 300:
        text += f"  - {{when: {{body: 'x{len(text)}[a-z]{{60}}'}}, say: No.}}\n"
    with pytest.raises(RecipeError, match="at most 64 patterns") as caught:
        read(text)
    assert caught.value.field == "diagnose[64].when.body"
    assert len(judged) == MAX_PATTERNS


def test_of_a_file_full_of_ways_in_none_is_judged(monkeypatch):
    judged = []
    monkeypatch.setattr(rules, "check", lambda recipe, strict: judged.append(recipe))
    text = corpus.SHOP + "static_headers: {A: '{{now}}'}\nmethods:\n"
    while len(text) < MAX_BYTES - 300:
        text += f"  - {{id: m{len(text)}, primitive: static_key}}\n"
    with pytest.raises(RecipeError, match="length <= 32") as caught:
        read(text)
    assert (caught.value.field, judged) == ("methods", [])


@pytest.mark.parametrize("case", corpus.UNSHIPPED.values(), ids=corpus.UNSHIPPED)
def test_what_can_be_read_is_no_recipe_for_others(case):
    raw = corpus.raw(case)
    read(raw, path="x.yaml")
    for tier in ("bundled", "local"):
        bad = errors(lint({"x.yaml": raw}, tier=tier))
        assert bad
        for finding in bad:
            assert_can_be_shown(f"{finding.field} {finding.message} {finding.mend}")


@pytest.mark.parametrize("case", corpus.HARMLESS.values(), ids=corpus.HARMLESS)
def test_what_only_looks_like_it_is_let_in(case):
    raw = corpus.raw(case)
    assert read(raw, path="x.yaml").service == "shop"
    assert errors(lint({"x.yaml": raw}, tier="local")) == []


def test_none_is_added(tmp_path):
    home = tmp_path / "home"
    catalog = Catalog(home)
    before = catalog.names()
    for number, case in enumerate((corpus.REFUSED | corpus.UNSHIPPED).values()):
        file = tmp_path / f"{number}.yaml"
        file.write_bytes(corpus.raw(case))
        with pytest.raises(RecipeError) as caught:
            catalog.add(file)
        assert_can_be_shown(str(caught.value).replace(str(tmp_path), ""))
    assert catalog.names() == before
    assert not list(home.glob("recipes/*.yaml"))


def test_those_in_the_home_are_told_and_stop_no_other(tmp_path):
    """Somebody else's program may have put them there: the index is built from what is there."""
    folder = tmp_path / "recipes"
    folder.mkdir(mode=0o700)
    for number, case in enumerate(corpus.REFUSED.values()):
        (folder / f"{number:03}.yaml").write_bytes(corpus.raw(case))
    (folder / "mine.yaml").write_text(corpus.shop("service: shop", "service: mine"))
    catalog = Catalog(tmp_path)
    assert catalog.entry("mine").tier == "local"
    assert catalog.recipe("notion").service == "notion"
    found = catalog.problems
    assert len(found) == len(corpus.REFUSED)
    for problem in found:
        assert_can_be_shown(str(problem).replace(str(tmp_path), ""))
    services = {entry.service for entry in catalog.entries() if entry.tier == "local"}
    assert services == {"mine"}


def test_a_files_name_does_not_move_the_cursor_either(tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir(mode=0o700)
    (folder / "a\x1b[2J\u202eb.yaml").write_text("service: shop\n")
    (problem,) = Catalog(tmp_path).problems
    assert problem.path.endswith("\u202eb.yaml")
    assert_can_be_shown(str(problem))


def test_the_command_shows_them_safely_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hardening, "apply", lambda: None)  # this process goes on
    for name in [name for name in os.environ if markers.marker({name: "1"})]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARCRUN_HOME", str(tmp_path / "home"))
    folder = tmp_path / "files"
    folder.mkdir()
    cases = corpus.REFUSED | corpus.UNSHIPPED
    for number, case in enumerate(cases.values()):
        (folder / f"{number:03}.yaml").write_bytes(corpus.raw(case))

    assert arcrun_cli.main(["recipes", "lint", str(folder)]) == 1
    shown = capsys.readouterr()
    assert clean_lines(shown.out) == shown.out
    for number in range(len(cases)):
        assert f"{number:03}.yaml" in shown.out
    for number in range(0, len(cases), 10):
        file = str(folder / f"{number:03}.yaml")
        for command in (["add", file, "--yes"], ["diff", file]):
            arcrun_cli.main(["recipes", *command])
            shown = capsys.readouterr()
            assert clean_lines(shown.out + shown.err) == shown.out + shown.err
    assert not list((tmp_path / "home").glob("recipes/*.yaml"))


# -- and what nobody thought of ------------------------------------------------------------

PLAIN = (BUNDLED / "notion.yaml").read_bytes()


@given(st.data())
def test_whatever_is_spliced_into_a_recipe_it_is_read_or_refused(data):
    cases = [corpus.raw(case)[:2000] for case in corpus.REFUSED.values()]
    piece = data.draw(st.sampled_from(cases) | st.binary(max_size=40))
    start = data.draw(st.integers(0, len(piece)))
    at = data.draw(st.integers(0, len(PLAIN)))
    raw = PLAIN[:at] + piece[start:] + PLAIN[at:]
    try:
        read(raw)
    except RecipeError as error:
        assert_can_be_shown(str(error))
    for finding in lint({"notion.yaml": raw}, tier="local"):
        assert_can_be_shown(finding.message)
