"""Keys in `.env`, netrc and the keyring, and files of whatever kind: what is found, and where."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from arcrun_auth.errors import AuthError
from arcrun_auth.importers import NAMES, Where, find, find_in
from arcrun_auth.importers.model import File, Unreadable, read_file
from arcrun_auth.stores.keyring_backend import OSKeyring, Unavailable
from tests import canary
from tests.unit.importers_kit import (
    DRIVE,
    adc,
    at_home,
    here,
    original,
    rclone_token,
    services,
    token_json,
    user,
    values,
    with_environ,
)  # fmt: skip

__all__ = ["services", "user"]


def test_every_source_has_its_place_in_the_list() -> None:
    assert NAMES == ("gh", "gcloud", "token", "rclone", "aws", "env", "netrc", "keyring")


def test_an_empty_home_has_nothing(user, services) -> None:
    assert find(user, services) == []


# -- .env --------------------------------------------------------------------------------


def test_variables_are_known_by_the_names_of_the_recipes(user, services) -> None:
    notion, openai = canary.fresh("notion"), canary.fresh("openai")
    here(
        user,
        ".env",
        f"# my keys\nDEBUG=1\nexport NOTION_TOKEN='{notion}'\n"
        f'ARCRUN_OPENAI_API_KEY="{openai}" # for tests\nDATABASE_URL=${{HOST}}/x\n',
    )
    found = {each.service: each for each in find(user, services, ["env"])}
    assert set(found) == {"notion", "openai"}
    assert values(found["notion"]) == {"notion_token": notion}
    assert found["notion"].at == "NOTION_TOKEN (line 3)"
    assert original(found["notion"]) == f"export NOTION_TOKEN='{notion}'\n"
    assert values(found["openai"]) == {"openai_api_key": openai}


def test_a_service_with_two_secrets_wants_both(user, services) -> None:
    sid, token = "AC" + "0" * 32, canary.fresh()
    here(user, ".env", f"TWILIO_ACCOUNT_SID={sid}\n")
    here(user, ".env.local", f"TWILIO_ACCOUNT_SID={sid}\nX=1\nTWILIO_AUTH_TOKEN={token}\n")
    half, whole = find(user, services, ["env"])
    assert "twilio needs twilio_auth_token as well" in half.why_not
    assert whole.at == "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN (line 1, line 3)"
    assert set(values(whole)) == {"twilio_account_sid", "twilio_auth_token"}
    assert "X=1" not in original(whole)


def test_a_value_is_known_by_its_beginning_if_one_service_alone_begins_so(user, services) -> None:
    here(
        user,
        ".env",
        "MY_KEY=hf_AAAAAAAAAAAAAAAA0000\n"
        "CLAUDE=sk-ant-AAAAAAAAAAAAAAA0\n"
        "AMBIGUOUS=sk-AAAAAAAAAAAAAAAAA0\n"
        "SHORT=hf_A0\n"
        "WORDS=re_build_everything_always\n"
        "HEX=0123456789abcdef0123456789abcdef\n",
    )
    found = {each.at.split(" ")[0]: each for each in find(user, services, ["env"])}
    assert {at: each.service for at, each in found.items()} == {
        "MY_KEY": "huggingface",
        "CLAUDE": "anthropic",
    }
    assert "Only its beginning" in found["MY_KEY"].notices[0]


def test_samples_of_env_files_are_no_env_files(user, services) -> None:
    for name in (".env.example", ".env.sample", ".environment", "x.env"):
        here(user, name, "NOTION_TOKEN=ntn_x\n")
    assert find(user, services, ["env"]) == []


def test_of_a_variable_that_is_set_twice_the_last_counts(user, services) -> None:
    new = canary.fresh("new")
    text = f"NOTION_TOKEN={new}\nNOTION_TOKEN={canary.fresh('old')}\nNOTION_TOKEN={new}\n"
    here(user, ".env", text)
    (found,) = find(user, services, ["env"])
    assert values(found) == {"notion_token": new}
    assert original(found) == f"NOTION_TOKEN={new}\n" * 2


# -- netrc -------------------------------------------------------------------------------


def test_machines_whose_api_a_recipe_knows(user, services) -> None:
    api, git = "plain-" + canary.fresh("api"), "ghp_AAAAAAAAAAAAAAAA0000"
    at_home(
        user,
        ".netrc",
        f"""machine api.github.com login ada password {api}
