"""Writes docs/cli.md from the commands themselves: `python -m arcrun_cli.reference`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from arcrun_auth.settings import APP, KNOWN
from arcrun_cli.app import SECTIONS, Command, Group, root
from arcrun_cli.failures import EXIT_CODES
from arcrun_cli.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
# The command

This page is written by `python -m arcrun_cli.reference`, from the commands themselves.

What a command was asked for goes to standard output, everything else to standard error.
A secret is asked for without showing it, or read from standard input with `--stdin`; it
never stands on a command line. Colour is used on a terminal only, and not with `NO_COLOR`
or `TERM=dumb`; `CLICOLOR_FORCE=1` forces it.
"""


def render() -> str:
    """The page."""
    return "\n".join([HEAD, *_contents(), *_commands(), *_json(), *_exit_codes(), *_variables()])


def _contents() -> Iterator[str]:
    for section, names in SECTIONS.items():
        yield f"- **{section}**: " + " · ".join(f"[{name}](#arcrun-{name})" for name in names)
    yield "- [JSON output](#json-output) · [Exit codes](#exit-codes) · [Settings](#settings)\n"


def _commands() -> Iterator[str]:
    context = click.Context(root, info_name="arcrun")
    for section, names in SECTIONS.items():
        yield f"## {section}\n"
        for name in names:
            command = root.get_command(context, name)
            assert command is not None
            yield from _command(command, f"arcrun {name}")


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"### {path}\n"
    yield f"`{path} {usage}`\n"
    yield f"{_paragraphs(command.help or command.short_help or '')}\n"
    rows = [
        (option.opts + option.secondary_opts, option)
        for option in command.params
        if isinstance(option, click.Option)
    ]
    if rows:
        yield "| option | |\n|---|---|"
        for names, option in rows:
            metavar = "" if option.is_flag else f" {option.make_metavar(context)}"
            yield f"| `{', '.join(names)}{metavar}` | {option.help} |"
        yield ""
    if isinstance(command, Command | Group) and command.examples:
        yield "```console\n" + "\n".join(f"$ {line}" for line in command.examples) + "\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _command(found, f"{path} {name}")


def _paragraphs(text: str) -> str:
    import inspect

    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _json() -> Iterator[str]:
    yield "## JSON output\n"
    yield (
        "Every command that reads takes `--json`. The answer is one object with `schema`, the "
        "version of this table: it goes up only when a field goes or comes to mean something "
        "else, so ignore fields you do not know. Times are ISO 8601 in UTC. An error is an "
        "object too, beside the exit code.\n"
    )
    yield "| command | field | |\n|---|---|---|"
    for name, fields in SCHEMAS.items():
        for field, text in fields.items():
            yield f"| `{name}` | `{field}` | {text} |"
    yield ""


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield "| code | meaning | errors |\n|---|---|---|"
    for code, (meaning, kinds) in EXIT_CODES.items():
        names = ", ".join(f"`{kind.__name__}`" for kind in kinds if kind is not KeyboardInterrupt)
        yield f"| {code} | {meaning} | {names} |"
    yield ""


def _variables() -> Iterator[str]:
    yield "## Settings\n"
    yield "Each stands in `config.toml` of the home under its name, or in the environment.\n"
    yield "| setting | variable | |\n|---|---|---|"
    for name, text in sorted(KNOWN.items()):
        yield f"| `{name}` | `ARCRUN_{name.upper()}` | {text} |"
    for name, text in APP.items():
        yield f"| `apps.NAME.{name}` | | of your OAuth app: {text} |"
    for variable, text in VARIABLES.items():
        yield f"| | `{variable}` | {text} |"
    yield ""


VARIABLES = {
    "ARCRUN_HOME": "the folder of vault, settings and recipes; `~/.arcrun` if not set",
    "ARCRUN_MASTER_KEY_FILE": "a file with the vault's key: 32 random bytes, base64 or hex",
    "ARCRUN_MASTER_KEY": "the key itself; the file is better, processes can read the environment",
    "ARCRUN_DEBUG": "`1` shows where in the code an unexpected error happened, without values",
    "NO_COLOR": "no colours",
    "CLICOLOR_FORCE": "colours even where there is no terminal",
}
"""The variables that are no settings of `config.toml`."""


def main() -> None:
    """To the file that is named, or to standard output."""
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", encoding="utf-8") as file:
            file.write(render())
    else:
        sys.stdout.write(render())


if __name__ == "__main__":
    main()
