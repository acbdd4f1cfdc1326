"""`arcrun sync share` and `arcrun sync unshare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_auth.sync import shares
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, full_name, service_argument
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker


@click.command(
    "share",
    cls=Command,
    short_help="Let all your devices use one login that changes at each renewal.",
    examples=("arcrun sync share google_drive", "arcrun sync share google_drive@work"),
)
@service_argument()
def share(name: str) -> int:
    """Share the login of SERVICE with all your devices, in place of one on each.

    It is for logins whose refresh token changes each time it is used: of two devices that used
    one, the provider would end it for both. From now on your devices renew it in turns, which the
    platform gives out. While it cannot be reached nobody renews: the token that is there works
    to its end. A device that has a login of its own to the same account uses the shared one
    after its next sync.
    """
    here = broker()
    service, instance, name = _named(here, name)
    with Waiting(f"Sharing {name}"):
        anew = shares.share(here, service, instance)
    ui.tell(f"{ui.mark('ok', ui.err)} {name} is shared{'' if anew else ' already'}.")
    if anew:
        ui.tell("  → on your other devices: arcrun sync")
    return 0


@click.command(
    "unshare",
    cls=Command,
    short_help="Keep a shared login on this device alone.",
    examples=("arcrun sync unshare google_drive",),
)
@service_argument()
def unshare(name: str) -> int:
    """Keep the shared login of SERVICE on this device. Your others need one of their own then."""
    here = broker()
    service, instance, name = _named(here, name)
    with Waiting(f"Taking {name} back"):
        was = shares.unshare(here, service, instance)
    if not was:
        ui.tell(f"{name} is not shared.")
        return 0
    ui.tell(f"{ui.mark('ok', ui.err)} {name} is on this device alone.")
    ui.tell(f"  → arcrun setup {name} on another device, if it is needed there")
    return 0


def _named(here: Broker, name: str) -> tuple[str, str, str]:
    """Service and instance that are meant, in a project too, and how they are typed."""
    why = here.why(name)
    return why.service, why.instance, full_name(here, why.service, why.instance)