machine github.com
  login ada
  password {git}
machine github.com login bob password my-account-password
machine ftp.example.com login ada password x
default login anonymous password guest
""",
    )
    first, second = find(user, services, ["netrc"])
    assert (first.service, first.at) == ("github", "machine api.github.com (line 1)")
    assert values(first) == {"github_token": api}
    assert values(second) == {"github_token": git}
    assert original(second) == f"machine github.com\n  login ada\n  password {git}\n"


def test_login_and_password_are_where_the_recipe_puts_them(user, services) -> None:
    key = canary.fresh("twilio")
    path = here(
        user,
        "n",
        f"machine api.stripe.com login {key}\n"
        f'machine api.twilio.com login AC0 password "{key}"\n'
        "machine api.twilio.com login AC1\n",
    )
    where = with_environ(user, NETRC=path)
    stripe, twilio, half = find(where, services, ["netrc"])
    assert stripe.why_not == "its login and password are not what stripe takes"
    assert values(twilio) == {"twilio_account_sid": "AC0", "twilio_auth_token": key}
    assert half.why_not == "its login and password are not what twilio takes"


def test_a_password_is_no_key_file_and_nothing_that_a_machine_has(user, services) -> None:
    text = f"machine www.googleapis.com login ada password {canary.fresh()}\n"
    at_home(user, ".netrc", text)
    assert find(user, services, ["netrc"]) == []
    assert services.key_way("google_drive") is None
    assert services.key_way("notion") is not None


def test_what_is_no_netrc_says_from_where_on(user, services) -> None:
    at_home(user, ".netrc", "machine a login b\nnonsense\n")
    (found,) = find(user, services, ["netrc"])
    assert found.why_not == "it is no netrc from line 2 on"


# -- the keyring -------------------------------------------------------------------------


class Backend:
    """A keyring of what programs in Go put there."""

    def __init__(self, items: dict[tuple[str, str], str]) -> None:
        self.items = items
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append((service, username))
        return self.items.get((service, username))


def test_items_of_the_keyring_are_asked_for_by_the_names_that_we_know(user, services) -> None:
    active, bob = "gho_" + canary.fresh("active"), "gho_" + canary.fresh("bob")
    encoded = "go-keyring-base64:" + base64.b64encode(active.encode()).decode()
    backend = Backend(
        {
            ("gh:github.com", ""): encoded,
            ("gh:github.com", "ada"): encoded,
            ("gh:github.com", "bob"): bob,
            ("glab:gitlab.com", ""): "go-keyring-base64:%%%",
            ("chrome", ""): "not ours",
        }
    )
    at_home(user, ".config/gh/hosts.yml", "github.com:\n    users:\n        ada:\n        bob:\n")
    found = find(user, services, ["keyring"], keyring=OSKeyring(lambda: backend))
    assert [(each.at, values(each)) for each in found] == [
        ("gh:github.com", {"github_token": active}),
        ("gh:github.com, user bob", {"github_token": bob}),
    ]
    assert not any(each.removable for each in found)
    assert {name.split(":")[0] for name, _ in backend.asked} == {"gh", "glab"}


def test_a_keyring_that_does_not_answer_is_told_once(user, services) -> None:
    def absent():
        raise Unavailable("the OS keyring is locked")

    (found,) = find(user, services, ["keyring"], keyring=OSKeyring(absent))
    assert found.why_not == "the OS keyring is locked"


# -- files -------------------------------------------------------------------------------


def test_a_file_is_told_by_its_content(user, services) -> None:
    kinds = {
        "gh": "github.com:\n    oauth_token: gho_x\n",
        "gcloud": adc(),
        "token": token_json(DRIVE),
        "rclone": f"[a]\ntype = dropbox\nclient_id = x\ntoken = {rclone_token()}\n",
        "aws": "[default]\naws_access_key_id = A\naws_secret_access_key = B\n",
        "netrc": "machine api.github.com login a password b\n",
        "env": "NOTION_TOKEN=ntn_x\n",
    }
    for kind, text in kinds.items():
        found = find_in(here(user, "file", text), user, services)
        assert {each.source for each in found} == {kind}


def test_a_file_of_no_kind_and_one_that_is_not_there(user, services) -> None:
    with pytest.raises(AuthError, match="nothing that can be taken in"):
        find_in(here(user, "file", "hello"), user, services)
    with pytest.raises(AuthError, match="There is no file"):
        find_in(f"{user.folder}/none", user, services)
    with pytest.raises(AuthError, match="it is a folder"):
        find_in(user.folder, user, services)


def test_a_file_that_cannot_be_read_is_a_finding_that_says_so(user, services) -> None:
    os.mkdir(os.path.join(user.home, ".netrc"))
    os.makedirs(os.path.join(user.home, ".config", "gh"))
    os.mkfifo(os.path.join(user.home, ".config", "gh", "hosts.yml"))
    os.mkdir(os.path.join(user.home, ".aws"))
    Path(user.home, ".aws", "credentials").write_bytes(b"x" * ((1 << 20) + 1))
    found = {each.source: each.why_not for each in find(user, services)}
    assert found == {
        "netrc": "it is a folder",
        "gh": "it is no file",
        "aws": "it is larger than 1 MiB: it is something else",
    }


def test_a_file_that_the_system_does_not_open_says_why(user) -> None:
    path = os.path.join(user.folder, "loop")
    os.symlink(path, path)
    with pytest.raises(Unreadable, match="cannot be read: Too many levels"):
        read_file(path)


def test_places_that_are_gone_or_damaged_are_passed_over(user, services, monkeypatch) -> None:
    gone = Where({}, user.home, f"{user.folder}/gone", "linux")
    assert find(gone, services, ["env"]) == []
    os.makedirs(os.path.join(user.home, ".config", "gh", "hosts.yml"))
    ring = OSKeyring(lambda: Backend({}))
    assert find(user, services, ["keyring"], keyring=ring) == []
    with pytest.raises(AuthError, match="nothing that can be taken in"):
        find_in(here(user, "t.json", '{"refresh_token": '), user, services)
    monkeypatch.setattr(os, "getcwd", _no_folder)
    assert Where.here({}).folder == Where.here({}).home


def _no_folder() -> str:
    raise FileNotFoundError  # what the system says where the folder was deleted under us


def test_services_without_a_fitting_key_are_none(services) -> None:
    assert services.keyed_way("notion", "access_key_id") == ""
    assert services.key_way("twilio") is None
    assert services.first(["nothing"]) == ""


def test_bytes_that_are_no_text_come_back_as_they_were(user) -> None:
    path = os.path.join(user.folder, "f")
    data = bytes(range(256)) + "ä€".encode()
    Path(path).write_bytes(data)
    assert read_file(path).text.encode("utf-8", "surrogateescape") == data


def test_a_finding_shows_no_value(user, services) -> None:
    here(user, "token.json", token_json(DRIVE))
    here(user, ".env", f"NOTION_TOKEN={canary.fresh()}\n")
    for found in find(user, services):
        assert not canary.hits(repr(found))
    assert not canary.hits(repr(File("p", canary.fresh())))


def test_paths_are_short_and_windows_has_its_own(user) -> None:
    assert user.short(f"{user.home}/.netrc") == "~/.netrc"
    assert user.short(f"{user.folder}/.env") == ".env"
    assert user.short("/etc/x") == "/etc/x"
    windows = Where({"APPDATA": "C:/Roaming"}, user.home, user.folder, "win32")
    assert windows.config("gh", "GitHub CLI") == os.path.join("C:/Roaming", "GitHub CLI")
    assert Where.here({}).folder == os.getcwd()
