"""What a maintainer runs: a repository that only goes up, rotation."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

import pytest
from filelock import FileLock

from arcrun_auth.errors import AuthError, RecipeError, RefreshBusy, StoreError
from arcrun_auth.publishing import bundle
from arcrun_auth.publishing.repository import KEYS, ROOTS
from tests import mirror
from tests.mirror import loaded, recipe


def test_the_repository_is_one_flat_folder_for_everybody(maintainer) -> None:
    names = sorted(path.name for path in maintainer.site.glob("[!.]*"))
    bundle_name = next(name for name in names if name.endswith("recipes.json"))
    assert names == sorted(
        ["1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json", bundle_name]
    )
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in maintainer.site.glob("[!.]*")} == {0o644}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_no_file_of_the_site_is_unreadable_for_a_moment(maintainer, monkeypatch) -> None:
    modes = []

    def replace(source, target, real=os.replace):
        modes.append(os.stat(source).st_mode & 0o777)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    maintainer.repository.refresh()
    assert set(modes) == {0o644}


def test_two_of_three_root_keys_decide(maintainer) -> None:
    root = loaded(maintainer, "1.root.json")
    assert root["consistent_snapshot"] is True
    assert (root["roles"]["root"]["threshold"], len(root["roles"]["root"]["keyids"])) == (2, 3)
    assert {len(root["roles"][r]["keyids"]) for r in ("targets", "snapshot", "timestamp")} == {1}


def test_a_timestamp_holds_for_a_week(maintainer) -> None:
    until = maintainer.repository.refresh()
    assert until == maintainer.time.replace(microsecond=0) + timedelta(days=7)


def test_a_timestamp_is_newer_than_those_that_a_server_signed(maintainer, tmp_path) -> None:
    """The server signs daily in a folder of its own; the maintainer has not seen those."""
    server = maintainer.copy(tmp_path / "server")
    for _ in range(3):
        server.later(days=1)
        server.repository.refresh()
    maintainer.later(days=3, seconds=1)
    maintainer.release(2, one=recipe("one"))
    ours, theirs = (loaded(one, "timestamp.json")["version"] for one in (maintainer, server))
    assert ours > theirs
    maintainer.repository.refresh()
    maintainer.later(days=-9)  # a clock that was put right
    maintainer.repository.refresh()
    assert loaded(maintainer, "timestamp.json")["version"] == ours + 2


def test_one_process_signs_at_a_time(maintainer) -> None:
    before = (maintainer.site / "timestamp.json").read_bytes()
    lock = FileLock(str(maintainer.site / ".lock"))
    with lock:
        for verb in (
            maintainer.repository.refresh,
            maintainer.repository.init,
            lambda: maintainer.release(2, one=recipe("one")),
            lambda: maintainer.rotate("timestamp"),
        ):
            with pytest.raises(RefreshBusy, match="Another process is signing"):
                verb()
    assert (maintainer.site / "timestamp.json").read_bytes() == before
    assert maintainer.repository.refresh()


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_a_lock_that_is_a_link_is_not_followed(maintainer, tmp_path) -> None:
    (tmp_path / "precious").write_text("precious")
    (maintainer.site / ".lock").unlink(missing_ok=True)
    (maintainer.site / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StoreError, match="symbolic link"):
        maintainer.repository.refresh()
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_version_only_goes_up(maintainer) -> None:
    with pytest.raises(RecipeError, match="Version 1 is published") as caught:
        maintainer.release(1, one=recipe("one"))
    assert "echo 2 >" in str(caught.value.hint)
    assert maintainer.release(5, one=recipe("one")) == 5
    with pytest.raises(RecipeError, match="Version 5 is published, and this is 4"):
        maintainer.release(4, one=recipe("one"))


def test_a_refused_release_writes_nothing(maintainer) -> None:
    before = {path.name: path.read_bytes() for path in maintainer.site.iterdir()}
    for version, texts in (
        (1, {"one": recipe("one")}),
        (2, {"bad": "service: bad\n"}),
        (2, {"a.b": recipe("one")}),
        (2, {}),
        (0, {"one": recipe("one")}),
    ):
        with pytest.raises(RecipeError):
            maintainer.release(version, **texts)
    assert {path.name: path.read_bytes() for path in maintainer.site.iterdir()} == before


def test_a_set_that_cannot_be_packed_says_why(tmp_path, monkeypatch) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        bundle.pack(str(tmp_path / "nowhere"))
    folder = mirror.recipes(tmp_path / "set", 1, one=recipe("one"))
    (folder / "version").write_text("one")
    with pytest.raises(RecipeError, match="whole number"):
        bundle.pack(str(folder))
    (folder / "version").write_text("1")
    monkeypatch.setattr(bundle, "MAX_BUNDLE", 100)
    with pytest.raises(RecipeError, match="larger than"):
        bundle.pack(str(folder))


def test_several_faults_are_counted(tmp_path) -> None:
    folder = mirror.recipes(tmp_path / "set", 1, a="service: a\n", b="service: b\n")
    with pytest.raises(RecipeError, match=r"and \d+ more"):
        bundle.pack(str(folder))


def test_init_comes_first_and_once(maintainer, tmp_path) -> None:
    with pytest.raises(AuthError, match="has a root already"):
        maintainer.repository.init()
    other = mirror.Maintainer(tmp_path / "other")
    for make_folder in (lambda: None, lambda: other.site.mkdir(parents=True)):
        make_folder()
        for verb in (other.repository.refresh, lambda: other.release(1, one=recipe("one"))):
            with pytest.raises(AuthError, match="is no repository") as caught:
                verb()
            assert "--init" in str(caught.value.hint)
    other.repository.init()
    with pytest.raises(AuthError, match="Nothing is published"):
        other.repository.refresh()
    (other.folder / "site").rename(other.folder / "elsewhere")
    with pytest.raises(StoreError, match=r"holds root-1\.pem already"):
        other.repository.init()
    for path in (other.folder / "keys").glob("*.pem"):
        path.unlink()
    with pytest.raises(StoreError, match=r"holds root\.json already"):
        other.repository.init()


def test_a_damaged_file_is_said_and_nothing_is_signed_over_it(maintainer) -> None:
    (maintainer.site / "1.snapshot.json").write_bytes(b"{")
    with pytest.raises(StoreError, match=r"1\.snapshot\.json is damaged"):
        maintainer.repository.refresh()


def test_the_timestamp_needs_its_own_key_alone(maintainer) -> None:
    folder = maintainer.folder / "keys"
    for name in (*ROOTS, "release"):
        (folder / f"{name}.pem").unlink()
    assert maintainer.repository.refresh()
    with pytest.raises(StoreError, match=r"There is no key .*release\.pem"):
        maintainer.release(2, one=recipe("one"))


def test_keys_of_another_repository_sign_nothing_here(maintainer, tmp_path) -> None:
    other = mirror.ceremony(tmp_path / "other")
    (maintainer.folder / "keys").rename(maintainer.folder / "old")
    (other.folder / "keys").rename(maintainer.folder / "keys")
    with pytest.raises(AuthError, match="those of another repository"):
        maintainer.repository.refresh()
    shutil.copy(maintainer.folder / "old" / "root.json", maintainer.folder / "keys")
    with pytest.raises(StoreError, match="not those that sign timestamp"):
        maintainer.repository.refresh()
    before = sorted((maintainer.folder / "keys").iterdir())
    with pytest.raises(StoreError, match="not those that sign root"):
        maintainer.rotate("timestamp")
    assert not (maintainer.site / "2.root.json").exists()
    assert sorted((maintainer.folder / "keys").iterdir()) == before


@pytest.mark.parametrize("name", KEYS)
def test_a_rotated_key_is_another_one_and_the_old_one_is_kept(maintainer, name) -> None:
    role = "root" if name in ROOTS else {"release": "targets"}.get(name, name)
    before = set(loaded(maintainer, "1.root.json")["roles"][role]["keyids"])
    assert maintainer.rotate(name) == 2
    after = set(loaded(maintainer, "2.root.json")["roles"][role]["keyids"])
    assert (len(after), len(after - before)) == (len(before), 1)
    assert (maintainer.folder / "keys" / f"{name}.old-1.pem").exists()
    assert maintainer.release(2, one=recipe("one")) == 2


def test_every_old_key_is_kept(maintainer) -> None:
    for _ in range(2):
        maintainer.rotate("timestamp")
    kept = [p.name for p in sorted((maintainer.folder / "keys").glob("timestamp.*"))]
    assert kept == ["timestamp.old-1.pem", "timestamp.old-2.pem", "timestamp.pem"]


def test_a_lost_root_key_can_be_replaced_and_two_lost_ones_cannot(maintainer) -> None:
    folder = maintainer.folder / "keys"
    (folder / "root-2.pem").unlink()
    assert maintainer.rotate("root-2") == 2
    (folder / "root-1.pem").unlink()
    with pytest.raises(StoreError, match="2 root keys beside the new one"):
        maintainer.rotate("root-2")


def test_a_key_may_be_replaced_before_anything_is_released(tmp_path) -> None:
    fresh = mirror.Maintainer(tmp_path / "maintainer")
    fresh.repository.init()
    assert fresh.rotate("release") == 2
    assert fresh.release(1, one=recipe("one")) == 1


def test_nothing_is_replaced_where_a_key_that_must_sign_is_missing(maintainer) -> None:
    (maintainer.folder / "keys" / "timestamp.pem").unlink()
    with pytest.raises(StoreError, match=r"timestamp\.pem"):
        maintainer.rotate("release")
    assert not (maintainer.site / "2.root.json").exists()
    assert not (maintainer.folder / "keys" / "release.old-1.pem").exists()
