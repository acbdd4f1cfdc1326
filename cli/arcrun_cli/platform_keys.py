"""The keys that the platform's own SDK keeps in clear, for `arcrun import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import platform_config
from arcrun_cli import ui

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker


def look(here: Broker, *, asks: bool, yes: bool) -> None:
    """Says that they are there; moves them into the vault where somebody agrees.

    With `yes` they are taken in, and the file stays as it is. AuthError for a file that cannot
    be read.
    """
    found = platform_config.read(here.settings.home)
    if found is None or not found.secrets:
        return
    if asks:
        from arcrun_auth.platform_sdk import offer

        offer(here, found)
        return
    place, names = platform_config.where(found), " and ".join(found.secrets)
    if yes:
        taken = platform_config.take(here.store, found)
        told = f"{' and '.join(taken)} of {place}: in the vault now." if taken else ""
        ui.tell(f"{ui.mark('ok', ui.err)} {told or f'{place}: nothing new for the vault.'}")
        return
    ui.tell(f"{ui.mark('warn', ui.err)} {names} of the platform: in clear in {place}.")
    ui.tell("  → arcrun import, at a terminal, moves what is there into the vault")
