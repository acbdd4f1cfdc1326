"""`arcrun sync`, and the sync that follows a command: two homes, the real server between them."""

from __future__ import annotations

import json
import os
import re
import threading
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import Broker
from arcrun_auth.errors import ProviderUnavailable
from arcrun_auth.sync import engine
from arcrun_auth.sync.session import Session
from arcrun_auth.tokens import Credential, Key, Secret
from arcrun_cli import syncing
from arcrun_cli.commands import sync as commands
from tests import canary, waiting
from tests.cli.conftest import Agrees
from tests.sync_homes import MASTER, Homes
from tests.sync_kit import enrol, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def homes(tmp_path) -> Iterator[Homes]:
    made = Homes(tmp_path)
    yield made
    made.close()


@pytest.fixture
def two(homes: Homes) -> Homes:
    """`laptop` and `desktop`, of one vault."""
    laptop, desktop = homes("laptop"), homes("desktop")
    laptop.sync()
    enrol(laptop, desktop)
    return homes


def test_the_first_sync_founds_the_vault_and_says_so(inside, homes: Homes) -> None:
    homes("laptop").set("notion")
    ran = inside("sync", **homes.env("laptop"))
    assert ran.code == 0, ran.both
    assert "This account has a vault now" in ran.err
    assert "sent: notion" in ran.err
    assert not ran.out
    again = inside("sync", **homes.env("laptop"))
    assert again.err.strip() == "✓ All is the same here and there."
    other = inside("sync", **homes.env("desktop"))
    assert other.code == 1
    assert "arcrun devices join" in other.err


def test_without_a_login_the_command_says_how_to_log_in(inside, tmp_path) -> None:
    for words in (["sync"], ["sync", "status"], ["sync", "verify"]):
        ran = inside(*words, ARCRUN_HOME=str(tmp_path / "home"))
        assert ran.code == 4
        assert "→ arcrun login" in ran.err


def test_what_is_set_here_is_there_and_json_names_it(inside, two: Homes) -> None:
    laptop, desktop = two("laptop"), two("desktop")
    key = laptop.set("notion@work")
    app = Key("app", "google")
    laptop.store.put(Credential(app, secrets={"client_secret": Secret(canary.fresh())}), expect=0)
    sent = json.loads(inside("sync", "--json", **two.env("laptop")).out)
    assert {(each["kind"], each["account"], each["instance"]) for each in sent["pushed"]} == {
        ("credential", "notion", "work"), ("app", "google", "default"),
    }  # fmt: skip
    ran = inside("sync", **two.env("desktop"))
    assert "got: " in ran.err
    assert "notion@work" in ran.err
    assert "the app google" in ran.err
    assert desktop.get("notion@work") == key


def test_a_conflict_and_what_was_kept_are_told_with_what_to_do(inside, two: Homes) -> None:
    laptop, desktop = two("laptop"), two("desktop")
    for name in ("notion", "slack"):
        laptop.set(name)
    for name in ("laptop", "desktop"):
        inside("sync", **two.env(name))
    for home in (laptop, desktop):
        home.set("notion")
    laptop.remove("slack")
    desktop.set("slack")
    inside("sync", **two.env("laptop"))
    ran = inside("sync", **two.env("desktop"))
    assert "notion was changed on two devices" in ran.err
    assert re.search(r"→ arcrun remove notion@default\.conflict-[0-9a-f]{4}", ran.err)
    assert "slack was removed on another device, and is kept here" in ran.err


def test_status_tells_the_devices_what_waits_and_what_stays(inside, two: Homes) -> None:
    laptop = two("laptop")
    laptop.set("notion")
    laptop.log_in("unknown_service")
    ran = inside("sync", "status", **two.env("laptop"))
    assert ran.code == 0
    assert two.desk.url in ran.out
    assert "laptop (this one)" in ran.out
    assert "desktop" in ran.out
    assert "notion@default" in ran.out
    assert "unknown_service@default" in ran.out
    data = json.loads(inside("sync", "status", "--json", **two.env("laptop")).out)
    assert data["waiting"] == ["notion@default", "unknown_service@default"]
    assert data["device_local"] == ["unknown_service@default"]
    assert len(data["devices"]) == 2
    assert not data["silent"]
    fresh = json.loads(inside("sync", "status", "--json", **two.env("new")).out)
    assert fresh["vault"] is None


