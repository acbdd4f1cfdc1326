"""The process dies at any step of a sync: nothing is lost then, and nothing is there twice."""

from __future__ import annotations

import itertools

import pytest

from arcrun_auth.protocol import log
from arcrun_auth.sync import outbox
from tests.sync_crashing import dies
from tests.sync_kit import Home, Server, enrol, names, pair, settle


def changes_on_both() -> list[Home]:
    """Something of everything: new, changed, removed, in conflict, and a login."""
    laptop, desktop = pair(Server())
    for name in names(5):
        laptop.set(name, f"cAnArY-9f-{name}")
    settle([laptop, desktop])
    laptop.set("service0", "cAnArY-9f-laptop0")
    laptop.set("service1", "cAnArY-9f-laptop1")
    laptop.remove("service2")
    laptop.set("fresh", "cAnArY-9f-fresh")
    laptop.sync()
    desktop.set("service0", "cAnArY-9f-desktop0")
    desktop.set("own", "cAnArY-9f-own")
    desktop.remove("service3")
    desktop.remove("service1")
    desktop.log_in("drive", "cAnArY-9f-refresh")
    return [laptop, desktop]


def ended(homes: list[Home]) -> dict[str, str]:
    settle(homes)
    held = [home.secrets() for home in homes]
    assert held[0] == held[1]
    grants = [home.store.get(engine_key()).grant for home in homes]
    assert grants[0].refresh_token == grants[1].refresh_token
    codes = {home.engine().verify() for home in homes}
    assert len(codes) == 1
    return held[0]


def engine_key():
    from tests.sync_kit import key_of

    return key_of("drive")


def without_device(secrets: dict[str, str]) -> list[tuple[str, str]]:
    """A copy is named by the device that lost, and that by its random keys."""
    return sorted((name.partition(".conflict-")[0], value) for name, value in secrets.items())


def winners(found: list[tuple[str, str]]) -> list[str]:
    return sorted(value for _, value in found)


def test_a_sync_that_dies_anywhere_is_gone_on_with() -> None:
    expected = winners(without_device(ended(changes_on_both())))
    for steps in itertools.count():
        homes = changes_on_both()
        died = dies(homes[1], steps)
        assert winners(without_device(ended(homes))) == expected, steps
        if not died:
            break
    assert steps > 25


def test_one_that_dies_again_and_again_gets_further_each_time() -> None:
    for first in (3, 5, 8):
        homes = changes_on_both()
        for steps in itertools.count(first):
            if not dies(homes[1], steps):
                break
        assert len(ended(homes)) == 6


@pytest.mark.parametrize("ahead", [3, 500], ids=["segments ahead", "one batch"])
def test_a_log_that_is_written_anew_survives_a_crash_at_any_step(monkeypatch, ahead) -> None:
    """With several batches of segments before the head that names them, and with one."""
    monkeypatch.setattr(log, "SEGMENT", 2)
    monkeypatch.setattr(log, "SPARE", 4)
    monkeypatch.setattr(outbox, "ROWS", ahead + 1)
    monkeypatch.setattr(outbox, "CHANGES", 1)
    rewritten = 0
    for steps in itertools.count():
        laptop, desktop = pair(Server())
        for name in names(8):
            laptop.set(name)
        settle([laptop, desktop])
        while not log.too_long(*lengths(laptop)):
            laptop.set("service0")
            laptop.sync()
        died = dies(laptop, steps)
        rewritten += laptop.state.heads()[laptop.identity.id].head.gen
        settle([laptop, desktop])
        assert laptop.secrets() == desktop.secrets()
        assert len(laptop.secrets()) == 8
        assert not laptop.state.garbage()
        assert laptop.engine().verify() == desktop.engine().verify()
        if not died:
            break
    assert rewritten


def lengths(home: Home) -> tuple[int, int]:
    head = home.state.heads()[home.identity.id].head
    needed = [p for p in home.state.log_of(home.identity.id)
              if home.state.placed(p.entry.name) == p]  # fmt: skip
    return head.seq - head.base, len(needed)


def test_founding_a_vault_survives_a_crash_at_any_step() -> None:
    for steps in itertools.count():
        server = Server()
        home = Home("laptop", server)
        key = home.set("notion")
        died = dies(home, steps)
        home.sync()
        other = Home("desktop", server)
        enrol(home, other)
        assert other.get("notion") == key
        if not died:
            break
    assert steps > 10
