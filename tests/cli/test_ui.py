"""What is written, and how: colours, widths, words for times."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_cli import ui


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


@pytest.mark.parametrize(
    ("env", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
    ],
)
def test_when_there_is_colour(monkeypatch, env, terminal, expected):
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    assert ui.coloured(Tty() if terminal else io.StringIO()) is expected


def test_a_mark_always_has_its_word(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    assert ui.mark("fail", Tty, "fail") == "✗ fail"
    assert ui.mark("ok", io.StringIO, "ok") == "+ ok"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "in 0 s"),
        (59.9, "in 59 s"),
        (60, "in 1 min"),
        (3599, "in 59 min"),
        (7199, "in 119 min"),
        (7200, "in 2 h"),
        (86400, "in 1 day"),
        (86400 * 3, "in 3 days"),
        (-90, "1 min ago"),
    ],
)
def test_spans_of_time_in_words(seconds, words):
    assert ui.ago(seconds) == words


@given(st.text(max_size=60), st.integers(1, 40))
def test_what_is_cut_fits(text, width):
    shown = ui.cut(text, width)

    assert ui.cells(shown) <= width
    assert shown == text or shown.endswith("…")


def test_wide_letters_count_twice():
    assert ui.cells("東京") == 4
    assert ui.cells("\x1b[1mab\x1b[0m") == 2
    assert ui.cut("東京都", 4) == "東…"


@given(
    st.lists(st.tuples(*[st.text(max_size=80)] * 4), min_size=1, max_size=5),
    st.integers(40, 120),
)
def test_a_table_fits_its_terminal(rows, width):
    with pytest.MonkeyPatch.context() as patch:
        screen = Tty()
        patch.setenv("COLUMNS", str(width))
        patch.setenv("NO_COLOR", "1")
        patch.setattr("sys.stdout", screen)
        ui.table([("short", *row) for row in rows], ("A", "B", "C", "D", "E"))

    lines = screen.getvalue().split("\n")
    assert len(lines) == len(rows) + 2
    assert all(ui.cells(line) <= width for line in lines)


def test_a_table_for_a_pipe_is_not_cut(capsys):
    ui.table([("a", "x" * 150)], ("A", "B"))

    assert "x" * 150 in capsys.readouterr().out


FOUND = [("gmail", "Gmail", "google", "oauth, service_account"), ("aws_ses", "Amazon", "", "key")]
HEAD = ("SERVICE", "NAME", "CATEGORY", "WAYS IN")


def drawn(monkeypatch, width, rows=FOUND):
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", screen := Tty())
        patch.setenv("NO_COLOR", "1")
        patch.setenv("COLUMNS", str(width))
        ui.listed(rows, HEAD, gives=("WAYS IN", "NAME"))
    return screen.getvalue().splitlines()


def test_what_is_listed_gives_way_where_it_may_and_then_becomes_lines(monkeypatch):
    assert drawn(monkeypatch, 80)[1] == "gmail    Gmail   google    oauth, service_account"
    assert drawn(monkeypatch, 43)[1] == "gmail    Gmail   google    oauth, service_…"
    long = [("a" * 11, *FOUND[0][1:])]
    assert drawn(monkeypatch, 40, long)[1] == f"{'a' * 11}  Gmail  google    oauth, se…"
    longer = [("a" * 16, *FOUND[0][1:]), FOUND[1]]
    assert drawn(monkeypatch, 40, longer) == [
        "a" * 16,
        "  Gmail; google; oauth, service_account",
        "aws_ses",
        "  Amazon; key",
    ]


@given(
    st.lists(st.tuples(*[st.text("ab ", max_size=80)] * 4), min_size=1, max_size=5),
    st.integers(40, 120),
)
def test_what_is_listed_fits_its_terminal(rows, width):
    with pytest.MonkeyPatch.context() as patch:
        lines = drawn(patch, width, [("short", *row[1:]) for row in rows])
    words = {word for line in lines for word in line.split(" ")}
    assert all(ui.cells(line) <= max(width, 2 + max(map(ui.cells, words)) + 2) for line in lines)


def test_a_column_that_is_empty_is_left_out(capsys):
    ui.table([("a", "", "c")], ("A", "B", "C"))

    assert capsys.readouterr().out == "A  C\na  c\n"


def test_a_table_lets_no_control_character_through(capsys):
    ui.table([("a", "\x1b[2Jevil\u202etxt")], ("A", "B"))

    assert "\x1b" not in capsys.readouterr().out.replace("\x1b[2m", "").replace("\x1b[0m", "")


def test_long_words_stay_whole_when_lines_are_wrapped():
    url = "https://example.com/" + "a" * 90

    assert url in ui.wrap(f"See {url} for more, and then some words", 80).split()


def test_what_failed_is_wrapped_below_its_name(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stdout", screen := Tty())
    ui.put_failed("notion", "It needs a token and there is none anywhere.", "arcrun setup notion")

    assert screen.getvalue().split("\n") == [
        "✗ fail  notion  It needs a token and",
        "        there is none anywhere.",
        "        → arcrun setup notion",
        "",
    ]


def test_json_has_a_schema_and_iso_times(capsys):
    ui.put_json({"at": datetime(2026, 1, 2, tzinfo=UTC), "scopes": frozenset("ba"), "n": ("x",)})

    assert json.loads(capsys.readouterr().out) == {
        "schema": 1, "at": "2026-01-02T00:00:00+00:00", "scopes": ["a", "b"], "n": ["x"],
    }  # fmt: skip


def test_json_takes_nothing_it_does_not_know():
    with pytest.raises(TypeError):
        ui.put_json({"secret": object()})


def test_a_terminal_that_knows_no_unicode_gets_letters(monkeypatch):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    ui.put("a → b")
    stream.flush()

    assert raw.getvalue() == b"a ? b\n"


def test_json_and_pairs_hold_nothing_that_moves_the_cursor(capsys) -> None:
    """A provider chooses the scopes it grants, and a terminal may show what a pipe does not get."""
    hostile = "read\x1b[2J\x9b31m\u202ewrite\x7f ü"
    ui.put_json({"scopes": [hostile]})
    shown = capsys.readouterr().out
    assert json.loads(shown)["scopes"] == [hostile]
    assert not set(shown) & set("\x1b\x9b\u202e\x7f")
    ui.pairs([("scopes", hostile)])
    assert "read[2J31mwrite ü" in capsys.readouterr().out
