"""A PostgreSQL of its own for tests: in a folder, at a Unix socket, for nobody else to reach."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import psycopg

from tests.needs import needs

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARD = 60.0
TABLES = "accounts, invites, recipes, device_logins, server_keys, spent"
"""What everything else hangs on."""


def program(name: str) -> str | None:
    """A program of PostgreSQL, on the path or where Debian puts it."""
    places = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)
    return shutil.which(name) or next(iter(places), None)


class Cluster:
    """One PostgreSQL, started in `folder`; it refuses to run as root, so somebody else does."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.data = os.path.join(folder, "data")
        self._as: list[str] = []
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            ids = f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"
            self._as = ["setpriv", *ids]
        self._run("initdb", "-D", self.data, "-U", "arcrun", "-A", "trust", "-N", "-E", "UTF8")
        self.start()
        with self._admin("postgres") as connection:
            connection.execute("CREATE DATABASE arcrun")

    @property
    def url(self) -> str:
        return f"postgresql://arcrun@/arcrun?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", self.data, "-w", "-l", f"{self.folder}/log", "-o", options,
                  "start")  # fmt: skip

    def stop(self) -> None:
        """As a restart does it: whoever is connected is cut off."""
        self._run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def empty(self) -> None:
        """Forgets all accounts, if there are tables."""
        with self._admin("arcrun") as connection:
            if connection.execute("SELECT to_regclass('accounts')").fetchone() != (None,):
                connection.execute(f"TRUNCATE {TABLES} CASCADE")

    def _admin(self, database: str) -> psycopg.Connection:
        url = self.url.replace("/arcrun?", f"/{database}?")
        return psycopg.connect(url, autocommit=True)

    def _run(self, name: str, *args: str) -> None:
        path = program(name)
        assert path is not None
        result = subprocess.run(
            [*self._as, path, *args], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=self.folder, timeout=GUARD,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr.decode()


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL that runs inside `with`; skips where there is none."""
    needs(program("initdb") and program("pg_ctl"), "PostgreSQL (initdb and pg_ctl)")
    # Not below pytest's own folders, which nobody else may enter; and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="arcrun-pg-") as folder:
        found = Cluster(folder)
        try:
            yield found
        finally:
            found.stop()
