"""`arcrun recipes new`: by questions, by options, from a document; never over what is there."""

from __future__ import annotations

import json
import re

import pytest

from arcrun_auth import recipe
from arcrun_auth.testing import Provider, Somebody
from tests.cli.conftest import plain
from tests.servers import Reply, recorder

OPENAPI = """\
openapi: 3.1.0
info: {title: Orders API, description: The orders of our shop.}
servers: [{url: "https://api.example.com/v1"}]
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Api-Key}
security: [{key: []}]
paths:
  /me:
    get: {responses: {"200": {content: {application/json: {schema: {properties: {email: {}}}}}}}}
"""
FROM_OPENAPI = """\
service: orders
display_name: Orders
description: The orders of our shop.
primitive: static_key
base_url: https://api.example.com/v1
# Add help_url: the page where it is found or made.
required_secrets:
  - {key: orders_api_key, label: API key}
inject: {header: {X-Api-Key: "{{secret.orders_api_key}}"}}
test: {path: /me, identity: email}
"""


@pytest.fixture
def described(tmp_path):
    (tmp_path / "openapi.yaml").write_text(OPENAPI)
    return tmp_path


def test_a_dialogue_makes_a_recipe_that_works(cli, tmp_path):
    cli.cwd = tmp_path / "given"
    child = cli.terminal("recipes", "new")
    for question, answer in (
        ("Name, as it is typed in commands: ", "Orders!"),
        ("small letters", None),
        ("Name, as it is typed in commands: ", "orders"),
        ("What people call it [Orders]: ", ""),
        ("Address of its API (https://api.example.com/v1): ", "api.example.com"),
        ("Write the whole address", None),
        ("Address of its API (https://api.example.com/v1): ", "https://api.example.com/v1/"),
        ("2  a key in another header", None),
        ("Number [1]: ", "9"),
        ("One of 1 to 6", None),
        ("Number [1]: ", "2"),
        ("Name of the header [X-API-Key]: ", "X Key"),
        ("This is no name of a header", None),
        ("Name of the header [X-API-Key]: ", "X-Orders-Key"),
        ("Page where its key is found or made (empty: none): ", "example.com/keys"),
        ("Write a public address", None),
        ("Page where its key is found or made (empty: none): ", "https://example.com/keys"),
        ("like /me (empty: none): ", "/me"),
    ):
        child.expect_exact(question)
        if answer is not None:
            child.sendline(answer)
    shown = plain(child.read())
    child.wait()

    assert child.exitstatus == 0, shown
    assert "orders.yaml was written. Ways in: key." in shown
    assert "It works against the provider that is built in." in shown
    assert "→ arcrun recipes add orders.yaml" in shown
    made = recipe.read((cli.cwd / "orders.yaml").read_text())
    assert made.inject.header == {"X-Orders-Key": "{{secret.orders_api_key}}"}
    assert made.required_secrets[0].help_url == "https://example.com/keys"
    assert made.base_url == "https://api.example.com/v1"


def test_a_document_is_enough_where_nobody_is(inside, described):
    ran = inside("recipes", "new", "--from", "openapi.yaml")

    assert ran.code == 0, ran.both
    assert (described / "orders.yaml").read_text() == FROM_OPENAPI
    assert "To share it, add what is missing: category, docs_url, verified." in ran.err
    assert ran.out == ""
    assert "→ arcrun recipes add orders.yaml" in ran.err


def test_options_stand_over_the_document(inside, described):
    ran = inside(
        "recipes", "new", "shop", "--from", "openapi.yaml", "-o", "other.yaml", "--auth", "query",
        "--field", "key", "--address", "https://eu.example.com", "--test", "/ping",
        "--keys-at", "https://example.com/k",
    )  # fmt: skip

    assert ran.code == 0, ran.both
    made = recipe.read((described / "other.yaml").read_text())
    assert (made.service, made.base_url) == ("shop", "https://eu.example.com")
    assert (made.inject.query, made.test.path) == ({"key": "{{secret.shop_api_key}}"}, "/ping")


@pytest.mark.parametrize("kind", ["bearer", "cookie", "basic", "login"])
def test_options_are_enough_without_a_document(inside, tmp_path, kind):
    ends = ("--login-at", "https://id.example.com/a", "--token-at", "https://id.example.com/t")
    ran = inside(
        "recipes", "new", "orders", "--address", "https://api.example.com", "--auth", kind,
        *(ends if kind == "login" else ()),
    )  # fmt: skip

    assert ran.code == 0, ran.both
    assert recipe.read((tmp_path / "orders.yaml").read_text()).display_name == "Orders"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "its name is missing"),
        (("orders",), "the address of its API is missing"),
        (("orders", "--address", "https://a.example.com"), "(--auth) is missing"),
        (("orders", "--address", "https://a.example.com", "--auth", "login"), "--login-at is"),
        (("orders", "--address", "nowhere"), "Write the whole address"),
        (("No Name",), "small letters"),
        (("x" * 65,), "small letters"),
        (("orders", "--keys-at", "http://127.0.0.1/keys"), "Write a public address"),
    ],
)
def test_what_is_missing_where_nobody_is_is_named(inside, tmp_path, args, said):
    ran = inside("recipes", "new", *args)

    assert ran.code == 2
    assert said in ran.err
    assert "→ arcrun recipes new NAME --address URL --auth bearer" in ran.err
    assert list(tmp_path.glob("*.yaml")) == []


def test_nothing_is_written_over_what_is_there_unasked(inside, described):
    there = described / "orders.yaml"
    there.write_text("mine")

    assert inside("recipes", "new", "--from", "openapi.yaml").code == 2
    assert there.read_text() == "mine"


