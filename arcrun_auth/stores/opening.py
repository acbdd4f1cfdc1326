"""The store that the settings ask for, with the environment in front of it."""

from __future__ import annotations

from arcrun_auth.stores.env import EnvStore
from arcrun_auth.stores.layers import Layers
from arcrun_auth.tokens import DEFAULT_INSTANCE, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from arcrun_auth.catalog import Catalog, Entry
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store
    from arcrun_auth.stores.keys import Ask, Keys

    Variables = Iterable[tuple[str, list[str]]]

APP = ("client_id", "client_secret", "private_key", "key_id", "certificate", "redirect_uri")
"""What one's own OAuth app may consist of."""


def open_store(
    settings: Settings, catalog: Catalog, *, ask: Ask | None = None, primary: Store | None = None
) -> Store:
    """The user's store: `vault` or `keyring`, behind variables, mounted secrets and an export.

    Opens nothing yet. `ask` gets a passphrase from a person; it gives None where nobody is.
    `primary` is used in place of the one that the settings name.
    """
    names = _Variables(catalog)
    overlays: list[Store] = [
        EnvStore(settings.environ, names.of, known=names.known, folder=settings.get("secrets_dir")),
        *_given_apps(settings),
    ]
    exported = settings.get("secrets_file")
    if exported:
        from arcrun_auth.stores.export import EncFile

        overlays.append(EncFile(str(exported), keys=_keys(settings, ask)))
    return Layers(primary or _primary(settings, ask), overlays)


def _given_apps(settings: Settings) -> Iterator[Store]:
    """The OAuth apps of client files and of config.toml, where there are any."""
    if any(name.endswith("_CLIENT_FILE") for name in settings.environ):
        from arcrun_auth.stores.apps import ClientFiles

        yield ClientFiles(settings.environ)
    if settings.apps:
        from arcrun_auth.stores.apps import ConfigApps

        yield ConfigApps(settings.apps, settings.home)


def _primary(settings: Settings, ask: Ask | None) -> Store:
    if settings.store == "keyring":
        from arcrun_auth.stores.keyring_items import KeyringItems

        return KeyringItems(settings.locks_path, keyring=lambda: _keyring(settings))
    from arcrun_auth.stores.vault import Vault

    return Vault(settings.vault_path, keys=_keys(settings, ask))


def _keys(settings: Settings, ask: Ask | None) -> Keys:
    from arcrun_auth.stores.keys import Keys

    return Keys(environ=settings.environ, keyring=lambda: _keyring(settings), ask=ask)


def _keyring(settings: Settings) -> Any:
    """The OS keyring, or None where the user switched it off."""
    if settings.flag("keyring") is False:
        return None
    from arcrun_auth.stores import keyring_backend

    return keyring_backend.system(settings.environ)


class _Variables:
    """Which variables may hold which secret: computed from the recipes, never parsed back."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def of(self, key: Key) -> Variables:
        """Each secret of a record, and the variables that may hold it, in their order."""
        from arcrun_auth.variables import GRANT, env_name

        if key.kind == "app":
            return [(name, [env_name(key.account, key.instance, name)]) for name in APP]
        found: dict[str, list[str]] = {}
        for entry in self._entries(key.account) if key.kind == "credential" else ():
            for method in entry.methods:
                for secret, _, names in method.secrets:
                    own = names if key.instance == DEFAULT_INSTANCE else ()
                    first = env_name(entry.service, key.instance, secret)
                    known = found.setdefault(secret, [])
                    known += [name for name in (first, *own) if name not in known]
                if method.primitive == "oauth2":
                    for secret in GRANT:
                        found.setdefault(secret, [env_name(entry.service, key.instance, secret)])
        return found.items()

    def known(self, variables: Iterable[str]) -> Iterator[Key]:
        """The records that these variables can make up: default instances, by their account."""
        return (Key("credential", account) for account in self._catalog.accounts(variables))

    def _entries(self, account: str) -> list[Entry]:
        """The services of an account: the one of that name, or all that share it."""
        from arcrun_auth.errors import AuthError

        try:
            entry = self._catalog.entry(account)
        except AuthError:
            entry = None
        if entry is not None and entry.account == account:
            return [entry]
        return _by_account(self._catalog).get(account, [])


def _by_account(catalog: Catalog) -> dict[str, list[Entry]]:
    """The services that name the variables of each account: its namesake alone, if there is one."""
    found: dict[str, list[Entry]] = {}
    for entry in catalog.entries():
        found.setdefault(entry.account, []).append(entry)
    return {
        account: [entry for entry in entries if entry.service == account] or entries
        for account, entries in found.items()
    }
