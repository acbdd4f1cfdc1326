"""`arcrun devices`: homes on disk, the real server between them, and people who compare codes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.people import Nobody
from arcrun_auth.protocol.words import canonical
from arcrun_auth.sync import account, devices
from arcrun_auth.sync import identity as own
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.cloud_mailbox import CloudMailbox
from arcrun_auth.sync.enrolling import Waiting
from arcrun_auth.sync.wire import Write
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.cli.conftest import Cli, plain
from tests.sync_homes import Homes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sync_kit import Home

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


class Sits(Nobody):
    """Somebody at a terminal, with the same answer to everything."""

    def __init__(self, answer: str = "y") -> None:
        self.answer = answer
        self.said: list[str] = []

    @property
    def reach(self):
        return "terminal"

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str, *, hidden: bool = False) -> str:
        self.said.append(question)
        return self.answer


@pytest.fixture
def homes(tmp_path) -> Iterator[Homes]:
    made = Homes(tmp_path)
    yield made
    made.close()


def joins(homes: Homes, name: str, shown: list) -> str:
    """What a new machine does, in a thread of its own: the id that it has then."""
    home: Home = homes(name)
    own.identity(home.store, name=name)
    with homes.desk.cloud(homes.key) as cloud:
        waiting = Waiting(CloudMailbox(cloud), pause=lambda _: None)

        def same(code, other) -> bool:
            shown.append((code, other.name))
            return True

        devices.join(home.store, home.state, home.wire, waiting, same)
    me = own.stored(home.store)
    home.state.close()
    home.store.close()
    return me.id


def let_in(inside, homes: Homes, name: str, *, by: str = "laptop", person: Sits | None = None):
    """`arcrun devices add` on one home, and the other one at the same time."""
    person, shown = person or Sits(), []
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(joins, homes, name, shown)
        ran = inside("devices", "add", person=person, **homes.env(by))
        return ran, other.result(60) if ran.code == 0 else other.exception(60), person, shown


@pytest.fixture
def quick(monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.sync.enrolling.GLANCE", 0.01)


def listed(inside, homes: Homes, name: str) -> dict[str, dict]:
    data = json.loads(inside("devices", "list", "--json", **homes.env(name)).out)["devices"]
    return {each["name"]: each for each in data}


def test_both_compare_one_code_and_the_new_one_has_everything(inside, homes, quick):
    key = homes("laptop").set("notion")
    inside("sync", **homes.env("laptop"))
    ran, fresh, person, shown = let_in(inside, homes, "desktop")
    assert ran.code == 0, ran.both
    ((code, old),) = shown
    assert re.fullmatch(r"\d{3} \d{3}", code)
    assert any(code in text for text in person.said)
    assert any("Does desktop show the same code?" in text for text in person.said)
    assert "desktop is a device of this vault now" in ran.err
    done = inside("sync", **homes.env("desktop"))
    assert "got: notion" in done.err
    assert homes("desktop").get("notion") == key
    found = listed(inside, homes, "desktop")
    assert found["desktop"]["id"] == fresh
    assert found["desktop"]["this"]
    assert found["desktop"]["by"] == old
    table = inside("devices", "list", **homes.env("desktop")).out
    assert "desktop (this one)" in table
    assert fresh in table


def test_a_no_shares_nothing(inside, homes, quick):
    inside("sync", **homes.env("laptop"))
    ran, error, _, _ = let_in(inside, homes, "desktop", person=Sits("n"))
    assert ran.code == 1
    assert "Nothing was shared" in ran.err
    assert "Nothing was shared" in str(error)
    assert len(listed(inside, homes, "laptop")) == 1


def test_without_a_person_nobody_compares_and_it_says_so(inside, homes):
    inside("sync", **homes.env("laptop"))
    for words in (["devices", "add"], ["devices", "join"]):
        ran = inside(*words, **homes.env("laptop"))
        assert ran.code == 2
        assert "Nobody can compare a code here" in ran.err


def test_an_agent_lets_nobody_in_and_sees_no_code(inside, homes):
    inside("sync", **homes.env("laptop"))
    for words in (["devices", "add"], ["devices", "recovery"]):
        ran = inside(*words, person=Sits(), CLAUDECODE="1", **homes.env("laptop"))
        assert ran.code == 7
        assert "not shown to an agent" in ran.err


def test_before_the_first_sync_there_is_nothing_to_list(inside, homes):
    ran = inside("devices", "list", **homes.env("laptop"))
    assert ran.code == 0
    assert "→ arcrun sync" in ran.err


def test_without_a_login_it_says_how_to_log_in(inside, tmp_path):
    for words in (["devices", "add"], ["devices", "join"]):
        ran = inside(*words, person=Sits(), ARCRUN_HOME=str(tmp_path / "home"))
        assert ran.code == 4
        assert "→ arcrun login" in ran.err


@pytest.fixture
def two(inside, homes, quick) -> Homes:
    """`laptop` and `desktop`, each logged in with a key of its own."""
    for name in ("laptop", "desktop"):
        logged_in(homes, name)
    homes("laptop").set("notion")
    inside("sync", **env(homes, "laptop"))
    let_in(inside, homes, "desktop")
    inside("sync", **env(homes, "desktop"))
    inside("sync", **env(homes, "laptop"))
    return homes


def logged_in(homes: Homes, name: str) -> None:
    with homes.desk.cloud(homes.key) as cloud:
        key = Secret(cloud.create_key("device", name).api_key)
    account.keep(homes(name).store, homes.desk.url, key, account="acct", email="")


def env(homes: Homes, name: str) -> dict[str, str]:
    """As logged in, instead of by a variable."""
    return {k: v for k, v in homes.env(name).items() if k != "ARCRUN_API_KEY"}


def test_who_is_revoked_is_shut_out_and_what_it_could_read_is_named(inside, two: Homes):
    laptop = two("laptop")
    app = Key("app", "google")
    laptop.store.put(Credential(app, secrets={"client_secret": Secret(canary.fresh())}), expect=0)
    laptop.set("unheard_of@work")
    inside("sync", **env(two, "laptop"))
    inside("sync", **env(two, "desktop"))
    ran = inside("devices", "revoke", "desktop", "--yes", **env(two, "laptop"))
    assert ran.code == 0, ran.both
    assert "is shut out, and everything is sealed anew" in ran.err
    assert "API key" not in ran.err
    for words in ("https://www.notion.so", "arcrun setup notion", "arcrun app add google",
                  "arcrun setup unheard_of@work"):  # fmt: skip
        assert words in ran.out
    assert not canary.hits(ran.both)
    refused = inside("sync", **env(two, "desktop"))
    assert refused.code == 5  # its API key has ended
    found = listed(inside, two, "laptop")
    assert found["desktop"]["revoked"]
    assert "revoked" in inside("devices", "list", **env(two, "laptop")).out
    again = json.loads(
        inside("devices", "revoke", "desktop", "--yes", "--json", **env(two, "laptop")).out
    )
    assert again["api_key"] == "ended"
    assert {each["name"] for each in again["replace"]} == {"notion", "google", "unheard_of@work"}


def test_a_device_that_lies_about_its_key_is_not_said_to_be_shut_out_by_it(inside, two: Homes):
    desktop = two("desktop")
    ring = rings.stored(desktop.store)
    name = ring.keys.name(b"access", desktop.identity.id.encode())
    lie = ring.keys.seal_meta(name, canonical({"key": "key_0123456789abcdef"}))
    desktop.wire.write([Write(name, lie)])
    ran = inside("devices", "revoke", "desktop", "--yes", **env(two, "laptop"))
    assert ran.code == 0
    assert "It never told its API key" in ran.err
    assert "arcrun account end-key" in ran.err


def test_one_that_comes_back_by_another_key_is_told_that_it_was_removed(inside, two: Homes):
    inside("devices", "revoke", "desktop", "--yes", **env(two, "laptop"))
    ran = inside("sync", **two.env("desktop"))
    assert ran.code == 1
    assert "This device was removed from the vault" in ran.err
    assert "→ arcrun devices join" in ran.err


def test_a_key_that_another_device_uses_too_is_left_and_it_says_so(inside, homes, quick):
    inside("sync", **homes.env("laptop"))
    let_in(inside, homes, "desktop")
    inside("sync", **homes.env("desktop"))
    ran = inside("devices", "revoke", "desktop", "--yes", **homes.env("laptop"))
    assert "another device's, too" in ran.err
    assert inside("sync", **homes.env("laptop")).code == 0


def test_the_accounts_own_key_is_left_to_its_owner_and_it_says_so(inside, homes, quick):
    logged_in(homes, "laptop")
    inside("sync", **env(homes, "laptop"))
    account.keep(homes("desktop").store, homes.desk.url, homes.key, account="a", email="")
    let_in(inside, homes, "desktop")
    inside("sync", **env(homes, "desktop"))
    ran = inside("devices", "revoke", "desktop", "--yes", **env(homes, "laptop"))
    assert ran.code == 0, ran.both
    assert "the account's own" in ran.err


def test_one_that_never_synced_never_told_its_key(inside, homes, quick):
    inside("sync", **homes.env("laptop"))
    let_in(inside, homes, "desktop")
    ran = inside("devices", "revoke", "desktop", "--yes", **homes.env("laptop"))
    assert ran.code == 0, ran.both
    assert "It never told its API key" in ran.err
    assert "It could read nothing" in ran.err


def test_one_that_writes_all_the_time_is_left_for_another_try(inside, two: Homes, monkeypatch):
    from arcrun_auth.sync import revoking
    from arcrun_auth.sync.wire import Conflict

    def always(*_args, **_more):
        raise Conflict

    monkeypatch.setattr(revoking.devices, "revoke", always)
    ran = inside("devices", "revoke", "desktop", "--yes", **env(two, "laptop"))
    assert ran.code == 6
    assert "The device writes all the time" in ran.err


def test_revoking_asks_first(inside, two: Homes):
    ran = inside("devices", "revoke", "desktop", person=Sits("n"), **env(two, "laptop"))
    assert ran.code == 1
    assert "It was left as it is" in ran.err
    ran = inside("devices", "revoke", "desktop", **env(two, "laptop"))
    assert ran.code == 2
    assert "--yes" in ran.err
    assert not listed(inside, two, "laptop")["desktop"]["revoked"]


def test_the_device_that_one_is_at_is_not_revoked_there(inside, two: Homes):
    me = next(each for each in listed(inside, two, "laptop").values() if each["this"])
    ran = inside("devices", "revoke", me["id"], "--yes", **env(two, "laptop"))
    assert ran.code == 1
    assert "the device that you are at" in ran.err
    assert inside("sync", **env(two, "laptop")).code == 0


def test_a_copied_home_is_told_to_log_in_again_where_only_one_can(inside, two: Homes):
    laptop = two("laptop")
    laptop.log_in("drive")
    inside("sync", **env(two, "laptop"))
    laptop.state.close()
    laptop.store.close()
    shutil.copytree(two.path("laptop"), two.path("copy"))
    two("laptop").set("slack")
    inside("sync", **env(two, "laptop"))
    ran = inside("sync", **env(two, "copy"))
    assert ran.code == 0, ran.both
    assert "This home is a copy of another" in ran.err
    assert "→ arcrun setup drive" in ran.err
    assert "got: slack" in ran.err
    assert two("copy").store.get(Key("credential", "drive")).grant.dead == "copied"
    keys = {two(name).store.get(account.KEY).secrets["api_key"] for name in ("laptop", "copy")}
    assert len(keys) == 2  # each ends alone
    ids = {each["id"] for each in json.loads(
        inside("devices", "list", "--json", **env(two, "copy")).out)["devices"]}  # fmt: skip
    assert len(ids) == 3
    ran = inside("sync", "--json", **env(two, "copy"))
    assert json.loads(ran.out)["log_in_again"] is None


# -- at a terminal --------------------------------------------------------------------------


def seated(cli: Cli, homes: Homes, name: str) -> Cli:
    """A command at a terminal, in one of the homes."""
    key = Path(cli.folder) / "given" / "key"
    key.write_text("A" * 43 + "=")
    cli.env |= {**homes.env(name), "ARCRUN_MASTER_KEY_FILE": str(key)}
    return cli


@posix
def test_two_people_at_two_terminals(cli, inside, homes):
    import pexpect

    homes("laptop").set("notion")
    inside("sync", **homes.env("laptop"))
    new = seated(cli, homes, "desktop").terminal("devices", "join")
    new.expect_exact("Now run arcrun devices add")
    old = seated(cli, homes, "laptop").terminal("devices", "add")
    codes = []
    for child in (new, old):
        child.expect(r"(\d{3} \d{3})")
        codes.append(child.match[1])
        child.expect_exact("show the same code? [y/N]:")
    assert codes[0] == codes[1]
    old.sendline("y")
    new.sendline("y")
    for child in (old, new):
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0, plain(child.before)
    assert "1 record came along" in plain(new.before)
    assert homes("desktop").get("notion") == homes("laptop").get("notion")


@posix
def test_a_recovery_code_is_shown_once_and_brings_a_new_machine_in(cli, inside, homes):
    import pexpect

    key = homes("laptop").set("notion")
    inside("sync", **homes.env("laptop"))
    child = seated(cli, homes, "laptop").terminal("devices", "recovery")
    child.expect(r"([0-9A-Z]{4}(?:-[0-9A-Z]{4}){6})")
    code = child.match[1]
    child.expect(pexpect.EOF)
    child = seated(cli, homes, "desktop").terminal("devices", "join", "--recovery")
    child.expect_exact("The recovery code:")
    child.waitnoecho()
    child.sendline(code)
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 0, plain(child.before)
    assert code not in child.before
    assert homes("desktop").get("notion") == key
    kinds = [each["kind"] for each in listed(inside, homes, "desktop").values()]
    assert sorted(kinds) == ["device", "recovery"] or len(kinds) == 3
    child = seated(cli, homes, "laptop").terminal("devices", "recovery")
    child.expect_exact("The code from before ends. Go on? [y/N]:")
    child.sendline("n")
    child.expect(pexpect.EOF)


def test_a_recovery_code_goes_into_no_pipe(inside, homes):
    inside("sync", **homes.env("laptop"))
    ran = inside("devices", "recovery", person=Sits(), **homes.env("laptop"))
    assert ran.code == 2
    assert "at a terminal only" in ran.err


def test_nobody_who_types_a_code_is_told(inside, homes):
    inside("sync", **homes.env("laptop"))
    ran = inside("devices", "join", "--recovery", **homes.env("desktop"))
    assert ran.code == 2
    assert "Nobody typed a recovery code" in ran.err
