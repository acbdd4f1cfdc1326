"""Recipes of the community: a commit that is named, a signature, and a key that is remembered."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    ProviderUnavailable,
    RecipeError,
    UnknownService,
)
from arcrun_auth.publishing import author
from arcrun_auth.remote import community, lockfile
from arcrun_auth.remote.download import Budget, host_of
from tests import canary, mirror, servers
from tests.mirror import recipe

if TYPE_CHECKING:
    from pathlib import Path

COMMIT, OTHER = "1" * 40, "2" * 40


def text(service: str = "shop", host: str = "api.shop.com", **more) -> str:
    """A recipe of acme's."""
    return recipe("shop", host, **more).replace("service: shop", f"service: acme/{service}")


class Forge(servers.Recorder):
    """Raw files of a repository, by commit, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lie: servers.Reply | None = None
        super().__init__(self._give)

    def _give(self, seen: servers.Seen) -> servers.Reply:
        path = self.folder / seen.target.removeprefix("/raw/")
        if self.lie is not None:
            return self.lie
        return servers.Reply(body=path.read_bytes()) if path.is_file() else servers.Reply(404)

    def place(self, commit: str = COMMIT) -> str:
        return f"{self.origin}/raw/{commit}/recipes/community"

    def commit(self, key, recipe_text: str, *, commit: str = COMMIT, service="shop") -> Path:
        file = self.folder / commit / "recipes/community/acme" / f"{service}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(recipe_text)
        (file.parent / "key.pub").unlink(missing_ok=True)  # whoever has the place replaces it
        self.fingerprint = author.sign(str(file), key)
        return file


@pytest.fixture(scope="module")
def key():
    return Ed25519PrivateKey.generate()


@pytest.fixture
def forge(tmp_path, key):
    running = Forge(tmp_path / "forge")
    running.commit(key, text())
    yield running
    running.close()


@pytest.fixture
def home(tmp_path, forge):
    return mirror.Home(
        tmp_path, ARCRUN_COMMUNITY_URL=forge.place(), ARCRUN_ALLOW_HOSTS=forge.origin
    )


def get(home, name="acme/shop", url=None):
    return community.get(name, home.settings, Budget(20), url)


def add(home, name="acme/shop"):
    found = get(home, name)
    community.check(found, home.catalog)
    community.add(found, home.settings, home.catalog)
    return found


def test_a_recipe_is_taken_and_its_key_and_commit_are_kept(home, forge) -> None:
    found = get(home)
    assert not community.is_known(found, None)
    assert found.fingerprint == forge.fingerprint
    assert found.fingerprint.startswith("SHA256:")
    add(home)
    entry = home.catalog.entry("acme/shop")
    assert (entry.tier, entry.trusted, entry.account) == ("community", False, "acme/shop")
    assert home.catalog.recipe("acme/shop").base_url == "https://api.shop.com"
    assert home.catalog.problems == []
    held = json.loads(home.lock.read_text())["community"]
    pin = held["recipes"]["acme__shop.yaml"]
    assert pin["sha256"] == lockfile.digest(found.text)
    assert (pin["commit"], pin["key"]) == (COMMIT, found.fingerprint)
    assert pin["source"] == forge.place() + "/"
    assert held["authors"] == {"acme": found.key}


def test_two_recipes_lie_beside_each_other(home, forge, key) -> None:
    forge.commit(key, text("mall"), service="mall")
    add(home)
    found = get(home, "acme/mall")
    assert community.is_known(found, lockfile.read(home.catalog.folder).community)
    add(home, "acme/mall")
    assert home.catalog.names() == ["acme/mall", "acme/shop", "one", "two"]


def test_another_key_is_refused_and_both_are_named(home, forge) -> None:
    before = add(home)
    forge.commit(Ed25519PrivateKey.generate(), text(host="evil.example"))
    found = get(home)
    with pytest.raises(ConsentRequired) as caught:
        add(home)
    assert before.fingerprint in caught.value.message
    assert found.fingerprint in caught.value.message
    assert caught.value.service == "acme/shop"
    assert home.catalog.recipe("acme/shop").base_url == "https://api.shop.com"


@pytest.mark.parametrize("part", ["shop.yaml", "shop.yaml.sig", "key.pub"])
def test_a_file_of_another_hand_does_not_fit(home, forge, key, part) -> None:
    folder = forge.folder / COMMIT / "recipes/community/acme"
    mine = (folder / part).read_bytes()
    forge.commit(Ed25519PrivateKey.generate(), text(host="evil.example"))
    (folder / part).write_bytes(mine)
    with pytest.raises(RecipeError, match="signature of acme/shop does not fit"):
        get(home)


@pytest.mark.parametrize("signature", [b"", b"no base64!", b"AAAA", b"\xff\xfe"])
def test_what_is_no_signature_fits_nothing(home, forge, signature) -> None:
    (forge.folder / COMMIT / "recipes/community/acme/shop.yaml.sig").write_bytes(signature)
    with pytest.raises(RecipeError, match="does not fit"):
        get(home)


UNKNOWN_ALGORITHM = b"""-----BEGIN PUBLIC KEY-----
MC4wCQYHKgMEBQYHCAMhAAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"\xff", UNKNOWN_ALGORITHM])
def test_what_is_no_key_is_said(home, forge, pem) -> None:
    (forge.folder / COMMIT / "recipes/community/acme/key.pub").write_bytes(pem)
    with pytest.raises(RecipeError, match="no Ed25519 key"):
        get(home)


