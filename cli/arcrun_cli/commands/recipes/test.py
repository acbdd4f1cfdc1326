"""`arcrun recipes test`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import failures, ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, json_option, no_input_option, service_argument
from arcrun_cli.talk import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.trial import Step, Trial

_MARKS = {"ok": "ok", "warn": "warn", "fail": "fail", "skip": "warn"}


@click.command(
    "test",
    cls=Command,
    short_help="Try a recipe against the live service, with what is connected.",
    examples=("arcrun recipes test notion", "arcrun recipes test dropbox --renew --json"),
)
@service_argument()
@click.option("--renew", is_flag=True, help="Renew a login without asking.")
@json_option
@no_input_option
def command(name: str, *, renew: bool, as_json: bool, no_input: bool) -> int:
    """Try what a recipe says against the live service, for each way in that is connected.

    Ends with the line that says so, for the recipe: `verified`.
    """
    here = broker(interactive=False if no_input else None)
    service = here.recipes.entry(name.partition("@")[0]).service
    names = [name] if "@" in name else _connected(here, service)
    tried = [_try(here, each, _may_renew(here, renew=renew)) for each in names]
    untried = _untried(here, service, tried)
    verified = (
        _verified(here, service) if tried and all(trial.is_proof for trial in tried) else None
    )
    if as_json:
        ui.put_json(
            {
                "results": [_as_data(trial) for trial in tried],
                "not_connected": untried,
                "verified": verified,
            }
        )
    else:
        _show(service, tried, untried, verified)
    if not tried:
        return failures.USAGE
    return failures.worst(_code(trial) for trial in tried)


def _connected(here: Broker, service: str) -> list[str]:
    instances = here.list_services()[service].instances
    return [f"{service}@{instance}" for instance in instances]


def _try(here: Broker, name: str, may_renew: Callable[[str], bool]) -> Trial:
    from arcrun_auth import trial

    person = here.person
    assert isinstance(person, Terminal)
    with person.working(f"Trying {name}"):
        return trial.run(here, name, may_renew)


def _may_renew(here: Broker, *, renew: bool) -> Callable[[str], bool]:
    return lambda name: (
        renew
        or (
            here.person.reach is not None
            and here.person.confirm(f"Renew the login to {name} now, to see what comes back?")
        )
    )


def _untried(here: Broker, service: str, tried: Sequence[Trial]) -> list[str]:
    known = {trial.method for trial in tried}
    return [way.id for way in here.recipes.entry(service).methods if way.id not in known]


def _verified(here: Broker, service: str) -> dict[str, Any]:
    before = here.recipes.recipe(service).verified
    sources = {"sources": list(before.sources)} if before is not None and before.sources else {}
    return {"date": datetime.now(UTC).date().isoformat(), "method": "live", **sources}


def _code(trial: Trial) -> int:
    if trial.error is not None:
        return failures.exit_code(trial.error)
    return 0 if trial.ok else 1


def _show(
    service: str, tried: Sequence[Trial], untried: Sequence[str], verified: dict[str, Any] | None
) -> None:
    from arcrun_auth.drafting.emit import emit

    for trial in tried:
        ui.put(ui.paint(f"{trial.name}  {trial.method}", "bold"))
        for step in trial.steps:
            _show_step(step)
        if trial.error is not None and trial.error.hint:
            ui.put(f"        → {printable(trial.error.hint)}")
    if not tried:
        ui.tell(f"{service} is not connected: there is nothing to try it with.")
    for method in untried:
        ui.tell(f"Not tried: {method}\n  → arcrun setup {service}@another --method {method}")
    if verified is not None:
        ui.put(emit({"verified": verified}).rstrip("\n"))
        ui.tell("This line is for the recipe.")


def _show_step(step: Step) -> None:
    width, indent = ui.width_of(ui.out()), " " * 8
    ui.put(f"{ui.mark(_MARKS[step.state], word=f'{step.state:<4}')}  {step.name}")
    ui.put(ui.wrap(f"{indent}says  {printable(step.says)}", width, f"{indent}      "))
    ui.put(ui.wrap(f"{indent}came  {printable(step.came)}", width, f"{indent}      "))


def _as_data(trial: Trial) -> dict[str, Any]:
    return {
        "name": trial.name,
        "method": trial.method,
        "ok": trial.ok,
        "steps": [
            {"name": s.name, "says": s.says, "came": s.came, "state": s.state} for s in trial.steps
        ],
        "error": type(trial.error).__name__ if trial.error else None,
        "message": trial.error.message if trial.error else None,
        "hint": trial.error.hint if trial.error else None,
    }
