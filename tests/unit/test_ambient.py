"""Secrets of this machine, and files with keys: where they are looked for, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from arcrun_auth import ambient, keyfile, members
from arcrun_auth.errors import AuthError, RecipeError
from arcrun_auth.recipe import RequiredSecret, load, read, reader
from arcrun_auth.tokens import Secret
from tests import canary
from tests.accounts_world import key_file, key_pem

RECIPES = Path(__file__).parents[2] / "recipes"
BASES = {
    path.stem: reader.parse(path.read_text(), path.name) for path in RECIPES.glob("_google*.yaml")
}


def shipped(name: str):
    return read((RECIPES / f"{name}.yaml").read_text(), bases=BASES)


def secret(*files: str, env: tuple[str, ...] = ()) -> RequiredSecret:
    return RequiredSecret(key="k", type="json_blob", ambient=True, files=files, env=env)


@pytest.fixture
def user(tmp_path):
    """A home folder, which the test gave; and the environment that says so."""
    home = tmp_path / "given"
    home.mkdir()
    return home, {"HOME": str(home)}


class TestLookedUp:
    def test_variables_come_before_files_and_files_in_their_order(self, user) -> None:
        home, environ = user
        for name in ("first", "second"):
            (home / name).write_text(f" {name}\n")
        wanted = secret("~/nothing", "~/first", "~/second", env=("TOKEN", "OTHER"))
        assert ambient.find(wanted, environ) == Secret("first")
        assert ambient.find(wanted, environ | {"TOKEN": "", "OTHER": "t "}) == Secret("t")
        assert ambient.find(secret("~/nothing"), environ) is None

    def test_a_path_is_filled_in_from_the_environment_or_passed_over(self, user) -> None:
        home, environ = user
        (home / "conf").mkdir()
        (home / "conf" / "a").write_text("a")
        assert ambient.find(secret("${CONF}/a"), environ) is None
        assert ambient.find(secret("${CONF}/a"), environ | {"CONF": str(home / "conf")}) == Secret(
            "a"
        )

    def test_a_file_that_a_variable_names_has_to_be_there(self, user) -> None:
        home, environ = user
        (home / "a").write_text("a")
        environ["CREDENTIALS"] = str(home / "gone")
        with pytest.raises(AuthError, match="CREDENTIALS names a file"):
            ambient.find(secret("${CREDENTIALS}", "~/a"), environ)
        # A folder of a program that is there without the file is no such word.
        assert ambient.find(secret("${CREDENTIALS}/x", "~/a"), environ) == Secret("a")

    def test_windows_has_another_word_for_home(self, tmp_path) -> None:
        assert ambient.expanded("~/a/b", {"USERPROFILE": str(tmp_path)}) == str(
            tmp_path / "a" / "b"
        )
        assert ambient.expanded("~/a", {}).endswith("a")


class TestKeyFiles:
    def test_a_service_accounts_way_in_comes_before_others(self) -> None:
        way, key = keyfile.way_of(shipped("google_drive"), None)
        assert (way.id, key) == ("service_account", "google_service_account")
        assert keyfile.way_of(shipped("google_drive_sa"), None)[1] == "google_service_account"

    @pytest.mark.parametrize("method", ["oauth", "adc", "github_actions"])
    def test_a_way_in_without_a_file_says_so(self, method) -> None:
        with pytest.raises(AuthError, match=method):
            keyfile.way_of(shipped("google_drive"), method)

    def test_a_method_that_there_is_not_is_told(self) -> None:
        with pytest.raises(RecipeError, match="no method"):
            keyfile.way_of(shipped("google_drive"), "nothing")

    def test_a_file_is_read_with_its_byte_order_mark_and_home(self, user, monkeypatch) -> None:
        home, _ = user
        monkeypatch.setenv("HOME", str(home))
        (home / "key.json").write_text(key_file(), encoding="utf-8-sig")
        assert members.parsed(keyfile.read("~/key.json", "demo").reveal())["type"]

    def test_what_is_no_text_is_refused_with_a_word_on_pkcs12(self, user) -> None:
        home, _ = user
        for name, says in (("key.p12", "JSON"), ("key.bin", None)):
            (home / name).write_bytes(b"\x30\x82\xff\xfe")
            with pytest.raises(AuthError, match="no text") as caught:
                keyfile.read(str(home / name), "demo")
            assert (says is None) == (caught.value.hint is None)
            assert caught.value.service == "demo"
        with pytest.raises(AuthError, match="no file"):
            keyfile.read(str(home / "nothing"), "demo")

    @pytest.mark.parametrize(
        ("text", "holds"),
        [
            ('{"type": "service_account", "private_key": "k"}', True),
            ("-----BEGIN PRIVATE KEY-----", True),
            (json.dumps({"type": "authorized_user", "refresh_token": "r"}), True),
            (json.dumps({"type": "x", "source_credentials": {"refresh_token": "r"}}), True),
            (json.dumps({"type": "x", "source_credentials": "r"}), False),
            (json.dumps({"type": "external_account", "audience": "a"}), False),
            ("", False),
        ],
    )
    def test_only_a_file_that_lets_its_reader_in_is_one_to_delete(self, user, text, holds) -> None:
        path = user[0] / "file"
        path.write_text(text)
        assert keyfile.holds_key(str(path)) is holds


class TestMembers:
    def test_texts_and_numbers_of_an_object_have_names(self) -> None:
        text = json.dumps({"a": "x", "n": 7, "yes": True, "in": {"b": "y"}, "none": None})
        assert {k: v.reveal() for k, v in members.of("key", Secret(text)).items()} == {
            "key.a": "x",
            "key.n": "7",
        }

    @pytest.mark.parametrize("text", ["", "[]", "{", '"a"', "7", "[" * 100_000])
    def test_what_is_no_object_has_none(self, text) -> None:
        assert members.of("key", Secret(text)) == {}

    def test_only_secrets_that_are_json_are_taken_apart(self) -> None:
        way = shipped("google_drive").way("service_account")
        found = members.flattened(
            way, {"google_service_account": Secret(key_file()), "x": Secret("{}")}
        )
        assert found["google_service_account.client_email"]
        assert canary.WORD not in repr(found)
        assert [name for name in found if name.startswith("x")] == ["x"]


# -- kinds of service accounts ---------------------------------------------------------------

PLAIN = """
service: reports
primitive: service_account
service_account_kind: google_jwt
base_url: https://reports.example.com/v1
token_exchange: {endpoint: "https://oauth2.googleapis.com/token", scopes: [a, b]}
required_secrets: [{key: google_service_account, label: Key, type: json_blob, help_url: "https://h.example"}]
inject: {header: {Authorization: "Bearer {{runtime.access_token}}"}}
"""


class TestKinds:
    def test_a_recipe_of_the_platform_says_only_the_scopes(self) -> None:
        recipe = read(PLAIN, bases=BASES)
        way = recipe.way()
        assert (way.id, way.primitive) == ("service_account", "service_account")
        assert way.oauth2.token_endpoint == "https://oauth2.googleapis.com/token"
        assert way.oauth2.scopes == ("a", "b")
        assert way.oauth2.grants == ("jwt_bearer",)
        assert way.oauth2.refresh.mode == "reissue"
        assert way.token_exchange is None
        assert way.jwt.key == "google_service_account.private_key"
        assert recipe.required_secrets[0].label == "Key"
        assert recipe.service == "reports"

    def test_a_recipe_of_the_platform_may_call_the_key_as_it_likes(self) -> None:
        text = PLAIN.replace("google_service_account", "robot_key").replace(", type: json_blob", "")
        document = reader.parse(text + "unheard_of: 1\n", "reports.yaml")
        way = load(document, bases=BASES, tolerant=True).way()
        (secret,) = way.required_secrets
        assert (secret.key, secret.label, secret.type) == ("robot_key", "Key", "json_blob")
        assert way.jwt.key == "robot_key.private_key"
        assert way.jwt.claims["iss"] == "{{secret.robot_key.client_email}}"
        assert way.inject.header == {"Authorization": "Bearer {{runtime.access_token}}"}

    @pytest.mark.parametrize("name", ["google_drive", "gmail", "google_calendar", "google_sheets"])
    def test_every_way_in_has_the_scopes_that_a_person_logs_in_with(self, name) -> None:
        recipe = shipped(name)
        assert [way.id for way in recipe.ways] == [
            "oauth", "service_account", "adc", "github_actions",
        ]  # fmt: skip
        for way in recipe.ways[1:]:
            assert way.oauth2.scopes == recipe.oauth2.scopes
            assert way.oauth2.scope_sets == recipe.oauth2.scope_sets
            assert way.base_url == recipe.base_url
            assert way.oauth2.client.auth == "none"

    def test_a_person_alone_has_a_channel(self) -> None:
        assert [way.id for way in shipped("youtube").ways] == ["oauth"]

    def test_of_a_kind_that_nobody_has_the_recipe_says_all(self) -> None:
        with pytest.raises(RecipeError, match="assertion to sign"):
            read(PLAIN.replace("google_jwt", "other_kind"), bases=BASES)
        own = PLAIN.replace("google_jwt", "other_kind") + "jwt: {key: google_service_account.key}\n"
        assert read(own, bases=BASES).way().jwt.key == "google_service_account.key"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"jwt": {"key": "nothing.private_key"}}, "no secret 'nothing'"),
            (
                {"required_secrets": [{"key": "google_service_account", "type": "pem"}]},
                "no members",
            ),
            ({"token_exchange": "https://x.example"}, "Expected `object"),
            ({"jwt": {"claims": {"x": "{{secret.other.a}}"}}}, "not declared"),
            ({"token_exchange": {"endpoint": "oauth2.googleapis.com"}}, "no URL"),
            ({"oauth2": "https://x.example"}, "Expected `object"),
            ({"service_account": "x"}, "Expected `object"),
            ({"required_secrets": "x"}, "Expected `array"),
            ({"methods": [7]}, "Expected `object"),
            ({"service_account": {"impersonation": {"url": "x"}}}, "no URL"),
            ({"service_account": {"federation": {"endpoint": "x"}}}, "no URL"),
            (
                {"service_account": {"document": {"a": [{"b": "{{secret.x}}"}]}}},
                "service_account.document",
            ),
            ({"service_account": {"impersonation": {"signed": "a b"}}}, "no path"),
            ({"service_account": {"impersonation": {"token_response": {"scope": "["}}}}, "no path"),
        ],
    )
    def test_what_does_not_fit_together_is_a_fault_of_the_recipe(self, change, says) -> None:
        data = yaml.safe_load(PLAIN)
        for name, value in change.items():
            mergeable = isinstance(value, dict) and isinstance(data.get(name), dict)
            data[name] = {**data[name], **value} if mergeable else value
        with pytest.raises(RecipeError) as caught:
            read(yaml.safe_dump(data), bases=BASES)
        assert says in str(caught.value).replace("document.a[0].b", "document")

    def test_only_a_json_text_has_members(self) -> None:
        text = """
service: reports
primitive: service_account
base_url: https://reports.example.com/v1
token_exchange: {endpoint: "https://id.example.com/token"}
required_secrets: [{key: key, type: pem}]
jwt: {key: key.private_key}
"""
        with pytest.raises(RecipeError, match="no members"):
            read(text)
        assert read(text.replace("key.private_key", "key")).way().jwt.key == "key"
        assert read(text.replace("pem", "json_blob")).way().jwt.key == "key.private_key"

    def test_a_login_is_no_service_account(self) -> None:
        text = PLAIN.replace("primitive: service_account", "primitive: static_key")
        recipe = read(
            text.replace("runtime.access_token", "secret.google_service_account"), bases=BASES
        )
        assert recipe.way().jwt is None
        assert recipe.way().oauth2 is None


def test_a_key_of_pem_is_one_line_of_its_own() -> None:
    assert key_pem("a") == key_pem("a") != key_pem("b")
