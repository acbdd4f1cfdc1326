"""`arcrun snippet --sdk`, in this process: what it lists, what it refuses."""

from __future__ import annotations

import pytest

from arcrun_cli.app import run
from arcrun_cli.faults import UsageFault


def test_without_a_name_it_lists_what_there_is(capsys) -> None:
    assert run(["snippet", "openai", "--sdk"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(None, 1) == ["openai", "pip install openai"]
    assert [line.split()[0] for line in lines[1:]] == ["requests", "httpx", "httpx2", "aiohttp"]


def test_it_prints_the_program(capsys) -> None:
    assert run(["snippet", "openai@work", "--sdk", "openai"]) == 0
    assert capsys.readouterr().out == (
        "# pip install arcrun-auth openai\n"
        "from arcrun import auth\n"
        "from openai import OpenAI\n"
        "\n"
        'openai = OpenAI(api_key=auth.token_provider("openai", "work"))\n'
        "print(openai.models.list())\n"
    )


def test_fixed_headers_that_a_bound_client_brings_stand_in_it(capsys) -> None:
    run(["snippet", "notion", "--sdk", "requests"])
    assert 'headers={"Notion-Version": ' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["--sdk", "boto3"], "there are: openai, requests", "arcrun snippet openai --sdk openai"),
        (["--sdk", "openai", "--async"], "--async is for", "arcrun snippet openai --async"),
    ],
)
def test_what_there_is_not_says_what_there_is(words, said, hint) -> None:
    with pytest.raises(UsageFault, match=said) as caught:
        run(["snippet", "openai", *words])
    assert caught.value.hint == hint


def test_a_local_recipe_s_sdk_is_not_offered(tmp_path, monkeypatch, capsys) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir(mode=0o700)
    (recipes / "shop.yaml").write_text(
        "service: shop\nprimitive: static_key\nbase_url: https://api.shop.example/v1\n"
        "sdk: {package: evil, import: evil, class: Evil}\n"
    )
    monkeypatch.setenv("ARCRUN_HOME", str(tmp_path))
    run(["snippet", "shop", "--sdk"])
    assert "evil" not in capsys.readouterr().out
    run(["snippet", "shop", "--sdk", "httpx"])
    assert '"https://api.shop.example/v1/"' in capsys.readouterr().out


def test_headers_of_a_request_with_a_body_stand_in_it(capsys) -> None:
    run(["snippet", "aws_dynamodb"])
    program = capsys.readouterr().out
    assert '"X-Amz-Target": "DynamoDB_20120810.ListTables"' in program
    assert 'json={"Limit": 1}' in program
    assert '\n    answer = aws_dynamodb.post(\n        "/",\n' in program


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ([], "print(answer.text)"),
        (["--async"], "print(answer.text)"),
        (["--sdk", "requests"], "print(answer.text)"),
        (["--sdk", "aiohttp"], "print(await answer.text())"),
    ],
)
def test_what_answers_in_xml_is_not_read_as_json(words, read, capsys) -> None:
    run(["snippet", "aws_s3", *words])
    program = capsys.readouterr().out
    assert read in program
    assert "json()" not in program
