"""OAuth apps that a machine's owner laid down: `[apps.NAME]` of config.toml, client files.

For a fleet: the file is the same everywhere, the secrets are mounted beside it. Nothing
here is read before an app is needed, and then it is read again: mounted files change.
"""

from __future__ import annotations

import os

from arcrun_auth.errors import AuthError
from arcrun_auth.stores.base import ReadOnly
from arcrun_auth.stores.opening import APP
from arcrun_auth.tokens import DEFAULT_INSTANCE, Credential, Key, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcrun_auth.oauth.app import App

MAX_FILE = 64 * 1024
"""How large may a client file, a key or a certificate be? They have some thousand bytes."""


def read_text(path: str, what: str, service: str | None = None) -> str:
    """A file that a person or a setting names. AuthError says why it cannot be used."""
    import errno

    from arcrun_auth.errors import printable

    where = f"The {what} {printable(path, 200)}"
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise AuthError(
                f"{where} is larger than 64 KiB: it is something else.", service=service
            )
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AuthError(f"{where} cannot be read: it is not text.", service=service) from None
    except (OSError, ValueError) as error:
        code = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
        raise AuthError(
            f"{where} cannot be read: {os.strerror(code)}.",
            service=service,
            hint=f"ls -l {printable(path, 200)}",
        ) from None


def secrets_of(app: App) -> dict[str, Secret]:
    """The parts of an app that there are, as they are stored."""
    found: dict[str, Secret | str | None] = {name: getattr(app, name) for name in APP}
    return {
        name: value if isinstance(value, Secret) else Secret(value)
        for name, value in found.items()
        if value
    }


class ClientFiles(ReadOnly):
    """The client files that `ARCRUN_<NAME>_CLIENT_FILE` name."""

    name = "environment"

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, key: Key) -> Credential | None:
        """The app of the file that is named for it; AuthError where that is of no use."""
        path = self._environ.get(_variable(key)) if _is_app(key) else None
        if not path:
            return None
        return Credential(key, secrets=_client(path, key.account))

    def origin(self, key: Key) -> dict[str, str]:
        """For each part, the variable. Names only."""
        found = self.get(key)
        return dict.fromkeys(found.secrets, _variable(key)) if found else {}

    def keys(self) -> Iterator[Key]:
        """None: which app a variable is for is computed forward, never parsed back."""
        return iter(())


class ConfigApps(ReadOnly):
    """The tables `[apps.NAME]`; a path in them is taken from `folder`."""

    name = "config.toml"

    def __init__(self, tables: Mapping[str, Mapping[str, str]], folder: str) -> None:
        self._tables = tables
        self._folder = folder

    def get(self, key: Key) -> Credential | None:
        """The app as the table and its files say; AuthError for a file that is of no use."""
        table = self._tables.get(key.account) if _is_app(key) else None
        if not table:
            return None
        secrets: dict[str, Secret] = {}
        if "client_file" in table:
            secrets |= _client(self._path(table["client_file"]), key.account)
        for name in APP:
            if name in table:
                secrets[name] = Secret(table[name])
            elif f"{name}_file" in table:
                text = read_text(self._path(table[f"{name}_file"]), f"{name}_file", key.account)
                secrets[name] = Secret(text.strip())
        return Credential(key, secrets=secrets) if secrets else None

    def origin(self, key: Key) -> dict[str, str]:
        """For each part, the setting. Names only."""
        found = self.get(key)
        table = self._tables.get(key.account, {})
        return {
            name: f"apps.{key.account}."
            + next((own for own in (name, f"{name}_file") if own in table), "client_file")
            for name in (found.secrets if found else ())
        }

    def keys(self) -> Iterator[Key]:
        """Every app that has a table."""
        return (Key("app", name) for name in self._tables)

    def _path(self, text: str) -> str:
        return os.path.join(self._folder, os.path.expanduser(text))


def _is_app(key: Key) -> bool:
    return key.kind == "app" and key.instance == DEFAULT_INSTANCE


def _variable(key: Key) -> str:
    from arcrun_auth.variables import env_name

    return env_name(key.account, key.instance, "client_file")


def _client(path: str, service: str) -> dict[str, Secret]:
    from arcrun_auth.oauth.client_file import read_client

    return secrets_of(read_client(read_text(path, "client file", service), service))
