"""`arcrun recipes update`, `publish`, `sign`, `add author/service`: sources, from end to end."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import arcrun_cli
from arcrun_auth.publishing import pkcs8
from arcrun_cli import hardening
from tests import canary, mirror, servers
from tests.cli.conftest import Ran
from tests.mirror import recipe
from tests.unit.remote.test_community import COMMIT, OTHER, Forge, text


@pytest.fixture
def inside(cli, monkeypatch, capsys):
    """The command in this process: with the environment of `cli`, and nobody at a terminal."""
    # What it does to a process cannot be taken back, and this one runs other tests.
    monkeypatch.setattr(hardening, "apply", lambda: None)

    def run(*args: str, **env: str) -> Ran:
        with monkeypatch.context() as patch:
            for name, value in {**cli.env, **env}.items():
                patch.setenv(name, value)
            code = arcrun_cli.main(args)
        printed = capsys.readouterr()
        assert not canary.hits(printed.out + printed.err), "a secret was shown"
        return Ran(code, printed.out, printed.err)

    run.env, run.home, run.terminal = cli.env, cli.home, cli.terminal
    for name in ("CI", "BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return run


@pytest.fixture
def published(inside, tmp_path, monkeypatch):
    """A maintainer's folders, and what runs `arcrun recipes publish` on them."""
    monkeypatch.setattr(pkcs8, "COST", (2, 1, 1))  # keys that are cheap to open
    given = tmp_path / "given"
    (given / "passphrase").write_text(mirror.PASSPHRASE)

    def publish(*args: str):
        return inside(
            "recipes", "publish", str(given / "site"), "--keys", str(given / "keys"),
            "--recipes", str(given / "recipes"), "--passphrase-file", str(given / "passphrase"),
            *args,
        )  # fmt: skip

    def release(version: int, **texts: str):
        mirror.recipes(given / "recipes", version, **texts)
        return publish()

    publish.release, publish.site = release, given / "site"
    return publish


@pytest.fixture
def source(inside, published):
    assert published("--init").code == 0
    with mirror.mirror(published.site) as server:
        inside.env |= {
            "ARCRUN_RECIPES_URL": server.origin,
            "ARCRUN_RECIPES_ROOT": str(published.site / "1.root.json"),
            "ARCRUN_ALLOW_HOSTS": server.origin,
        }
        yield server


HIGH = 1_000_000
"""A version that no package of ours has yet."""


def test_a_set_goes_from_the_maintainer_to_the_user(inside, published, source) -> None:
    done = published.release(HIGH, acme=recipe("acme"), corp=recipe("corp"))
    assert (done.code, done.out) == (0, "")
    assert f"Version {HIGH} is signed" in done.err

    found = json.loads(inside("recipes", "update", "--json").out)
    assert found["sources"] == [
        {"tier": "official", "changed": True, "error": None, "unusable": {}}
    ]
    new = [c["service"] for c in found["changes"] if c["kind"] == "new"]
    assert new == ["acme", "corp"]
    assert {c["kind"] for c in found["changes"]} == {"new", "removed"}

    ran = published("--rotate", "timestamp")
    assert ran.code == 0
    listed = {role: ids for role, *ids in map(str.split, ran.err.splitlines()[1:5])}
    assert {role: len([i for i in ids if i != "new"]) for role, ids in listed.items()} == {
        "root": 3, "timestamp": 1, "snapshot": 1, "targets": 1,
    }  # fmt: skip
    assert [role for role, ids in listed.items() if "new" in ids] == ["timestamp"]
    ran = published("--rotate", "release")
    assert (ran.code, "root 3" in ran.err) == (0, True)
    published.release(
        HIGH + 1,
        acme=recipe("acme", f"evil.example/{'x' * 400}/end"),
        corp=recipe("corp", description="A word."),
    )
    ran = inside("recipes", "update")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["changed", "acme"]
    assert "api.acme.com → evil.example" in ran.out
    assert "/end: requests would go to another address" in ran.out
    assert "You are asked before it is used" in ran.out
    assert lines[-1].split() == ["changed", "corp"]
    assert "official: fetched" in ran.err

    ran = inside("recipes", "update")
    assert (ran.code, ran.out) == (0, "")
    assert "All recipes are as they were." in ran.err


