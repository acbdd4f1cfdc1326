"""The store under a join: others write to it meanwhile, and records of it are damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import StoreConflict, StoreCorrupt, StoreError
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.memory import Memory
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.sync_kit import Home, Server, enrol, key_of, names, pair, settle

if TYPE_CHECKING:
    from pathlib import Path


class Contended(Memory):
    """Somebody is always a little faster, as often as `busy` says for a record's account."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: dict[str, int] = {}

    def put(self, record, *, expect):
        if self.busy.get(record.key.account, 0):
            self.busy[record.key.account] -= 1
            raise StoreConflict("somebody else")
        return super().put(record, expect=expect)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def laptop(server: Server) -> Home:
    home = pair(server, "laptop")[0]
    for name in names(3):
        home.set(name)
    home.sync()
    return home


@pytest.fixture
def desktop(server: Server, laptop: Home) -> Home:
    home = Home("desktop", server, store=Contended())
    enrol(laptop, home)
    return home


def test_a_record_that_is_contended_keeps_no_other_from_being_taken(laptop, desktop) -> None:
    laptop.set("new1")
    laptop.set("new2")
    laptop.sync()
    desktop.store.busy = {"new1": 3}
    desktop.sync()
    assert desktop.secrets() == laptop.secrets()


def test_one_that_is_contended_for_ever_is_told_and_nothing_is_noted_of_it(laptop, desktop) -> None:
    laptop.set("service1")
    laptop.set("service2")
    laptop.sync()
    desktop.store.busy = {"service1": 1000}
    with pytest.raises(StoreError, match="changed all the time"):
        desktop.sync()
    desktop.store.busy = {}
    desktop.sync()
    assert desktop.secrets() == laptop.secrets()


def test_a_record_that_comes_back_meets_one_that_is_just_set_up(laptop, desktop) -> None:
    desktop.store.delete(key_of("service1"), expect=1)
    desktop.store.busy = {"service1": 2}
    assert [str(key) for key in desktop.sync().restored] == ["service1@default"]
    settle([laptop, desktop])
    desktop.store.delete(key_of("service1"), expect=1)
    real = desktop.store.put

    def put(record, *, expect):
        if record.key == key_of("service1"):
            desktop.store.put = real
            own = Credential(record.key, secrets={"token": Secret(canary.fresh())})
            real(own, expect=0)
        return real(record, expect=expect)

    desktop.store.put = put
    desktop.sync()
    settle([laptop, desktop])
    assert desktop.secrets() == laptop.secrets()


def test_a_damaged_record_of_a_vault_comes_back_and_is_no_removal(
    server: Server, laptop: Home, tmp_path: Path
) -> None:
    path = tmp_path / "secrets.db"
    home = Home("vault", server, store=Vault(str(path), keys=Keys(key=b"k" * 32, environ={})))
    enrol(laptop, home)
    before = home.secrets()
    assert len(before) == 3
    home.store.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE rec SET ct = zeroblob(length(ct)) WHERE n IN"
            " (SELECT n FROM rec WHERE kind = 'credential' LIMIT 1)"
        )
    database.close()
    report = home.sync()
    assert len(report.restored) == 1
    assert not report.pushed
    assert home.secrets() == before
    settle([laptop, home])
    assert laptop.secrets() == before
    home.store.close()


def test_a_store_without_a_list_of_records_is_read_one_by_one_and_a_damaged_one_is_passed_over(
    laptop, desktop
) -> None:
    real = desktop.store.get

    def get(key: Key):
        if key == key_of("service2"):
            raise StoreCorrupt("damaged, and set aside")
        return real(key)

    desktop.store.get = get
    desktop.store._records.pop(key_of("service2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            desktop.store, "keys", lambda: iter([*desktop.store._records, key_of("service2")])
        )
        report = desktop.sync()
    assert [str(key) for key in report.restored] == ["service2@default"]
    desktop.store.get = real
    assert desktop.secrets() == laptop.secrets()
