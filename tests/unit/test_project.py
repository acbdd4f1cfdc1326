"""`[tool.arcrun]` of a pyproject.toml: found, read, followed, and held against what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from arcrun_auth import errors, project
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.settings import Settings
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Consent, Credential, Grant, Key, Secret
from tests import canary
from tests.world import Told, broker_for, home_with

if TYPE_CHECKING:
    from pathlib import Path


def declare(folder: Path, services: str, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pyproject.toml"
    file.write_text(f"{more}\n[tool.arcrun]\nservices = {services}\n")
    return file


def found(folder: Path, home: Path | str = "/nowhere", **kwargs) -> list[tuple[str, tuple]] | None:
    got = project.find(str(folder), str(home), **kwargs)
    return None if got is None else [(need.name, need.scopes) for need in got.needs]


# -- which file ----------------------------------------------------------------------------


def test_both_forms_of_an_entry_are_read_in_their_order(tmp_path) -> None:
    declare(tmp_path, '["notion", {name = "demo@work", scopes = ["read"]}, {name = "keyed"}]')
    assert found(tmp_path) == [("notion", ()), ("demo@work", ("read",)), ("keyed", ())]


def test_it_holds_in_folders_below_and_the_nearest_one_counts(tmp_path) -> None:
    declare(tmp_path, '["notion"]')
    declare(tmp_path / "a", '["keyed"]')
    deep = tmp_path / "a" / "b"
    deep.mkdir()
    (deep / "pyproject.toml").write_text("[project]\nname = 'without'\n")
    assert found(deep) == [("keyed", ())]
    assert found(tmp_path) == [("notion", ())]


def test_nothing_above_the_home_is_looked_at(tmp_path) -> None:
    declare(tmp_path, '["notion"]')
    home = tmp_path / "home"
    below = home / "work"
    below.mkdir(parents=True)
    assert found(below, home) is None
    assert found(below) == [("notion", ())]
    declare(home, '["keyed"]')
    assert found(below, home) == [("keyed", ())]


def test_the_home_may_be_a_link(tmp_path) -> None:
    declare(tmp_path, '["notion"]')
    (tmp_path / "home" / "work").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert found(tmp_path / "home" / "work", tmp_path / "link") is None


@pytest.mark.parametrize(
    "text",
    [
        "this = is [ no toml",
        "\xff",
        "# nothing about tool.arcrun here\n[project]\nname = 'x'",
        "[tool.arcrunner]\nservices = 1",
        "tool = 1 # tool.arcrun",
        "x" * (project.MAX_BYTES + 9),
    ],
    ids=["broken", "bytes", "comment", "another", "no table", "long"],
)
def test_a_file_without_our_table_is_none_of_our_business(tmp_path, text) -> None:
    declare(tmp_path, '["notion"]')
    below = tmp_path / "below"
    below.mkdir()
    (below / "pyproject.toml").write_bytes(text.encode("latin-1"))
    assert found(below) == [("notion", ())]


def test_what_is_no_file_is_passed_over(tmp_path) -> None:
    declare(tmp_path, '["notion"]')
    (tmp_path / "a" / "pyproject.toml").mkdir(parents=True)
    assert found(tmp_path / "a") == [("notion", ())]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_a_pipe_of_that_name_keeps_nobody_waiting(tmp_path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    code = (
        f"from arcrun_auth.project import find; print(find({str(tmp_path)!r}, {str(tmp_path)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.stdout == b"None\n"


def test_no_toml_is_parsed_where_the_table_is_not(tmp_path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'without'\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    code = (
        "import sys; from arcrun_auth.settings import Settings;"
        "assert Settings().project is None; print('tomllib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, timeout=60
    )
    assert done.stdout == b"False\n", done.stderr


# -- wrong shapes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.arcrun]\nservices = [", "Invalid value"),
        ("x = " + "[" * 100_000 + "\n[tool.arcrun]", "pyproject.toml: "),
        ("[tool.arcrun]\nservices = '\xff'", "utf-8"),
        ("[tool]\narcrun = 1 # tool.arcrun", "no table"),
        ("[[tool.arcrun]]", "no table"),
        ("[tool.arcrun]\nservice = ['notion']", "knows only services"),
        ("[tool.arcrun]\nservices = 'notion'", "services is no list"),
        ("[tool.arcrun]\nservices = ['notion', 1]", "entry 2 of services has no name"),
        ("[tool.arcrun]\nservices = [{scopes = []}]", "entry 1 of services has no name"),
        ("[tool.arcrun]\nservices = [{name = 'a', scope = 'b'}]", "knows only name and scopes"),
        ("[tool.arcrun]\nservices = [{name = 'a', scopes = 'b'}]", "scopes of entry 1"),
        ("[tool.arcrun]\nservices = [{name = 'a', scopes = ['']}]", "scopes of entry 1"),
        ("[tool.arcrun]\nservices = ['notion', 'notion@default']", "entry 2 of services stands"),
        ("[tool.arcrun]\nservices = ['No Tion']", "a service's name is"),
        ("[tool.arcrun]\nservices = ['notion@']", "an instance's name is"),
        ("[tool.arcrun]\n" + "#" * project.MAX_BYTES, "more than 1 MiB"),
    ],
    ids=lambda text: "" if "\n" in text else text,
)
def test_a_wrong_shape_names_the_file_and_what_to_do(tmp_path, text, said) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(errors.AuthError, match=said) as caught:
        found(tmp_path)
    assert str(tmp_path / "pyproject.toml") in caught.value.message
    assert "ARCRUN_PROJECT=0" in caught.value.hint


def test_a_key_that_was_pasted_there_is_not_repeated(tmp_path) -> None:
    file = declare(tmp_path, f'["{canary.WORD}-Key"]')
    with pytest.raises(errors.AuthError) as caught:
        found(tmp_path)
    assert not canary.hits(str(caught.value))
    file.unlink()


# -- whose file ----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no such numbers")
def test_a_file_of_another_user_is_followed_only_if_that_is_said(tmp_path, monkeypatch) -> None:
    # Only root could give a file away: whom it belongs to is asked of somebody else instead.
    declare(tmp_path, '["notion"]')
    monkeypatch.setattr(project, "_trusted", lambda: (4711,))
    with pytest.raises(errors.AuthError, match="another user") as caught:
        found(tmp_path)
    assert "ARCRUN_PROJECT=1" in caught.value.hint
    assert found(tmp_path, anyones=True) == [("notion", ())]
    monkeypatch.setattr(project, "_trusted", lambda: (os.getuid(),))
    assert found(tmp_path) == [("notion", ())]


def test_ours_and_those_of_root_are_followed() -> None:
    assert 0 in project._trusted()
    if hasattr(os, "getuid"):
        assert os.getuid() in project._trusted()


# -- the setting ---------------------------------------------------------------------------


def test_it_is_looked_for_once(tmp_path, monkeypatch) -> None:
    file = declare(tmp_path, '["notion"]')
    monkeypatch.chdir(tmp_path)
    here = Settings(str(tmp_path / "home"), environ={})
    first = here.project
    file.write_text("broken tool.arcrun [")
    assert first is not None
    assert here.project is first


@pytest.mark.parametrize(("word", "followed"), [("0", False), ("off", False), ("1", True)])
def test_it_can_be_switched_off(tmp_path, monkeypatch, word, followed) -> None:
    declare(tmp_path, '["notion"]')
    monkeypatch.chdir(tmp_path)
    here = Settings(str(tmp_path / "home"), environ={"ARCRUN_PROJECT": word})
    assert (here.project is not None) is followed


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be deleted there")
def test_a_folder_that_was_deleted_has_no_project(tmp_path, monkeypatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Settings(str(tmp_path), environ={}).project is None


# -- which instance a plain name means -----------------------------------------------------


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def desk(tmp_path, provider, monkeypatch):
    """A broker in a project's folder, with everything else in memory."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    broker = broker_for(home_with(tmp_path, provider), provider, Told(), store=Memory())
    yield broker
    broker.close()


