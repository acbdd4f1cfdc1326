"""`arcrun vault key|passphrase|recovery-code|rotate`: what opens the vault."""

from __future__ import annotations

import os
from base64 import b64encode

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import ui
from arcrun_cli.app import Command, Group
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker
from arcrun_cli.safe import only_for_eyes, show_code, typed_twice, vault_of
from arcrun_cli.talk import Waiting

OPENS = "it opens the vault if all else is lost"
"""What its recovery code does."""


def join(group: click.Group) -> None:
    """Put these commands under `arcrun vault`."""
    for each in (key, passphrase, recovery_code, rotate):
        group.add_command(each)


@click.group(
    "key",
    cls=Group,
    short_help="Add and remove keys.",
    examples=("arcrun vault key add ~/vault.key", "arcrun vault key remove 2"),
)
def key() -> None:
    """The keys of the vault: any one of them opens it."""


@key.command(
    "add",
    short_help="Add a key file, or the OS keyring.",
    examples=("arcrun vault key add ~/vault.key", "arcrun vault key add --keyring"),
)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--keyring", is_flag=True, help="A random key in the OS keyring.")
def add(file: str | None, *, keyring: bool) -> int:
    """Add a key in FILE, which is made if it is not there. Give its path to
    ARCRUN_MASTER_KEY_FILE where the vault has to open by itself.
    """
    from arcrun_auth.stores import upkeep

    if keyring == bool(file):
        raise UsageFault("Name a file, or --keyring.", "arcrun vault key add ~/vault.key")
    vault = vault_of(broker())
    if keyring:
        number = upkeep.add_keyring(vault)
        ui.tell(f"{ui.mark('ok', ui.err)} The OS keyring opens the vault now (key {number}).")
        return 0
    assert file is not None
    number = upkeep.add_key(vault, _key_in(os.path.expanduser(file)))
    ui.tell(f"{ui.mark('ok', ui.err)} {printable(file)} opens the vault now (key {number}).")
    ui.tell(f"  → export ARCRUN_MASTER_KEY_FILE={printable(file)}")
    return 0


def _key_in(path: str) -> bytes:
    from arcrun_auth.stores import keys, private

    if not os.path.lexists(path):
        try:
            with os.fdopen(private.create(path), "wb") as made:
                made.write(b64encode(os.urandom(32)) + b"\n")
        except OSError as error:
            raise AuthError(f"{printable(path)} cannot be made: {error.strerror}.") from None
    return keys.read_key_file(path, "key add")


@key.command("remove", short_help="Take a key away.", examples=("arcrun vault key remove 2",))
@click.argument("number", type=int)
def remove(number: int) -> int:
    """Take away the key of that NUMBER; `arcrun vault status` lists them. The last one stays."""
    from arcrun_auth.stores import upkeep

    upkeep.remove_slot(vault_of(broker()), number)
    ui.tell(f"{ui.mark('ok', ui.err)} Key {number} opens the vault no more.")
    ui.tell("If it may have leaked: arcrun vault rotate gives the vault a new master key.")
    return 0


@click.command(
    "passphrase",
    cls=Command,
    short_help="Set or change the vault's passphrase.",
    examples=("arcrun vault passphrase",),
)
def passphrase() -> int:
    """Set the vault's passphrase, in place of the one before. It is typed twice."""
    from arcrun_auth.stores import upkeep

    here = broker()
    vault = vault_of(here)
    typed = typed_twice(here)
    with Waiting("Making the key from it"):
        number = upkeep.set_passphrase(vault, typed)
    ui.tell(f"{ui.mark('ok', ui.err)} The passphrase opens the vault now (key {number}).")
    return 0


@click.command(
    "recovery-code",
    cls=Command,
    short_help="Show a new recovery code, once.",
    examples=("arcrun vault recovery-code",),
)
def recovery_code() -> int:
    """Make a new recovery code and show it; one from before is void then. Write it down."""
    from arcrun_auth.stores import upkeep

    only_for_eyes("agent-recovery-code", "The recovery code", "arcrun vault recovery-code")
    here = broker()
    vault = vault_of(here)
    if _has_code(vault.status()) and not here.person.confirm("The code from before ends. Go on?"):
        ui.tell("It was left as it is.")
        return 1
    code = upkeep.new_recovery_code(vault)
    here.audit.note("recovery code")
    show_code(code, OPENS)
    return 0


def _has_code(status: dict[str, list[dict[str, str]]]) -> bool:
    return any(slot["kind"] == "recovery" for slot in status.get("slots", ()))


@click.command(
    "rotate",
    cls=Command,
    short_help="Give the vault a new master key.",
    examples=("arcrun vault rotate",),
)
def rotate() -> int:
    """Seal everything again under a new master key, if an old one may have leaked."""
    from arcrun_auth.stores import rotation

    here = broker()
    vault = vault_of(here)
    if _has_code(vault.status()):
        only_for_eyes("agent-recovery-code", "The new recovery code", "arcrun vault rotate")
    with Waiting("Sealing the records again"):
        code = rotation.rotate(vault)
    here.audit.note("rotate")
    ui.tell(
        f"{ui.mark('ok', ui.err)} The vault has a new master key; exports from before keep "
        "the old one."
    )
    if code is not None:
        show_code(code, OPENS)
    return 0
