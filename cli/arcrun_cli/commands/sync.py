"""`arcrun sync`."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import ProviderUnavailable, RefreshBusy, printable
from arcrun_auth.sync import session as sessions
from arcrun_cli import syncing, ui
from arcrun_cli.app import Group
from arcrun_cli.commands.sync_share import share, unshare
from arcrun_cli.options import agreed, broker, json_option, no_input_option
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.sync.joining import Report
    from arcrun_auth.sync.session import Session, Status
    from arcrun_auth.tokens import Key

WATCH_SECONDS = 30.0
"""How often does --watch look?"""
LONGEST = 600.0
"""And how seldom at most, while the server cannot be reached?"""


class SyncGroup(Group):
    """A command that does something by itself, and has others below it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return click.Group.parse_args(self, ctx, args)


@click.group(
    "sync",
    cls=SyncGroup,
    invoke_without_command=True,
    short_help="Keep your connections the same on all your devices.",
    examples=(
        "arcrun sync                 once",
        "arcrun sync --watch         until Ctrl-C",
        "arcrun sync status          what is synced with whom, and what stays here",
        "arcrun sync verify          a code to compare with another device's",
    ),
)
@click.option("--watch", is_flag=True, help="Go on, and look every half minute.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, watch: bool, as_json: bool) -> int:
    """Bring what changed here to your other devices, and what changed there here.

    The server gets ciphertext and learns no name of a service. The first sync of an account
    founds its vault, whose keys never leave your devices; further ones are let in by arcrun
    devices. A login whose refresh token changes at each use stays on its device, or is shared.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    here = broker()
    if watch:
        _watch(here, as_json=as_json)
    with Waiting("Syncing"), sessions.session(here) as open_session:
        report = open_session.sync()
    _tell(report, open_session, as_json=as_json)
    stale = syncing.ci_vaults(here)
    if stale:
        ui.tell(f"{ui.mark('warn', ui.err)} {printable(stale)}\n  → arcrun ci update")
    return 0


def _watch(here: Broker, *, as_json: bool) -> None:
    """Syncs for ever. Ends by Ctrl-C, or by an error that does not pass."""
    pause = WATCH_SECONDS
    while True:
        try:
            with sessions.session(here) as open_session:
                report = open_session.sync()
        except (ProviderUnavailable, RefreshBusy) as error:
            ui.tell(f"{ui.mark('warn', ui.err)} {printable(error.message)}")
            pause = min(pause * 2, LONGEST)
        else:
            pause = WATCH_SECONDS
            if _moved(report) or open_session.founded:
                _tell(report, open_session, as_json=as_json)
        time.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - not all at the same moment


def _moved(report: Report) -> bool:
    return any(vars(report).values())


def _tell(report: Report, open_session: Session, *, as_json: bool) -> None:
    if as_json:
        copied = open_session.copied
        ui.put_json({
            "founded": open_session.founded,
            "log_in_again": None if copied is None else [_key_as_data(key) for key in copied],
            **_as_data(report),
        })  # fmt: skip
        return
    if open_session.founded:
        ui.tell(
            f"{ui.mark('ok', ui.err)} This account has a vault now, and this is its first device. "
            "Its keys are here, and nowhere else."
        )
        ui.tell("  → arcrun devices add lets another in")
    if open_session.copied is not None:
        _tell_copied(open_session.copied)
    lines = (
        ("got", report.pulled), ("removed here", report.removed),
        ("got back, it was missing here", report.restored), ("sent", report.pushed),
    )  # fmt: skip
    for what, keys in lines:
        if keys:
            names = ", ".join(dict.fromkeys(map(_name, keys)))
            ui.tell(f"{ui.mark('ok', ui.err)} {what}: {printable(names, 2000)}")
    for key, copy in report.conflicts:
        ui.tell(
            f"{ui.mark('warn', ui.err)} {_name(key)} was changed on two devices. One of the two "
            f"is kept as {_name(copy)}: remove it once you know which is right."
        )
        ui.tell(f"  → arcrun remove {_name(copy)}")
    for key in dict.fromkeys(report.kept):
        ui.tell(f"{_name(key)} was removed on another device, and is kept here.")
    for key in dict.fromkeys(report.too_large):
        ui.tell(f"{ui.mark('warn', ui.err)} {_name(key)} is too large to be synced.")
    if not _moved(report):
        ui.tell(f"{ui.mark('ok', ui.err)} All is the same here and there.")


def _tell_copied(again: Sequence[Key]) -> None:
    ui.tell(
        f"{ui.mark('warn', ui.err)} This home is a copy of another, or a restored backup. It is a "
        "device of its own now."
    )
    for key in again:
        ui.tell(f"The login of {_name(key)} belongs to the other one: log in here again.")
        ui.tell(f"  → arcrun setup {_name(key)}")


def _name(key: Key) -> str:
    from arcrun_auth.tokens import DEFAULT_INSTANCE

    name = key.account if key.instance == DEFAULT_INSTANCE else str(key)
    return f"the app {name}" if key.kind == "app" else name


def _as_data(report: Report) -> dict[str, Any]:
    plain = ("pulled", "removed", "restored", "pushed", "kept", "too_large")
    data: dict[str, Any] = {
        field: [_key_as_data(key) for key in getattr(report, field)] for field in plain
    }
    data["conflicts"] = [
        {**_key_as_data(key), "copy": copy.instance} for key, copy in report.conflicts
    ]
    return data


def _key_as_data(key: Any) -> dict[str, str]:
    return {"kind": key.kind, "account": key.account, "instance": key.instance}


@command.command(
    "status",
    short_help="What is synced with whom, and what stays here. Sends nothing.",
    examples=("arcrun sync status", "arcrun sync status --json"),
)
@json_option
def status(*, as_json: bool) -> int:
    """How sync stands: the server, the devices, what waits to be sent, what stays here."""
    found = sessions.status(broker())
    if as_json:
        ui.put_json(_status_as_data(found))
        return 0
    now = time.time()
    ui.pairs([
        ("server", found.server),
        ("account", found.account),
        ("vault", f"{found.vault[:12]}, epoch {found.epoch}" if found.vault else "none yet"),
        ("synced", ui.ago(found.synced - now) if found.synced else "never"),
        ("devices", "\n".join(_device(device, now) for device in found.devices)),
        ("waiting", ", ".join(found.waiting)),
        ("stay here", ", ".join(found.device_local)),
        ("shared", ", ".join(found.shared)),
    ])  # fmt: skip
    if found.vault is None:
        ui.tell("  → arcrun sync")
    if found.silent:
        ui.tell(
            f"{ui.mark('warn', ui.err)} No other device has written for two weeks, as far as the "
            "server shows. If that cannot be, compare what two devices say."
        )
        ui.tell("  → arcrun sync verify")
    return 0


def _device(device: sessions.Device, now: float) -> str:
    name = printable(device.name, 64) + (" (this one)" if device.ours else "")
    return f"{name}, {'wrote ' + ui.ago(device.written - now) if device.written else 'silent'}"


def _status_as_data(found: Status) -> dict[str, Any]:
    devices = [
        {"id": d.id, "name": printable(d.name, 64), "this": d.ours, "written": d.written}
        for d in found.devices
    ]
    names = (
        "server", "account", "vault", "epoch", "synced", "waiting", "device_local", "shared",
        "silent",
    )  # fmt: skip
    return {name: getattr(found, name) for name in names} | {"devices": devices}


@command.command(
    "start-over",
    short_help="Give up the vault on the server, and found another with what is here.",
    examples=("arcrun sync start-over", "arcrun sync start-over --yes"),
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def start_over(*, yes: bool, no_input: bool) -> int:
    """Found another vault with what this device holds, in place of the one on the server.

    For when the server has lost or changed what was there, and cannot be made to give it back.
    Your other devices keep what they hold, and have to be let in again.
    """
    here = broker(interactive=False if no_input else None)
    question = "Give up the vault on the server? Your other devices have to be let in again."
    if not yes and not agreed(here.person, question, "arcrun sync start-over --yes"):
        return 1
    with Waiting("Syncing"), sessions.session(here) as open_session:
        report = open_session.start_over()
    _tell(report, open_session, as_json=False)
    return 0


@command.command(
    "verify",
    short_help="Check everything on the server, and show a code to compare.",
    examples=("arcrun sync verify",),
)
@json_option
def verify(*, as_json: bool) -> int:
    """Read all of it again, check it, and show a code that another device shows as well.

    Sync on both devices first. If the codes differ then, the server shows them different things.
    """
    with Waiting("Checking"), sessions.session(broker()) as open_session:
        code = open_session.verify()
    if as_json:
        ui.put_json({"code": code})
    else:
        ui.put(code)
        ui.tell("Everything there is what your devices have written.")
        ui.tell("  → arcrun sync verify on another device shows the same")
    return 0


command.add_command(share)
command.add_command(unshare)
