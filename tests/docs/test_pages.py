"""What the documentation must have: links that lead somewhere, and every name it has to explain."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

import arcrun_auth
from tests.docs.pages import DOCS, ROOT, anchors, blocks, links, pages, prose, section
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


def test_every_how_to_can_be_found_from_the_list_for_agents() -> None:
    reached = {(ROOT / target).resolve() for target in links(ROOT / "llms.txt")}
    assert set((DOCS / "howto").glob("*.md")) <= reached


@pytest.mark.parametrize("page", [*pages(), ROOT / "llms.txt"], ids=_name)
def test_nobody_is_told_to_install_somebody_elses_package(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for line in text.split("\n"):
        wrong = re.search(r"(pip install|uvx|pipx install|uv tool install) arcrun(?![-\w])", line)
        if wrong:
            assert re.search(r"\b(never|not)\b", line, re.IGNORECASE), f"{page.name}: {line}"


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
    for name in set(arcrun_auth.__all__) - {"errors", "testing"}:  # modules
        assert f"`auth.{name}" in text or f"[`{name}`](errors.md#" in text, name


# -- figures and files ---------------------------------------------------------------------


def test_the_number_of_services_is_not_exaggerated() -> None:
    claimed = re.findall(r"(\d+) (?:services|recipes)", prose(ROOT / "README.md"))
    assert len(claimed) == 2
    there = [
        path
        for path in (ROOT / "recipes").glob("[!_]*.yaml")
        if "status: closed" not in path.read_text()
    ]
    assert claimed[0] == claimed[1]
    assert int(claimed[0]) <= len(there)


def test_the_changelog_has_an_entry_for_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(arcrun_auth.__version__)}\b", text, re.MULTILINE)


def test_the_template_for_agents_is_one_block_between_its_marks() -> None:
    text = (DOCS / "agents.md").read_text(encoding="utf-8")
    begin, end = "<!-- arcrun:begin v1 -->", "<!-- arcrun:end -->"
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
        assert (
            not line or line.startswith("## ") or re.match(r"- \[[^\]]+\]\([^)]+\)(: .+)?$", line)
        )


# -- commands in the text ------------------------------------------------------------------

_COMMAND = re.compile(r"(?<![\w/.-])(?<!from )arcrun ([a-z-][^`|;#\n)]*?)(?=  |[`|;#\n)]|$)")


def _commands(page: Path) -> set[str]:
    """Every `arcrun …` that a page names: inline, in shell blocks, and typed at a prompt."""
    code = [block.text for block in blocks(page) if block.language == "sh"]
    code += [
        command
        for block in blocks(page)
        if block.language == "console"
        for command in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE)
    ]
    code += re.findall(r"`([^`\n]+)`", prose(page))
    return {found.strip() for each in code for found in _COMMAND.findall(each)}


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    import click

    from arcrun_cli.app import root

    for line in _commands(page):
        command, context, words = root, click.Context(root, info_name="arcrun"), line.split()
        while isinstance(command, click.Group) and words and words[0][0].isalpha():
            found = command.get_command(context, words[0])
            assert found, f"{_name(page)}: arcrun {line}"
            command, words = found, words[1:]
        options = {name for param in command.params for name in param.opts}
        ours = words[: words.index("--")] if "--" in words else words
        for word in ours:
            if word.startswith("--"):
                known = options | {"--help"}
                assert word.partition("=")[0] in known, f"{_name(page)}: arcrun {line}"
