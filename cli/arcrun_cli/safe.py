"""The vault, as the commands see it: which one, how it stands, and what may be shown of it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_cli import agents, ui
from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.broker import Broker
    from arcrun_auth.stores.vault import Vault
    from arcrun_cli.health import Finding

OPENED_BY = {
    "keyring": "the OS keyring",
    "passphrase": "a passphrase",
    "key": "a key file, or a key in the environment",
    "recovery": "the recovery code",
}
"""What each kind of slot is for people."""


def vault_of(here: Broker) -> Vault:
    """The vault that credentials are written to. AuthError where it is another store."""
    from arcrun_auth.stores.vault import Vault

    primary = getattr(here.store, "primary", here.store)
    if not isinstance(primary, Vault):
        raise AuthError(
            f"Credentials are kept in the {primary.name} store here: there is no vault.",
            hint="the setting `store` says so: arcrun doctor",
        )
    return primary


def typed(here: Broker, question: str) -> str:
    """A passphrase, typed at the terminal. AuthError where nobody types one."""
    person = here.person
    answer = person.ask(question, hidden=True) if person.reach == "terminal" else None
    if answer is None:
        raise AuthError("Nobody can type a passphrase here.", hint="run it at a terminal")
    if not answer:
        raise AuthError("No passphrase was typed. Nothing was changed.")
    return answer


def typed_twice(here: Broker) -> str:
    """A new passphrase. AuthError where nobody types one."""
    while True:
        first = typed(here, "New passphrase")
        if here.person.ask("Once more", hidden=True) == first:
            return first
        here.person.say("The two are not the same.")


def only_for_eyes(rule: str, what: str, command: str) -> None:
    """Raises where what is shown would go into a file, a pipe or an agent's transcript."""
    agents.refuse(rule, what, command)
    if not sys.stdout.isatty():
        raise UsageFault(f"{what} is shown at a terminal only.", command)


def show_code(code: str, does: str) -> None:
    """A recovery code, once. `does` says what for."""
    ui.put(f"\n    {ui.paint(code, 'bold')}\n")
    ui.tell(f"Write it down and keep it off this machine: {does}. It is not shown again.")


def examine(here: Broker) -> Iterator[Finding]:
    """The doctor's findings on keyring and vault."""
    from arcrun_auth.stores import keyring_backend
    from arcrun_auth.stores.keys import how_to_open
    from arcrun_cli.health import Finding

    keyring = keyring_backend.system(here.settings.environ)
    why = "it is switched off (ARCRUN_KEYRING)" if keyring is None else keyring.why_not()
    if why is None:
        yield Finding("keyring", "ok", "the OS keyring can keep the vault's key")
    vault = vault_of(here)
    yield from _loose(vault)
    found = vault.status()
    if why is not None:
        needed = not found["exists"] and found["why_not"] is not None
        hint = "export ARCRUN_MASTER_KEY_FILE=…, or: arcrun vault init" if needed else None
        yield Finding("keyring", "warn", f"Not used: {why}.", hint)
    if not found["exists"] and not found["set_aside"]:
        yield Finding("vault", "ok", f"{vault.path} (made at the first setup)")
        return
    kinds = ", ".join(f"{slot['kind']} ({slot['number']})" for slot in found.get("slots", ()))
    if found["why_not"] is not None:
        hint = how_to_open([slot["kind"] for slot in found.get("slots", ())])
        yield Finding("vault", "fail", found["why_not"], hint)
    else:
        opened = f"opened by {found['opened_by']}; keys: {kinds}"
        yield Finding("vault", "ok", f"{ui.count(found['records'], 'record')}, {opened}")
    if found.get("quarantined"):
        yield Finding(
            "vault",
            "warn",
            f"{ui.count(found['quarantined'], 'damaged record')}: set aside, not deleted.",
            "set up again what is missing: arcrun list; if it was the policy: arcrun policy reset",
        )
    for path in found["set_aside"]:
        yield Finding(
            "vault",
            "warn",
            f"A damaged vault was set aside: {path}.",
            "restore an export (arcrun vault import), then delete that file",
        )


def _loose(vault: Vault) -> Iterator[Finding]:
    """Files that others could read. Looked at first: opening the vault mends them."""
    from arcrun_cli.health import Finding

    if not hasattr(os, "getuid"):
        return
    for path in (vault.path, f"{vault.path}-wal", f"{vault.path}-shm"):
        try:
            mode = os.lstat(path).st_mode & 0o777
        except OSError:
            continue
        if mode & 0o077:
            message = f"{path} could be read by others (mode {mode:o}); that is mended now."
            yield Finding("vault", "warn", message, "find out who made it so: umask, a copy?")
