"""Which files of a project tell coding agents about arcrun-auth, and how each has to look."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from arcrun_auth.errors import AuthError, printable
from arcrun_cli.coding import block, skill
from arcrun_cli.coding.places import inside
from arcrun_cli.helpers import json_config
from arcrun_cli.helpers.edits import Edit, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AGENTS = "AGENTS.md"
CLAUDE = "CLAUDE.md"
CURSOR = ".cursor/rules/arcrun.mdc"
COPILOT = ".github/copilot-instructions.md"
GEMINI = ".gemini/settings.json"
SKILLS, CLAUDE_SKILLS = ".agents/skills", ".claude/skills"

IMPORT = f"@{AGENTS}"
"""By this line, alone on it, CLAUDE.md takes in the other file."""

CURSOR_HEAD = """\
---
description: How to call any API that needs a key, a token or a login (arcrun-auth).
alwaysApply: false
---

"""


class Change(Protocol):
    """A file, or a link, as it is to be."""

    @property
    def path(self) -> str: ...
    @property
    def changes(self) -> bool: ...
    @property
    def lines(self) -> tuple[str, ...]: ...
    def apply(self) -> None: ...


@dataclass(frozen=True)
class Wish:
    """Which agents are to be told beside those that read AGENTS.md, and how the skill comes."""

    claude: bool = False
    cursor: bool = False
    copilot: bool = False
    gemini: bool = False
    copy: bool = False


@dataclass(frozen=True)
class Target:
    """A file by its path in the project. `plan` raises AuthError where it cannot be ours."""

    name: str
    plan: Callable[[], Change]


def body() -> str:
    """The text of the block."""
    return files("arcrun_cli.coding").joinpath("block.md").read_text("utf-8")


def targets(root: str, wish: Wish) -> Iterator[Target]:
    """What is wished for, and what is there already: AGENTS.md and the skill always are.

    CLAUDE.md is never made, only told: without one Claude Code reads AGENTS.md by itself.
    """
    yield _told(root, AGENTS, body())
    if _claude_needs_it(root):
        yield _told(root, CLAUDE, IMPORT)
    for name, wished, head in (
        (CURSOR, wish.cursor, CURSOR_HEAD),
        (COPILOT, wish.copilot, ""),
    ):
        if wished or _has_block(root, name):
            yield _told(root, name, body(), head)
    if wish.gemini:
        yield Target(GEMINI, lambda: _gemini(inside(root, GEMINI)))
    for folder, wished in ((SKILLS, True), (CLAUDE_SKILLS, wish.claude)):
        name = f"{folder}/{skill.NAME}"
        if wished or os.path.lexists(os.path.join(root, *name.split("/"))):
            yield _skill(root, name, copy=wish.copy)


def _told(root: str, name: str, text: str, head: str = "") -> Target:
    def plan() -> Edit:
        path = inside(root, name)
        before = read(path)
        held = _text(before, path) if before is not None else head
        after = block.merged(held, text, name).encode()
        lines = (f"+ {block.begin()}", "+ …", f"+ {block.END}")
        return Edit(path, before, after, lines, shared=True)

    return Target(name, plan)


def _skill(root: str, name: str, *, copy: bool) -> Target:
    return Target(name, lambda: skill.planned(root, name, copy=copy))


def _gemini(path: str) -> Edit:
    """It reads GEMINI.md alone, unless the setting names other files."""

    def change(data: dict[str, Any]) -> list[str]:
        context = json_config.section(data, "context", path)
        named = context.get("fileName", "GEMINI.md")
        names = named if isinstance(named, list) else [named]
        if AGENTS in names:
            return []
        context["fileName"] = [AGENTS, *names]
        data["context"] = context
        return [f'+ "context": {{"fileName": ["{AGENTS}", …]}}']

    hint = f'write it yourself: "context": {{"fileName": ["{AGENTS}", "GEMINI.md"]}}'
    return json_config.edited(path, change, hint=hint, shared=True)


def _claude_needs_it(root: str) -> bool:
    """Whether there is a CLAUDE.md that does not take in AGENTS.md by itself."""
    path = os.path.join(root, CLAUDE)
    if not os.path.isfile(path) or os.path.realpath(path) == os.path.realpath(
        os.path.join(root, AGENTS)
    ):
        return False
    text = _loose(path)
    if block.has_block(text):
        return True
    return IMPORT not in (line.strip() for line in text.splitlines())


def _has_block(root: str, name: str) -> bool:
    return block.has_block(_loose(os.path.join(root, *name.split("/"))))


def _loose(path: str) -> str:
    """What stands in a file; nothing where it cannot be read."""
    try:
        return (read(path) or b"").decode("utf-8", "replace")
    except AuthError:
        return ""


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise AuthError(f"{printable(path)} is no text in UTF-8. It was left alone.") from None
