"""`arcrun test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.standing import in_order
from arcrun_cli import failures, ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, full_name, json_option, service_argument
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker


@click.command(
    cls=Command,
    short_help="Send a test request: does it work, and whose account is it?",
    examples=(
        "arcrun test notion",
        "arcrun test                  everything that is connected",
        "arcrun test github@work --json",
    ),
)
@service_argument(required=False)
@json_option
def command(name: str | None, *, as_json: bool) -> int:
    """Send the recipe's test request for one connection, or for all of them."""
    here = broker()
    names = [name] if name else connected(here)
    if not names and not as_json:
        ui.tell("Nothing is connected yet.\n  → arcrun setup SERVICE")
    width = max((len(name) for name in names), default=0)
    results: list[dict[str, Any]] = []
    codes: list[int] = []
    for each in names:
        found, code = _test(here, each)
        codes.append(code)
        results.append(found)
        if not as_json:
            _show(found, width)
    if as_json:
        ui.put_json({"results": results})
    return failures.worst(codes)


def connected(here: Broker) -> list[str]:
    """Every connection, as it is typed."""
    return [
        full_name(here, service.service, instance)
        for service in here.list_services().values()
        for instance, _ in in_order(service)
    ]


def _test(here: Broker, name: str) -> tuple[dict[str, Any], int]:
    try:
        with Waiting(f"Testing {name}"):
            checked = here.test(name)
    except AuthError as error:
        found = {
            "name": name,
            "ok": False,
            "account": None,
            "status": None,
            "error": type(error).__name__,
            "message": error.message,
            "hint": failures.hint_of(error),
        }
        return found, failures.exit_code(error)
    return {
        "name": name,
        "ok": True,
        "account": checked.identity,
        "status": checked.status,
        "error": None,
        "message": None,
        "hint": None,
    }, 0


def _show(found: dict[str, Any], width: int) -> None:
    name = f"{found['name']:<{width}}"
    if not found["ok"]:
        ui.put_failed(name, found["message"], found["hint"])
    elif found["status"] is None:
        ui.put(f"{ui.mark('ok', word='ok')}    {name}  connected; its recipe has no test request")
    else:
        account = f"  {printable(found['account'])}" if found["account"] else ""
        ui.put(f"{ui.mark('ok', word='ok')}    {name}{account}")