def test_a_refused_set_is_told_and_ends_in_its_code(inside, published, source) -> None:
    published.release(HIGH, acme=recipe("acme"))
    assert inside("recipes", "update").code == 0
    source.lie = lambda _: servers.Reply(503)
    ran = inside("recipes", "update", "--json")
    assert ran.code == 6
    (found,) = json.loads(ran.out)["sources"]
    assert found["error"]["type"] == "ProviderUnavailable"
    ran = inside("recipes", "update")
    assert ran.code == 6
    assert "status 503" in ran.err
    assert "acme" in inside("recipes", "list").out

    ran = inside("doctor")
    (line,) = [line for line in ran.both.splitlines() if "official source" in line]
    assert "did not give anything" in line
    del inside.env["ARCRUN_RECIPES_URL"]
    ran = inside("doctor")
    (line,) = [line for line in ran.both.splitlines() if "official source" in line]
    assert "is named by no setting" in line
    assert "acme" not in inside("recipes", "list").out


def test_of_a_list_of_rubbish_some_are_told_and_the_number_of_the_others(inside) -> None:
    items = [{"service": f"No. {number}"} for number in range(23)]
    body = json.dumps({"success": True, "recipes": items}).encode()
    with servers.recorder(lambda _: servers.Reply(body=body)) as server:
        inside.env |= {"ARCRUN_SERVER": server.origin, "ARCRUN_ALLOW_HOSTS": server.origin}
        told = inside("recipes", "update").err.splitlines()
        assert sum("is left out: this is no name" in line for line in told) == 20
        assert "  and 3 more; --json lists them all" in told
        found = json.loads(inside("recipes", "update", "--json").out)
        assert len(found["sources"][0]["unusable"]) == 23


def test_no_source_no_update(inside) -> None:
    ran = inside("recipes", "update")
    assert ran.code == 2
    assert "ARCRUN_RECIPES_URL" in ran.err


def test_publish_says_what_is_in_its_way(published) -> None:
    ran = published()
    assert ran.code == 1
    assert "--init" in ran.err
    assert published("--init", "--rotate", "release").code == 2
    assert published("--init").code == 0
    assert published("--init").code == 1
    mirror.recipes(published.site.parent / "recipes", 1, bad="service: bad\n")
    ran = published()
    assert ran.code == 1
    assert "bad.yaml:1" in ran.err


def test_nobody_to_type_a_passphrase(inside, tmp_path) -> None:
    ran = inside("recipes", "publish", str(tmp_path / "s"), "--keys", str(tmp_path / "k"), "--init")
    assert ran.code == 2
    assert "--passphrase-file" in ran.err


def test_key_names_are_those_of_the_repository() -> None:
    from arcrun_auth.publishing.repository import KEYS
    from arcrun_cli.commands.recipes.publish import KEY_NAMES

    assert KEY_NAMES == KEYS


# -- by itself -------------------------------------------------------------------------


def test_show_looks_for_what_nobody_knows_where_somebody_is_there(inside) -> None:
    body = json.dumps({"success": True, "recipe": json_recipe("acme")}).encode()
    list_ = json.dumps({"success": True, "recipes": [], "count": 0}).encode()
    with servers.recorder(
        lambda seen: servers.Reply(body=body if seen.target.endswith("acme") else list_)
    ) as platform:
        inside.env |= {"ARCRUN_SERVER": platform.origin, "ARCRUN_ALLOW_HOSTS": platform.origin}
        assert inside("show", "acme").code == 2
        assert inside("token", "acme", ARCRUN_INTERACTIVE="1").code == 2
        assert inside("show", "acme", CI="true").code == 2
        assert platform.seen == []
        ran = inside("show", "acme", ARCRUN_INTERACTIVE="1")
        assert ran.code == 0
        assert "platform" in ran.out
        assert [seen.target for seen in platform.seen] == ["/auth-recipes", "/auth-recipes/acme"]
    assert inside("show", "acme").code == 0
    ran = inside("list", ARCRUN_INTERACTIVE="1")
    assert ran.code == 0


