"""`arcrun account`: the account at the platform itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command, Group
from arcrun_cli.commands.login import called
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, json_option
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.cloud_answers import ApiKey


@click.group(
    cls=Group,
    short_help="The account itself: a new key, or its end.",
    examples=(
        "arcrun account keys          which keys open the account",
        "arcrun account rotate-key    this device gets a new key; all stays as it is",
        "arcrun account delete        the account with all its rows",
    ),
)
def command() -> None:
    """The account at the platform that this device is logged in to."""


@command.command(
    "keys",
    cls=Command,
    short_help="The API keys of the account, without their texts.",
    examples=("arcrun account keys", "arcrun account keys --json"),
)
@json_option
def keys(*, as_json: bool) -> int:
    """Which API keys the account has: of itself, of its devices, of CI jobs."""
    from arcrun_auth.sync.account import required

    here = broker()
    with Waiting("Asking the platform"), required(here.store, here.settings).cloud() as cloud:
        found = [_shown(key) for key in cloud.keys()]
    if as_json:
        ui.put_json({"keys": found})
        return 0
    ui.table(
        [
            (
                key["id"] + (" (this one)" if key["current"] else ""), key["kind"], key["label"],
                key["created_at"][:10], key["last_used_at"][:10], key["expires_at"][:10],
            )
            for key in found
        ],
        ("ID", "KIND", "LABEL", "MADE", "LAST USED", "ENDS"),
    )  # fmt: skip
    return 0


def _shown(key: ApiKey) -> dict[str, Any]:
    told = ("id", "kind", "label", "created_at", "last_used_at", "expires_at")
    return {
        **{name: printable(getattr(key, name) or "", 64) for name in told},
        "current": key.current,
    }


@command.command(
    "end-key",
    cls=Command,
    short_help="End one of them: whoever has it is logged out.",
    examples=("arcrun account end-key key_0123456789abcdef",),
)
@click.argument("key", metavar="ID")
def end_key(key: str) -> int:
    """End the key ID: whoever has it is logged out. What is stored stays. With the key of a device
    end those that it made for devices. A key of kind account is ended only by one of its kind.
    """
    from arcrun_auth.sync.account import required

    here = broker()
    with Waiting("Asking the platform"), required(here.store, here.settings).cloud() as cloud:
        there = cloud.remove_key(key)
    if not there:
        raise UsageFault("This account has no such key.", "arcrun account keys")
    ui.tell(f"{ui.mark('ok', ui.err)} {printable(key, 64)} has ended.")
    return 0


@command.command(
    "rotate-key",
    cls=Command,
    short_help="Replace this device's key; what is stored stays.",
    examples=("arcrun account rotate-key",),
)
def rotate_key() -> int:
    """Replace the key of this device by a new one. The old one ends; nothing else changes."""
    from arcrun_auth.sync import logging_in

    here = broker()
    with Waiting("Asking the platform"):
        who = logging_in.rotate(here.store, here.settings)
    ui.tell(f"{ui.mark('ok', ui.err)} {called(who)} has a new key here; the old one has ended.")
    return 0


@command.command(
    "delete",
    cls=Command,
    short_help="Delete the account with all its rows.",
    examples=("arcrun account delete",),
)
def delete() -> int:
    """Delete the account at the platform, with all its rows and keys, of all devices.

    What is connected on your devices stays there. The name of the account has to be typed.
    """
    from arcrun_auth.sync import account, logging_in

    here = broker()
    who = account.required(here.store, here.settings)
    name = who.email or who.account
    if here.person.reach != "terminal":
        raise UsageFault(
            "An account is deleted by somebody at a terminal, who types its name.",
            "arcrun account delete, at a terminal",
        )
    ui.tell(f"This deletes {called(who)} at {who.server} with all its rows. There is no way back.")
    typed = here.person.ask(f"Type {name} to go on")
    if (typed or "").strip() != name:
        ui.tell("It was left as it is.")
        return 1
    with Waiting("Deleting the account"):
        logging_in.delete_account(here.store, here.settings)
    ui.tell(f"{ui.mark('ok', ui.err)} {called(who)} is deleted at {who.server}.")
    return 0
