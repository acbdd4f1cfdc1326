"""Sync by itself: after a command that changed something, for a few seconds at most."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import ui

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker

SECONDS = 5.0
"""How long may a command take longer because of it?"""

_ONCE = "arcrun_cli.syncing"


def afterwards(here: Broker) -> None:
    """Once the command has ended, syncs what it changed, if this home syncs at all."""
    context = click.get_current_context(silent=True)
    if context is None or context.meta.get(_ONCE):
        return
    context.meta[_ONCE] = True
    context.find_root().call_on_close(lambda: now(here))


def now(here: Broker) -> None:
    """Syncs, and says in one line if it could not. Never raises: the command has done its work."""
    try:
        if here.settings.flag("sync_auto") is False or not _syncs(here):
            return
        failure = _within(here, SECONDS)
    except Exception as error:  # noqa: BLE001 - a fault of sync is none of the command's
        failure = _words(error)
    if failure:
        ui.tell(f"{ui.mark('warn', ui.err)} Not synced: {printable(failure)}")
        ui.tell("  → arcrun sync")


def ci_vaults(here: Broker) -> str:
    """Brings the CI vaults of this home up to date; why one was not, empty if all were."""
    try:
        here.ci.update()
    except AuthError as error:
        return f"a CI vault is as it was: {error.message}"
    return ""


def _words(error: Exception) -> str:
    """What to say of it. The text of an error that is not ours could hold anything."""
    if isinstance(error, AuthError):
        return error.message
    return f"it failed with {type(error).__name__}."


def _syncs(here: Broker) -> bool:
    from arcrun_auth.sync.logins import syncs

    return syncs(here.store)


def _within(here: Broker, seconds: float) -> str:
    """Why it was not done; empty if it was. What is left half-way goes on with the next sync."""
    found: list[str] = []
    # A daemon: nobody waits for a server that does not answer, not even the end of the process.
    thread = threading.Thread(target=lambda: found.append(_sync(here)), daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    except KeyboardInterrupt:
        return "it was interrupted."
    return found[0] if found else f"it takes longer than {seconds:g} seconds."


def _sync(here: Broker) -> str:
    from arcrun_auth.sync.session import session

    try:
        with session(here, wait=SECONDS) as open_session:
            open_session.sync()
        return ci_vaults(here)
    except Exception as error:  # noqa: BLE001 - it ends a thread, and nobody would see it
        return _words(error)
