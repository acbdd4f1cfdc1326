"""`arcrun recipes`: faults with their line and their mending, and consent before anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from arcrun_auth.testing import Somebody
from tests.cli.conftest import plain

BUNDLED = Path(__file__).parents[2] / "recipes"

MINE = """\
service: my_api
primitive: static_key
display_name: My API
category: dev
docs_url: https://api.example.com/docs
base_url: https://api.example.com
required_secrets:
  - {key: my_api_key, label: API key, help_url: "https://api.example.com/keys"}
inject:
  header: {Authorization: "Bearer {{secret.my_api_key}}"}
test: {path: /me}
verified: {date: 2026-01-01, method: live, sources: ["https://api.example.com/docs"]}
"""


@pytest.fixture
def mine(tmp_path) -> Path:
    file = tmp_path / "given" / "my_api.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(MINE)
    return file


def test_list_has_all_of_them_and_where_they_come_from(served):
    found = json.loads(served("recipes", "list", "--json").out)["recipes"]

    tiers = {recipe["service"]: recipe["tier"] for recipe in found}
    assert tiers["notion"] == "bundled"
    assert tiers["demo"] == "local"


def test_list_fits_a_terminal(cli):
    child = cli.terminal("recipes", "list")
    shown = plain(child.read())
    child.wait()

    assert [line for line in shown.splitlines() if len(line) > 80] == []


def test_list_names_what_is_not_usable(cli, mine):
    folder = cli.home / "recipes"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "notion.yaml").write_text(MINE.replace("my_api\n", "notion\n", 1))

    ran = cli("recipes", "list")

    assert ran.code == 1
    assert "not usable" in ran.err
    assert "arcrun recipes add --override" in ran.err


def test_the_bundled_recipes_have_no_errors(cli):
    ran = cli("recipes", "lint", str(BUNDLED), "--json")

    found = json.loads(ran.out)
    assert ran.code == 0
    assert found["files"] > 40
    assert [f for f in found["findings"] if f["severity"] == "error"] == []


def test_lint_says_file_line_rule_and_mending(cli, mine):
    mine.write_text(MINE.replace("https://api.example.com\n", "ftp://api.example.com\n", 1))

    ran = cli("recipes", "lint", str(mine))

    assert ran.code == 1
    assert f"{mine}:6" in ran.out
    assert "✗ error" in ran.out
    assert "→ " in ran.out
    assert "1 file, 1 error, 0 warnings." in ran.err


def test_lint_says_that_more_may_follow_once_a_file_is_a_recipe(inside, mine):
    mine.write_text(MINE.replace("category: dev\n", "category: []\nnope: 1\n"))
    ran = inside("recipes", "lint", str(mine))
    assert ran.out.count("✗ error  format") == 2
    assert "1 file, 2 errors, 0 warnings." in ran.err
    assert "looked at no further" in ran.err


ID = "https://id.example.com"
PLACES = {
    "by discovery": (
        f"{{issuer: '{ID}', discovery: true, client: {{auth: none}}}}",
        f"    you log in at {ID}\n    your login and your app are sent to id.example.com\n",
    ),
    "by a code": (
        f"{{grants: [device_code], device_authorization_endpoint: {ID}/d, token_endpoint: {ID}/t}}",
        f"    you log in at {ID}/d\n    your login and your app are sent to id.example.com\n",
    ),
    "by itself": (
        f"{{token_endpoint: '{ID}/t', grants: [client_credentials], refresh: {{mode: reissue}}}}",
        "is sent to api.example.com\n    your login and your app are sent to id.example.com\n",
    ),
}


@pytest.mark.parametrize(("oauth2", "said"), PLACES.values(), ids=PLACES)
def test_add_tells_where_one_logs_in_whatever_the_recipe_names_of_it(cli, mine, oauth2, said):
    mine.write_text(
        f"service: my_api\nprimitive: oauth2\nbase_url: https://api.example.com\noauth2: {oauth2}\n"
    )
    assert said in cli("recipes", "add", str(mine)).err


def test_what_an_address_leaves_open_is_named_where_it_is_shown(inside, mine):
    mine.write_text(
        MINE.replace("https://api.example.com\n", "https://{{param.shop}}.example.com\n", 1)
        + 'params: {shop: {label: Shop, pattern: "[a-z]+"}}\n'
    )
    ran = inside("recipes", "add", str(mine), "--yes")
    assert "what you give it is sent to <shop>.example.com\n" in ran.err
    for verb in ("show", "why"):
        shown = inside(verb, "my_api").out
        assert "<shop>.example.com" in shown
        assert "{{" not in shown
    (way,) = json.loads(inside("show", "my_api", "--json").out)["methods"]
    assert way["hosts"] == ["{{param.shop}}.example.com"]


def test_add_tells_which_hosts_a_login_by_calls_sends_it_to(cli, mine):
    mine.write_text(
        "service: my_api\nprimitive: token_exchange\nbase_url: https://api.example.com\n"
        f"token_exchange: {{steps: [{{url: '{ID}/t', save: {{access_token: t}}}}]}}\n"
    )
    said = cli("recipes", "add", str(mine)).err
    assert "by login: what you give it is sent to api.example.com\n" in said
    assert "    to get a token, what you give it is sent to id.example.com\n" in said


def test_add_tells_where_a_key_goes_for_a_token(cli, mine):
    mine.write_text(
        "service: my_api\nprimitive: aws_assume_role\nbase_url: https://api.example.com\n"
        "required_secrets: [{key: access_key_id}, {key: secret_access_key}]\ninject: {}\n"
        "aws: {service: s3, region: eu}\n"
        "assume_role: {endpoint: 'https://sts.example.com/', role_arn: 'arn:x'}\n"
    )
    assert (
        "by role: what you give it is sent to api.example.com\n"
        "    to get a token, what you give it is sent to sts.example.com\n"
    ) in cli("recipes", "add", str(mine)).err


def test_lint_of_a_folder_and_of_what_is_not_there(cli, mine):
    assert "1 file, 0 errors" in cli("recipes", "lint", str(mine.parent)).err
    missing = cli("recipes", "lint", "nowhere.yaml")
    assert (missing.code, "cannot be read" in missing.err) == (1, True)


def test_a_name_that_looks_like_a_bundled_one_is_told(cli, mine):
    mine.write_text(MINE.replace("service: my_api", "service: notlon"))

    assert "name-confusable" in cli("recipes", "lint", str(mine)).out


def test_add_shows_where_secrets_would_go_and_asks(cli, mine):
    child = cli.terminal("recipes", "add", str(mine))
    child.expect_exact("is sent to api.example.com")
    child.expect_exact("Do you want this recipe? [y/N]:")
    child.sendline("y")
    child.read()
    child.wait()

    assert child.exitstatus == 0
    assert cli("show", "my_api").code == 0


@pytest.mark.parametrize(("args", "code"), [((), 2), (("--yes",), 0)])
def test_add_where_nobody_is(cli, mine, args, code):
    ran = cli("recipes", "add", str(mine), *args)

    assert ran.code == code
    assert "api.example.com" in ran.err
    assert cli("show", "my_api").code == (2 if code else 0)


def test_no_is_no(cli, mine):
    child = cli.terminal("recipes", "add", str(mine))
    child.expect_exact("Do you want this recipe?")
    child.sendline("")
    child.read()
    child.wait()

    assert child.exitstatus == 1
    assert cli("show", "my_api").code == 2


def test_what_somebody_agreed_to_is_what_is_kept(inside, mine, tmp_path, monkeypatch):
    monkeypatch.setenv("ARCRUN_HOME", str(tmp_path / "home"))

    class Watched(Somebody):
        def confirm(self, question: str) -> bool:
            mine.write_text(MINE.replace("https://api.", "https://evil."))
            return super().confirm(question)

    assert inside("recipes", "add", str(mine), person=Watched()).code == 0
    assert (tmp_path / "home/recipes/my_api.yaml").read_text() == MINE


def test_over_a_bundled_service_only_with_override_and_the_difference_shown(cli, mine):
    text = (BUNDLED / "notion.yaml").read_text()
    mine.write_text(text.replace("https://api.notion.com/v1\n", "https://evil.example/v1\n", 1))

    refused = cli("recipes", "add", str(mine), "--yes")
    assert refused.code == 1
    assert "--override" in refused.err

    ran = cli("recipes", "add", str(mine), "--yes", "--override")
    assert ran.code == 0, ran.err
    assert "evil.example" in ran.err
    assert "new host" in ran.err
    assert "evil.example" in cli("show", "notion").out


def test_a_recipe_that_is_not_valid_is_not_added(cli, mine):
    mine.write_text(MINE + "nonsense: 1\n")

    ran = cli("recipes", "add", str(mine), "--yes")

    assert ran.code == 1
    assert f"{mine}:" in ran.err


def test_add_tells_of_a_login_and_of_a_further_way_in(cli, mine):
    oauth = (
        "methods:\n  - id: oauth\n    primitive: oauth2\n    oauth2:\n"
        "      authorization_endpoint: https://login.example.com/authorize\n"
        "      token_endpoint: https://login.example.com/token\n"
        "      refresh: {rotates: maybe}\n      scopes: [read]\n"
        "      client: {auth: none, secret_required: false}\n"
    )
    new = mine.with_name("new.yaml")
    new.write_text(MINE.replace("my_api\n", "other_api\n", 1) + oauth)
    said = cli("recipes", "add", str(new)).err
    assert "you log in at https://login.example.com/authorize" in said

    assert cli("recipes", "add", str(mine), "--yes").code == 0
    mine.write_text(MINE + oauth)
    said = cli("recipes", "add", str(mine)).err
    assert "nothing → api.example.com (methods.oauth): it has another way in" in said