def instances(desk: Broker) -> list[str]:
    return sorted(desk.list_services()["keyed"].instances)


def test_a_plain_name_means_the_declared_instance(desk, provider, tmp_path) -> None:
    file = declare(tmp_path / "project", '["keyed@work"]')
    desk.setup("keyed", key=provider.static_key)

    assert instances(desk) == ["work"]
    assert desk.get_token("keyed").access_token == provider.static_key
    assert desk.test("keyed").instance == "work"
    with desk.bind("keyed") as client:
        assert client.get("/static").json()["ok"]
    why = desk.why("keyed")
    assert (why.instance, why.project) == ("work", str(file))
    assert desk.remove("keyed")
    assert instances(desk) == []


def test_an_instance_that_is_named_wins(desk, provider, tmp_path) -> None:
    declare(tmp_path / "project", '["keyed@work"]')
    desk.setup("keyed", "home", key=provider.static_key)
    desk.setup("keyed@default", key=provider.static_key)

    assert instances(desk) == ["default", "home"]
    for name, instance in (("keyed", "home"), ("keyed@home", None), ("keyed@default", None)):
        why = desk.why(name, instance)
        assert (why.status, why.project) == ("connected", None)
    with pytest.raises(errors.MissingSecret) as caught:
        desk.bind("keyed", interactive=False)
    assert caught.value.hint == "arcrun setup keyed@work"


