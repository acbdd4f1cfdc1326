"""`arcrun recipes remove`: a recipe that was added goes, and what was set up by it stays."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from arcrun_auth import Broker
from arcrun_auth.remote import lockfile
from arcrun_auth.testing import Somebody
from arcrun_auth.tokens import Key
from tests.mirror import recipe
from tests.unit.remote.test_community import COMMIT, Forge, text

KEY = {"ARCRUN_MASTER_KEY": b64encode(bytes(32)).decode()}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCRUN_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "recipes").mkdir(parents=True, mode=0o700)
    (tmp_path / "home").chmod(0o700)
    return tmp_path / "home"


@pytest.fixture
def recipes(home):
    return home / "recipes"


@pytest.fixture
def connected(home, recipes, provider, monkeypatch):
    """`demo` by a login, and `demo_static` by two keys."""
    monkeypatch.setenv("ARCRUN_ALLOW_HOSTS", provider.issuer)
    (recipes / "demo.yaml").write_text(provider.recipe_yaml("demo"))
    static = provider.recipe_yaml("demo_static", primitive="static_key")
    (recipes / "demo_static.yaml").write_text(static)
    environ = {**KEY, "ARCRUN_DEMO_CLIENT_ID": "demo", "ARCRUN_ALLOW_HOSTS": provider.issuer}
    broker = Broker(home=str(home), environ=environ, person=Somebody(), open_url=provider.follow)
    broker.setup("demo")
    broker.setup("demo_static", key=provider.static_key)
    broker.setup("demo_static", "work", key=provider.static_key)
    yield broker
    broker.close()


def test_a_recipe_goes_and_its_credentials_stay_until_they_are_removed(
    inside, connected, recipes
) -> None:
    person = Somebody()
    ran = inside("recipes", "remove", "demo_static", person=person)

    assert ran.code == 0, ran.both
    assert person.asked == ["Remove the local recipe of demo_static?"]
    assert f"described by {recipes}" in ran.err.replace("\n", " ")
    assert "It is connected: demo_static, demo_static@work." in ran.err
    assert "--revoke" not in ran.err  # of a key no provider can be told
    assert ran.err.endswith("→ arcrun remove demo_static\n  → arcrun remove demo_static@work\n")
    assert not (recipes / "demo_static.yaml").exists()
    assert inside("show", "demo_static").code == 2
    assert "demo_static" not in inside("list", "--all").out

    keys = [Key("credential", "demo_static", name) for name in ("default", "work")]
    assert set(keys) <= set(connected.store.keys())
    assert inside("remove", "demo_static").code == 2  # nobody agrees
    for name, key in zip(("demo_static", "demo_static@work"), keys, strict=True):
        ran = inside("remove", name, "--yes")
        assert (ran.code, f"{name} is forgotten here" in ran.err) == (0, True)
        assert "It may still work at its provider" in ran.err
        assert key not in connected.store.keys()
        assert inside("remove", name, "--yes").code == 2
    assert Key("credential", "demo") in connected.store.keys()


def test_a_login_can_be_ended_before_its_recipe_goes(inside, connected, recipes) -> None:
    class Refuses(Somebody):
        def confirm(self, question: str) -> bool:
            return False

    ran = inside("recipes", "remove", "demo", person=Refuses())
    assert ran.code == 1
    assert (
        "To end the login at its provider as well, first:\n  → arcrun remove demo --rev" in ran.err
    )
    assert (recipes / "demo.yaml").exists()


def test_a_way_in_that_the_recipe_no_longer_has_is_in_nobody_s_way(inside, connected) -> None:
    held = connected.store.get(Key("credential", "demo"))
    connected.store.put(held.replace(method="gone"), expect=held.generation)
    ran = inside("recipes", "remove", "demo", "--yes")
    assert (ran.code, "--revoke" in ran.err) == (0, False)
    assert ran.err.endswith("→ arcrun remove demo\n")


def test_without_anybody_it_wants_yes(inside, connected, recipes) -> None:
    ran = inside("recipes", "remove", "demo")
    assert (ran.code, "→ arcrun recipes remove demo --yes" in ran.err) == (2, True)
    assert (recipes / "demo.yaml").exists()
    assert inside("recipes", "remove", "demo", "--yes").code == 0


@pytest.mark.parametrize("name", ["notion", "gdrive"])
def test_what_came_with_the_package_is_nobody_s_to_remove(inside, home, name) -> None:
    ran = inside("recipes", "remove", name, "--yes")
    assert ran.code == 1
    assert "is a bundled recipe, and was not added here: it stays." in ran.err
    assert inside("show", name).code == 0


def test_a_name_that_there_is_not_is_put_right(inside, home) -> None:
    ran = inside("recipes", "remove", "notoin", "--yes")
    assert ran.code == 2
    assert "→ arcrun recipes remove notion" in ran.err


def test_under_a_recipe_that_stood_over_another_one_that_one_is_used_again(
    inside, home, recipes, tmp_path
) -> None:
    (tmp_path / "mine.yaml").write_text(recipe("notion"))
    assert inside("recipes", "add", "mine.yaml", "--override", "--yes").code == 0
    ran = inside("recipes", "remove", "notion", "--yes")
    assert ran.code == 0
    assert "It is described by another recipe: arcrun show notion" in ran.err
    assert list(recipes.glob("*.yaml")) == []
    assert "bundled" in inside("show", "notion").out


def test_a_file_that_is_not_used_is_removed_too(inside, home, recipes) -> None:
    (recipes / "notion.yaml").write_text(recipe("notion"))  # nobody let it stand over ours
    (recipes / "broken.yaml").write_text("service: broken\nnope: 1\n")
    for name in ("notion", "broken"):
        ran = inside("recipes", "remove", name, "--yes")
        assert ran.code == 0, ran.both
        assert not (recipes / f"{name}.yaml").exists()
    assert inside("recipes", "list").code == 0


def test_a_credential_of_a_shared_account_is_told_with_who_can_use_it(
    inside, connected, recipes, provider
) -> None:
    more = provider.recipe_yaml("demo_more", primitive="static_key")
    (recipes / "demo_more.yaml").write_text(f"{more}\naccount: demo_static\n")
    ran = inside("recipes", "remove", "demo_more", "--yes")
    assert ran.code == 0, ran.both
    assert "Its credentials stay, and demo_static can use them." in ran.err
    assert "→ arcrun remove demo_static@work" in ran.err


def test_a_name_that_only_an_account_has_is_no_connection(inside, connected, recipes) -> None:
    """Services of one account share a credential: no service's name removes it unnoticed."""
    text = (recipes / "demo_static.yaml").read_text()
    renamed = text.replace("service: demo_static", "service: other\naccount: demo_static")
    (recipes / "demo_static.yaml").write_text(renamed)
    assert inside("remove", "demo_static", "--yes").code == 2
    assert Key("credential", "demo_static") in connected.store.keys()