def test_whoever_is_there_decides_about_the_file_that_is_there(inside, described):
    class Refuses(Somebody):
        def confirm(self, question: str) -> bool:
            super().confirm(question)
            return False

    there = described / "orders.yaml"
    there.write_text("mine")
    no, yes = Refuses(""), Somebody("")
    ran = inside("recipes", "new", "--from", "openapi.yaml", person=no)
    assert (ran.code, there.read_text()) == (1, "mine")
    assert no.asked[-1] == "orders.yaml is there already. Replace it?"

    there.chmod(0o640)
    assert inside("recipes", "new", "--from", "openapi.yaml", person=yes).code == 0
    assert there.read_text() == FROM_OPENAPI
    assert there.stat().st_mode & 0o777 == 0o640


def test_the_file_that_is_there_is_asked_about_before_anything_else(inside, tmp_path):
    class Refuses(Somebody):
        def confirm(self, question: str) -> bool:
            super().confirm(question)
            return False

    (tmp_path / "orders.yaml").write_text("mine")
    person = Refuses("orders")
    ran = inside("recipes", "new", person=person)
    assert (ran.code, "It was left as it is." in ran.err) == (1, True)
    assert [question[:12] for question in person.asked] == ["Name, as it ", "orders.yaml "]


def test_what_comes_to_lie_there_meanwhile_is_not_written_over(inside, described):
    class Slow(Somebody):
        def ask(self, question: str, *, hidden: bool = False) -> str | None:
            (described / "orders.yaml").write_text("mine")
            return super().ask(question, hidden=hidden)

    ran = inside("recipes", "new", "--from", "openapi.yaml", person=Slow(""))
    assert (ran.code, "cannot be written: File exists" in ran.err) == (1, True)
    assert (described / "orders.yaml").read_text() == "mine"


def test_a_link_to_nowhere_is_filled(inside, described):
    (described / "orders.yaml").symlink_to(described / "real.yaml")
    assert inside("recipes", "new", "--from", "openapi.yaml", person=Somebody("")).code == 0
    assert (described / "real.yaml").read_text() == FROM_OPENAPI


def test_a_folder_that_is_not_there_is_told(inside, described):
    ran = inside("recipes", "new", "--from", "openapi.yaml", "-o", "gone/orders.yaml")
    assert ran.code == 1
    assert "cannot be written: No such file" in ran.err


def test_who_says_nothing_makes_nothing(inside, tmp_path):
    ran = inside("recipes", "new", person=Somebody())
    assert (ran.code, "There was no answer" in ran.err) == (2, True)


def test_an_issuer_is_asked_and_its_recipe_logs_in(inside, tmp_path):
    with Provider() as provider:
        ran = inside(
            "recipes", "new", "orders", "--from", provider.issuer, "--address",
            f"{provider.issuer}/api", ARCRUN_ALLOW_HOSTS=provider.issuer,
        )  # fmt: skip

    made = recipe.read((tmp_path / "orders.yaml").read_text())
    assert (made.oauth2.issuer, made.oauth2.discovery) == (provider.issuer, True)
    assert "Ways in: oauth." in ran.err
    assert "it is tried when it is set up" in ran.err
    assert ran.code == 0


def test_a_relative_address_is_relative_to_the_document(inside, tmp_path):
    key = {"securitySchemes": {"k": {"type": "http", "scheme": "bearer"}}}
    told = {"openapi": "3.0.0", "info": {"title": "Shop"}, "servers": [{"url": "/v2"}]}
    told["components"] = key
    with recorder(lambda _: Reply(body=json.dumps(told).encode())) as server:
        url = f"{server.origin}/docs/openapi.json"
        inside("recipes", "new", "--from", url, ARCRUN_ALLOW_HOSTS=server.origin)

    assert recipe.read((tmp_path / "shop.yaml").read_text()).base_url == f"{server.origin}/v2"


def test_what_the_linter_refuses_is_written_and_told(inside, described):
    text = OPENAPI.replace("https://api.example.com/v1", "https://com/v1")
    (described / "openapi.yaml").write_text(text)

    ran = inside("recipes", "new", "--from", "openapi.yaml")

    assert ran.code == 1
    assert re.search(r"orders\.yaml:5  ✗ error  host-suffix", ran.out)
    assert "Trying" not in ran.err
    assert "→ arcrun recipes lint orders.yaml" in ran.err
    assert (described / "orders.yaml").is_file()


def test_a_document_that_is_none_writes_nothing(inside, tmp_path):
    (tmp_path / "x.yaml").write_text("a: &b 1")
    ran = inside("recipes", "new", "--from", "x.yaml")
    assert ran.code == 1
    assert "x.yaml:1" in ran.err
    assert [path.name for path in tmp_path.glob("*.yaml")] == ["x.yaml"]


def test_the_words_of_the_option_are_those_of_the_library():
    from arcrun_auth.drafting import KINDS
    from arcrun_cli.commands.recipes import new

    assert tuple(KINDS) == new.KINDS


def test_what_fails_against_the_built_in_provider_is_told(inside, described, monkeypatch):
    """A stub: no draft of ours fails there, as far as is known."""
    from types import SimpleNamespace

    from arcrun_auth import testing

    failed = SimpleNamespace(failures=["orders (key), called: no"])
    monkeypatch.setattr(testing, "conform", lambda recipe: failed, raising=False)
    ran = inside("recipes", "new", "--from", "openapi.yaml")
    assert ran.code == 1
    assert "✗ fail  orders (key), called: no" in ran.out


def test_a_name_that_is_taken_is_told_with_the_command_that_stands_over_it(inside, described):
    ran = inside("recipes", "new", "notion", "--from", "openapi.yaml")
    assert ran.code == 0, ran.both
    assert "notion has a bundled recipe already" in ran.err
    assert "→ arcrun recipes add notion.yaml --override" in ran.err
