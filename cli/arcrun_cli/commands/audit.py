"""`arcrun audit`."""

from __future__ import annotations

import time
from dataclasses import replace
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
    from collections.abc import Mapping, Sequence

    from arcrun_auth.audit.reading import Checked, Entry
    from arcrun_auth.broker import Broker
    from arcrun_auth.sync.trails import Others


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
    """What was done with your credentials: by which program, when. Never a value.

    The trail is sealed in audit.db, beside the vault. It records each program's first use of a
    connection, renewals, what was handed out, set up, agreed to and removed, and each request of
    an agent, without its query and body. Where this home
    syncs, the other devices' trails are fetched from there, and checked. The exit code of
    --verify is 1 where something is not as it was written.
    """
    here = broker()
    if verify:
        if name is not None:
            raise UsageFault("The trail is checked as a whole.", "arcrun audit --verify")
        return _verify(here, as_json=as_json)
    from_ = time.time() - seconds_in(since, "arcrun audit --since 30d")
    own = here.audit.entries(since=from_)
    there = _others(here, since=from_)
    own = [replace(entry, device=there.me or entry.device) for entry in own]
    found = [entry for entry in (*own, *there.entries) if _is_of(entry, name)]
    found.sort(key=lambda entry: entry.time, reverse=True)
    if as_json:
        data = [_as_data(entry) for entry in found]
        ui.put_json({"entries": data, "unread": there.unread})
    elif found:
        _show(found, there.names)
    else:
        ui.tell(f"Nothing was recorded in the last {since}.")
    if there.findings:
        ui.tell("Another device's trail is not as it was written: arcrun audit --verify says more.")
    return 0


def _others(here: Broker, *, since: float | None = None) -> Others:
    """What the other devices did; says where they could not be asked about."""
    from arcrun_auth.sync.trails import others

    with Waiting("Reading what the other devices did"):
        found = others(here, since=since)
    if found.unread:
        ui.tell(f"What the other devices did could not be fetched: {printable(found.unread)}")
    return found


def _is_of(entry: Entry, name: str | None) -> bool:
    """Whether it is about `name`: a connection, or with no instance all those of a service."""
    return name is None or entry.name == name or entry.name.partition("@")[0] == name


def _show(found: Sequence[Entry], names: Mapping[str, str]) -> None:
    several = len({entry.device for entry in found}) > 1
    rows = []
    for entry in found:
        when = datetime.fromtimestamp(entry.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        last = entry.host if entry.result == "ok" else entry.result
        device = (_named(entry.device, names),) if several else ()
        rest = (entry.action, entry.name, entry.client or entry.program)
        rows.append((when, *device, *rest, " ".join(filter(None, (entry.request, last)))))
    columns = ("DEVICE",) if several else ()
    ui.table(rows, ("TIME", *columns, "ACTION", "NAME", "PROGRAM", ""))


def _named(device: str, names: Mapping[str, str]) -> str:
    """What a device is called; the same before this one has an id."""
    return printable(names.get(device, device)) or "this one"


def _as_data(entry: Entry) -> dict[str, Any]:
    names = (
        "n", "time", "device", "action", "name", "host", "result", "program", "client", "request",
    )  # fmt: skip
    return {name: getattr(entry, name) for name in names}


def _verify(here: Broker, *, as_json: bool) -> int:
    with Waiting("Reading the trail"):
        found = here.audit.verify()
    there = _others(here)
    findings = (*found.findings, *there.findings)
    if as_json:
        faults = [{"what": f.what, "n": f.n, "text": f.text, "device": f.device} for f in findings]
        others = [
            {"device": dev, "name": there.names.get(dev, ""), "count": each.count, "head": each.tip}
            for dev, each in there.checked.items()
        ]
        data = {"count": found.count, "head": found.tip, "findings": faults}
        ui.put_json({**data, "others": others, "unread": there.unread})
    else:
        _tell(found)
        for dev, each in there.checked.items():
            _tell_other(_named(dev, there.names), each)
    return 1 if findings else 0


def _tell(found: Checked) -> None:
    _tell_findings(found)
    if found.findings:
        ui.tell("Somebody or something has changed the trail; what opens is shown by arcrun audit.")
    elif found.count:
        ui.put(f"{ui.mark('ok', word='ok')}  {ui.count(found.count, 'line')}: nothing is missing.")
        ui.tell(f"Its head, signed by this device: {found.tip}")
    else:
        ui.tell("Nothing was recorded yet.")


def _tell_other(name: str, found: Checked) -> None:
    _tell_findings(found, f"{name}: ")
    if not found.findings:
        lines = ui.count(found.count, "line")
        ui.put(f"{ui.mark('ok', word='ok')}  {name}: {lines}, and nothing is missing.")


def _tell_findings(found: Checked, whose: str = "") -> None:
    for finding in found.findings:
        ui.put(f"{ui.mark('fail', word='fail')}  {whose}{printable(finding.text)}")