@pytest.mark.parametrize("services", ['["keyed@work", "keyed@home"]', '["demo@work"]', "[]"])
def test_of_two_or_none_the_plain_name_stays_what_it_was(desk, tmp_path, services) -> None:
    declare(tmp_path / "project", services)
    why = desk.why("keyed")
    assert (why.instance, why.project) == ("default", None)


@pytest.mark.parametrize("declared", ["shop@work", "keyed@work"])
@pytest.mark.parametrize("asked", ["shop", "keyed"])
def test_an_alias_is_the_same_service(tmp_path, provider, monkeypatch, declared, asked) -> None:
    recipe = provider.recipe_yaml("keyed", primitive="static_key") + "\naliases: [shop]\n"
    declare(tmp_path / "project", f'["{declared}"]')
    monkeypatch.chdir(tmp_path / "project")
    desk = broker_for(home_with(tmp_path, provider, keyed=recipe), provider, store=Memory())
    assert desk.why(asked).instance == "work"
    desk.close()


def test_a_project_that_is_wrong_stops_plain_names_only(desk, tmp_path) -> None:
    declare(tmp_path / "project", "1")
    with pytest.raises(errors.AuthError, match="services is no list"):
        desk.bind("keyed")
    assert desk.why("keyed@work").status == "not connected"


# -- check ---------------------------------------------------------------------------------


def checked(desk: Broker) -> dict[str, tuple[str, tuple[str, ...], bool]]:
    return {needed.name: (needed.status, needed.missing, needed.ok) for needed in desk.check()}


def test_nothing_declared_is_nothing_to_check(desk) -> None:
    assert desk.check() == ()


def test_what_is_connected_is_told_from_what_is_not(desk, provider, tmp_path) -> None:
    declare(tmp_path / "project", '["keyed@work", "demo", "keyd", "keyed@home"]')
    desk.setup("keyed@work", key=provider.static_key)
    before = provider.requests.total()
    desk._person = Nobody()

    assert checked(desk) == {
        "keyed@work": ("connected", (), True),
        "demo": ("not connected", ("login",), False),
        "keyd": ("unknown service", (), False),
        "keyed@home": ("not connected", ("keyed_key",), False),
    }
    assert provider.requests.total() == before
    kinds = [type(needed.error) for needed in desk.check()]
    assert kinds == [type(None), errors.LoginRequired, errors.UnknownService, errors.MissingSecret]


