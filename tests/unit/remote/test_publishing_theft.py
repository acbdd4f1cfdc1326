"""Somebody can write to the folder that is given out, or has stolen a key."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile

from arcrun_auth.errors import AuthError, RecipeError, StoreError
from arcrun_auth.publishing.repository import KEYS, Repository
from arcrun_auth.publishing.site import Site
from arcrun_auth.tokens import Secret
from tests import mirror
from tests.mirror import PASSPHRASE, loaded, recipe


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
