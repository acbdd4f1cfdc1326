"""`arcrun recipes diff`: what changed, in words, before anything is sent by it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

import arcrun_cli
from arcrun_auth import markers
from arcrun_cli import hardening
from arcrun_cli.schemas import SCHEMAS

BUNDLED = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def typed(connected, monkeypatch, capsys):
    """The command in this process: it has a home of its own all the same."""
    monkeypatch.setattr(hardening, "apply", lambda: None)  # this process goes on
    for name in [name for name in os.environ if markers.marker({name: "1"})]:
        monkeypatch.delenv(name)
    for name, value in connected.env.items():
        monkeypatch.setenv(name, value)

    def run(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = arcrun_cli.main(["recipes", "diff", *args])
        shown = capsys.readouterr()
        return code, " ".join(shown.out.split()), " ".join(shown.err.split())

    return run


@pytest.fixture
def hijack(connected, provider):
    """Somebody else's recipe in the place of one that was agreed to."""

    def do(name="demo_static"):
        file = connected.home / "recipes" / f"{name}.yaml"
        origin = provider.issuer.removeprefix("http://")
        text = file.read_text()
        assert origin in text
        file.write_text(text.replace(origin, "127.0.0.1:9"))
        return file

    return do


def test_a_connection_whose_recipe_is_the_same(typed):
    code, out, err = typed("demo")
    assert code == 0
    assert (
        out == "demo against what you agreed to no difference that matters for the safety of "
        "your secrets"
    )
    assert err == ""


def test_a_changed_recipe_is_told_and_says_what_to_do(typed, hijack, provider):
    hijack()
    before = provider.requests.total()
    code, out, err = typed("demo_static")
    assert code == 1
    assert "→ 127.0.0.1:9: your demo_static token would be sent to a new host" in out
    assert "until you agree: arcrun setup demo_static" in err
    assert provider.requests.total() == before


def test_as_json(typed, hijack):
    hijack()
    code, out, _ = typed("demo_static", "--json")
    found = json.loads(out)
    assert (code, found.pop("schema")) == (1, 1)
    assert set(found) == set(SCHEMAS["recipes diff"])
    (one,) = found["compared"]
    assert (one["name"], one["against"], one["asks"]) == ("demo_static", "agreed", True)
    assert one["differences"][0]["field"] == "allowed_hosts"
    assert one["differences"][0]["after"] == "127.0.0.1:9"


def test_a_file_against_what_was_agreed_to(typed, hijack, connected, tmp_path):
    here = connected.home / "recipes" / "demo_static.yaml"
    kept = here.read_text()
    file = tmp_path / "given" / "demo_static.yaml"
    file.write_text(hijack().read_text())
    here.write_text(kept)
    code, out, _ = typed(str(file))
    assert code == 1
    assert "demo_static against what you agreed to" in out
    assert "new host" in out


def test_a_file_against_the_recipe_in_use_and_a_new_one(typed, tmp_path):
    file = tmp_path / "given" / "notion.yaml"
    file.write_text((BUNDLED / "notion.yaml").read_text().replace("api.notion.com", "evil.example"))
    code, out, _ = typed(str(file))
    assert code == 1
    assert out.startswith("notion against the recipe in use api.notion.com → evil.example: ")
    assert "your Notion token would be sent to a new host" in out
    file.write_text(
        "service: my_api\nprimitive: static_key\nbase_url: https://api.example.com\n"
        "required_secrets: [{key: my_api_key}]\n"
    )
    assert typed(str(file))[:2] == (1, "my_api a new service")


def test_nothing_that_differs_is_cut_away_however_long_it_is(typed, tmp_path):
    file = tmp_path / "given" / "notion.yaml"
    path = "/" + "x" * 900 + "/to-somebody-else"
    text = (BUNDLED / "notion.yaml").read_text()
    assert "base_url: https://api.notion.com/v1\n" in text
    file.write_text(text.replace("api.notion.com/v1\n", f"api.notion.com/v1{path}\n", 1))
    assert path in typed(str(file))[1].replace(" ", "")


def test_fewer_scopes_need_nothing(typed, connected):
    file = connected.home / "recipes" / "demo.yaml"
    recipe = yaml.safe_load(file.read_text())
    assert len(recipe["oauth2"]["scopes"]) > 1
    recipe["oauth2"]["scopes"] = recipe["oauth2"]["scopes"][:1]
    file.write_text(yaml.safe_dump(recipe))
    code, out, err = typed("demo")
    assert code == 0
    assert "other permissions would be asked for" in out
    assert "This needs no consent" in err


def test_what_was_never_set_up_and_what_is_no_file(typed, tmp_path):
    code, _, err = typed("notion")
    assert (code, "Nothing was agreed to for notion" in err) == (1, True)
    assert "→ arcrun setup notion" in err
    assert typed("no such thing")[0] == 2
    code, _, err = typed(str(tmp_path / "nowhere.yaml"))
    assert (code, "cannot be read" in err) == (1, True)


def test_without_a_vault_a_file_is_held_against_the_recipe_in_use(typed, tmp_path, monkeypatch):
    monkeypatch.delenv("ARCRUN_MASTER_KEY_FILE")
    code, out, err = typed(str(BUNDLED / "notion.yaml"))
    assert code == 0
    assert out.startswith("notion against the recipe in use no difference")
    assert "What you agreed to cannot be read" in err


def test_no_token_is_printed_by_a_changed_recipe(typed, hijack, provider, capsys):
    hijack()
    before = provider.requests.total()
    capsys.readouterr()
    assert arcrun_cli.main(["token", "demo_static"]) == 7
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "would be sent to a new host" in " ".join(shown.err.split())
    assert provider.requests.total() == before
