"""How what is connected stands, in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from arcrun_auth.report import Instance
from arcrun_auth.standing import until

NOW = 1_800_000_000.0


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({}, ""),
        ({"expires_at": at(3300)}, "in 55 min"),
        ({"expires_at": at(-7200)}, "2 h ago"),
        ({"expires_at": at(3300), "can_renew": True}, "in 55 min, renews itself"),
        ({"expires_at": at(-1), "can_renew": True}, "renews itself"),
        ({"expires_at": at(60), "refresh_expires_at": at(3 * 86400)}, "login ends in 3 days"),
        ({"expires_at": at(60), "refresh_expires_at": at(86400), "can_extend": True}, "in 1 min"),
        ({"secret_expires_at": at(86400), "expires_at": at(60)}, "key ends in 1 day"),
        ({"secret_expires_at": at(-86400)}, "key ended 1 day ago"),
    ],
)
def test_it_is_said_until_when_it_works_without_anybody(times, said):
    assert until(Instance("default", "key", "connected", **times), NOW) == said
