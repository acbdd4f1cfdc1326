"""`arcrun agents`: what a project tells the coding agents that work on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import ui
from arcrun_cli.app import Group
from arcrun_cli.options import json_option

if TYPE_CHECKING:
    from arcrun_cli.coding.project import Target

DRIFT = 1
"""The exit code where a file is not as it should be."""


@click.group(
    "agents",
    cls=Group,
    short_help="Tell coding agents how this project gets its connections.",
    examples=("arcrun agents init", "arcrun agents init --claude --copy", "arcrun agents check"),
)
def command() -> None:
    """A block of rules in AGENTS.md, and a skill, so that agents use connections and ask for no
    keys.

    Nothing outside of the block is touched. The root of the git repository is found from any
    folder in it.
    """


@command.command(
    "init",
    short_help="Write the block and the skill; again: bring them up to date.",
    examples=(
        "arcrun agents init",
        "arcrun agents init --claude --cursor --copilot --gemini",
        "arcrun agents init --dry-run",
    ),
)
@click.option("--claude", is_flag=True, help="The skill in .claude/skills, too.")
@click.option("--cursor", is_flag=True, help="A rule in .cursor/rules, too.")
@click.option("--copilot", is_flag=True, help="The block in .github/copilot-instructions.md, too.")
@click.option("--gemini", is_flag=True, help="AGENTS.md in the settings of Gemini CLI, too.")
@click.option("--mcp", is_flag=True, help="Say how to give them the tools of arcrun mcp, too.")
@click.option("--copy", is_flag=True, help="Copy the skill, to commit it; else it is a link.")
@click.option("--dry-run", is_flag=True, help="Write nothing: show what would be.")
def init(*, mcp: bool, dry_run: bool, **wished: bool) -> int:
    """Write the block into AGENTS.md, and the skill into .agents/skills.

    A CLAUDE.md that is there gets a line that takes in AGENTS.md. Marks that are not one pair
    are an error, and then nothing is written.
    """
    from arcrun_cli.coding import places, project

    root = places.root_of(os.getcwd())
    targets = list(project.targets(root, project.Wish(**wished)))
    changes = [target.plan() for target in targets]
    ui.tell(printable(root))
    for target, change in zip(targets, changes, strict=True):
        if not change.changes:
            ui.put(f"{ui.mark('ok', word='current')}  {target.name}")
            continue
        if dry_run:
            for line in (target.name, *change.lines):
                ui.put(printable(line))
            continue
        change.apply()
        ui.put(f"{ui.mark('ok', word='written')}  {target.name}")
    if mcp:
        ui.tell("  → arcrun mcp install --client NAME gives them tools; --help has the names")
    return 0


@command.command(
    "check",
    short_help="Is it all there and current? For CI.",
    examples=("arcrun agents check", "arcrun agents check --json"),
)
@json_option
def check(*, as_json: bool) -> int:
    """Whether AGENTS.md, the skill, and whatever else `init` wrote here are as it would write
    them now. The exit code is 1 where something is not. Writes nothing."""
    from arcrun_cli.coding import places, project

    root = places.root_of(os.getcwd())
    found = [(target.name, *_state(target)) for target in project.targets(root, project.Wish())]
    good = all(state == "current" for _, state, _ in found)
    if as_json:
        files = [{"path": name, "state": state, "message": text} for name, state, text in found]
        ui.put_json({"root": root, "ok": good, "files": files})
        return 0 if good else DRIFT
    for name, state, text in found:
        if state == "current":
            ui.put(f"{ui.mark('ok', word='current')}  {name}")
        else:
            ui.put_failed(name, text or state, "arcrun agents init" if not text else None)
    return 0 if good else DRIFT


def _state(target: Target) -> tuple[str, str]:
    """How a file stands, and in words why it cannot be ours."""
    try:
        change = target.plan()
    except AuthError as error:
        return "broken", error.message
    if not change.changes:
        return "current", ""
    return ("outdated" if os.path.lexists(change.path) else "absent"), ""
