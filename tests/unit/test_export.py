"""`secrets.enc`: out of one vault, into another, and refused when anything was changed."""

from __future__ import annotations

import os
import stat

import pytest

from arcrun_auth.errors import StoreConflict, StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.stores import export, upkeep
from arcrun_auth.stores.export import EncFile
from arcrun_auth.stores.keys import Keys
from tests.unit.stores_kit import NOTION, env_keys, keyring, no_keyring, record, vault_at

KEY = b"\x07" * 32


@pytest.fixture
def vault(tmp_path):
    found = vault_at(tmp_path, env_keys(KEY))
    for name in ("notion", "github"):
        found.put(record(name), expect=0)
    yield found
    found.close()


@pytest.fixture
def path(vault, tmp_path):
    found = str(tmp_path / "secrets.enc")
    assert export.write(vault, found) == 2
    return found


def test_it_holds_no_name_and_no_secret_in_clear(path):
    with open(path, "rb") as file:
        data = file.read()
    assert not any(word in data for word in (b"canary", b"notion", b"github"))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert [n for n in os.listdir(os.path.dirname(path)) if n.endswith(".tmp")] == []


def test_another_vault_takes_what_is_newer(vault, path, tmp_path):
    other = vault_at(tmp_path / "b", env_keys(b"\x08" * 32))
    for expect in (0, 1):
        other.put(record("notion", secret=f"mine-{expect}"), expect=expect)
    assert export.merge(other, path, keys=env_keys(KEY)) == {"added": 1, "updated": 0, "kept": 1}
    assert other.get(NOTION).secrets["token"].reveal() == "mine-1"
    for expect in (1, 2):
        vault.put(record("notion", secret="newer"), expect=expect)
    export.write(vault, path)
    assert export.merge(other, path, keys=env_keys(KEY)) == {"added": 0, "updated": 1, "kept": 1}
    assert other.get(NOTION).generation == 3
    assert other.get(NOTION).secrets["token"].reveal() == "newer"


def test_an_import_stands_in_for_a_vault_that_was_damaged(vault, path):
    vault.close()
    with open(vault.path, "wb") as file:
        file.write(b"damage" * 1000)
    with pytest.raises(StoreCorrupt, match="nothing was deleted"):
        vault.get(NOTION)
    assert export.merge(vault, path)["added"] == 2
    assert vault.get(NOTION).secrets["token"].reveal() == "canary"


def test_a_lost_race_is_looked_at_again(vault, path, tmp_path, monkeypatch):
    other = vault_at(tmp_path / "b", env_keys(b"\x08" * 32))
    real, calls = other.adopt, []

    def racing(stored, *, expect):
        calls.append(stored)
        if len(calls) == 1:
            raise StoreConflict("somebody else")
        return real(stored, expect=expect)

    monkeypatch.setattr(other, "adopt", racing)
    assert export.merge(other, path, keys=env_keys(KEY))["added"] == 2
    calls.clear()
    monkeypatch.setattr(other, "get", lambda key: None)
    with pytest.raises(StoreError, match="all the time"):
        export._merge_one(other, vault.get(NOTION))


def test_it_does_not_open_with_another_key(path):
    store = EncFile(path, keys=env_keys(b"\x09" * 32))
    with pytest.raises(StoreLocked, match="not its key"):
        store.get(NOTION)
    assert "not its key" in store.why_not()


def test_every_changed_byte_is_seen(path):
    with open(path, "rb") as file:
        sound = file.read()
    keys = env_keys(KEY)
    for at in range(0, len(sound), 37):
        damaged = bytearray(sound)
        damaged[at] ^= 1
        with pytest.raises((StoreCorrupt, StoreLocked, StoreError)):
            export.read(bytes(damaged), keys, path)


def test_a_line_left_out_is_seen(path):
    with open(path, "rb") as file:
        lines = file.read().splitlines(keepends=True)
    with pytest.raises(StoreCorrupt, match="changed"):
        export.read(b"".join([lines[0], *lines[2:]]), env_keys(KEY), path)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"[]\nx\n", b"no\nexport\n", b'{"magic":"x"}\nm\n']
)
def test_another_file_is_no_export(data):
    with pytest.raises(StoreCorrupt):
        export.read(data, env_keys(KEY), "f")


def test_a_newer_format_is_refused(path):
    with open(path, "rb") as file:
        data = file.read().replace(b'"format":1', b'"format":2')
    with pytest.raises(StoreError, match="another format"):
        export.read(data, env_keys(KEY), path)


def test_it_is_read_again_when_it_changes(vault, path):
    store = EncFile(path, keys=env_keys(KEY))
    assert store.get(NOTION).generation == 1
    vault.put(record(secret="newer"), expect=1)
    export.write(vault, path)
    assert store.get(NOTION).generation == 2


def test_an_absent_file_is_an_error(tmp_path):
    store = EncFile(str(tmp_path / "none"), keys=env_keys(KEY))
    with pytest.raises(StoreError, match="cannot be read"):
        list(store.keys())


def test_what_nobody_could_open_elsewhere_is_not_exported(tmp_path):
    vault = vault_at(tmp_path, Keys(environ={}, keyring=keyring()))
    vault.put(record(), expect=0)
    with pytest.raises(StoreError, match="Only this machine") as caught:
        export.write(vault, str(tmp_path / "secrets.enc"))
    assert "recovery-code" in caught.value.hint
    code = upkeep.new_recovery_code(vault)
    export.write(vault, str(tmp_path / "secrets.enc"))
    keys = Keys(environ={}, keyring=no_keyring, recovery_code=code)
    assert EncFile(str(tmp_path / "secrets.enc"), keys=keys).get(NOTION)


def test_a_damaged_record_stays_behind(vault, tmp_path):
    vault.session().connection.execute("UPDATE rec SET ct = x'00' WHERE n = 2")
    assert export.write(vault, str(tmp_path / "secrets.enc")) == 1


def test_without_a_vault_there_is_nothing_to_export(tmp_path):
    with pytest.raises(StoreError, match="no vault"):
        export.write(vault_at(tmp_path), str(tmp_path / "x"))


def test_a_failed_export_leaves_the_old_one(vault, path, monkeypatch):
    with open(path, "rb") as file:
        before = file.read()
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(5, "EIO")))
    with pytest.raises(StoreError, match="EIO"):
        export.write(vault, path)
    monkeypatch.undo()
    with open(path, "rb") as file:
        assert file.read() == before
    assert [n for n in os.listdir(os.path.dirname(path)) if n.endswith(".tmp")] == []
