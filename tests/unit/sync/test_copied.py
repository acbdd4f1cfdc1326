"""A home that was copied, or restored from a backup: it becomes a device of its own.

The homes are folders with real vaults, and a copy is a copy of the folder.
"""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import AuthError
from arcrun_auth.lifetimes import COPIED
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault as VaultStore
from arcrun_auth.sync import devices, roster
from arcrun_auth.sync import identity as own
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.copied import NEXT, become_new_device
from arcrun_auth.sync.judge import Copied
from arcrun_auth.sync.roster import Vault
from arcrun_auth.sync.state import FILE, State
from arcrun_auth.tokens import Credential
from tests.sync_crashing import Crash, FragileStore, FragileWire, Fuse
from tests.sync_homes import MASTER
from tests.sync_kit import Home, Server, enrol, key_of, settle

if TYPE_CHECKING:
    from pathlib import Path

ROTATING = key_of("drive")


class Place:
    """A folder with a home, that can be copied as a person would: while nothing runs there."""

    def __init__(self, path: Path, server: Server) -> None:
        self.path, self.server = path, server
        self.home: Home | None = None

    def open(self) -> Home:
        self.path.mkdir(exist_ok=True, mode=0o700)
        store = VaultStore(str(self.path / "secrets.db"), keys=Keys(key=MASTER, environ={}))
        state = State(str(self.path / FILE))
        self.home = Home(self.path.name, self.server, store=store, state=state)
        self.home.identity = own.identity(store, name="laptop")
        self.home.rotating.add(ROTATING)
        return self.home

    def close(self) -> None:
        if self.home is not None:
            self.home.state.close()
            self.home.store.close()
            self.home = None

    def copy(self, name: str, *, only: str = "*") -> Place:
        self.close()
        target = self.path.parent / name
        target.mkdir(exist_ok=True, mode=0o700)
        for file in self.path.glob(only):
            if file.is_file():
                shutil.copy2(file, target)
        return Place(target, self.server)

    def sync(self) -> list:
        """As a session does it: which logins are to be done again, where it is a copy."""
        home = self.home or self.open()
        try:
            home.sync()
        except Copied:
            home.identity, again = become(home)
            home.sync()
            return again
        return []


def become(home: Home):
    keys = rings.stored(home.store).keys
    vault = Vault(home.wire, home.state, keys, own.stored(home.store))
    return become_new_device(vault, home.store, login=home.login, now=home.now)


@pytest.fixture
def places(tmp_path):
    made = []

    def make(name: str, server: Server) -> Place:
        made.append(Place(tmp_path / name, server))
        return made[-1]

    yield make
    for each in made:
        each.close()


def used(places, server: Server) -> Place:
    """A laptop that has synced: a key, and a login whose refresh token changes."""
    laptop = places("laptop", server)
    home = laptop.open()
    home.set("notion")
    home.log_in("drive")
    home.sync()
    return laptop


def test_a_copied_home_becomes_a_device_of_its_own_and_the_first_notices_nothing(places):
    server = Server()
    laptop = used(places, server)
    copy = laptop.copy("copy")
    laptop.open().set("slack")
    laptop.sync()
    before = own.stored(laptop.home.store).id
    assert copy.sync() == [ROTATING]
    fresh = own.stored(copy.home.store)
    assert fresh.id != before
    assert own.stored(laptop.home.store).id == before
    assert laptop.sync() == []
    settle([laptop.home, copy.home])
    assert laptop.home.secrets() == copy.home.secrets()
    chain = roster.looked(server, rings.stored(copy.home.store).keys, copy.home.state)[0]
    assert set(chain.live) == {before, fresh.id}
    copy.close()


def test_the_login_of_the_copy_has_to_be_done_again_and_that_of_the_first_lives(places):
    laptop = used(places, Server())
    copy = laptop.copy("copy")
    laptop.open().set("slack")
    laptop.sync()
    copy.sync()
    assert copy.home.store.get(ROTATING).grant.dead == COPIED
    assert copy.home.store.get(ROTATING).grant.refresh_token
    settle([laptop.home, copy.home])
    assert laptop.home.store.get(ROTATING).grant.dead is None
    assert copy.home.store.get(ROTATING).grant.dead == COPIED
    copy.close()


def test_two_copies_that_are_used_in_turns_lose_nothing(places):
    server = Server()
    laptop = used(places, server)
    copy = laptop.copy("copy")
    wanted = dict(laptop.open().secrets())
    for turn, place in zip(range(8), itertools.cycle([laptop, copy]), strict=False):
        home = place.home or place.open()
        wanted[f"turn{turn}@default"] = home.set(f"turn{turn}")
        place.sync()
        place.close()
    homes = [laptop.open(), copy.open()]
    settle(homes)
    assert homes[0].secrets() == homes[1].secrets() == wanted
    assert len({home.engine().verify() for home in homes}) == 1
    copy.close()


