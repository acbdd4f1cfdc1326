"""`arcrun import` takes in, tests, and clears away what was in plain text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import arcrun_cli
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.cli.import_desk import desk, drive_recipe, full, provider
from tests.world import Told

__all__ = ["desk", "provider"]

# -- taking in ---------------------------------------------------------------------------


def test_a_key_is_taken_in_tested_and_its_line_removed(desk) -> None:
    path = desk.env()
    path.chmod(0o640)
    assert desk.run() == 0
    assert "Take in keyed from .env: ARCRUN_KEYED_KEY (line 2)?" in desk.person.asked
    assert path.read_text() == "A=1\nB=2\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(desk.work)) == [".env"]
    broker = desk.broker()
    assert broker.test("keyed").identity
    broker.close()


def test_a_login_is_taken_in_and_renewed_by_its_own_app(desk) -> None:
    path = desk.token_json()
    assert desk.run("token") == 0
    assert not path.exists()
    assert "token.json is deleted." in desk.err
    assert "may lose it" in desk.err
    provider, broker = desk.provider, desk.broker()
    assert provider.refreshes == 1
    provider.authority.expire_access_tokens()
    with broker.bind("demo", interactive=False) as client:
        assert client.get("/me").json()["email"] == "ada@example.com"
    assert (provider.refreshes, provider.reuses) == (2, 0)
    assert broker.store.get(Key("app", "demo")).secrets["client_id"].reveal() == "demo-post"
    broker.close()


def test_everything_at_once_with_yes_and_the_originals_stay(desk) -> None:
    full(desk)
    before = {p: p.read_bytes() for p in (desk.folder / "given").rglob("*") if p.is_file()}
    assert desk.run("--yes") == 0, desk.err
    assert {p: p.read_bytes() for p in before} == before
    assert "still there in plain text" in desk.err
    broker = desk.broker()
    found = {s.service for s in broker.list_services().values() if s.connected}
    assert found == {"keyed", "demo", "github", "google_drive"}
    broker.close()


def test_a_second_run_knows_what_is_there_and_only_offers_to_remove_it(desk) -> None:
    path = desk.env()
    assert desk.run("--yes") == 0
    sent = desk.provider.requests.total()
    assert desk.run() == 0
    assert "keyed (there already)" in desk.out
    assert desk.person.asked == ["Remove it from .env?"]
    assert desk.provider.requests.total() == sent + 1, "it is tested before it is offered"
    assert path.read_text() == "A=1\nB=2\n"


def test_what_is_there_and_works_no_more_keeps_its_original(desk) -> None:
    path = desk.env()
    assert desk.run("--yes") == 0
    desk.provider.static_key = "demo_" + canary.fresh("another")
    before = path.read_bytes()
    assert desk.run() == 5
    assert "refused" in desk.err
    assert desk.person.asked == []
    assert path.read_bytes() == before


def test_where_another_app_is_kept_the_login_gets_an_instance_of_its_own(desk) -> None:
    other = {"client_id": Secret("mine"), "client_secret": Secret("s")}
    broker = desk.broker()
    broker.store.put(Credential(Key("app", "demo"), secrets=other), expect=0)
    broker.close()
    desk.token_json()
    assert desk.run("token") == 0
    assert "kept as demo@token, for that instance alone" in desk.err
    broker = desk.broker()
    assert broker.list_services()["demo"].instances["token"].identity == "ada@example.com"
    assert broker.store.get(Key("app", "demo")).secrets["client_id"].reveal() == "mine"
    broker.close()


def test_where_all_names_are_taken_it_is_for_the_person_to_choose_one(desk) -> None:
    broker = desk.broker()
    names = ["default", "work", "env", *(f"work-{number}" for number in range(2, 20))]
    for name in names:
        broker.store.put(Credential(Key("credential", "keyed", name)), expect=0)
    broker.close()
    desk.env()
    assert desk.run("env", "--json") == 0
    assert desk.data()[0]["name"] is None
    assert "--as keyed@another" in desk.data()[0]["hint"]
    assert desk.run("env", "--yes") == 0
    assert desk.run("env", "--as", "keyed@mine", "--yes") == 0


def test_what_is_declined_is_left_alone(desk) -> None:
    path = desk.env()
    before = path.read_bytes()
    assert desk.run(no=("Take in",)) == 0
    assert path.read_bytes() == before
    assert desk.provider.requests.total() == 0
    assert desk.run(no=("Remove",)) == 0
    assert path.read_bytes() == before


def test_a_key_that_is_refused_is_not_kept_and_its_line_stays(desk) -> None:
    path = desk.env(f"ARCRUN_KEYED_KEY=demo_{canary.fresh()}\n")
    before = path.read_bytes()
    assert desk.run() == 5
    assert "refused" in desk.err
    assert path.read_bytes() == before
    assert not any("Remove" in question for question in desk.person.asked)
    assert desk.run("--yes", "--json") == 5
    (found,) = desk.data()
    assert (found["connected"], found["account"]) == (False, None)
    assert "refused" in found["why_not"]


def test_one_that_fails_stops_none_of_the_others(desk) -> None:
    desk.env()
    desk.token_json(refresh_token="rt_unknown")
    assert desk.run("--yes", "--json") == 5
    by_source = {found["source"]: found for found in desk.data()}
    assert by_source["env"]["account"]
    assert not by_source["token"]["connected"]


def test_the_same_key_in_two_places_becomes_one_connection(desk) -> None:
    key = desk.provider.static_key
    first, second = desk.env(), desk.env(f"ARCRUN_KEYED_KEY={key}\n", ".env.local")
    desk.run(yes=False)
    assert "keyed (the same)" in desk.out
    assert desk.run() == 0
    assert [q for q in desk.person.asked if "Take in" in q] == [
        "Take in keyed from .env: ARCRUN_KEYED_KEY (line 2)?"
    ]
    assert first.read_text() == "A=1\nB=2\n"
    assert second.read_text() == ""
    assert desk.run() == 0


def test_if_the_first_of_the_same_is_declined_the_second_is_asked_about(desk) -> None:
    desk.env()
    desk.env(f"ARCRUN_KEYED_KEY={desk.provider.static_key}\n", ".env.local")
    assert desk.run(no=("from .env:", "Remove")) == 0
    assert any("Take in keyed from .env.local" in question for question in desk.person.asked)


def test_another_key_of_a_connected_service_gets_an_instance_of_its_own(desk) -> None:
    desk.env()
    desk.run("--yes")
    other = f"demo_{canary.fresh()}"
    desk.env(f"ARCRUN_KEYED_KEY={other}\n")
    desk.run("--json")
    assert desk.data()[0]["name"] == "keyed@work"


def test_profiles_of_aws_keep_their_names(desk) -> None:
    recipe = desk.provider.recipe_yaml("aws", primitive="static_key")
    recipe = recipe.replace("aws_key", "access_key_id")
    (Path(desk.home) / "recipes" / "aws.yaml").write_text(recipe)
    (desk.user / ".aws").mkdir()
    (desk.user / ".aws" / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = demo_{name}\naws_secret_access_key = {canary.fresh()}\n"
            for name in ("default", "Team A", "Team-A", "\u00e9")
        )
    )
    assert desk.run("aws", "--json") == 0
    assert [found["name"] for found in desk.data()] == [
        "aws", "aws@team-a", "aws@aws", "aws@aws-2",
    ]  # fmt: skip


# -- --as and --file ---------------------------------------------------------------------


def test_one_file_becomes_what_as_says(desk) -> None:
    path = desk.token_json("backup.json", scopes=None)
    assert desk.run("--file", str(path), yes=False) == 0
    assert "--as SERVICE@INSTANCE" in desk.err
    assert desk.run("--file", str(path), "--as", "demo@old") == 0
    broker = desk.broker()
    assert broker.list_services()["demo"].instances["old"].identity == "ada@example.com"
    assert broker.store.get(Key("app", "demo", "old")) is not None
    assert broker.store.get(Key("app", "demo")) is None
    broker.close()
    assert not path.exists()


def test_as_refuses_what_it_is_not_and_what_is_taken(desk) -> None:
    path = desk.token_json()
    assert desk.run("--file", str(path), "--as", "google_drive", "--yes") == 0
    other = desk.token_json("other.json")
    assert desk.run("--file", str(other), "--as", "google_drive@default", "--yes") == 1
    assert "connected already" in desk.err
    assert desk.run("--file", str(other), "--as", "keyed", "--yes") == 1
    assert "no login of keyed" in desk.err
    env = desk.env()
    assert desk.run("--file", str(env), "--as", "demo", "--yes") == 1
    assert "no key of demo" in desk.err
    assert desk.run("--file", str(env), "--as", "github@x", "--yes") == 0


def test_a_login_that_rotates_is_not_taken_in_a_second_time(desk) -> None:
    other = desk.provider.recipe_yaml("other", auth="post").replace("- read", "- other.read")
    (Path(desk.home) / "recipes" / "other.yaml").write_text(other)
    desk.token_json()
    assert desk.run("token", "--yes") == 0
    assert desk.run("token", "--as", "other", "--yes") == 1
    assert "kept as demo@default already" in desk.err
    assert (desk.provider.refreshes, desk.provider.reuses) == (1, 0)


def test_as_wants_one_thing(desk) -> None:
    full(desk)
    assert desk.run("--as", "demo") == 2
    assert "of them.\n" in desk.err
    assert desk.run("netrc", "--as", "demo") == 2
    assert "here are none" in desk.err


def test_gclouds_login_gets_an_instance_of_its_own(desk) -> None:
    provider, client = desk.provider, "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur"
    client += ".apps.googleusercontent.com"
    provider.register(client, auth="post")
    answer = desk.login(client)
    adc = {
        "type": "authorized_user",
        "client_id": client,
        "client_secret": provider.client_secret,
        "refresh_token": answer["refresh_token"],
        "token_uri": f"{provider.issuer}/token",
    }
    folder = desk.user / ".config" / "gcloud"
    folder.mkdir(parents=True)
    path = folder / "application_default_credentials.json"
    path.write_text(json.dumps(adc))
    assert desk.run("gcloud", "--as", "demo") == 1
    assert "demo@gcloud" in desk.err
    assert desk.run("gcloud", "--as", "demo@gcloud", no=("Delete",)) == 0
    assert "gcloud's own OAuth app" in desk.err
    assert "gcloud auth application-default login" in desk.err
    assert path.exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nonsense"], "A SOURCE is one of gh, gcloud"),
        (["--file", "x", "env", "gh"], "--file takes one SOURCE"),
        (["--file", "x", "keyring"], "--file takes one SOURCE"),
    ],
)
def test_a_wrong_command_line_says_what_is_right(desk, args, said) -> None:
    assert desk.run(*args) == 2
    assert said in desk.err
    assert "nonsense" not in desk.err


def test_a_file_that_is_not_there_ends_it(desk) -> None:
    assert desk.run("--file", "none.json") == 1
    assert "There is no file" in desk.err


# -- originals that cannot be removed ----------------------------------------------------


def test_a_file_that_changes_while_it_is_asked_about_stays(desk, monkeypatch) -> None:
    path = desk.env()

    class Edits(Told):
        def confirm(self, question: str) -> bool:
            if "Remove" in question:
                path.write_text(path.read_text() + "C=3\n")
            return super().confirm(question)

    monkeypatch.setattr("tests.cli.import_desk.Answers", lambda no: Edits())
    assert desk.run() == 1
    assert "has changed since" in desk.err
    assert path.read_text().endswith("C=3\n")


def test_a_login_for_two_services_goes_when_both_have_it(desk, monkeypatch) -> None:
    text = drive_recipe(desk.provider).replace("service: google_drive", "service: gmail")
    recipes = Path(desk.home) / "recipes"
    (recipes / "gmail.override.yaml").write_text(text.replace("drive.", "mail."))
    desk.provider.authority.rotates = False
    path = desk.token_json(scopes=["drive.read", "mail.read"])
    assert desk.run("token", no=("Take in google_drive",)) == 0
    assert "Take in google_drive from token.json: for google_drive?" in desk.person.asked
    assert not any("Delete" in question for question in desk.person.asked)
    assert desk.run("token") == 0
    assert "gmail (there already)" in desk.out
    assert not path.exists()


def test_a_login_that_was_renewed_since_is_known_again(desk) -> None:
    """A second use of its first refresh token would end it: the provider takes it for theft."""
    desk.token_json()
    assert desk.run("token", "--yes") == 0
    desk.provider.authority.expire_access_tokens()
    broker = desk.broker()
    broker.get_token("demo")
    broker.close()
    assert desk.run("token", "--yes") == 0
    assert "demo (there already)" in desk.out
    assert (desk.provider.refreshes, desk.provider.reuses) == (2, 0)


def test_a_login_that_rotates_is_for_one_service_alone(desk) -> None:
    recipe = desk.provider.recipe_yaml("other", auth="post").replace("- read", "- other.read")
    (Path(desk.home) / "recipes" / "other.yaml").write_text(recipe)
    desk.token_json(scopes=["read", "other.read"])
    assert desk.run("token", "--json") == 0
    assert [found["service"] for found in desk.data()] == ["demo"]


# -- apps of an instance -----------------------------------------------------------------


def test_the_app_of_an_instance_is_listed_and_removed_by_its_name(desk, monkeypatch) -> None:
    from arcrun_cli.commands import apps

    desk.token_json()
    desk.run("token", "--file", "token.json", "--as", "demo@old", "--yes")
    monkeypatch.setattr(apps, "broker", desk.broker)
    assert arcrun_cli.main(["app", "list"]) == 0
    assert "demo@old" in desk.capsys.readouterr().out
    assert arcrun_cli.main(["app", "remove", "demo@old", "--yes"]) == 0
    assert "cannot be renewed: demo@old" in desk.capsys.readouterr().err.replace("\n", " ")
    assert arcrun_cli.main(["app", "remove", "demo@old", "--yes"]) == 0
    assert "nothing to remove" in desk.capsys.readouterr().err


def test_the_family_s_app_is_removed_without_those_of_instances(desk, monkeypatch) -> None:
    """And nobody is said to lose a login that another app renews."""
    from arcrun_cli.commands import apps

    desk.token_json()
    desk.run("token", "--file", "token.json", "--as", "demo@old", "--yes")
    desk.run("token", "--file", str(desk.token_json("other.json")), "--as", "demo", "--yes")
    monkeypatch.setattr(apps, "broker", desk.broker)
    assert arcrun_cli.main(["app", "remove", "demo", "--yes"]) == 0
    said = desk.capsys.readouterr().err.replace("\n", " ")
    assert "cannot be renewed: demo." in said
    broker = desk.broker()
    assert broker.store.get(Key("app", "demo")) is None
    assert broker.store.get(Key("app", "demo", "old")) is not None
    broker.close()
