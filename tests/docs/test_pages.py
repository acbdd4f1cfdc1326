"""What the documentation must have: links that lead somewhere, and every name it has to explain."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec
import pytest

import arcrun_auth
from arcrun_auth import errors, recipe_model, settings, template
from tests.docs.pages import DOCS, ROOT, anchors, links, pages, prose, section
from tests.unit.test_floors import FLOORS

if TYPE_CHECKING:
    from pathlib import Path

BY_OTHERS = {"docs/cli.md", "docs/faults.md", "docs/bench.md"}
"""Pages that commands of their own write: a link to one is sound before its first run."""


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", [*pages(), ROOT / "llms.txt"], ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        found = (page.parent / path).resolve() if path else page
        name = found.relative_to(ROOT).as_posix()
        if name in BY_OTHERS and not found.exists():
            continue
        assert found.exists(), f"{page.name} links to {target}"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{page.name} links to {target}"


def test_every_page_can_be_found_from_the_index() -> None:
    index = DOCS / "index.md"
    reached = {(index.parent / t.partition("#")[0]).resolve() for t in links(index)}
    for page in sorted(DOCS.rglob("*.md")):
        if page != index and _name(page) not in BY_OTHERS:
            assert page.resolve() in reached, f"{_name(page)} is not in docs/index.md"


@pytest.mark.parametrize("page", [*pages(), ROOT / "llms.txt"], ids=_name)
def test_nobody_is_told_to_install_somebody_elses_package(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for line in text.split("\n"):
        wrong = re.search(r"(pip install|uvx|pipx install|uv tool install) arcrun(?![-\w])", line)
        if wrong:
            assert re.search(r"\b(never|not)\b", line, re.IGNORECASE), f"{page.name}: {line}"


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

_VARIABLE = re.compile(r"ARCRUN_[A-Z_]+[A-Z]")


@pytest.mark.parametrize("name", settings.KNOWN)
def test_every_setting_is_documented_by_both_its_names(name: str) -> None:
    rows = section(DOCS / "settings.md", "config.toml")
    assert f"| `{name}` | `ARCRUN_{name.upper()}` |" in rows


def test_every_variable_that_the_code_reads_is_documented() -> None:
    files = [*(ROOT / "arcrun_auth").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    examples = {"ARCRUN_NOTION", "ARCRUN_AWS", "ARCRUN_DEMO"}
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    for path in files:
        for name in _VARIABLE.findall(path.read_text(encoding="utf-8")):
            if not any(name.startswith(example) for example in examples):
                assert f"`{name}`" in text, f"{_name(path)} reads {name}"


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
    inherited = set()
    if model is recipe_model.Recipe:
        inherited = set(recipe_model.Method.__struct_fields__)
    for field in msgspec.structs.fields(model):
        if field.name not in inherited:
            assert f"| `{field.encode_name}` |" in text, f"{model.__name__}.{field.name}"


HEADINGS = {
    "Recipe": "The whole recipe",
    "Method": "One way in",
    "RequiredSecret": "required_secrets",
    "Param": "params",
    "Inject": "inject",
    "OAuth2": "oauth2",
    "Redirect": "oauth2.redirect",
    "ClientAuth": "oauth2.client",
    "TokenRequest": "oauth2.token_request",
    "TokenResponse": "oauth2.token_response",
    "Refresh": "oauth2.refresh",
    "Ok": "ok",
    "TestRequest": "test",
    "GuideStep": "app_guide",
    "Verified": "verified",
}


def test_every_namespace_and_filter_of_templates_is_documented() -> None:
    text = section(DOCS / "recipes.md", "Templates")
    for name in (*template.NAMESPACES, *template.AMBIENT, *template.FILTERS, "hmac_sha256"):
        assert f"`{name}" in text or f"`{{{{{name}" in text, name


# -- what is made from the code ------------------------------------------------------------


def test_the_picture_of_the_floors_is_the_table_that_the_code_is_held_against() -> None:
    text = section(DOCS / "design.md", "Floors")
    drawn = re.search(r"```text\n(.*?)```", text, re.DOTALL)
    assert drawn
    floors = [line.split(None, 1) for line in drawn[1].splitlines() if line.strip()]
    assert [name for name, _ in floors] == [name for name, _ in reversed(FLOORS)]
    assert [set(names.split()) for _, names in floors] == [
        set(names.split()) for _, names in reversed(FLOORS)
    ]


def test_the_reference_of_the_library_is_current() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_stands_in_the_reference() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in arcrun_auth.__all__:
        assert f"`{name}" in text or f" {name}\n" in text, name


# -- figures and files ---------------------------------------------------------------------


def test_the_number_of_services_is_not_exaggerated() -> None:
    claimed = re.search(r"(\d+) services", prose(ROOT / "README.md"))
    assert claimed
    there = [
        path
        for path in (ROOT / "recipes").glob("[!_]*.yaml")
        if "status: closed" not in path.read_text()
    ]
    assert int(claimed[1]) <= len(there)


def test_the_changelog_has_an_entry_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(arcrun_auth.__version__)}\b", text, re.MULTILINE)


def test_the_template_for_agents_is_one_block_between_its_marks() -> None:
    text = (DOCS / "agents.md").read_text(encoding="utf-8")
    begin, end = "<!-- arcrun:begin -->", "<!-- arcrun:end -->"
    assert text.count(begin) == text.count(end) == 1
    inside = text.partition(begin)[2].partition(end)[0]
    for needed in ("arcrun-auth", "auth.bind(", "arcrun setup", "arcrun list --json"):
        assert needed in inside


def test_claude_reads_the_same_page_as_everybody() -> None:
    assert (ROOT / "CLAUDE.md").read_text() == "@AGENTS.md\n"


def test_llms_txt_has_the_shape_that_llmstxt_org_asks_for() -> None:
    lines = (ROOT / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith("> ") for line in lines[1:4])
    headings = [n for n, line in enumerate(lines) if line.startswith("## ")]
    assert headings
    for line in lines[headings[0] :]:
        assert not line or line.startswith("## ") or re.match(r"- \[[^\]]+\]\([^)]+\)(: .+)?$", line)