def json_recipe(service: str) -> dict:
    import yaml

    return yaml.safe_load(recipe(service))


# -- the community ---------------------------------------------------------------------


def test_an_author_signs_and_a_user_adds(inside, tmp_path) -> None:
    given = tmp_path / "given"
    (given / "passphrase").write_text(mirror.PASSPHRASE)
    forge = Forge(given / "forge")
    try:
        file = forge.folder / COMMIT / "recipes/community/acme/shop.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text())
        key = ("--key", str(given / "acme.pem"), "--passphrase-file", str(given / "passphrase"))
        ran = inside("recipes", "sign", str(file), *key)
        assert ran.code == 2
        child = inside.terminal("recipes", "sign", str(file), *key)
        child.expect("Make one")
        child.sendline("y")
        child.expect(r"is signed by (SHA256:[A-Za-z0-9+/]{43})")  # all of it
        fingerprint = child.match.group(1)
        child.wait()

        inside.env |= {"ARCRUN_ALLOW_HOSTS": forge.origin}
        add = ("recipes", "add", "acme/shop", "--from", forge.place())
        ran = inside(*add)
        assert ran.code == 2
        assert f"a key that is new here: {fingerprint}" in ran.err
        assert "api.shop.com" in ran.err
        assert not (inside.home / "recipes").exists()
        assert inside(*add, "--yes").code == 0
        ran = inside(*add, "--yes")
        assert f"the key is the one of before: {fingerprint}" in ran.err
        assert "community" in inside("show", "acme/shop").out

        forge.commit(Ed25519PrivateKey.generate(), text(host="evil.example"), commit=OTHER)
        ran = inside("recipes", "update", ARCRUN_COMMUNITY_URL=forge.place(OTHER))
        assert ran.code == 7
        assert forge.fingerprint in ran.err
        nowhere = inside("recipes", "update", ARCRUN_COMMUNITY_URL=forge.place("3" * 40))
        assert nowhere.code == 0
        assert "acme/shop stays as it was" in nowhere.err
        ran = inside("recipes", "add", "acme/shop", "--from", forge.place(OTHER), "--yes")
        assert ran.code == 7
        assert fingerprint in ran.err
        assert forge.fingerprint in ran.err
    finally:
        forge.close()


def test_author_and_service_are_the_communitys_even_where_a_file_has_that_path(
    inside, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/shop").write_text(recipe("planted"))
    forge = Forge(tmp_path / "forge")
    try:
        forge.commit(Ed25519PrivateKey.generate(), text())
        inside.env |= {"ARCRUN_ALLOW_HOSTS": forge.origin}
        assert inside("recipes", "add", "acme/shop", "--yes").code == 1  # no place is named
        ran = inside("recipes", "add", "acme/shop", "--from", forge.place(), "--yes")
        assert (ran.code, "is signed by acme" in ran.err) == (0, True)
        assert inside("show", "planted").code == 2
        assert "planted" not in inside("recipes", "diff", "acme/shop").both
        assert "planted" in inside("recipes", "diff", "./acme/shop").out
        assert "planted" not in inside("recipes", "push", "acme/shop", "--yes").both

        ran = inside("recipes", "add", "./acme/shop", "--from", forge.place(), "--yes")
        assert (ran.code, "this is a file" in ran.err) == (2, True)
        assert inside("show", "planted").code == 2
        ran = inside("recipes", "add", "./acme/shop", "--yes")
        assert (ran.code, "signed" in ran.err) == (0, False)
        assert "local" in inside("show", "planted").out
    finally:
        forge.close()
