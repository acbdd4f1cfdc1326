"""`arcrun demo`."""

from __future__ import annotations

import os
import tempfile
import time
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError
from arcrun_cli import ui
from arcrun_cli.app import Command

if TYPE_CHECKING:
    from arcrun_cli.stage import Stage

_LABEL = 14


@click.command(
    cls=Command,
    short_help="A whole login and renewal, played on this machine.",
    examples=("arcrun demo", "arcrun demo --no-browser"),
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser: follow the page here.")
def command(*, no_browser: bool) -> int:
    """Log in, call, expire, renew: against a real OAuth provider that runs here meanwhile.

    It has a home of its own, which is gone at the end; yours is not touched, and nothing
    leaves this machine. Every line is the outcome of real requests.
    """
    from arcrun_auth.testing import Provider
    from arcrun_cli.stage import Stage

    started = time.monotonic()
    ui.put(
        f"{ui.paint('arcrun demo', 'bold')}: a provider, a browser and a vault, all on this machine"
    )
    ui.put()
    with (
        tempfile.TemporaryDirectory(prefix="arcrun-demo-") as home,
        Provider() as provider,
        Provider() as stranger,
    ):
        stage = Stage(home, provider, stranger, no_browser=no_browser)
        try:
            broken = _play(stage)
        finally:
            stage.close()
    if broken is None and os.path.exists(home):
        broken = "clean up"
        _line("fail", broken, f"{home} is still there")
    elif broken is None:
        _line("ok", "clean up", "the providers have stopped, the vault's home is deleted")
    ui.put()
    if broken is not None:
        ui.put(f"{ui.mark('fail', word='The demo failed')} at: {broken}")
        return 1
    ui.put(f"Everything held, in {time.monotonic() - started:.1f} s. Now with a real service:")
    ui.put("  → arcrun setup github        or: arcrun list --all")
    return 0


def _play(stage: Stage) -> str | None:
    """Every scene in its order, until one does not hold: its label."""
    from arcrun_cli.stage import SCENES, DoesNotHold

    for label, scene in SCENES:
        try:
            told = scene(stage)
        except DoesNotHold as error:
            _line("fail", label, str(error))
            return label
        except AuthError as error:
            _line("fail", label, error.message)
            return label
        _line("ok", label, told)
    return None


def _line(kind: str, label: str, text: str) -> None:
    start = f"{ui.mark(kind)} {label:<{_LABEL}}"
    width = ui.width_of(ui.out()) or ui.WIDTH
    indent = " " * (_LABEL + 2)
    first, *more = text.split("\n")
    shown = ui.wrap(indent + first, width, indent)
    ui.put(start + shown[len(indent) :])
    for line in more:
        ui.put(ui.wrap(indent + line, width, indent))
    ui.out().flush()