def test_a_signature_is_for_a_recipe_and_for_nothing_else(home, forge, key) -> None:
    """The same key may sign commits, or releases: none of those is one of these."""
    from base64 import b64encode

    folder = forge.folder / COMMIT / "recipes/community/acme"
    (folder / "shop.yaml.sig").write_bytes(b64encode(key.sign((folder / "shop.yaml").read_bytes())))
    with pytest.raises(RecipeError, match="does not fit"):
        get(home)


def test_a_text_that_is_no_utf8_is_said(home, forge, key) -> None:
    from base64 import b64encode

    folder = forge.folder / COMMIT / "recipes/community/acme"
    (folder / "shop.yaml").write_bytes(b"\xff")
    (folder / "shop.yaml.sig").write_bytes(b64encode(key.sign(community.PURPOSE + b"\xff")))
    with pytest.raises(RecipeError, match="UTF-8"):
        get(home)


@pytest.mark.parametrize(
    "url", ["https://raw.example/o/r/main/recipes", "https://raw.example/o/1234567/recipes"]
)
def test_a_branch_is_no_commit(home, url) -> None:
    with pytest.raises(AuthError, match="no commit in full"):
        get(home, url=url)


def test_a_password_in_the_address_is_refused_and_not_repeated(home) -> None:
    secret = canary.fresh()
    with pytest.raises(AuthError, match="no URL of the form") as caught:
        get(home, url=f"https://user:{secret}@raw.example/o/r/main")
    assert secret not in str(caught.value)


def test_no_place_no_recipe(home) -> None:
    del home.environ["ARCRUN_COMMUNITY_URL"]
    with pytest.raises(AuthError, match="No place") as caught:
        get(home)
    assert "--from" in str(caught.value.hint)


def test_a_recipe_that_is_not_there_is_unknown(home, forge) -> None:
    with pytest.raises(UnknownService):
        get(home, "acme/mall")
    forge.lie = servers.Reply(503)
    with pytest.raises(ProviderUnavailable, match="status 503"):
        get(home)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (text().replace("acme/shop", "one"), "describes 'one'"),
        (text().replace("acme/shop", "other/shop"), "describes 'other/shop'"),
        (text(sdk={"package": "x", "import": "x", "call": "x"}), "sdk"),
        (text(description="a\u202eb"), "invisible"),
        ("service: acme/shop\n", "primitive"),
    ],
)
def test_what_may_not_stand_in_it_keeps_it_out(home, changed, words) -> None:
    found = get(home)
    with pytest.raises(RecipeError, match=words):
        community.check(
            community.Signed(found.name, changed, found.key, found.source, found.commit),
            home.catalog,
        )


# -- updates ---------------------------------------------------------------------------


def test_a_commit_is_left_alone_and_another_one_is_followed(home, forge, key) -> None:
    assert not home.update().changed
    add(home)
    forge.commit(key, text(host="ignored.example"))
    forge.seen.clear()
    assert not home.update().changed
    assert forge.seen == []
    forge.commit(key, text(host="new.shop.com"), commit=OTHER)
    home.environ["ARCRUN_COMMUNITY_URL"] = forge.place(OTHER)
    assert home.update().changed
    assert home.catalog.recipe("acme/shop").base_url == "https://new.shop.com"
    pin = json.loads(home.lock.read_text())["community"]["recipes"]["acme__shop.yaml"]
    assert pin["commit"] == OTHER


