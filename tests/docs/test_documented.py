"""Every error, setting, variable and recipe field is documented."""

from __future__ import annotations

import contextlib
import inspect
import re
import sqlite3
from typing import TYPE_CHECKING

import msgspec
import pytest

from arcrun_auth import errors, primitives, recipe, settings, template
from arcrun_auth.lint import lint
from arcrun_auth.recipe import model as recipe_model
from arcrun_auth.recipe import reader
from arcrun_auth.server import problems
from arcrun_auth.server.database import open_database
from tests.docs.pages import DOCS, ROOT, blocks, pages, prose, section

if TYPE_CHECKING:
    from pathlib import Path

# -- errors --------------------------------------------------------------------------------

ERRORS = [
    found
    for name, found in vars(errors).items()
    if inspect.isclass(found) and issubclass(found, errors.AuthError) and not name.startswith("_")
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_is_documented_with_its_attributes_and_exit_code(error: type) -> None:
    from arcrun_cli.failures import exit_code

    text = section(DOCS / "errors.md", error.__name__)
    own = set(inspect.signature(error).parameters) - {"message", "service", "hint"}
    for name in own:
        assert f"`.{name}`" in text, f"{error.__name__}.{name}"
    made = error.__new__(error)
    assert f"Exit code {exit_code(made)}." in text


def test_the_errors_page_names_no_error_that_there_is_not() -> None:
    headings = set(re.findall(r"^### (\w+)$", prose(DOCS / "errors.md"), re.MULTILINE))
    assert headings == {error.__name__ for error in ERRORS}


def test_every_exit_code_is_explained() -> None:
    from arcrun_cli.failures import EXIT_CODES

    text = section(DOCS / "errors.md", "Exit codes")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(
        EXIT_CODES
    )


# -- settings ------------------------------------------------------------------------------

_VARIABLE = re.compile(r"(?<![A-Z_])ARCRUN_[A-Z_]+[A-Z]")


@pytest.mark.parametrize("name", settings.KNOWN)
def test_every_setting_is_documented_by_both_its_names(name: str) -> None:
    rows = section(DOCS / "settings.md", "config.toml")
    assert f"| `{name}` | `ARCRUN_{name.upper()}` |" in rows


@pytest.mark.parametrize("name", settings.APP)
def test_every_setting_of_an_app_is_documented(name: str) -> None:
    assert f"| `{name}` |" in section(DOCS / "settings.md", "apps")


def test_every_variable_that_the_code_reads_is_documented() -> None:
    files = [*(ROOT / "arcrun_auth").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    examples = {"ARCRUN_NOTION", "ARCRUN_AWS", "ARCRUN_DEMO"}
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    for path in files:
        for name in _VARIABLE.findall(path.read_text(encoding="utf-8")):
            if not any(name.startswith(example) for example in examples):
                assert f"`{name}`" in text, f"{path.name} reads {name}"


# -- what a server holds -------------------------------------------------------------------


def test_every_column_of_the_servers_database_is_told(tmp_path: Path) -> None:
    """Who judges what a server can see reads one table: nothing else is kept."""
    open_database(str(tmp_path / "server.db")).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "server.db")) as connection:
        kept = {
            table: {column for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")}
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )
        }
    rows = re.findall(
        r"^\| `(\w+)` \| ([`\w ]+) \|", section(DOCS / "server.md", "What lies in its database"),
        re.MULTILINE,
    )  # fmt: skip
    assert {table: set(columns.replace("`", "").split()) for table, columns in rows} == kept


def test_every_status_of_the_server_is_explained() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", section(DOCS / "server.md", "Rules"), re.MULTILINE)
    told = {int(status) for row in rows for status in row.split(", ")}
    assert told == set(problems.TITLES)


def test_the_tests_that_the_rules_of_sync_name_are_there() -> None:
    """The page on security names them; a rule whose test was renamed is one without."""
    words = re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", prose(DOCS / "security.md"))
    path = ""
    for word in words:
        if word.endswith(".py"):
            path = word
        else:
            assert f"def {word}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}: {word}"
    assert len(words) > 20


# -- recipes -------------------------------------------------------------------------------

MODELS = [
    found
    for found in vars(recipe_model).values()
    if inspect.isclass(found)
    and issubclass(found, recipe_model.Model)
    and found is not recipe_model.Model
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_field_of_a_recipe_is_documented_in_its_section(model: type) -> None:
    text = section(DOCS / "recipes.md", HEADINGS[model.__name__])
    bases = [base for base in model.__mro__[1:] if issubclass(base, msgspec.Struct)]
    inherited = {name for base in bases for name in base.__struct_fields__}
    for field in msgspec.structs.fields(model):
        if field.name not in inherited:
            assert f"| `{field.encode_name}` |" in text, f"{model.__name__}.{field.name}"


HEADINGS = {
    "Recipe": "The whole recipe",
    "Method": "One way in",
    "RequiredSecret": "required_secrets",
    "Param": "params",
    "Inject": "inject",
    "Step": "step",
    "OAuth1": "oauth1",
    "Digest": "digest",
    "Mtls": "mtls",
    "ServiceAccount": "service_account",
    "Federation": "service_account.federation",
    "Impersonation": "service_account.impersonation",
    "TokenExchange": "token_exchange",
    "Aws": "aws",
    "AssumeRole": "assume_role",
    "OAuth2": "oauth2",
    "Redirect": "oauth2.redirect",
    "ClientAuth": "oauth2.client",
    "TokenRequest": "oauth2.token_request",
    "TokenResponse": "oauth2.token_response",
    "Swap": "oauth2.swap",
    "Refresh": "oauth2.refresh",
    "Revoke": "oauth2.revoke",
    "Callback": "oauth2.callback",
    "Discover": "discover",
    "Choose": "discover",
    "Jwt": "jwt",
    "Diagnosis": "diagnose",
    "When": "diagnose",
    "Ok": "ok",
    "TestRequest": "test",
    "GuideStep": "app_guide",
    "Verified": "verified",
    "Git": "git and docker",
    "Docker": "git and docker",
    "Sdk": "sdk",
    "Agent": "agent",
    "Read": "agent",
}


BASES = {
    path.stem: reader.parse(path.read_text(encoding="utf-8"), path.name)
    for path in (ROOT / "recipes").glob("_*.yaml")
}

SHOWN = [
    (page, block)
    for page in pages()
    for block in blocks(page)
    if block.language == "yaml" and block.text.startswith("service: ")
]


@pytest.mark.parametrize(("page", "block"), SHOWN, ids=lambda it: str(getattr(it, "line", "")))
def test_every_recipe_that_a_page_shows_is_one(page, block) -> None:
    found = recipe.read(block.text, path=page.name, bases=BASES)
    findings = lint({page.name: block.text}, tier="local", bases=BASES)
    errors_found = [finding for finding in findings if finding.severity == "error"]
    assert found.service
    assert not errors_found


def test_the_pages_show_a_recipe_of_each_kind() -> None:
    kinds = {recipe.read(block.text, bases=BASES).primitive for _, block in SHOWN}
    # Of the AWS family a page shows the fields alone: its recipes are shipped.
    assert kinds >= {name for name in primitives.BUILT_IN if not name.startswith("aws_")}


def test_every_namespace_and_filter_of_templates_is_documented() -> None:
    text = section(DOCS / "recipes.md", "Templates")
    for name in (*template.NAMESPACES, *template.AMBIENT, *template.FILTERS, "hmac_sha256"):
        assert f"`{name}" in text or f"`{{{{{name}" in text, name
