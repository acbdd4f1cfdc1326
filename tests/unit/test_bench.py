"""The scoreboard's arithmetic and its table; nothing is timed here."""

from __future__ import annotations

import json

import pytest

from bench import __main__ as command
from bench import board, measure
from bench.board import Goal, Line, Row
from bench.measure import CONTROL, Samples


def counter(calls: list[str], name: str, sample: measure.Sample = 1.0):
    def subject() -> measure.Sample:
        calls.append(name)
        return sample

    return subject


def test_every_round_times_each_subject_once_in_alternating_order() -> None:
    calls: list[str] = []
    found = measure.rounds({"a": counter(calls, "a"), "b": counter(calls, "b")}, 3)
    # The control is a second turn of the first subject.
    assert calls == ["a", "b", "a"] * 4
    assert {name: len(samples.wall) for name, samples in found.items()} == {
        "a": 3, "b": 3, CONTROL: 3,
    }  # fmt: skip

    calls.clear()
    measure.rounds({"a": counter(calls, "a"), "b": counter(calls, "b")}, 3, control=False)
    assert calls == ["b", "a", "a", "b", "b", "a", "a", "b"]


def test_the_warm_up_is_not_among_the_samples() -> None:
    samples = iter([100.0, 1.0, 2.0, 3.0])
    found = measure.rounds({"a": lambda: next(samples)}, 3, control=False)
    assert found["a"].wall == [1.0, 2.0, 3.0]


def test_a_subject_may_tell_its_cpu_time_too() -> None:
    found = measure.rounds({"a": lambda: (2.0, 1.0)}, 2, control=False)
    assert (found["a"].median, found["a"].cpu_median) == (2.0, 1.0)


def test_a_ratio_is_taken_within_a_round() -> None:
    # In the second round the machine was ten times as slow, for both.
    assert measure.ratio([1.0, 10.0, 1.0], [2.0, 20.0, 2.0]) == 0.5
    with pytest.raises(ValueError, match="argument 2"):
        measure.ratio([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.0, "12.0 s"),
        (1.5, "1.50 s"),
        (0.0301, "30.1 ms"),
        (0.123, "123 ms"),
        (2.2e-7, "0.22 µs"),
    ],
)
def test_figures_have_three_digits_and_a_unit(seconds: float, text: str) -> None:
    assert board.seconds(seconds) == text


def compared(goal: Goal, ours: float = 1e-3, theirs: float = 2e-3) -> Row:
    row = Row(3, "a row")
    found = {
        "ours": Samples([ours] * 3),
        "peer": Samples([theirs] * 3),
        CONTROL: Samples([ours] * 3),
    }
    row.compare("what it does", found, {"peer": goal}, why="of the reason")
    return row


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal(0.5), True),
        (Goal(0.4), False),
        (Goal(1000, " µs", absolute=True), True),
        (Goal(999, " µs", absolute=True), False),
    ],
)
def test_a_goal_is_a_ratio_or_a_figure_of_our_own(goal: Goal, met: bool) -> None:
    (line,) = compared(goal).lines
    assert (line.ratio, line.met) == (0.5, met)


def test_a_missed_goal_stays_in_the_table_with_its_reason() -> None:
    text = board.table([compared(Goal(0.4))])
    assert "NO" in text
    assert "row 3, what it does: of the reason" in text
    assert "of the reason" not in board.table([compared(Goal(0.6))])


def test_the_control_is_printed_beside_the_table_and_is_no_line_of_it() -> None:
    row = compared(Goal(0.5))
    assert [line.peer for line in row.lines] == ["peer"]
    assert row.controls == {"what it does": 1.0}
    assert "3: 1.00" in board.table([row])


def test_the_table_fits_into_a_hundred_columns() -> None:
    row = compared(Goal(0.4))
    what = "a name that is much longer than its column is wide"
    peer = "google AuthorizedSession"
    row.lines.append(Line("3", what, "1 / 0 / yes", peer, "33 / 32 / no", 0.5, "<=0.8x", True))
    row.notes.append("a reason of many words " * 10)
    assert max(map(len, board.table([row]).splitlines())) <= board.WIDTH


def test_the_raw_figures_are_kept_as_json(tmp_path, monkeypatch) -> None:
    path = tmp_path / "results" / "latest.json"
    monkeypatch.setattr(command, "RESULTS", str(path))
    command.keep([compared(Goal(0.5))], board.machine())
    data = json.loads(path.read_text())
    assert data["rows"][0]["samples"]["what it does"]["peer"]["wall"] == [0.002] * 3
    assert data["rows"][0]["controls"] == {"what it does": 1.0}
    assert {"python", "system", "cores", "processor"} <= set(data["machine"])


def test_every_row_of_the_scoreboard_has_a_function() -> None:
    from importlib import util

    assert list(command.ROWS) == [*range(1, 19)]
    for module, name, runs in command.ROWS.values():
        spec = util.find_spec(f"bench.{module}")
        assert spec is not None
        assert spec.origin is not None
        with open(spec.origin, encoding="utf-8") as file:
            assert f"def {name}(runs: int) -> Row:" in file.read()
        assert runs >= measure.RUNS
