"""Throw-away homes: vaults of any size, recipes by the thousand, an OS keyring of our own."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.memory import stamped
from arcrun_auth.stores.vault import Vault, write_record
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from bench.processes import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KEY_SERVICE = "notion"
KEY_NAME = "notion_token"
GRANT_SERVICE = "spotify"
"""Two bundled recipes: one that is bound by a static key, one by a login."""

YEAR = 365 * 24 * 3600

_RECIPE = """\
service: {name}
primitive: static_key
display_name: Service {name}
description: One of many.
category: other
base_url: https://{name}.example.com/v1
required_secrets:
  - {{key: {name}_token, label: Token, type: password, help_url: "https://{name}.example.com"}}
inject:
  header: {{Authorization: "Bearer {{{{secret.{name}_token}}}}"}}
test: {{path: /me}}
"""


class Home:
    """A folder with a vault that opens by a key file, and what programs need to use it."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.key = base64.b64encode(os.urandom(32)).decode()
        self.key_file = os.path.join(folder, "vault.key")
        with open(os.open(self.key_file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(self.key)

    @property
    def settings(self) -> dict[str, str]:
        """The variables that open it."""
        return {
            "ARCRUN_HOME": self.folder,
            "ARCRUN_MASTER_KEY_FILE": self.key_file,
            "ARCRUN_KEYRING": "off",
            "ARCRUN_INTERACTIVE": "0",
        }

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment of a child that uses it."""
        return environment(**self.settings)

    def vault(self) -> Vault:
        """The vault, opened anew."""
        path = os.path.join(self.folder, "secrets.db")
        return Vault(path, keys=Keys(environ={}, key_file=self.key_file))

    def broker(self, recipes: Catalog | None = None, **more: str) -> Broker:
        """A broker on it with nothing in memory."""
        return Broker(recipes=recipes, environ={**self.settings, **more})


@contextlib.contextmanager
def home() -> Iterator[Home]:
    """A home that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="arcrun-bench-") as folder:
        yield Home(folder)


def static_key(service: str = KEY_SERVICE, name: str = KEY_NAME) -> Credential:
    """A record with one secret, as `setup` would have made it."""
    return Credential(
        Key("credential", service),
        method="key",
        secrets={name: Secret(f"{service}_{'x' * 40}")},
    )


def grant(service: str = GRANT_SERVICE) -> Credential:
    """A record of a login whose access token is good for a year."""
    now = time.time()
    return Credential(
        Key("credential", service),
        method="oauth",
        grant=Grant(
            access_token=Secret("at_" + "x" * 120),
            refresh_token=Secret("rt_" + "x" * 120),
            issued=now,
            expires=now + YEAR,
            scopes=("read", "write"),
        ),
    )


def fill(vault: Vault, records: Iterable[Credential]) -> None:
    """Put all of them into the vault in one transaction."""
    first, *others = records
    vault.put(first, expect=0)
    now = time.time()

    def write(session) -> None:
        for record in others:
            write_record(session, stamped(record, expect=0, now=now), None)

    vault.run(write, writing=True)


def names(number: int) -> list[str]:
    return [f"svc{n:05}" for n in range(number)]


@contextlib.contextmanager
def catalog(number: int) -> Iterator[Catalog]:
    """A catalogue of so many recipes, indexed, as those are that a release brings."""
    with tempfile.TemporaryDirectory(prefix="arcrun-bench-") as folder:
        recipes = os.path.join(folder, "bundled")
        os.mkdir(recipes)
        for name in names(number):
            with open(os.path.join(recipes, f"{name}.yaml"), "w", encoding="utf-8") as file:
                file.write(_RECIPE.format(name=name))
        found = Catalog(os.path.join(folder, "home"), bundled=recipes)
        os.makedirs(found.folder, mode=0o700)
        found.names()
        try:
            yield found
        finally:
            found.close()


def no_secret_service() -> str | None:
    """Why there can be no Secret Service of our own on this machine; None if there can."""
    missing = [
        name
        for name in ("dbus-daemon", "gnome-keyring-daemon", "secret-tool")
        if shutil.which(name) is None
    ]
    return f"{', '.join(missing)} not installed" if missing else None


@contextlib.contextmanager
def secret_service() -> Iterator[dict[str, str]]:
    """GNOME Keyring on a D-Bus of its own, unlocked, in a home of its own.

    Gives the variables that lead to it; for as long as it runs they are set here too.
    """
    with tempfile.TemporaryDirectory(prefix="arcrun-bench-") as folder:
        variables = {"XDG_RUNTIME_DIR": folder}
        bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={_bus(folder)}", "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(**variables),
        )
        daemon = None
        try:
            assert bus.stdout is not None
            address = bus.stdout.readline().decode().strip()
            variables["DBUS_SESSION_BUS_ADDRESS"] = address
            daemon = subprocess.Popen(
                ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**environment(**variables), "HOME": folder},
            )
            assert daemon.stdin is not None
            daemon.stdin.write(b"bench")
            daemon.stdin.close()
            before = {name: os.environ.get(name) for name in variables}
            os.environ.update(variables)
            try:
                _wait_for_it()
                yield variables
            finally:
                for name, value in before.items():
                    os.environ.pop(name, None)
                    if value is not None:
                        os.environ[name] = value
        finally:
            for process in (daemon, bus):
                if process is not None:
                    process.terminate()
                    process.wait(10)
            bus.stdout.close()


def _bus(folder: str) -> str:
    """A bus that starts no service by itself: one that nobody unlocked would take the name."""
    path = os.path.join(folder, "bus.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            "<busconfig><type>session</type><auth>EXTERNAL</auth>"
            f"<listen>unix:path={folder}/bus</listen>"
            '<policy context="default"><allow own="*"/><allow eavesdrop="true"/>'
            '<allow send_destination="*" eavesdrop="true"/></policy>'
            "</busconfig>"
        )
    return path


def _wait_for_it() -> None:
    from keyring.backends.SecretService import Keyring

    until = time.monotonic() + 20
    while True:
        try:
            Keyring().set_password("bench", "probe", "x")
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