def with_grant(desk: Broker, **changes) -> None:
    record = desk.store.get(Key("credential", "demo"))
    changed = record.replace(grant=record.grant.replace(**changes))
    desk.store.put(changed, expect=record.generation)


@pytest.mark.parametrize(
    ("changes", "stands"),
    [
        ({"expires": 1.0}, ("expired", (), True)),
        ({"expires": 1.0, "refresh_token": None}, ("expired", ("login",), False)),
        ({"expires": 1.0, "refresh_expires": 2.0}, ("expired", ("login",), False)),
        ({"expires": 1.0, "refresh_expires": 9e9}, ("expired", (), True)),
        ({"dead": "revoked"}, ("revoked", ("login",), False)),
        ({"scopes": ("write",)}, ("missing scopes", ("read",), False)),
    ],
    ids=str,
)
def test_a_login_as_it_stands(desk, provider, tmp_path, changes, stands) -> None:
    declare(tmp_path / "project", '[{name = "demo", scopes = ["read"]}]')
    desk.setup("demo")
    before = provider.requests.total()
    with_grant(desk, **changes)

    assert checked(desk) == {"demo": stands}
    assert provider.requests.total() == before


def test_a_renewal_without_the_app_cannot_be(desk, tmp_path) -> None:
    declare(tmp_path / "project", '["demo"]')
    desk.setup("demo")
    app = Key("app", "demo")
    desk.store.delete(app, expect=desk.store.get(app).generation)
    assert checked(desk)["demo"] == ("connected", (), True)
    with_grant(desk, expires=1.0)
    assert checked(desk)["demo"] == ("expired", ("client_id",), False)


def test_a_login_that_is_made_again_by_itself_needs_no_refresh_token(
    tmp_path, provider, monkeypatch
) -> None:
    recipe = provider.recipe_yaml("demo", grant="client_credentials", auth="basic")
    declare(tmp_path / "project", '["demo"]')
    monkeypatch.chdir(tmp_path / "project")
    app, store = {"client_id": "demo-basic", "client_secret": provider.client_secret}, Memory()
    secrets = {name: Secret(value) for name, value in app.items()}
    store.put(Credential(Key("app", "demo"), secrets=secrets), expect=0)
    desk = broker_for(home_with(tmp_path, provider, demo=recipe), provider, store=store)
    desk.setup("demo")
    with_grant(desk, expires=1.0)
    assert checked(desk)["demo"] == ("expired", (), True)
    desk.close()


def test_an_app_that_comes_with_the_recipe_cannot_be_missing(
    tmp_path, provider, monkeypatch
) -> None:
    provider.register("shipped")
    recipe = provider.recipe_yaml("demo").replace("auth: none", "auth: none\n    id: shipped")
    declare(tmp_path / "project", '["demo"]')
    monkeypatch.chdir(tmp_path / "project")
    desk = broker_for(home_with(tmp_path, provider, demo=recipe), provider, store=Memory())
    app = Key("app", "demo")
    desk.store.delete(app, expect=desk.store.get(app).generation)
    desk.setup("demo")
    with_grant(desk, expires=1.0)
    assert checked(desk)["demo"] == ("expired", (), True)
    desk.close()


def test_a_recipe_that_was_changed_is_not_agreed_to(desk, provider, tmp_path) -> None:
    declare(tmp_path / "project", '["keyed"]')
    desk.setup("keyed", key=provider.static_key)
    record = desk.store.get(Key("credential", "keyed"))
    old = record.consents["keyed"]
    other = Consent(
        digest="other", projection={}, hosts=old.hosts, tier=old.tier, release=old.release
    )
    desk.store.put(record.replace(consents={"keyed": other}), expect=record.generation)

    assert checked(desk)["keyed"] == ("not agreed", (), False)


