"""`arcrun inject`."""

from __future__ import annotations

import sys

import click

from arcrun_auth import references
from arcrun_auth.errors import printable
from arcrun_cli import outfile, referring, stdin, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker

HINT = "arcrun inject --help"


@click.command(
    cls=Command,
    short_help="Fill the secrets into a configuration file.",
    examples=(
        "arcrun inject -i config.tpl.yaml -o config.yaml",
        "arcrun inject --stdin < nginx.tpl | ssh web 'cat > nginx.conf'",
    ),
)
@click.option("-i", "--in", "source", metavar="FILE", help="The template.")
@click.option("--stdin", "piped", is_flag=True, help="Read the template from standard input.")
@click.option("-o", "--out", "target", metavar="FILE", help="Write there, for you alone (0600).")
@click.option(
    "--force", is_flag=True, help="Write even where others can read FILE, or git keeps it."
)
def command(source: str | None, target: str | None, *, piped: bool, force: bool) -> int:
    """Print a template with each {{ arcrun://service[@instance]/key }} replaced.

    All else stays as it is, byte by byte. Where a secret is missing nothing is written.
    """
    if (source is None) == (not piped):
        raise UsageFault("The template is a file, or standard input: name one.", HINT)
    if target is None and sys.stdout is None:
        raise UsageFault("Standard output is closed.", "arcrun inject -i FILE -o FILE")
    name = "standard input" if source is None else printable(source)
    data = stdin.read("arcrun inject -i FILE") if source is None else _read(source)
    if len(data) > stdin.MAX_BYTES:
        raise UsageFault("The template has more than 1 MiB.", HINT)
    if target is not None:
        outfile.check(target, source, force=force)
    text = data.decode("utf-8", "surrogateescape")  # whatever it is: it comes out the same
    wanted = [(f"{name}:{line}", found) for found, line in references.in_text(text)]
    secrets = referring.resolve(broker(), "inject", wanted)
    for line in references.left_in(text):
        where = f"{ui.mark('warn', ui.err)} {name}:{line}"
        ui.tell(f"{where}: a reference without {{{{ }}}} was left as it is.")
    filled = references.fill(text, secrets).encode("utf-8", "surrogateescape")
    if target is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(filled)
        return 0
    outfile.write(target, filled)
    ui.tell(f"{ui.mark('ok', ui.err)} {ui.count(len(wanted), 'secret')} in {printable(target)}.")
    return 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(stdin.MAX_BYTES + 1)
    except OSError as error:
        raise UsageFault(f"{printable(path)} cannot be read: {error.strerror}.", HINT) from None
