"""Where things lie and what the user allowed: `ARCRUN_*` first, then `config.toml`.

On the way to every token, so it opens `config.toml` only if there is one.
"""

from __future__ import annotations

import os
import sys

from arcrun_auth.errors import AuthError, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from arcrun_auth.project import Project

HOME_FOLDER = ".arcrun"
VAULT_FILE = "secrets.db"

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}

OWNERSHIPS = ("own", "shared", "managed")
"""Whose OAuth app may a login use: one's own, one that is shared, the configured server's?"""

KNOWN = {
    "allow_executables": "start the program that a workload's document names: on or off",
    "allow_hosts": "exact origins (scheme://host:port) that may be private or plain http",
    "ci_vault": "the CI vault whose rows this job may fetch, by its own identity token",
    "community_url": "the folder of the community's recipes at a full commit, as raw files",
    "interactive": "whether somebody can be asked: true or false; found out if not set",
    "keyring": "use the OS keyring for the vault's key: on or off",
    "login_timeout": "how long a login may take, in seconds",
    "ownership": "whose OAuth app a login uses: own, shared (the recipe's, else the server's) or "
    "managed (the server's alone); the first that there is, in this order, if not set",
    "project": "follow [tool.arcrun] of a pyproject.toml: on, whoever owns it, or off",
    "recipes_root": "the root.json that a signed set of recipes is checked by; the package's own "
    "if not set",
    "recipes_url": "where the signed set of recipes lies: a release, raw files, or a mirror",
    "secrets_file": "an exported secrets.enc, opened read-only in front of the vault",
    "secrets_dir": "a folder of mounted secrets, one file each",
    "server": "your platform: its recipes are listed, below all others; none if not set",
    "store": "where credentials are written: vault, or keyring (one item each); or cloud, which "
    "is read alone: a CI vault at the `server`",
    "sync_auto": "sync after each setup, removal and import, once this home syncs: on or off",
}
"""Every setting of `config.toml`; `ARCRUN_<NAME>` overrides it."""

APP = {
    "client_id": "its client id",
    "client_secret_file": "a file with its secret",
    "client_file": "the client file that the provider's console downloads, for both",
    "private_key_file": "a file with the private key (PEM or JWK), where that proves the app",
    "key_id": "the `kid` of that key",
    "certificate_file": "a file with the certificate (PEM), where that proves the app",
    "redirect_uri": "an https address of yours that the app is registered with",
}
"""What a table `[apps.NAME]` of `config.toml` may say of an OAuth app. Never a secret itself."""