def test_a_damaged_record_is_unusable_and_the_others_are_told(
    desk, provider, tmp_path, monkeypatch
) -> None:
    declare(tmp_path / "project", '["keyed@old", "keyed"]')
    desk.setup("keyed", key=provider.static_key)
    real = desk.store.get

    def get(key: Key) -> Credential | None:  # a damaged record needs a vault and a disk
        if key.instance == "old":
            raise errors.StoreCorrupt("It was set aside.")
        return real(key)

    monkeypatch.setattr(desk.store, "get", get)
    assert checked(desk) == {
        "keyed@old": ("unusable", (), False),
        "keyed": ("connected", (), True),
    }


def test_an_app_that_is_damaged_makes_its_login_unusable(desk, tmp_path, monkeypatch) -> None:
    declare(tmp_path / "project", '["demo"]')
    desk.setup("demo")
    with_grant(desk, expires=1.0)
    real = desk.store.get

    def get(key: Key) -> Credential | None:  # a damaged record needs a vault and a disk
        if key.kind == "app":
            raise errors.StoreCorrupt("It was set aside.")
        return real(key)

    monkeypatch.setattr(desk.store, "get", get)
    assert checked(desk)["demo"] == ("unusable", (), False)


def test_a_store_that_is_locked_is_no_answer(desk, tmp_path, monkeypatch) -> None:
    declare(tmp_path / "project", '["keyed"]')

    def get(key: Key) -> None:
        raise errors.StoreLocked("The vault is locked.")

    monkeypatch.setattr(desk.store, "get", get)
    with pytest.raises(errors.StoreLocked):
        desk.check()


def test_a_token_of_the_environment_is_enough(tmp_path, provider, monkeypatch) -> None:
    declare(tmp_path / "project", '["keyed", "keyed@work"]')
    monkeypatch.chdir(tmp_path / "project")
    desk = Broker(
        home=home_with(tmp_path, provider),
        person=Nobody(),
        allow_hosts=[provider.issuer],
        environ={"ARCRUN_KEYRING": "off", "ARCRUN_KEYED_KEY": canary.fresh()},
    )
    assert checked(desk) == {
        "keyed": ("connected", (), True),
        "keyed@work": ("not connected", ("keyed_key",), False),
    }
    desk.close()


def test_a_grant_shows_in_no_answer(desk, tmp_path) -> None:
    declare(tmp_path / "project", '["demo"]')
    grant = Grant(access_token=Secret(canary.fresh()), issued=0.0, dead="revoked")
    desk.store.put(Credential(Key("credential", "demo"), method="oauth", grant=grant), expect=0)
    assert not canary.hits(repr(desk.check()))


@pytest.mark.parametrize("scope", ["a b", "a\\u001b[2J", 'x\\"y', "back\\\\slash", "ü", ""])
def test_what_is_no_scope_is_refused_and_not_repeated(tmp_path, scope) -> None:
    declare(tmp_path, f'[{{name = "demo", scopes = ["{scope}"]}}]')
    with pytest.raises(errors.AuthError, match="no list of names") as caught:
        found(tmp_path)
    assert "\x1b" not in str(caught.value)


def test_the_next_command_to_type_runs_nothing_that_a_project_wrote(
    desk, provider, tmp_path
) -> None:
    """Whoever follows the hint types it into a shell, and an agent does so by itself."""
    import shlex

    declare(tmp_path, '[{name = "demo", scopes = ["write;touch${IFS}pwned", "`id`"]}]')
    desk.setup("demo")
    (needed,) = desk.check()
    assert needed.status == "missing scopes"
    words = shlex.split(needed.error.hint, comments=True)
    assert words == ["arcrun", "setup", "demo", "--scopes", "+write;touch${IFS}pwned,+`id`"]
    tokens = list(shlex.shlex(needed.error.hint, posix=True, punctuation_chars=True))
    assert not {";", "&", "|", "`"} & set(tokens)