def test_verify_shows_one_code_on_both(inside, two: Homes) -> None:
    codes = {inside("sync", "verify", **two.env(name)).out for name in ("laptop", "desktop")}
    assert len(codes) == 1
    code = json.loads(inside("sync", "verify", "--json", **two.env("laptop")).out)["code"]
    assert codes == {f"{code}\n"}


def test_a_server_that_shows_an_old_state_is_told_with_its_exit_code(
    inside, two: Homes, monkeypatch
) -> None:
    laptop = two("laptop")
    laptop.set("notion")
    assert inside("sync", **two.env("laptop")).code == 0
    laptop.state._db.execute("UPDATE meta SET v='9999' WHERE k='cursor'")  # as if it were ahead
    monkeypatch.setattr(engine, "LOOKS", (0.0,))
    ran = inside("sync", "--json", **two.env("laptop"))
    assert ran.code == 7
    error = json.loads(ran.out)["error"]
    assert (error["type"], error["what"]) == ("SyncAlarm", "rolled back")
    assert "Nothing was taken from the server" in ran.err


def test_watch_goes_on_through_what_passes_and_tells_what_moved(
    inside, two: Homes, monkeypatch
) -> None:
    desktop = two("desktop")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            desktop.set("notion")
            desktop.sync()
        if len(pauses) == 2:
            monkeypatch.setattr(commands.sessions, "session", unreachable)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    def unreachable(here):
        raise ProviderUnavailable("the server is away")

    monkeypatch.setattr(commands, "time", waiting.clock(sleep))
    ran = inside("sync", "--watch", **two.env("laptop"))
    assert ran.code == 130
    assert "got: notion" in ran.err
    assert "the server is away" in ran.err
    assert two("laptop").get("notion")
    assert pauses[2] > 1.2 * 30 >= pauses[0]


def test_the_list_marks_the_logins_that_each_device_has_for_itself(
    inside, two: Homes, provider
) -> None:
    for name in ("laptop", "desktop"):
        recipes = f"{two.path(name)}/recipes"
        os.makedirs(recipes, mode=0o700)
        for service, rotates in (("demo", "yes"), ("fixed", "no")):
            text = re.sub(r"rotates: \S+", f"rotates: {rotates}", provider.recipe_yaml(service))
            with open(f"{recipes}/{service}.yaml", "w", encoding="utf-8") as file:
                file.write(text)
    env = two.env("laptop") | {
        "ARCRUN_ALLOW_HOSTS": f"{two.desk.origin},{provider.issuer}",
        "ARCRUN_DEMO_CLIENT_ID": "demo", "ARCRUN_FIXED_CLIENT_ID": "demo",
        "ARCRUN_KEYRING": "off", "ARCRUN_MASTER_KEY": b64encode(MASTER).decode(),
    }  # fmt: skip
    broker = Broker(home=two.path("laptop"), environ=env, person=Agrees(), open_url=provider.follow)
    for service in ("demo", "fixed"):
        broker.setup(service)
    broker.close()
    inside("sync", **env)
    inside("sync", **{**env, **two.env("desktop")})
    for name in ("laptop", "desktop"):
        here = {**env, "ARCRUN_HOME": two.path(name)}
        shown = inside("list", **here)
        assert "demo: each device logs in for itself" in shown.out, shown.both
        assert "fixed: each" not in shown.out
        data = json.loads(inside("list", "--json", "--search", "demo", **here).out)
        demo = next(each for each in data["services"] if each["service"] == "demo")
        assert demo["instances"][0]["device_local"] is True
        stays = json.loads(inside("sync", "status", "--json", **here).out)["device_local"]
        assert stays == (["demo@default"] if name == "laptop" else [])


