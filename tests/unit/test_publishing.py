"""What a maintainer runs: keys under a passphrase, a repository that only goes up, rotation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode
from datetime import timedelta
from hashlib import sha256

import pytest
from filelock import FileLock
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile

from arcrun_auth.errors import AuthError, RecipeError, RefreshBusy, StoreError, StoreLocked
from arcrun_auth.publishing import bundle, keys, pkcs8
from arcrun_auth.publishing.keys import Keyring
from arcrun_auth.publishing.repository import KEYS, ROOTS, Repository
from arcrun_auth.publishing.site import Site
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
    made = sorted(folder.iterdir())
    assert [p.name for p in made] == sorted([*(f"{name}.pem" for name in KEYS), "root.json"])
    for path in folder.glob("*.pem"):
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


# -- rotation --------------------------------------------------------------------------


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


# -- somebody who can write to the folder that is given out ----------------------------


class Thief:
    """Writes files into a maintainer's site, with the keys that were stolen, or none."""

    def __init__(self, maintainer, *stolen: str) -> None:
        self.site = maintainer.site
        keyring = mirror.Keys(str(maintainer.folder / "keys"), lambda _: Secret(PASSPHRASE))
        self.keys = [CryptoSigner(keyring.get(name)) for name in stolen]
        self.own = CryptoSigner.generate_ed25519()

    def put(self, content) -> str:
        metadata = Metadata(content)
        for key in [*self.keys, self.own]:
            metadata.sign(key, append=True)
        name = Site.name_of(metadata)
        metadata.to_file(str(self.site / name))
        return name

    def content(self, name: str):
        return Metadata.from_file(str(self.site / name)).signed

    def root(self, version: int):
        """The newest root, and the thief's key in all the roles."""
        root = self.content(f"{version - 1}.root.json")
        for role in root.roles:
            root.add_key(self.own.public_key, role)
        root.roles["root"].threshold = 1
        root.version = version
        return root

    def targets(self, version: int, number: int = 1):
        """Targets of the thief's; gives their digest."""
        data = json.dumps({"version": number, "recipes": {}}).encode()
        digest = sha256(data).hexdigest()
        (self.site / f"{digest}.recipes.json").write_bytes(data)
        targets = self.content("1.targets.json")
        targets.targets = {
            "recipes.json": TargetFile(
                len(data), {"sha256": digest}, "recipes.json", {"custom": {"version": number}}
            )
        }
        targets.version = version
        self.put(targets)
        return digest


def verbs(maintainer):
    yield maintainer.repository.refresh
    yield lambda: maintainer.release(2, one=recipe("one"))
    yield from (lambda name=name: maintainer.rotate(name) for name in KEYS)


def everything(maintainer):
    files = (path for path in maintainer.folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if path.parent.name != "recipes"}


@pytest.mark.parametrize("stolen", [(), ("release", "timestamp"), ("root-1",)])
def test_a_root_that_the_one_before_has_not_signed_is_never_built_upon(maintainer, stolen) -> None:
    thief = Thief(maintainer, *stolen)
    thief.put(thief.root(2))
    before = everything(maintainer)
    for verb in verbs(maintainer):
        with pytest.raises(
            AuthError, match=r"2\.root\.json is not signed by the keys of root"
        ) as no:
            verb()
        assert "rm " in str(no.value.hint)
    assert everything(maintainer) == before
    (maintainer.site / "2.root.json").unlink()
    assert maintainer.rotate("timestamp") == 2
    keyids = {id_ for ids in maintainer.repository.signers().values() for id_ in ids}
    assert len(keyids) == len(KEYS)
    assert thief.own.public_key.keyid not in keyids


def test_a_root_that_does_not_agree_to_itself_is_not_followed(maintainer) -> None:
    """Two keys of before have signed it: clients want two of its own as well."""
    thief = Thief(maintainer, "root-1", "root-2")
    thief.own = thief.keys[0]
    root = thief.content("1.root.json")
    root.version = 2
    for key in thief.keys:
        root.revoke_key(key.public_key.keyid, "root")
    thief.put(root)
    with pytest.raises(AuthError, match=r"2\.root\.json is not signed"):
        maintainer.repository.refresh()


def test_a_root_far_ahead_or_in_another_spelling_is_no_root(maintainer) -> None:
    thief = Thief(maintainer)
    root = thief.root(2)
    root.version = 9
    thief.put(root)
    for name in ("02.root.json", "\u0663.root.json", "9999.root.json"):
        shutil.copy(maintainer.site / "9.root.json", maintainer.site / name)
    assert maintainer.rotate("timestamp") == 2
    assert thief.own.public_key.keyid not in str(loaded(maintainer, "2.root.json"))


