"""`arcrun approve`: requests of agents that wait for a person."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError
from arcrun_auth.policies import PATIENCE
from arcrun_auth.tokens import DEFAULT_INSTANCE
from arcrun_cli import agents, ui
from arcrun_cli.app import Command
from arcrun_cli.commands.policy import opened
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.policies import PendingRequest, Policies

WITHIN = f"within {PATIENCE // 60} minutes"


@click.command(
    cls=Command,
    short_help="Requests of agents that wait for your yes or no.",
    examples=("arcrun approve", "arcrun approve q3", "arcrun approve q3 --refuse"),
)
@click.argument("request_id", metavar="[ID]", required=False)
@click.option("--refuse", is_flag=True, help="Say no to it.")
@json_option
def command(request_id: str | None, *, refuse: bool, as_json: bool) -> int:
    """Show each request that waits, and ask whether it may go out, once. With an ID, that one.

    A yes is for this very request, its body included, and for ten minutes.
    """
    if as_json:
        if request_id is not None or refuse:
            raise UsageFault("Only the list has --json.", "arcrun approve --json")
        ui.put_json({"requests": [_as_data(each) for each in broker().policies.pending()]})
        return 0
    agents.refuse_here()
    if refuse and request_id is None:
        raise UsageFault("Name the request.", "arcrun approve ID --refuse")
    here = broker()
    found = here.policies.pending()
    if request_id is not None:
        found = tuple(each for each in found if each.id == request_id)
        if not found:
            raise AuthError("No request of that id waits.", hint="arcrun approve")
    if not found:
        ui.tell("No request waits.")
        return 0
    if refuse:
        _refuse(here.policies, found[0])
        return 0
    if here.person.reach != "terminal":
        raise UsageFault("Nobody can be asked here.", "run it at a terminal: arcrun approve")
    return _ask(here, found)


def _ask(here: Broker, found: Sequence[PendingRequest]) -> int:
    """Asks about each. The passphrase of a lock is typed once, at the first yes."""
    policies, ready = here.policies, None
    for each in found:
        _show(each)
        if not here.person.confirm("Let it through, once?"):
            _refuse(policies, each)
            continue
        ready = ready or opened(here)
        ready.approve(each.id)
        ui.tell(f"{ui.mark('ok', ui.err)} {each.id} may go out once, {WITHIN}.")
    return 0


def _refuse(policies: Policies, request: PendingRequest) -> None:
    policies.refuse(request.id)
    ui.tell(f"{ui.mark('ok', ui.err)} {request.id} is refused.")


def _show(request: PendingRequest) -> None:
    name = request.service
    if request.instance != DEFAULT_INSTANCE:
        name = f"{name}@{request.instance}"
    ui.put(ui.paint(request.id, "bold"))
    ui.pairs(
        [
            ("asks", f"{request.client}, {ui.ago(request.time - time.time())}"),
            ("as", name),
            ("request", f"{request.method} {request.path}"),
            ("goes to", request.host),
            ("body", f"{request.size} bytes" if request.size else "none"),
            ("begins", request.preview),
        ]
    )


def _as_data(request: PendingRequest) -> dict[str, Any]:
    names = ("id", "service", "instance", "client", "method", "host", "path", "size", "preview")
    return {
        **{name: getattr(request, name) for name in names},
        "asked_at": datetime.fromtimestamp(request.time, UTC),
        "expires_at": datetime.fromtimestamp(request.expires, UTC),
    }
