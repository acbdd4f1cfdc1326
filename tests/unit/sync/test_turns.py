"""A login that rotates, on several homes: one of them renews it at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import AuthError, LoginRequired, ProviderUnavailable, RefreshBusy
from arcrun_auth.sync import shares, turns
from arcrun_auth.testing import Provider
from tests.sync_sharing import DEMO, Sharing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def sharing(tmp_path, provider) -> Iterator[Sharing]:
    made = Sharing(tmp_path, provider)
    shares.share(made.broker("laptop"), "demo", "default")
    made.sync("desktop")
    yield made
    made.close()


def test_a_shared_login_is_on_all_homes_after_a_sync(sharing: Sharing) -> None:
    assert sharing.grant("desktop").refresh_token == sharing.grant("laptop").refresh_token
    assert sharing.token("desktop") == sharing.token("laptop")
    assert sharing.requests == 0


def test_what_one_home_renews_the_others_take_without_a_request(sharing: Sharing) -> None:
    for round_ in range(1, 4):
        sharing.expire("laptop", "desktop")
        first, second = ("laptop", "desktop") if round_ % 2 else ("desktop", "laptop")
        fresh = sharing.token(first)
        assert sharing.token(second) == fresh
        assert sharing.requests == round_
    assert (sharing.provider.reuses, sharing.provider.families_revoked) == (0, 0)
