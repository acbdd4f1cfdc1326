"""`arcrun setup` without a name: what the project of this folder declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.core import ParameterSource

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import failures, ui
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import project_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import click

    from arcrun_auth.broker import Broker

    Connect = Callable[[str, Sequence[str]], int]

FOR_ALL = ("name", "no_input")
"""Which parameters of the command mean something for several services?"""


def set_up_all(here: Broker, ctx: click.Context, connect: Connect) -> int:
    """Connects whatever is declared and missing, one after the other.

    One that fails does not keep the others from their turn. The exit code is that of the
    first failure.
    """
    _refuse_options(ctx)
    project = project_of(here)
    ui.tell(f"{printable(project.path)} declares {ui.count(len(project.needs), 'service')}.")
    scopes = {need.name: need.scopes for need in project.needs}
    codes: dict[str, int] = {}
    skipped = 0
    for needed in here.check():
        if needed.ok:
            skipped += 1
            ui.tell(f"{ui.mark('ok', ui.err)} {needed.name} is connected already: skipped.")
            continue
        ui.tell("")
        codes[needed.name] = _one(here, needed.name, scopes[needed.name], connect)
    failed = [name for name, code in codes.items() if code]
    ui.tell(
        f"\n{len(codes) - len(failed)} connected, {skipped} skipped, {len(failed)} failed"
        + (f": {', '.join(failed)}." if failed else ".")
    )
    return next((code for code in codes.values() if code), 0)


def _one(here: Broker, name: str, scopes: Sequence[str], connect: Connect) -> int:
    try:
        why = here.why(name)
        wanted = f" with the scopes {printable(', '.join(scopes))}" if scopes else ""
        person = here.person
        # The file is the project's, and the project may be somebody else's.
        if person.reach is not None and not person.confirm(f"Connect {name}{wanted}?"):
            ui.tell("It was left as it is.")
            return 1
        held = why.scopes if scopes else ()  # what the login had before stays in
        return connect(name, list(dict.fromkeys((*held, *scopes))))
    except (AuthError, UsageFault) as error:
        return failures.tell(error, ())


def _refuse_options(ctx: click.Context) -> None:
    for param in ctx.command.params:
        typed = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
        if typed and param.name not in FOR_ALL:
            raise UsageFault(
                f"{param.opts[0]} is for one service, and none is named.",
                f"arcrun setup SERVICE {param.opts[0]} …; without options: all that is declared",
            )
