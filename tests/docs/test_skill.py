"""The skill in the wheel: by the rules of its format, whole, and found by those who look for it."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

import pytest
import yaml

from arcrun_cli.coding import skill
from tests.docs.pages import ROOT, blocks, links

FOLDER = ROOT / "arcrun_auth" / ".agents" / "skills" / "arcrun-auth"
FILE = FOLDER / "SKILL.md"

# agentskills.io, "Specification"
ALLOWED = {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
LINES, TOKENS, DESCRIPTION, COMPATIBILITY = 500, 5000, 1024, 500
LETTERS_OF_A_TOKEN = 3
"""Of how many letters is a token, at the least, in English and code?"""


def parts() -> tuple[dict[str, str], str]:
    text = FILE.read_text("utf-8")
    assert text.startswith("---\n")
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    return yaml.safe_load(head), body


def test_its_frontmatter_keeps_the_rules() -> None:
    head, _ = parts()
    assert set(head) <= ALLOWED
    assert all(isinstance(value, str) for value in head.values())
    assert head["name"] == FOLDER.name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", head["name"])
    assert len(head["name"]) <= 64
    assert 1 <= len(head["description"]) <= DESCRIPTION
    assert "Use when" in head["description"], "an agent chooses by it"
    assert "<" not in head["description"]
    assert 1 <= len(head["compatibility"]) <= COMPATIBILITY


def test_it_is_short_enough_to_be_read_whole() -> None:
    _, body = parts()
    assert body.count("\n") < LINES
    assert len(body) < TOKENS * LETTERS_OF_A_TOKEN


def test_every_reference_is_linked_and_every_link_is_a_reference() -> None:
    linked = {target for target in links(FILE) if not target.startswith("https://")}
    assert linked == {
        path.relative_to(FOLDER).as_posix() for path in (FOLDER / "references").iterdir()
    }


@pytest.mark.parametrize("path", sorted((FOLDER / "references").iterdir()), ids=lambda p: p.name)
def test_a_reference_can_be_read_alone(path) -> None:
    assert all(target.startswith("https://") for target in links(path))
    assert "<!--" not in path.read_text("utf-8")
    for block in blocks(path):
        if block.language == "python":
            ast.parse(block.text)


def test_it_lies_where_library_skills_looks_for_it_in_a_wheel() -> None:
    """In the list of a distribution's files: `.agents/skills/NAME/SKILL.md`, below any folder."""
    inside = PurePosixPath(FILE.relative_to(ROOT).as_posix()).parts
    at = inside.index(".agents")
    assert inside[at + 1 :] == ("skills", parts()[0]["name"], "SKILL.md")


def test_its_files_are_those_that_are_linked_and_copied() -> None:
    assert skill.files(str(FOLDER)) == sorted(
        path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()
    )
