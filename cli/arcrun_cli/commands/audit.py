"""`arcrun audit`."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, json_option, seconds_in, service_argument
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.audit.reading import Checked, Entry
    from arcrun_auth.broker import Broker


@click.command(
    cls=Command,
    short_help="What was done with your credentials, and is the trail whole?",
    examples=(
        "arcrun audit                     the last seven days",
        "arcrun audit notion --since 90d",
        "arcrun audit --verify            is all of it as it was written?",
    ),
)
@service_argument(required=False)
@click.option(
    "--since", default="7d", metavar="TIME", show_default=True,
    help="How far back: a number and s, m, h or d.",
)  # fmt: skip
@click.option("--verify", is_flag=True, help="Check the whole trail, and sign its end.")
@json_option
def command(name: str | None, since: str, *, verify: bool, as_json: bool) -> int:
    """What was done with the credentials of this machine: by which program, when. Never a value.

    The trail is sealed in audit.db, beside the vault. It records each program's first use of a
    connection, renewals, what was handed out, set up, agreed to and removed. The exit code of
    --verify is 1 where something is not as it was written.
    """
    here = broker()
    if verify:
        if name is not None:
            raise UsageFault("The trail is checked as a whole.", "arcrun audit --verify")
        return _verify(here, as_json=as_json)
    from_ = time.time() - seconds_in(since, "arcrun audit --since 30d")
    found = [entry for entry in here.audit.entries(since=from_) if _is_of(entry, name)]
    if as_json:
        ui.put_json({"entries": [_as_data(entry) for entry in found]})
    elif found:
        _show(found)
    else:
        ui.tell(f"Nothing was recorded in the last {since}.")
    return 0


def _is_of(entry: Entry, name: str | None) -> bool:
    """Whether it is about `name`: a connection, or with no instance all those of a service."""
    return name is None or entry.name == name or entry.name.partition("@")[0] == name


def _show(found: Sequence[Entry]) -> None:
    rows = []
    for entry in found:
        when = datetime.fromtimestamp(entry.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        result = "" if entry.result == "ok" else entry.result
        rows.append((when, entry.action, entry.name, entry.program, result or entry.host))
    ui.table(rows, ("TIME", "ACTION", "NAME", "PROGRAM", ""))


def _as_data(entry: Entry) -> dict[str, Any]:
    names = ("n", "time", "device", "action", "name", "host", "result", "program")
    return {name: getattr(entry, name) for name in names}


def _verify(here: Broker, *, as_json: bool) -> int:
    with Waiting("Reading the trail"):
        found = here.audit.verify()
    if as_json:
        faults = [{"what": f.what, "n": f.n, "text": f.text} for f in found.findings]
        ui.put_json({"count": found.count, "head": found.tip, "findings": faults})
    else:
        _tell(found)
    return 1 if found.findings else 0


def _tell(found: Checked) -> None:
    for finding in found.findings:
        ui.put(f"{ui.mark('fail', word='fail')}  {printable(finding.text)}")
    if found.findings:
        ui.tell("Somebody or something has changed the trail; what opens is shown by arcrun audit.")
    elif found.count:
        ui.put(f"{ui.mark('ok', word='ok')}  {ui.count(found.count, 'line')}: nothing is missing.")
        ui.tell(f"Its head, signed by this device: {found.tip}")
    else:
        ui.tell("Nothing was recorded yet.")
