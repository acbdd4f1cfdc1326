"""What a maintainer runs: keys under a passphrase, a repository that only goes up, rotation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode
from datetime import timedelta

import pytest

from arcrun_auth.errors import AuthError, RecipeError, StoreError, StoreLocked
from arcrun_auth.publishing import bundle, keys, pkcs8
from arcrun_auth.publishing.keys import Keyring
from arcrun_auth.publishing.repository import KEYS, ROOTS
from arcrun_auth.stores import private
from arcrun_auth.tokens import Secret
from tests import canary, mirror
from tests.mirror import PASSPHRASE, recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return mirror.ceremony(tmp_path_factory.mktemp("given") / "maintainer")


@pytest.fixture
def maintainer(made, tmp_path):
    return made.copy(tmp_path / "maintainer")


def loaded(maintainer, name):
    return json.loads((maintainer.site / name).read_text())["signed"]


# -- keys ------------------------------------------------------------------------------


def test_keys_are_for_their_owner_alone_and_under_a_passphrase(maintainer) -> None:
    folder = maintainer.folder / "keys"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.pem" for name in KEYS)
    for path in folder.iterdir():
        assert "BEGIN ENCRYPTED PRIVATE KEY" in path.read_text()
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_written_over(tmp_path) -> None:
    path = tmp_path / "keys" / "a.pem"
    keys.make(str(path), Secret(PASSPHRASE))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not replaced"):
        keys.make(str(path), Secret(PASSPHRASE))
    assert path.read_bytes() == before


def test_a_key_that_came_meanwhile_is_not_written_over(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.pem"

    def slow(*_):
        path.write_text("of somebody else")
        return b"ours"

    monkeypatch.setattr(pkcs8, "encrypted", slow)
    with pytest.raises(StoreError, match="not replaced"):
        keys.make(str(path), Secret(PASSPHRASE))
    assert path.read_text() == "of somebody else"


def test_a_key_that_could_not_be_written_in_full_is_not_there(tmp_path, monkeypatch) -> None:
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        keys.make(str(tmp_path / "a.pem"), Secret(PASSPHRASE))
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(private, "ensure_folder", lambda _: None)
    with pytest.raises(StoreError, match="cannot be written"):
        keys.make(str(tmp_path / "file" / "a.pem"), Secret(PASSPHRASE))


@pytest.mark.parametrize("passphrase", ["", "x", "1234567"])
def test_a_passphrase_that_is_soon_guessed_makes_no_key(tmp_path, passphrase) -> None:
    with pytest.raises(StoreError, match="at least 8 characters"):
        keys.make(str(tmp_path / "a.pem"), Secret(passphrase))
    assert not list(tmp_path.iterdir())


def test_a_key_is_not_set_aside_for_a_passphrase_that_is_refused(maintainer) -> None:
    folder = maintainer.folder / "keys"
    before = sorted(folder.iterdir())
    with pytest.raises(StoreError, match="at least 8 characters"):
        Keyring(str(folder), lambda _: Secret("x")).replace("release")
    assert sorted(folder.iterdir()) == before


def test_a_guess_at_a_passphrase_is_dear_and_openssl_reads_the_key(tmp_path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    path = tmp_path / "a.pem"
    key = keys.make(str(path), Secret(PASSPHRASE))
    assert keys.load(str(path), lambda: Secret(PASSPHRASE)).private_bytes_raw() == (
        key.private_bytes_raw()
    )
    number, size, lanes = pkcs8.COST
    assert number * size * lanes >= 1 << 19  # what 64 MiB of scrypt cost in one lane
    envelope = b64decode("".join(path.read_text().splitlines()[1:-1]))
    scrypt_and_cost = "06092b06010401da47040b" + "301c" + "0410"
    assert scrypt_and_cost in envelope.hex()
    assert "02024000" + "020108" + "020105" in envelope.hex()
    openssl = shutil.which("openssl")
    if openssl is not None:
        public = subprocess.run(
            [openssl, "pkey", "-in", path, "-passin", "stdin", "-pubout"],
            input=PASSPHRASE.encode(), capture_output=True, check=True,
        ).stdout  # fmt: skip
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        assert public == pem


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_is_there_keeps_its_mode(tmp_path, monkeypatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    keys.make("a.pem", Secret(PASSPHRASE))
    keys.make("new/a.pem", Secret(PASSPHRASE))
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("", "a.pem", "new", "new/a.pem")]
    assert modes == [0o755, 0o600, 0o700, 0o600]


def test_a_key_that_cannot_be_opened_says_why(tmp_path) -> None:
    path = str(tmp_path / "a.pem")
    with pytest.raises(StoreError, match="There is no key"):
        keys.load(path, lambda: Secret(PASSPHRASE))
    keys.make(path, Secret(PASSPHRASE))
    with pytest.raises(StoreLocked, match="does not open"):
        keys.load(path, lambda: Secret(canary.fresh()))


def test_a_key_without_a_passphrase_or_of_another_kind_is_refused(tmp_path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = generate_private_key(SECP256R1())
    path = tmp_path / "given" / "a.pem"
    path.parent.mkdir()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(StoreError, match="no key under a passphrase"):
        keys.load(str(path), lambda: Secret(PASSPHRASE))
    under = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, under))
    with pytest.raises(StoreError, match="no Ed25519 key"):
        keys.load(str(path), lambda: Secret(PASSPHRASE))


# -- the repository --------------------------------------------------------------------


def test_the_repository_is_one_flat_folder_for_everybody(maintainer) -> None:
    names = sorted(path.name for path in maintainer.site.iterdir())
    bundle_name = next(name for name in names if name.endswith("recipes.json"))
    assert names == sorted(
        ["1.root.json", "1.snapshot.json", "1.targets.json", "timestamp.json", bundle_name]
    )
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in maintainer.site.iterdir()} == {0o644}


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
    assert loaded(maintainer, "timestamp.json")["version"] == 2


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
    for verb in (other.repository.refresh, lambda: other.release(1, one=recipe("one"))):
        with pytest.raises(AuthError, match="is no repository") as caught:
            verb()
        assert "--init" in str(caught.value.hint)
    other.repository.init()
    with pytest.raises(AuthError, match="Nothing is published"):
        other.repository.refresh()
    (other.folder / "site").rename(other.folder / "elsewhere")
    with pytest.raises(StoreError, match="holds the key root-1 already"):
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
    with pytest.raises(StoreError, match="not those that sign timestamp"):
        maintainer.repository.refresh()
    before = sorted((maintainer.folder / "keys").iterdir())
    with pytest.raises(StoreError, match="not those that sign root"):
        maintainer.repository.rotate("timestamp")
    assert not (maintainer.site / "2.root.json").exists()
    assert sorted((maintainer.folder / "keys").iterdir()) == before


# -- rotation --------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
def test_a_rotated_key_is_another_one_and_the_old_one_is_kept(maintainer, name) -> None:
    role = "root" if name in ROOTS else {"release": "targets"}.get(name, name)
    before = set(loaded(maintainer, "1.root.json")["roles"][role]["keyids"])
    assert maintainer.repository.rotate(name) == 2
    after = set(loaded(maintainer, "2.root.json")["roles"][role]["keyids"])
    assert (len(after), len(after - before)) == (len(before), 1)
    assert (maintainer.folder / "keys" / f"{name}.old-1.pem").exists()
    assert maintainer.release(2, one=recipe("one")) == 2


def test_every_old_key_is_kept(maintainer) -> None:
    for _ in range(2):
        maintainer.repository.rotate("timestamp")
    kept = [p.name for p in sorted((maintainer.folder / "keys").glob("timestamp.*"))]
    assert kept == ["timestamp.old-1.pem", "timestamp.old-2.pem", "timestamp.pem"]


def test_a_lost_root_key_can_be_replaced_and_two_lost_ones_cannot(maintainer) -> None:
    folder = maintainer.folder / "keys"
    (folder / "root-2.pem").unlink()
    assert maintainer.repository.rotate("root-2") == 2
    (folder / "root-1.pem").unlink()
    with pytest.raises(StoreError, match="2 root keys beside the new one"):
        maintainer.repository.rotate("root-2")


def test_a_key_may_be_replaced_before_anything_is_released(tmp_path) -> None:
    fresh = mirror.Maintainer(tmp_path / "maintainer")
    fresh.repository.init()
    assert fresh.repository.rotate("release") == 2
    assert fresh.release(1, one=recipe("one")) == 1


def test_nothing_is_replaced_where_a_key_that_must_sign_is_missing(maintainer) -> None:
    (maintainer.folder / "keys" / "timestamp.pem").unlink()
    with pytest.raises(StoreError, match=r"timestamp\.pem"):
        maintainer.repository.rotate("release")
    assert not (maintainer.site / "2.root.json").exists()
    assert not (maintainer.folder / "keys" / "release.old-1.pem").exists()
