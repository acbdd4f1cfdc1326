"""Buckets of tokens, and the table of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.server import limits
from arcrun_auth.server.limits import Buckets, origin
from arcrun_auth.server.paths import Paths


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    clock = Time()
    buckets = Buckets(2, 3, clock)
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait("b") == 0
    clock.now += 0.25
    assert buckets.wait("a") == 0.25
    clock.now += 0.25
    assert [buckets.wait("a"), buckets.wait("a")] == [0, 0.5]
    clock.now += 100
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 0.5], "it never holds more"


def test_a_rate_of_none_is_no_limit() -> None:
    buckets = Buckets(0, 0, Time())
    assert not any(buckets.wait("a") for _ in range(100))


def test_it_forgets_those_who_ask_least(monkeypatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    clock = Time()
    buckets = Buckets(1, 5, clock)
    for _ in range(5):
        buckets.wait("busy")
    for number in range(40):
        buckets.wait(f"n{number}")
    assert len(buckets._found) <= 10
    assert buckets.wait("busy") > 0


SEGMENT = st.text("abc", min_size=1, max_size=2)


@given(st.lists(SEGMENT, min_size=1, max_size=3))
def test_a_path_is_found_as_it_stands_before_one_with_a_variable(parts) -> None:
    plain = "/" + "/".join(parts)
    pattern = "/" + "/".join(["{x}", *parts[1:]])
    paths = Paths({pattern: "variable", plain: "plain"})
    assert paths.find(plain) == ("plain", {})
    other = "/" + "/".join(["zz", *parts[1:]])
    assert paths.find(other) == ("variable", {"x": "zz"})
    assert paths.find(other + "/more") is None
    assert paths.find("/" + "/".join(["", *parts[1:]])) is None


def test_two_patterns_of_one_length_are_told_apart() -> None:
    paths = Paths({"/a/{x}": 1, "/b/{y}/c": 2, "/b/{y}": 3})
    assert paths.find("/b/1") == (3, {"y": "1"})
    assert paths.find("/b/1/c") == (2, {"y": "1"})
    assert paths.find("/c/1") is None
    assert paths.find("") is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("somewhere", "elsewhere", False),
        ("", "", True),
    ],
)
def test_who_has_a_network_of_addresses_is_one(one, other, same) -> None:
    """A line gets 2^64 addresses of IPv6 (RFC 6177): each of them would be a guess for free."""
    assert (origin(one) == origin(other)) is same