def test_an_update_does_not_take_another_key(home, forge) -> None:
    add(home)
    forge.commit(Ed25519PrivateKey.generate(), text(host="evil.example"), commit=OTHER)
    home.environ["ARCRUN_COMMUNITY_URL"] = forge.place(OTHER)
    assert isinstance(home.update().error, ConsentRequired)
    assert home.catalog.recipe("acme/shop").base_url == "https://api.shop.com"


def test_a_key_that_was_forgotten_is_not_taken_by_an_update(home, forge) -> None:
    """The hint to somebody who trusts the new key is to add the recipe again, where it is shown."""
    before = add(home)
    lock = json.loads(home.lock.read_text())
    del lock["community"]["authors"]
    home.lock.write_text(json.dumps(lock))
    forge.commit(Ed25519PrivateKey.generate(), text(host="evil.example"), commit=OTHER)
    home.environ["ARCRUN_COMMUNITY_URL"] = forge.place(OTHER)
    result = home.update()
    assert isinstance(result.error, ConsentRequired)
    assert (result.changed, result.error.service) == (False, "acme/shop")
    assert before.fingerprint in str(result.error.changes)
    assert forge.fingerprint in str(result.error.changes)
    assert home.catalog.recipe("acme/shop").base_url == "https://api.shop.com"
    ((_, well, words),) = home.updates().health()
    assert not well
    assert "did not give all the last time: acme/shop is signed by" in words
    add(home)
    assert home.update().error is None
    assert home.catalog.recipe("acme/shop").base_url == "https://evil.example"


def test_a_key_that_was_agreed_to_for_one_recipe_is_not_for_another(home, forge, key) -> None:
    forge.commit(key, text("mall"), service="mall")
    add(home)
    add(home, "acme/mall")
    lock = json.loads(home.lock.read_text())
    del lock["community"]["authors"]
    home.lock.write_text(json.dumps(lock))
    other = Ed25519PrivateKey.generate()
    for service in ("shop", "mall"):
        forge.commit(other, text(service, "new.shop.com"), commit=OTHER, service=service)
    home.environ["ARCRUN_COMMUNITY_URL"] = forge.place(OTHER)
    result = home.update()
    assert isinstance(result.error, ConsentRequired)
    assert len(result.unusable) == 1
    add(home)
    assert home.update().error.service == "acme/mall"
    assert home.catalog.recipe("acme/mall").base_url == "https://api.shop.com"
    assert home.catalog.recipe("acme/shop").base_url == "https://new.shop.com"


def test_one_that_is_gone_does_not_hold_back_the_others(home, forge, key) -> None:
    forge.commit(key, text("mall"), service="mall")
    add(home)
    add(home, "acme/mall")
    forge.commit(key, text(host="new.shop.com"), commit=OTHER)
    home.environ["ARCRUN_COMMUNITY_URL"] = forge.place(OTHER)
    result = home.update()
    assert (result.error, result.changed) == (None, True)
    assert list(result.unusable) == ["acme/mall"]
    assert home.catalog.recipe("acme/shop").base_url == "https://new.shop.com"
    assert home.catalog.recipe("acme/mall").base_url == "https://api.shop.com"
    pins = json.loads(home.lock.read_text())["community"]["recipes"]
    assert [pins[f"acme__{name}.yaml"]["commit"] for name in ("shop", "mall")] == [OTHER, COMMIT]


def test_what_was_taken_from_elsewhere_is_not_asked_for_here(home, forge, key, tmp_path) -> None:
    elsewhere = Forge(tmp_path / "elsewhere")
    try:
        elsewhere.commit(key, text("mall"), service="mall")
        home.environ["ARCRUN_ALLOW_HOSTS"] += f",{elsewhere.origin}"
        add(home)
        found = get(home, "acme/mall", elsewhere.place())
        community.add(found, home.settings, home.catalog)
        home.environ["ARCRUN_COMMUNITY_URL"] = forge.place(OTHER)
        forge.commit(key, text(host="new.shop.com"), commit=OTHER)
        forge.seen.clear()
        elsewhere.seen.clear()
        result = home.update()
        assert (result.error, result.unusable, elsewhere.seen) == (None, {}, [])
        assert not [seen.target for seen in forge.seen if "mall" in seen.target]
        damage(home, "mall")
        assert home.catalog.problems
        assert home.update().changed
        assert home.catalog.problems == []
        assert home.catalog.recipe("acme/mall").base_url == "https://api.shop.com"
    finally:
        elsewhere.close()