class Settings:
    """One process's settings. Values are read once, when first asked for."""

    def __init__(
        self, home: str | None = None, *, environ: Mapping[str, str] | None = None
    ) -> None:
        self.environ = os.environ if environ is None else environ
        self.home = os.path.abspath(home) if home else find_home(self.environ)
        self._file: Mapping[str, Any] | None = None
        self._project: tuple[Project | None] | None = None

    @property
    def vault_path(self) -> str:
        return os.path.join(self.home, VAULT_FILE)

    @property
    def locks_path(self) -> str:
        """Beside the vault they guard: a lock elsewhere would not be shared by every user of it."""
        return os.path.join(self.home, "locks")

    @property
    def config_path(self) -> str:
        return os.path.join(self.home, "config.toml")

    def get(self, name: str) -> Any:
        """The environment's word, else the file's, else None."""
        assert name in KNOWN, name
        value = self.environ.get(f"ARCRUN_{name.upper()}")
        if value is not None:
            return value
        if self._file is None:
            self._file = _read_config(self.config_path)
        return self._file.get(name)

    def flag(self, name: str) -> bool | None:
        """A yes or no; None where nothing is set. Raises AuthError on any other word."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise AuthError(
            f"The setting {name!r} is neither yes nor no.",
            hint=f"set ARCRUN_{name.upper()} to 1 or 0",
        )

    @property
    def allow_hosts(self) -> tuple[str, ...]:
        value = self.get("allow_hosts") or ()
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(part.strip() for part in parts if part.strip())

    @property
    def apps(self) -> Mapping[str, Mapping[str, str]]:
        """The OAuth apps that `config.toml` describes, by family or service."""
        if self._file is None:
            self._file = _read_config(self.config_path)
        found: Mapping[str, Mapping[str, str]] = self._file.get("apps", {})
        return found

    @property
    def store(self) -> str:
        value = str(self.get("store") or "vault")
        if value not in ("vault", "keyring", "cloud"):
            raise AuthError(
                f"The setting 'store' is {value!r}.", hint="set it to vault, keyring or cloud"
            )
        return value

    @property
    def ownership(self) -> str | None:
        """One of `OWNERSHIPS`; None where nothing is set."""
        value = self.get("ownership") or None
        if value is None or value in OWNERSHIPS:
            return value and str(value)
        raise AuthError(
            "The setting 'ownership' is none of own, shared, managed.",
            hint="set ARCRUN_OWNERSHIP to one of them, or to nothing",
        )

    @property
    def login_timeout(self) -> float:
        """In seconds. A login that nobody finishes ends with an error after this."""
        value = self.get("login_timeout")
        try:
            seconds = 300.0 if value is None else float(value)
        except (TypeError, ValueError):
            seconds = 0.0
        if not 0 < seconds < float("inf"):  # nan is neither, and a login has to end
            raise AuthError(
                "The setting 'login_timeout' is not a number of seconds above zero.",
                hint="set ARCRUN_LOGIN_TIMEOUT=300",
            )
        return seconds

    @property
    def project(self) -> Project | None:
        """What the folder that the process is in declares. Looked for once."""
        if self._project is None:
            self._project = (self._find_project(),)
        return self._project[0]

    def _find_project(self) -> Project | None:
        wanted = self.flag("project")
        if wanted is False:
            return None
        try:
            folder = os.getcwd()
        except OSError:  # somebody has deleted it under us
            return None
        from arcrun_auth.project import find

        return find(folder, _user_folder(self.environ), anyones=wanted is True)


def find_home(environ: Mapping[str, str]) -> str:
    """The folder that holds the vault. Raises StoreError where two vaults lie about.

    `ARCRUN_HOME`, else `~/.arcrun`, else the platform's data folder where the user has
    chosen one (`XDG_DATA_HOME`) or cannot write to the home folder.
    """
    chosen = environ.get("ARCRUN_HOME")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    user = _user_folder(environ)
    usual = os.path.join(user, HOME_FOLDER)
    if not environ.get("XDG_DATA_HOME") and (os.path.isdir(usual) or os.access(user, os.W_OK)):
        return usual
    from platformdirs import user_data_dir

    other = user_data_dir("arcrun", appauthor=False)
    found = [home for home in (usual, other) if os.path.exists(os.path.join(home, VAULT_FILE))]
    if len(found) > 1:
        raise StoreError(
            f"Two vaults were found: {found[0]} and {found[1]}.",
            hint=f"export ARCRUN_HOME={found[0]}",
        )
    return found[0] if found else other


def _user_folder(environ: Mapping[str, str]) -> str:
    user = environ.get("HOME") if sys.platform != "win32" else environ.get("USERPROFILE")
    return user or os.path.expanduser("~")


def _read_config(path: str) -> Mapping[str, Any]:
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise AuthError(f"{path} cannot be read: {error.strerror}.") from None
    import tomllib

    try:
        data = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AuthError(f"{path}: {error}", hint=f"mend {path}") from None
    unknown = sorted(set(data) - {*KNOWN, "apps"})
    if unknown:
        raise AuthError(
            f"{path}: there is no setting {unknown[0]!r}.",
            hint="the settings are: " + ", ".join(sorted((*KNOWN, "apps"))),
        )
    _check_apps(data.get("apps", {}), path)
    return data


def _check_apps(tables: object, path: str) -> None:
    """AuthError for what describes no app. A value is never repeated: it may be a secret."""
    each = tables.items() if isinstance(tables, dict) else [("NAME", tables)]
    for name, table in each:
        where = f"{path}: apps.{name}"
        if not isinstance(table, dict):
            raise AuthError(f"{where} is no table.", hint=f"begin it with [apps.{name}]")
        for setting, value in table.items():
            if f"{setting}_file" in APP:
                raise AuthError(
                    f"{where} holds a {setting} in clear. It was not used.",
                    hint=f"write it into a file that only you can read, and name that file as "
                    f"{setting}_file; then give the app a new secret",
                )
            if setting not in APP:
                raise AuthError(
                    f"{where} has no setting {setting!r}.",
                    hint="its settings are: " + ", ".join(APP),
                )
            if not isinstance(value, str) or not value:
                raise AuthError(f"{where}.{setting} is no text.", hint=f"mend {path}")
