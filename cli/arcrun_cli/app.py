"""The command line as a whole: which commands there are, and how they are helped with.

A command's module is imported when it is run; the list below is all that `--help` reads.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from arcrun_cli import ui
from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from collections.abc import Sequence

SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Connect": {
        "setup": ("setup", "Connect a service: ask for the key or log in, test it, save it."),
        "import": (
            "importing",
            "Take in what other programs keep: .env, gh, rclone, AWS and more.",
        ),
        "app": ("apps", "Your own OAuth apps: register, list, show, remove."),
        "remove": ("removing", "Forget a connection; --revoke ends it at the provider, too."),
    },
    "Look after": {
        "list": ("listing", "What is connected, and what can be."),
        "test": ("testing", "Send a test request: does it work, and whose account is it?"),
        "ui": ("page", "All of it on one page of this machine, in your browser."),
        "check": ("checking", "Is all connected that this project declares? For CI."),
        "keepalive": ("keepalive", "Renew the logins that would end because nobody uses them."),
    },
    "Use": {
        "token": ("token", "Print an access token, for scripts."),
        "run": ("run", "Run a command with secrets in its environment, masked in its output."),
        "inject": ("inject", "Fill the secrets into a configuration file."),
        "snippet": ("snippet", "Print code that uses a service."),
        "credential": ("credential", "Passwords for git and docker, keys for AWS, tokens of CI."),
    },
    "Share": {
        "login": ("login", "Log in to a platform: your own server, or somebody else's."),
        "logout": ("logout", "End this device's login there."),
        "whoami": ("whoami", "Which account is logged in here, and where."),
        "account": ("account", "The account itself: a new key, or its end."),
        "sync": ("sync", "Keep your connections the same on all your devices."),
        "devices": ("devices", "The devices that share your synced connections."),
        "ci": ("ci", "Give some connections to CI jobs, and to them alone."),
        "audit": ("audit", "What was done with your credentials, and is the trail whole?"),
    },
    "AI agents": {
        "mcp": ("mcp", "Tools for AI agents: they use your connections, and never see a key."),
        "proxy": (
            "proxy",
            "Services at an address of this machine: the key stays here.",
        ),
        "policy": ("policy", "What AI agents may do: read, unless you allow more."),
        "approve": ("approve", "Requests of agents that wait for your yes or no."),
        "agents": ("agents", "Tell coding agents how this project gets its connections."),
        "how-to": ("how_to", "How to use a service, for coding agents: code, limits, state."),
    },
    "Understand": {
        "why": ("why", "Where each part of a connection comes from."),
        "show": ("show", "What the recipe of a service says."),
        "doctor": ("doctor", "Look for whatever could get in the way."),
        "demo": ("demo", "A whole login and renewal, played on this machine."),
    },
    "Administer": {
        "recipes": ("recipes", "The recipes: list, show, make, check, share, update."),
        "vault": ("vault", "The vault and its keys."),
        "serve": ("serve", "Run the platform: sync for your machines, on SQLite or PostgreSQL."),
        "completion": ("completion", "Completion of names for your shell."),
    },
}
"""Under each heading of `--help`: command -> its module under `commands`, and one line."""

COMMANDS = {name: found for group in SECTIONS.values() for name, found in group.items()}

REVEALS = ("token", "run", "inject", "credential")
"""Which commands hand a secret to somebody else? The trail says so of each first use by them."""

_LONGEST = 16
"""How long may a word be that we repeat as a command that there is not?"""

HELP_OPTIONS = {"help_option_names": ["-h", "--help"], "max_content_width": ui.WIDTH}


class Command(click.Command):
    """A command with examples, and with errors that repeat nothing of what was typed.

    What stands in the wrong place of a command line is a secret often enough.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.context_settings = {**HELP_OPTIONS, **self.context_settings}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            self.too_many(ctx)
        return rest

    def too_many(self, ctx: click.Context) -> None:
        """More words than the command takes."""
        raise UsageFault(
            "There are more words than this command takes.", f"{ctx.command_path} --help"
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        _examples(self.examples, formatter)


class Group(click.Group):
    """Commands under one word. Without one it shows its help, or does what it says there."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **kwargs})
        self.examples = tuple(examples)
        self.context_settings = {**HELP_OPTIONS, **self.context_settings}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not self.invoke_without_command and not ctx.resilient_parsing:
            ui.put(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            if name.startswith("-"):
                self.parse_args(ctx, args)
            raise unknown_command(name, self.list_commands(ctx), ctx.command_path)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        _examples(self.examples, formatter)


class Root(Group):
    """`arcrun` itself: commands by heading, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        found = COMMANDS.get(cmd_name)
        if found is None:
            return None
        module = import_module(f"arcrun_cli.commands.{found[0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        width = max(map(len, COMMANDS))
        for heading, group in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{n:<{width}}", text) for n, (_, text) in group.items()])


def unknown_command(name: str, known: Sequence[str], path: str) -> UsageFault:
    """What to say of a command that there is not. Long words could be a secret: not repeated."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1, cutoff=0.5)
    said = f" {name!r}" if name.isascii() and name.isidentifier() and len(name) <= _LONGEST else ""
    if near:
        return UsageFault(
            f"There is no command{said}. Did you mean {near[0]!r}?", f"{path} {near[0]} --help"
        )
    return UsageFault(f"There is no command{said}.", f"{path} --help")


def _examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


@click.command(
    "arcrun",
    cls=Root,
    help="Authenticated connections to any service, kept on this machine.",
    examples=(
        "arcrun setup notion          asks for the key, tests it, saves it",
        "arcrun list                  what is connected",
        "arcrun token github          a token for a script: $(arcrun token github)",
        "arcrun COMMAND --help        more, with examples",
    ),
)
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def root(ctx: click.Context, *, version: bool) -> None:
    del ctx, version


def run(args: list[str]) -> int:
    """The exit code of the command in `args`. Errors go on to the caller."""
    if args == ["--version"]:
        from arcrun_auth import __version__

        ui.put(f"arcrun-auth {__version__}")
        return 0
    if args and args[0] in COMMANDS:
        from arcrun_auth import recording

        recording.declare(f"arcrun {args[0]}", use="reveal" if args[0] in REVEALS else "use")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    code = root.main(
        args, prog_name="arcrun", complete_var="_ARCRUN_COMPLETE", standalone_mode=False
    )
    return code if isinstance(code, int) else 0
