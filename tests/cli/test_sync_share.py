"""`arcrun sync share` and `unshare`: two homes, the real server, a login that rotates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.sync_sharing import Sharing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sharing(tmp_path, provider) -> Iterator[Sharing]:
    made = Sharing(tmp_path, provider)
    yield made
    made.close()


def test_a_login_is_shared_used_on_both_and_taken_back(inside, sharing: Sharing) -> None:
    laptop, desktop = sharing.env("laptop"), sharing.env("desktop")
    stays = json.loads(inside("sync", "status", "--json", **laptop).out)
    assert (stays["device_local"], stays["shared"]) == (["demo@default"], [])
    ran = inside("sync", "share", "demo", **laptop)
    assert ran.code == 0, ran.both
    assert "✓ demo is shared." in ran.err
    assert "→ on your other devices: arcrun sync" in ran.err
    again = inside("sync", "share", "demo", **laptop)
    assert again.err.strip() == "✓ demo is shared already."
    assert inside("sync", **desktop).code == 0
    first, second = (inside("token", "demo", **env) for env in (laptop, desktop))
    assert first.code == 0, first.both
    assert sharing.token("laptop") == sharing.token("desktop")
    assert second.code == 0, second.both
    found = json.loads(inside("sync", "status", "--json", **desktop).out)
    assert (found["device_local"], found["shared"], found["waiting"]) == ([], ["demo@default"], [])
    assert "demo@default" in inside("sync", "status", **desktop).out
    ran = inside("sync", "unshare", "demo", **desktop)
    assert ran.code == 0, ran.both
    assert "✓ demo is on this device alone." in ran.err
    ran = inside("sync", "unshare", "demo", **desktop)
    assert ran.err.strip() == "demo is not shared."
    assert inside("sync", **laptop).code == 0
    ran = inside("token", "demo", **laptop)
    assert ran.code == 4
    assert "→ arcrun setup demo" in ran.err


def test_what_cannot_be_shared_is_told_with_what_to_do(inside, sharing: Sharing, tmp_path) -> None:
    laptop = sharing.env("laptop")
    ran = inside("sync", "share", "keyed", **laptop)
    assert ran.code == 4
    assert "→ arcrun setup keyed" in ran.err
    ran = inside("sync", "share", "demo", ARCRUN_HOME=str(tmp_path / "new"))
    assert ran.code == 2, "it has no such recipe"
    ran = inside("sync", "share", "demo", **laptop | {"ARCRUN_SERVER": "http://127.0.0.1:9"})
    assert ran.code != 0
    assert sharing.grant("laptop").turn == 1, "it is shared at the next sync"