def test_both_copies_change_one_key_offline_and_both_versions_are_kept(places):
    laptop = used(places, Server())
    copy = laptop.copy("copy")
    mine, theirs = laptop.open().set("notion"), copy.open().set("notion")
    laptop.sync()
    copy.sync()
    settle([laptop.home, copy.home])
    assert laptop.home.secrets() == copy.home.secrets()
    assert set(laptop.home.secrets().values()) == {mine, theirs}
    copy.close()


def test_a_restored_backup_gets_what_was_written_since_and_takes_nothing_back(places):
    server = Server()
    laptop = used(places, server)
    backup = laptop.copy("backup")
    home = laptop.open()
    newer = home.set("notion")
    later = home.set("slack")
    laptop.sync()
    laptop.close()  # and it is gone: what was restored is all there is
    assert backup.sync() == [ROTATING]
    assert backup.home.get("notion") == newer
    assert backup.home.get("slack") == later
    assert len(backup.home.secrets()) == 2
    backup.close()


@pytest.mark.parametrize("file", ["secrets.db", FILE])
def test_a_backup_of_one_file_alone_loses_nothing_either(places, file):
    server = Server()
    laptop = used(places, server)
    home = laptop.home
    old = home.get("notion")
    laptop.copy("backup", only=f"{file}*")
    newer = laptop.open().set("notion")
    laptop.home.set("slack")
    laptop.sync()
    desktop = Home("desktop", server)
    enrol(laptop.home, desktop)
    laptop.close()
    for each in laptop.path.glob(f"{file}*"):
        each.unlink()
    Place(laptop.path.parent / "backup", server).copy("laptop")
    laptop.sync()
    settle([laptop.home, desktop])
    assert laptop.home.secrets() == desktop.secrets()
    assert desktop.get("notion") == newer
    assert set(desktop.secrets().values()) >= {newer, desktop.get("slack")}
    assert set(desktop.secrets().values()) <= {newer, desktop.get("slack"), old}


def test_becoming_a_new_device_that_dies_at_any_step_is_gone_on_with_as_one(places, tmp_path):
    for steps in itertools.count():
        server = Server()
        laptop = places(f"laptop{steps}", server)
        home = laptop.open()
        home.set("notion")
        home.log_in("drive")
        home.sync()
        copy = laptop.copy(f"copy{steps}")
        laptop.open().set("slack")
        laptop.sync()
        died = dies(copy, steps)
        copy.close()
        copy.open()
        copy.sync()
        settle([laptop.home, copy.home])
        assert laptop.home.secrets() == copy.home.secrets()
        assert copy.home.store.get(ROTATING).grant.dead == COPIED
        left = copy.home.store.get(NEXT)
        assert left is None or left.params["id"] == own.stored(copy.home.store).id
        chain = roster.looked(server, rings.stored(copy.home.store).keys, copy.home.state)[0]
        assert len(chain.live) == 2, steps
        copy.close()
        laptop.close()
        if not died:
            break
    assert steps > 8


def test_keys_that_such_an_end_left_behind_are_not_taken_by_a_copy_of_the_copy(places):
    laptop = used(places, Server())
    copy = laptop.copy("copy")
    laptop.open().set("slack")
    laptop.sync()
    copy.sync()
    me = own.stored(copy.home.store)
    copy.home.store.put(Credential(NEXT, secrets=me.secrets(), params=me.params()), expect=0)
    second = copy.copy("second")
    copy.open().set("github")
    copy.sync()
    second.sync()
    assert own.stored(second.home.store).id != me.id
    settle([laptop.home, copy.home, second.home])
    assert laptop.home.secrets() == second.home.secrets()
    second.close()
    copy.close()


def dies(place: Place, steps: int) -> bool:
    home = place.open()
    fuse = Fuse(steps)
    home.wire, home.store = FragileWire(place.server, fuse), FragileStore(home.store, fuse)
    try:
        with pytest.raises(Copied):
            home.sync()
        become(home)
    except Crash:
        return True
    finally:
        home.wire, home.store = place.server, home.store._inner
    return False


def test_a_copy_of_a_device_that_was_revoked_comes_in_by_nobodys_leave(places):
    server = Server()
    laptop = used(places, server)
    desktop = Home("desktop", server)
    enrol(laptop.home, desktop)
    copy = laptop.copy("copy")
    laptop.open().set("slack")
    laptop.sync()
    desktop.sync()
    keys = rings.stored(desktop.store).keys
    vault = Vault(server, desktop.state, keys, desktop.identity)
    devices.revoke(vault, laptop.home.identity.device, now=desktop.now)
    desktop.sync()
    with pytest.raises(AuthError, match="removed"):
        copy.sync()
    with pytest.raises(AuthError, match="removed"):
        become(copy.home)
    assert "slack@default" not in copy.home.secrets()
    copy.close()