def test_the_first_root_is_the_one_that_is_kept_with_the_keys(maintainer) -> None:
    thief = Thief(maintainer)
    root = thief.root(2)
    root.version = 1
    thief.put(root)
    with pytest.raises(AuthError, match=r"1\.root\.json is not the root that is kept") as caught:
        maintainer.rotate("timestamp")
    assert "cp " in str(caught.value.hint)
    (maintainer.folder / "keys" / "root.json").unlink()
    with pytest.raises(AuthError, match=r"There is no .*root\.json") as caught:
        maintainer.rotate("timestamp")
    assert "that your clients have" in str(caught.value.hint)
    (maintainer.folder / "keys" / "root.json").write_text("{")
    with pytest.raises(StoreError, match=r"root\.json is damaged"):
        maintainer.rotate("timestamp")


def test_a_root_of_before_cannot_be_put_back(maintainer) -> None:
    """It would give the stolen key its role again."""
    maintainer.rotate("release")
    (maintainer.site / "2.root.json").unlink()
    with pytest.raises(AuthError, match=r"2\.root\.json is not the root that is kept"):
        maintainer.rotate("timestamp")


def test_files_that_nobody_signed_give_no_numbers_and_are_never_signed(maintainer) -> None:
    thief = Thief(maintainer)
    digest = thief.targets(2, number=10**9)
    before = everything(maintainer)
    for verb in (
        lambda: maintainer.release(2, one=recipe("one")),
        lambda: maintainer.rotate("release"),
    ):
        with pytest.raises(
            AuthError, match=r"2\.targets\.json is not signed by the keys of targets"
        ):
            verb()
    assert everything(maintainer) == before
    (maintainer.site / "2.targets.json").unlink()
    for kind, name in (("snapshot", "1.snapshot.json"), ("timestamp", "timestamp.json")):
        good = (maintainer.site / name).read_bytes()
        content = thief.content(name)
        content.version = 1 << 70
        put = maintainer.site / thief.put(content)
        before = everything(maintainer)
        for verb in verbs(maintainer):
            with pytest.raises(AuthError, match=f"is not signed by the keys of {kind}"):
                verb()
        assert everything(maintainer) == before
        put.unlink()
        (maintainer.site / name).write_bytes(good)
    assert maintainer.rotate("release") == 2
    assert digest not in (maintainer.site / "2.targets.json").read_text()


def test_a_stolen_release_key_leaves_nothing_behind_when_it_is_replaced(maintainer) -> None:
    thief = Thief(maintainer, "release")
    digest = thief.targets(2)
    with pytest.raises(AuthError, match="packed anew"):
        maintainer.repository.rotate("release")
    assert not (maintainer.site / "2.root.json").exists()
    assert maintainer.rotate("release") == 2
    ours = loaded(maintainer, "3.targets.json")["targets"]["recipes.json"]["hashes"]["sha256"]
    assert ours != digest
    assert (
        "one.yaml" in json.loads((maintainer.site / f"{ours}.recipes.json").read_text())["recipes"]
    )


@pytest.mark.parametrize("custom", [None, {}, "none", {"version": "9"}])
def test_targets_of_a_thief_stop_no_rotation(maintainer, custom) -> None:
    thief = Thief(maintainer, "release")
    targets = thief.content("1.targets.json")
    if custom is None:
        targets.targets = {}
    else:
        targets.targets["recipes.json"].unrecognized_fields["custom"] = custom
    targets.version = 2
    thief.put(targets)
    assert maintainer.rotate("release") == 2
    assert loaded(maintainer, "3.targets.json")["targets"]["recipes.json"]["custom"]["version"] == 1


def test_a_set_that_is_packed_anew_is_no_older_one(maintainer) -> None:
    maintainer.release(5, one=recipe("one"))
    mirror.recipes(maintainer.folder / "recipes", 4, one=recipe("one"))
    before = everything(maintainer)
    with pytest.raises(RecipeError, match="Version 5 is published, and this is 4"):
        maintainer.rotate("release")
    assert everything(maintainer) == before


# -- a rotation that died in the middle ------------------------------------------------


@pytest.mark.parametrize(("name", "writes"), [("release", 5), ("timestamp", 2), ("root-1", 1)])
def test_a_rotation_that_died_anywhere_can_be_completed(
    made, tmp_path, monkeypatch, name, writes
) -> None:
    real = Site.write
    for allowed in range(writes):
        one = made.copy(tmp_path / str(allowed))
        done = []

        def write(site, file, data, done=done, allowed=allowed):
            if len(done) == allowed:
                raise StoreError("died")
            done.append(file)
            return real(site, file, data)

        with monkeypatch.context() as patch:
            patch.setattr(Site, "write", write)
            with pytest.raises(StoreError, match="died"):
                one.rotate(name)
        assert one.rotate(name) == (3 if done else 2)
        assert one.release(2, one=recipe("one")) == 2
        assert one.repository.refresh()


def test_a_server_signs_no_release_of_a_key_that_was_replaced(maintainer, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Repository, "_sign_set", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            maintainer.rotate("release")
    with pytest.raises(AuthError, match="by a key that was replaced since") as caught:
        maintainer.repository.refresh()
    assert "signs a release anew" in str(caught.value.hint)
    assert maintainer.release(2, one=recipe("one")) == 2
    assert maintainer.repository.refresh()
