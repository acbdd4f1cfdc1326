"""`arcrun vault`: status, init, unlock, lock, export, import. Its keys: `vault_keys`."""

from __future__ import annotations

import os
from typing import Any

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import agents, ui
from arcrun_cli.app import Group
from arcrun_cli.commands import vault_keys
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, json_option, seconds_in
from arcrun_cli.safe import OPENED_BY, vault_of
from arcrun_cli.talk import Waiting


@click.group(
    cls=Group,
    short_help="The vault and its keys.",
    examples=("arcrun vault status", "arcrun vault unlock --for 8h"),
)
def command() -> None:
    """The file that holds every credential, sealed, and the keys that open it."""


@command.command(
    "status",
    short_help="Where the vault is, and what opens it.",
    examples=("arcrun vault status", "arcrun vault status --json"),
)
@json_option
def status(*, as_json: bool) -> int:
    """Where the vault is, what opens it and how many records it holds. Asks nothing."""
    found = vault_of(broker()).status()
    if as_json:
        ui.put_json(found)
        return 0
    if not found["exists"] and not found["set_aside"]:
        ui.put(f"There is no vault yet; the first setup makes {printable(found['path'])}.")
        if found["why_not"]:
            ui.tell(f"{ui.mark('warn', ui.err)} {printable(found['why_not'], 500)}")
        return 0
    ui.pairs(_lines(found))
    return 0


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    locked = found["why_not"]
    slots = [
        f"{s['number']}  {OPENED_BY.get(s['kind'], s['kind'])}" for s in found.get("slots", ())
    ]
    aside = [*found["set_aside"]]
    if found.get("quarantined"):
        aside.append(ui.count(found["quarantined"], "damaged record"))
    return [
        ("vault", printable(found["path"])),
        (
            "state",
            printable(f"not open: {locked}", 500)
            if locked
            else f"open, by {printable(found['opened_by'] or '')}",
        ),
        ("records", str(found.get("records", ""))),
        ("keys", "\n".join(slots)),
        ("rotation", "under way: arcrun vault rotate finishes it" if found.get("rotating") else ""),
        ("set aside", printable(", ".join(aside), 500)),
    ]


@command.command(
    "init",
    short_help="Make the vault now, instead of at the first setup.",
    examples=("arcrun vault init", "ARCRUN_MASTER_KEY_FILE=key arcrun vault init"),
)
def init() -> int:
    """Make the vault. Its key goes to the OS keyring, or is what you give or type."""
    vault = vault_of(broker())
    if vault.status()["exists"]:
        raise AuthError(f"There is a vault at {vault.path} already.", hint="arcrun vault status")
    vault.create()
    opened_by = vault.status()["opened_by"]
    ui.tell(f"{ui.mark('ok', ui.err)} {vault.path} is made; it is opened by: {opened_by}.")
    ui.tell("  → arcrun vault recovery-code, in case that key is lost one day")
    return 0


@command.command(
    "unlock",
    short_help="Type the passphrase once, for some hours.",
    examples=("arcrun vault unlock", "arcrun vault unlock --for 30m"),
)
@click.option(
    "--for",
    "span",
    default="8h",
    metavar="TIME",
    show_default=True,
    help="How long: a number and s, m, h or d.",
)
def unlock(span: str) -> int:
    """Open the vault by its passphrase for every program of yours, for some time."""
    from arcrun_auth.stores import unlock as keeper
    from arcrun_auth.stores.upkeep import passphrase_slot

    seconds = seconds_in(span, "arcrun vault unlock --for 8h")
    vault = vault_of(broker())
    passphrase_slot(vault)
    typed = broker().person.ask("The vault's passphrase", hidden=True)
    if not typed:
        raise AuthError("Nobody typed the passphrase.", hint="run it at a terminal")
    with Waiting("Checking the passphrase"):
        keeper.unlock(vault, typed, seconds=seconds)
    ui.tell(f"{ui.mark('ok', ui.err)} Unlocked for {span}.\n  → arcrun vault lock ends it")
    return 0


@command.command("lock", short_help="End an unlock.", examples=("arcrun vault lock",))
def lock() -> int:
    """Forget what `arcrun vault unlock` keeps."""
    from arcrun_auth.stores import unlock as keeper

    vault_id = vault_of(broker()).status().get("vault_id", "")
    was_open = keeper.lock(vault_id)
    ui.tell(f"{ui.mark('ok', ui.err)} " + ("Locked." if was_open else "It was not unlocked."))
    return 0


@command.command(
    "export",
    short_help="Write all credentials to one sealed file.",
    examples=("arcrun vault export backup.enc",),
)
@click.argument("file", metavar="FILE")
def export(file: str) -> int:
    """Write a backup. It is sealed: the keys of the vault open it, and nothing else."""
    here = broker()
    agents.guard(here, "export", ["*"])
    if os.path.lexists(file):
        raise UsageFault("There is a file of that name already.", "choose another name")
    from arcrun_auth.stores import export as exported

    with Waiting("Exporting"):
        count = exported.write(vault_of(here), file)
    here.audit.note("export")
    ui.tell(f"{ui.mark('ok', ui.err)} {ui.count(count, 'record')} in {printable(file)}, sealed.")
    return 0


@command.command(
    "import",
    short_help="Take over the credentials of an export.",
    examples=("arcrun vault import backup.enc",),
)
@click.argument("file", metavar="FILE")
def import_(file: str) -> int:
    """Take over an export. Of two records of one name the newer one stays."""
    from arcrun_auth.stores import export as exported

    with Waiting("Importing"):
        counts = exported.merge(vault_of(broker()), file)
    told = ", ".join(f"{count} {what}" for what, count in counts.items())
    ui.tell(f"{ui.mark('ok', ui.err)} {told}.")
    return 0


vault_keys.join(command)
