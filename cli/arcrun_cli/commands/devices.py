"""`arcrun devices`: who belongs to the synced vault, who comes in and who goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_auth.sync import devices as rules
from arcrun_auth.sync import listing
from arcrun_auth.sync import session as sessions
from arcrun_auth.sync.cloud_mailbox import CloudMailbox
from arcrun_auth.sync.enrolling import Waiting as OtherSide
from arcrun_cli import agents, ui
from arcrun_cli.app import Group
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import agreed, broker, json_option
from arcrun_cli.safe import only_for_eyes, show_code
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.people import Person
    from arcrun_auth.protocol.membership import Device
    from arcrun_auth.sync.enrolling import Same
    from arcrun_auth.sync.listing import Listed
    from arcrun_auth.sync.revoking import Exposed, Revoked


@click.group(
    "devices",
    cls=Group,
    short_help="The devices that share your synced connections.",
    examples=(
        "arcrun devices join           on a new machine",
        "arcrun devices add            on one that syncs already",
        "arcrun devices revoke laptop  if it is lost",
    ),
)
def command() -> None:
    """The devices of the synced vault. Each is let in by another one; the server cannot."""


@command.command(
    "list", short_help="Which devices there are.", examples=("arcrun devices list --json",)
)
@json_option
def list_(*, as_json: bool) -> int:
    """The devices, as of the last sync: who let them in, and when they wrote last."""
    found = listing.devices(broker())
    if as_json:
        ui.put_json({"devices": [_as_data(each) for each in found]})
        return 0
    if not found:
        ui.tell("This home belongs to no synced vault yet.\n  → arcrun sync")
        return 0
    now = time.time()
    ui.table([_row(each, now) for each in found], ("DEVICE", "ID", "ADDED", "BY", "LAST WRITTEN"))
    return 0


def _row(each: Listed, now: float) -> tuple[str, ...]:
    name = printable(each.device.name, 64) + (" (this one)" if each.ours else "")
    wrote = ui.ago(each.written - now) if each.written else ""
    written = f"revoked {ui.ago(each.ended - now)}" if each.ended else wrote
    return name, each.device.id, ui.ago(each.added - now), printable(each.by, 64), written


def _as_data(each: Listed) -> dict[str, Any]:
    return {
        "id": each.device.id, "name": printable(each.device.name, 64), "kind": each.device.kind,
        "this": each.ours, "added": each.added, "by": printable(each.by, 64),
        "written": each.written, "revoked": each.ended,
    }  # fmt: skip


@command.command(
    "add",
    short_help="Let a new device in, that runs: arcrun devices join.",
    examples=("arcrun devices add",),
)
def add() -> int:
    """Let in a device of yours that runs arcrun devices join. Both show a code to compare."""
    agents.refuse("agent-devices", "The code of a device", "arcrun devices add")
    here = broker()
    same = _same(here.person, "arcrun devices add")
    with sessions.session(here) as open_session:
        with Waiting("Syncing"):
            open_session.sync()
        ui.tell("Waiting for the new device: run arcrun devices join there.")
        waiting = OtherSide(CloudMailbox(open_session.cloud))
        new = rules.admit(open_session.vault(), waiting, same, now=time.time())
        open_session.sync()
    here.audit.note("device added", new.id)
    ui.tell(f"{ui.mark('ok', ui.err)} {printable(new.name, 64)} is a device of this vault now.")
    return 0


@command.command(
    "join",
    short_help="Make this machine a device of your vault.",
    examples=("arcrun devices join", "arcrun devices join --recovery"),
)
@click.option("--recovery", is_flag=True, help="By the recovery code, where no device is left.")
def join(*, recovery: bool) -> int:
    """Be let in by a device that runs arcrun devices add, and sync. What is here stays, and is
    joined with what is there.
    """
    here = broker()
    with sessions.session(here) as home:
        if recovery:
            _by_code(home, here.person)
        else:
            same = _same(here.person, "arcrun devices join")
            ui.tell("Now run arcrun devices add on a device that syncs already.")
            waiting = OtherSide(CloudMailbox(home.cloud))
            old = rules.join(home.store, home.state, home.wire, waiting, same)
            ui.tell(f"{ui.mark('ok', ui.err)} {printable(old.name, 64)} has let this device in.")
        with Waiting("Syncing"):
            report = home.sync()
    here.audit.note("device joined")
    ui.tell(f"{ui.mark('ok', ui.err)} {ui.count(len(report.pulled), 'record')} came along.")
    ui.tell("  → arcrun list")
    return 0


def _by_code(home: sessions.Session, person: Person) -> None:
    typed = person.ask("The recovery code", hidden=True)
    if not typed:
        raise UsageFault("Nobody typed a recovery code.", "run it at a terminal")
    rules.recover(home.store, home.state, home.wire, typed, now=time.time())
    ui.tell(f"{ui.mark('ok', ui.err)} The code has let this device in.")
    ui.tell("If another device is left, compare what both say: arcrun sync verify")


def _same(person: Person, command_line: str) -> Same:
    """Asks whether both devices show one code. UsageFault where nobody can be asked."""
    if person.reach not in ("terminal", "notebook"):
        raise UsageFault("Nobody can compare a code here.", f"run it at a terminal: {command_line}")

    def same(code: str, other: Device) -> bool:
        person.say(f"\n    {code}\n")
        return person.confirm(f"Does {printable(other.name, 64)} show the same code?")

    return same


@command.command(
    "recovery",
    short_help="Show a new recovery code, once.",
    examples=("arcrun devices recovery",),
)
def recovery() -> int:
    """Make a new recovery code of the synced vault; one from before is void then. With it a new
    machine comes in when no device is left: arcrun devices join --recovery.
    """
    only_for_eyes("agent-recovery-code", "The recovery code", "arcrun devices recovery")
    here = broker()
    if listing.has_code(here) and not here.person.confirm("The code from before ends. Go on?"):
        ui.tell("It was left as it is.")
        return 1
    here.audit.note("recovery code")
    with Waiting("Making the code"), sessions.session(here) as open_session:
        open_session.sync()
        code = rules.new_code(open_session.vault(), now=time.time())
        open_session.sync()
    show_code(code, "it lets a new machine into your synced vault")
    return 0


@command.command(
    "revoke",
    short_help="Shut a device out, and seal everything anew.",
    examples=("arcrun devices revoke laptop", "arcrun devices revoke 3f2a --yes"),
)
@click.argument("name", metavar="DEVICE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def revoke(name: str, *, yes: bool, as_json: bool) -> int:
    """Shut out DEVICE, by its name or id. It gets nothing new; what it has read it has read, so
    at the end stands what to replace at the providers.
    """
    here = broker()
    with Waiting("Syncing"), sessions.session(here) as open_session:
        open_session.sync()
    device = listing.named(here, name)
    shown = f"{printable(device.name, 64)} ({device.id})"
    if not yes and not agreed(
        here.person, f"Shut out {shown}?", f"arcrun devices revoke {device.id} --yes"
    ):
        return 1
    from arcrun_auth.sync.revoking import revoke as run

    with Waiting("Sealing everything again"), sessions.session(here) as open_session:
        done = run(open_session, device)
    here.audit.note("device revoked", device.id)
    if as_json:
        ui.put_json(_revoked_as_data(done))
    else:
        _tell(done, shown)
    return 0


_ACCESS = {
    "shared": "Its API key is another device's, too, and was left: arcrun login gives a new one.",
    "kept": "Its API key is the account's own, and was left. Log in with it once more, and run: "
    "arcrun account rotate-key",
    "unknown": "It never told its API key: arcrun account keys lists them, arcrun account end-key "
    "ends it.",
}


def _tell(done: Revoked, shown: str) -> None:
    ui.tell(f"{ui.mark('ok', ui.err)} {shown} is shut out, and everything is sealed anew.")
    if done.access != "ended":
        ui.tell(f"{ui.mark('warn', ui.err)} {_ACCESS[done.access]}")
    if not done.exposed:
        ui.tell("It could read nothing.")
        return
    ui.tell("It could read these. Replace them where they were made, then run the command:")
    ui.table([_exposed(each) for each in done.exposed], ("WHAT", "KIND", "WHERE", "THEN"))


def _exposed(each: Exposed) -> tuple[str, ...]:
    name = _name(each)
    then = f"arcrun app add {name}" if each.what == "app" else f"arcrun setup {name}"
    return printable(name, 140), each.what, printable(each.help_url or "", 200), then


def _name(each: Exposed) -> str:
    from arcrun_auth.tokens import DEFAULT_INSTANCE

    key = each.key
    return key.account if key.instance == DEFAULT_INSTANCE else str(key)


def _revoked_as_data(done: Revoked) -> dict[str, Any]:
    exposed = [
        {"name": _name(each), "what": each.what, "help_url": each.help_url} for each in done.exposed
    ]
    device = {"id": done.device.id, "name": printable(done.device.name, 64)}
    return {"revoked": device, "api_key": done.access, "replace": exposed}