def damage(home, service: str) -> None:
    """The text that the lock names is another one."""
    lock = json.loads(home.lock.read_text())["community"]
    place = home.path / "recipes/.fetched/community"
    (place / lock["folder"] / f"acme__{service}.yaml").write_text("damaged: yes\n")
    (place / "index.db").unlink(missing_ok=True)


def test_what_is_damaged_while_another_is_added_is_not_lost(home, forge, key) -> None:
    forge.commit(key, text("mall"), service="mall")
    add(home)
    pin = json.loads(home.lock.read_text())["community"]["recipes"]["acme__shop.yaml"]
    damage(home, "shop")
    add(home, "acme/mall")
    lock = json.loads(home.lock.read_text())["community"]
    assert lock["recipes"]["acme__shop.yaml"] == pin
    (problem,) = home.catalog.problems
    assert "cannot be read" in str(problem)
    assert home.update().changed
    assert home.catalog.names() == ["acme/mall", "acme/shop", "one", "two"]
    assert home.catalog.problems == []


def test_a_text_that_is_damaged_is_fetched_again(home, forge) -> None:
    add(home)
    for path in (home.path / "recipes/.fetched/community").glob("*/acme__shop.yaml"):
        path.write_text("service: acme/shop\n")
    assert home.update().changed
    assert home.catalog.problems == []
    assert home.catalog.recipe("acme/shop").base_url == "https://api.shop.com"


def test_its_aliases_are_no_names_of_ours(home, forge, key) -> None:
    forge.commit(key, text(aliases=["one", "bargain"]))
    add(home)
    assert home.catalog.entry("one").tier == "bundled"
    with pytest.raises(UnknownService):
        home.catalog.entry("bargain")


# -- signing ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["acme/mall.yaml", "other/shop.yaml", "shop.yaml"])
def test_an_author_signs_what_says_where_it_lies(tmp_path, key, place) -> None:
    file = tmp_path / "x" / place
    file.parent.mkdir(parents=True)
    file.write_text(text())
    with pytest.raises(RecipeError, match="AUTHOR/SERVICE"):
        author.sign(str(file), key)
    assert not list(file.parent.glob("*.sig"))


def test_a_file_that_is_not_there_is_not_signed(tmp_path, key) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        author.sign(str(tmp_path / "acme" / "shop.yaml"), key)


def test_another_key_does_not_take_the_place_of_an_authors(tmp_path, key) -> None:
    """All that the first has signed would be refused, and every user would be warned."""
    folder = tmp_path / "acme"
    folder.mkdir()
    for service in ("shop", "mall"):
        (folder / f"{service}.yaml").write_text(text(service))
    author.sign(str(folder / "shop.yaml"), key)
    before = (folder / "key.pub").read_bytes()
    with pytest.raises(RecipeError, match="is another key") as caught:
        author.sign(str(folder / "mall.yaml"), Ed25519PrivateKey.generate())
    assert "mv " in str(caught.value.hint)
    assert (folder / "key.pub").read_bytes() == before
    assert not (folder / "mall.yaml.sig").exists()
    (folder / "key.pub").write_bytes(before.replace(b"\n", b"\r\n"))  # as Git may check it out
    author.sign(str(folder / "mall.yaml"), key)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_an_author_gives_out_is_readable_and_never_half_written(tmp_path, key) -> None:
    file = tmp_path / "acme" / "shop.yaml"
    file.parent.mkdir()
    file.write_text(text())
    author.sign(str(file), key)
    names = ("key.pub", "shop.yaml.sig")
    before = {name: (file.parent / name).stat().st_ino for name in names}
    author.sign(str(file), key)
    for name in names:
        state = (file.parent / name).stat()
        assert state.st_mode & 0o777 == 0o644
        assert state.st_ino != before[name]
    assert len(list(file.parent.iterdir())) == 3


def test_an_address_with_a_password_is_refused_and_not_repeated(home) -> None:
    word = canary.fresh()
    for url in (
        f"https://me:{word}@forge.example/raw/{COMMIT}",
        f"https://me:{word}@forge.example/raw/main",
        f"https://forge.example/raw/{COMMIT}?token={word}",
        f"https://me:{word}/x@forge.example/raw/{COMMIT}",
        f"https://[{word}/raw/{COMMIT}",
    ):
        with pytest.raises(AuthError, match="is no URL of the form") as caught:
            community.address(home.settings, url)
        assert word not in str(caught.value)
    assert host_of(f"https://me:{word}@forge.example:8443/x") == "forge.example:8443"
