"""`arcrun completion`."""

from __future__ import annotations

import click

from arcrun_cli import ui
from arcrun_cli.app import Command, root

WHERE = {
    "bash": "echo 'eval \"$(arcrun completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(arcrun completion zsh)\"' >> ~/.zshrc",
    "fish": "arcrun completion fish > ~/.config/fish/completions/arcrun.fish",
}


@click.command(
    cls=Command,
    short_help="Completion of names for your shell.",
    examples=tuple(WHERE.values()),
)
@click.argument("shell", type=click.Choice(list(WHERE)))
def command(shell: str) -> int:
    """Print the script that completes commands, options and services in SHELL."""
    from click.shell_completion import ShellComplete, get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    # The base's: that of bash starts a bash to look at its version, with our environment.
    ui.put(ShellComplete.source(made(root, {}, "arcrun", "_ARCRUN_COMPLETE")))
    return 0