def test_where_the_vault_is_locked_the_recipe_goes_all_the_same(inside, connected, recipes) -> None:
    ran = inside(
        "recipes", "remove", "demo", "--yes", ARCRUN_MASTER_KEY=b64encode(bytes([1] * 32)).decode()
    )
    assert ran.code == 0, ran.both
    assert "What is connected by it cannot be told." in ran.err
    assert not (recipes / "demo.yaml").exists()


def test_a_file_that_cannot_be_deleted_is_told(inside, connected, recipes, monkeypatch) -> None:
    """A stub: whoever runs tests as root may delete everything."""
    import os

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        ran = inside("recipes", "remove", "demo", "--yes")
    assert (ran.code, "cannot be deleted: Permission denied" in ran.err) == (1, True)


def test_a_recipe_of_the_community_goes_and_its_author_s_key_stays(inside, home, tmp_path) -> None:
    forge, key = Forge(tmp_path / "forge"), Ed25519PrivateKey.generate()
    try:
        for name in ("shop", "till"):
            forge.commit(key, text(name), service=name)
            added = inside(
                "recipes", "add", f"acme/{name}", "--from", forge.place(), "--yes",
                ARCRUN_ALLOW_HOSTS=forge.origin,
            )  # fmt: skip
            assert added.code == 0, added.both
    finally:
        forge.close()
    assert COMMIT in (home / "recipes" / "recipes.lock").read_text()
    for name, left in (("shop", ["acme__till.yaml"]), ("till", [])):
        ran = inside("recipes", "remove", f"acme/{name}", "--yes")
        assert ran.code == 0, ran.both
        held = lockfile.read(str(home / "recipes")).community
        assert (list(held.recipes), list(held.authors)) == (left, ["acme"])
        assert inside("show", f"acme/{name}").code == 2
        assert inside("recipes", "list").code == 0  # no problem is left behind
    assert inside("recipes", "remove", "acme/shop", "--yes").code == 2
