"""Moments as providers write them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.moments import LATEST, epoch_of

END = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
HOUR = 3600


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2026-12-31T23:59:59Z", END),
        ("2026-12-31T23:59:59+00:00", END),
        ("2026-12-31 23:59:59 UTC", END),
        ("2026-12-31 23:59:59 GMT", END),
        ("2026-12-31 23:59:59 -0800", END + 8 * HOUR),
        ("2026-12-31 23:59:59 +01:00", END - HOUR),
        ("2026-12-31T23:59:59", END),
        ("2026-12-31T23:59:59.000000000Z", END),
        (" 2026-12-31T23:59:59Z\n", END),
        ("Thu, 31 Dec 2026 23:59:59 GMT", END),
        ("2026-12-31", END - 24 * HOUR + 1),
        ("20261231", END - 24 * HOUR + 1),
        (END, END),
        (int(END), END),
        (str(int(END)), END),
        (int(END) * 1000, END),
        (f"{int(END)}000", END),
        (datetime.fromtimestamp(END, UTC), END),
        (date(2026, 12, 31), END - 24 * HOUR + 1),
    ],
)
def test_a_moment_is_understood_however_it_is_written(written, seconds) -> None:
    assert epoch_of(written) == seconds


@pytest.mark.parametrize(
    "other",
    [
        None, True, False, 0, -1, float("nan"), float("inf"), 10**400, "", "never", "0", "12",
        "2026-13-01", "2026-12-31T25:00:00Z", "0001-01-01T00:00:00Z", "x" * 100, [], {}, b"2026",
        LATEST * 1000 * 2, "31", "1" * 17, "٣٣٣٣٣٣٣٣٣٣",
    ],
)  # fmt: skip
def test_what_is_no_moment_is_none(other) -> None:
    assert epoch_of(other) is None


@settings(deadline=None)
@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none()))
def test_nothing_makes_it_raise(anything) -> None:
    found = epoch_of(anything)
    assert found is None or 0 < found <= LATEST
