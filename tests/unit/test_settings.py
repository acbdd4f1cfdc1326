from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import AuthError, StoreError
from arcrun_auth.settings import KNOWN, Settings, find_home
from tests import canary

if TYPE_CHECKING:
    from pathlib import Path


def settings(tmp_path: Path, toml: str | None = None, **environ: str) -> Settings:
    if toml is not None:
        (tmp_path / "config.toml").write_text(toml)
    return Settings(str(tmp_path), environ=environ)


def test_the_environment_comes_before_the_file(tmp_path) -> None:
    here = settings(tmp_path, 'store = "keyring"\nlogin_timeout = 30', ARCRUN_STORE="vault")
    assert here.store == "vault"
    assert here.login_timeout == 30.0


def test_without_a_file_the_defaults_hold(tmp_path) -> None:
    here = settings(tmp_path)
    assert (here.store, here.login_timeout, here.allow_hosts) == ("vault", 300.0, ())
    assert here.flag("interactive") is None


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("store = [", "config.toml"),
        ("stroe = 'vault'", "no setting 'stroe'"),
        ("store = 'paper'", "'paper'"),
        ("login_timeout = 0", "login_timeout"),
        ("login_timeout = 'soon'", "login_timeout"),
        ("login_timeout = nan", "login_timeout"),
        ("login_timeout = inf", "login_timeout"),
        ("login_timeout = [1]", "login_timeout"),
        ("interactive = 'perhaps'", "neither yes nor no"),
        ("apps = 'x'", "apps.NAME is no table"),
        ("[apps]\nfleet = 1", "apps.fleet is no table"),
        ("[apps.fleet]\nid = 'x'", "no setting 'id'"),
        ("[apps.fleet]\nclient_id = 1", "client_id is no text"),
        ("[apps.fleet]\nclient_file = ''", "client_file is no text"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, toml, said) -> None:
    here = settings(tmp_path, toml)
    with pytest.raises(AuthError, match=said):
        _ = (here.get("store"), here.store, here.login_timeout, here.flag("interactive"))


@pytest.mark.parametrize("name", ["client_secret", "private_key", "certificate"])
def test_a_secret_in_clear_is_refused_and_not_repeated(tmp_path, name) -> None:
    secret, given = canary.fresh(), tmp_path / "given"
    given.mkdir()
    with pytest.raises(AuthError, match="in clear") as caught:
        settings(given, f'[apps.fleet]\n{name} = "{secret}"').get("store")
    assert f"{name}_file" in (caught.value.hint or "")
    assert secret not in str(caught.value)


def test_apps_are_tables_by_name(tmp_path) -> None:
    assert settings(tmp_path).apps == {}
    here = settings(tmp_path, '[apps.fleet]\nclient_id = "id-1"')
    assert here.apps == {"fleet": {"client_id": "id-1"}}


def test_a_file_that_cannot_be_read_is_named(tmp_path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(AuthError, match=r"config\.toml cannot be read"):
        settings(tmp_path).get("store")


@pytest.mark.parametrize(("word", "meant"), [("1", True), ("No", False), ("on", True), ("", False)])
def test_flags_are_words_people_use(tmp_path, word, meant) -> None:
    assert settings(tmp_path, ARCRUN_INTERACTIVE=word).flag("interactive") is meant


def test_allowed_hosts_are_separated_by_commas_or_a_list(tmp_path) -> None:
    wanted = ("http://127.0.0.1:1", "https://intra:8443")
    assert settings(tmp_path, ARCRUN_ALLOW_HOSTS=" , ".join(wanted)).allow_hosts == wanted
    assert settings(tmp_path, f"allow_hosts = {list(wanted)}").allow_hosts == wanted


def test_every_setting_has_a_word_of_explanation() -> None:
    assert all(len(text) > 20 for text in KNOWN.values())


# -- the home ------------------------------------------------------------------------------


def vault_in(folder: Path) -> str:
    folder.mkdir(parents=True)
    (folder / "secrets.db").touch()
    return str(folder)


def test_the_chosen_home_wins(tmp_path) -> None:
    assert find_home({"ARCRUN_HOME": str(tmp_path), "HOME": "/nowhere"}) == str(tmp_path)
    expected = os.path.expanduser("~/x")
    assert find_home({"ARCRUN_HOME": "~/x"}) == expected


def test_the_usual_home_is_below_the_users(tmp_path) -> None:
    assert find_home({"HOME": str(tmp_path)}) == str(tmp_path / ".arcrun")


def test_a_chosen_data_folder_is_used_for_a_new_home(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    assert find_home(environ) == str(tmp_path / "data" / "arcrun")


def test_a_vault_that_is_there_is_found_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    usual = vault_in(tmp_path / ".arcrun")
    assert find_home(environ) == usual


def test_two_vaults_are_an_error_that_names_both(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    one, other = vault_in(tmp_path / ".arcrun"), vault_in(tmp_path / "data" / "arcrun")
    with pytest.raises(StoreError) as caught:
        find_home(environ)
    assert one in str(caught.value)
    assert other in str(caught.value)
    assert caught.value.hint == f"export ARCRUN_HOME={one}"


def test_a_home_that_cannot_be_written_is_left_for_the_data_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert find_home({"HOME": str(tmp_path)}) != str(tmp_path / ".arcrun")
