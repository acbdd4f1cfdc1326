"""What stands on the screen for somebody who knows nothing yet."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from arcrun_cli import app, reference
from arcrun_cli.app import COMMANDS, Command, Group, root

ROOT = Path(__file__).parents[2]


def every_command() -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = [("", root)]

    def walk(path: str, group: click.Group) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found.append((f"{path} {name}".strip(), command))
            if isinstance(command, click.Group):
                walk(f"{path} {name}".strip(), command)

    walk("", root)
    return found


ALL = every_command()


@pytest.mark.parametrize("path", [path for path, _ in ALL])
def test_help_fits_a_terminal_and_has_examples(cli, path):
    ran = cli(*path.split(), "--help")

    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert "Examples:\n" in ran.out
    assert [line for line in ran.out.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(("path", "command"), ALL[1:])
def test_every_command_has_one_to_four_examples_that_call_it(path, command):
    assert isinstance(command, Command | Group)
    assert 1 <= len(command.examples) <= 4
    assert all(path.split()[-1] in example for example in command.examples)
    words = {option for param in command.params for option in param.opts}
    for example in command.examples:
        ours = example.partition(" -- ")[0]  # then come the words of another program
        used = {word.partition("=")[0] for word in ours.split() if word.startswith("--")}
        if not isinstance(command, click.Group):
            assert used <= words, example


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_overview_is_the_command_s_own(name):
    command = root.get_command(click.Context(root), name)

    assert command is not None
    assert command.short_help == COMMANDS[name][1]


@pytest.mark.parametrize("args", [(), ("recipes",), ("vault",), ("vault", "key")])
def test_a_group_without_a_command_shows_its_help(cli, args):
    ran = cli(*args)

    assert ran.code == 0
    assert ran.out.startswith(f"Usage: {' '.join(['arcrun', *args])}")


def test_the_version(cli):
    from arcrun_auth import __version__

    assert cli("--version").out == f"arcrun-auth {__version__}\n"


def test_docs_cli_md_is_what_the_commands_say():
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")

    assert page == reference.render(), "write it again: python -m arcrun_cli.reference docs/cli.md"


def test_every_setting_and_every_exit_code_stands_in_the_reference():
    from arcrun_auth.settings import KNOWN
    from arcrun_cli.failures import EXIT_CODES

    page = reference.render()

    assert all(f"`ARCRUN_{name.upper()}`" in page for name in KNOWN)
    assert all(f"| {code} | " in page for code in EXIT_CODES)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("lst",), "Did you mean 'list'?"),
        (("recipes", "lnt"), "Did you mean 'lint'?"),
        (("show", "notoin"), "Did you mean 'notion'?"),
        (("frobnicate",), "There is no command"),
        (("--frobnicate",), "No such option"),
    ],
)
def test_a_typo_gets_a_suggestion_and_exit_code_2(cli, args, said):
    ran = cli(*args)

    assert ran.code == 2
    assert said in ran.err
    assert "  → arcrun" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli, shell):
    ran = cli("completion", shell)

    assert ran.code == 0
    assert "_ARCRUN_COMPLETE" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize(
    ("words", "cword", "found"),
    [
        ("arcrun set", "1", "setup"),
        ("arcrun setup not", "2", "notion"),
        ("arcrun vault unl", "2", "unlock"),
        ("arcrun setup notion --me", "3", "--method"),
        ("arcrun setup aws@work --method ro", "4", "role"),
        ("arcrun import rc", "2", "rclone"),
    ],
)
def test_commands_services_and_options_are_completed(cli, words, cword, found):
    ran = cli(_ARCRUN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=cword)

    assert f"plain,{found}" in ran.out.splitlines()


@pytest.mark.parametrize("service", ["", "no_such_thing"])
def test_no_way_in_is_completed_for_a_service_that_there_is_not(cli, service):
    words = f"arcrun setup {service} --method "
    cword = str(len(words.split()))
    ran = cli(_ARCRUN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=cword)
    assert (ran.code, ran.out.strip()) == (0, "")


NAMED = re.compile(r"(?<!b\")\barcrun ([a-z][a-z-]+)(?: ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?)?")
PROSE = {"in", "is", "and", "has", "command", "secrets"}
"""What follows the name in a sentence about it."""


def mentioned() -> list[tuple[str, tuple[str, ...]]]:
    files = [*(ROOT / "arcrun_auth").rglob("*.py"), *(ROOT / "cli").rglob("*.py"),
             *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]  # fmt: skip
    return [
        (f"{file.relative_to(ROOT)}: {found[0]}", tuple(word for word in found.groups() if word))
        for file in files
        for found in NAMED.finditer(file.read_text("utf-8"))
        if found[1] not in PROSE and not found[0].startswith("arcrun import")
    ]


def test_every_command_that_a_hint_or_a_page_names_is_there():
    wrong = []
    for where, words in mentioned():
        group: click.Command | None = root
        for word in words:
            if not isinstance(group, click.Group):
                break  # an argument
            group = group.get_command(click.Context(group), word)
        if group is None:
            wrong.append(where)

    assert not wrong, wrong


def test_a_word_that_could_be_a_key_is_not_repeated():
    fault = app.unknown_command("ntn_abcdefghijklmnop", ["notion"], "arcrun")

    assert "abcdefgh" not in fault.message + fault.hint