def test_starting_over_asks_and_then_begins_anew(inside, two: Homes, monkeypatch) -> None:
    monkeypatch.setattr(engine, "LOOKS", ())
    laptop = two("laptop")
    laptop.set("notion")
    inside("sync", **two.env("laptop"))
    refused = inside("sync", "start-over", **two.env("laptop"))
    assert refused.code == 2
    assert "arcrun sync start-over --yes" in refused.err
    ran = inside("sync", "start-over", "--yes", **two.env("laptop"))
    assert ran.code == 0
    assert "This account has a vault now" in ran.err
    assert inside("sync", **two.env("desktop")).code == 7


class TestAfterACommand:
    """Something was changed: sync follows by itself, and is never in the way."""

    @pytest.fixture
    def laptop(self, two: Homes):
        home = two("laptop")
        home.set("notion", method="")
        home.sync()
        return home

    def test_a_removal_is_synced(self, inside, two: Homes, laptop) -> None:
        ran = inside("remove", "notion", "--yes", **two.env("laptop"))
        assert ran.code == 0, ran.both
        assert "Not synced" not in ran.err
        assert two("desktop").sync().removed == []  # it never had it
        assert laptop.store.get(key_of("notion")) is None
        assert not two("laptop").sync().pushed

    def test_the_setting_switches_it_off(self, inside, two: Homes, laptop) -> None:
        inside("remove", "notion", "--yes", **two.env("laptop"), ARCRUN_SYNC_AUTO="off")
        assert [str(key) for key in two("laptop").sync().pushed] == ["notion@default"]

    def test_a_server_that_is_away_costs_one_line(self, inside, two: Homes, laptop) -> None:
        env = two.env("laptop")
        two.desk.close()
        ran = inside("remove", "notion", "--yes", **env)
        assert ran.code == 0
        assert ran.err.count("Not synced") == 1
        assert laptop.store.get(key_of("notion")) is None

    def test_one_that_hangs_is_left_behind(self, inside, two: Homes, laptop, monkeypatch) -> None:
        done = threading.Event()

        def hangs(here) -> str:
            done.wait(60)
            return ""

        monkeypatch.setattr(syncing, "SECONDS", 0.01)
        monkeypatch.setattr(syncing, "_sync", hangs)
        ran = inside("remove", "notion", "--yes", **two.env("laptop"))
        done.set()
        assert ran.code == 0
        assert "Not synced: it takes longer than" in ran.err

    def test_a_fault_of_sync_is_none_of_the_command(
        self, inside, two: Homes, laptop, monkeypatch
    ) -> None:
        monkeypatch.setattr(Session, "sync", lambda _: 1 / 0)
        ran = inside("remove", "notion", "--yes", **two.env("laptop"))
        assert ran.code == 0
        assert "Not synced: it failed with ZeroDivisionError" in ran.err

    def test_whoever_does_not_wait_for_it_has_done_the_command(
        self, inside, two: Homes, laptop, monkeypatch
    ) -> None:
        class Impatient(threading.Thread):
            def join(self, timeout=None):
                super().join(timeout)
                raise KeyboardInterrupt

        monkeypatch.setattr(syncing.threading, "Thread", Impatient)
        ran = inside("remove", "notion", "--yes", **two.env("laptop"))
        assert ran.code == 0
        assert "Not synced: it was interrupted" in ran.err

    def test_a_home_whose_store_fails_costs_one_line(
        self, inside, two: Homes, laptop, monkeypatch
    ) -> None:
        monkeypatch.setattr(syncing, "_syncs", lambda _: 1 / 0)
        ran = inside("remove", "notion", "--yes", **two.env("laptop"))
        assert ran.code == 0
        assert "Not synced" in ran.err

    def test_a_home_that_does_not_sync_sends_nothing(self, inside, two: Homes) -> None:
        home = two("alone")
        home.set("notion")
        ran = inside("remove", "notion", "--yes", ARCRUN_HOME=two.path("alone"))
        assert ran.code == 0
        assert "sync" not in ran.err.lower()
