"""Rows 3 and 4: one token on standard output, a whole process."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from bench import place
from bench.board import Goal, Row
from bench.measure import rounds
from bench.processes import PYTHON, command, environment, script

_WHY = (
    "beside Python itself ({share:.0%} of the time) it pays for re and json, sqlite3, two OpenSSLs "
    "(hashlib's and the one of cryptography) and for Python's way of ending; a native program pays "
    "for none of them"
)


def row_3(runs: int) -> Row:
    """With the vault's key in a key file."""
    row = Row(3, "arcrun token X, vault key in a key file")
    arcrun = script("arcrun")
    if arcrun is None:
        row.notes.append("the command arcrun is not installed beside this interpreter")
        return row
    with place.home() as home, tempfile.TemporaryDirectory() as config:
        vault = home.vault()
        place.fill(vault, [place.static_key(), place.grant()])
        vault.close()
        subjects = {
            "arcrun token, key file": command([arcrun, "token", place.KEY_SERVICE], home.environ),
            "gh auth token": _gh(config),
            "python -c pass": command([PYTHON, "-c", "pass"], home.environ),
        }
        if subjects["gh auth token"] is None:
            row.notes.append("gh auth token: gh is not installed")
        found = rounds({name: it for name, it in subjects.items() if it}, runs)
        share = found["python -c pass"].median / found["arcrun token, key file"].median
        row.compare(
            "arcrun token, static key",
            found,
            {"gh auth token": Goal(0.8), "python -c pass": Goal(4.0)},
            why=_WHY.format(share=share),
            cpu=True,
        )
        login = {
            "arcrun token, login": command([arcrun, "token", place.GRANT_SERVICE], home.environ),
            "gh auth token": subjects["gh auth token"],
        }
        found = rounds({name: it for name, it in login.items() if it}, runs)
        goals = {"gh auth token": Goal(0.8)}
        why = _WHY.format(share=share)
        row.compare("arcrun token, login", found, goals, why=why, cpu=True)
    return row


def _gh(folder: str):
    """`gh auth token` with a token in its file, in clear; None where there is no gh."""
    gh = shutil.which("gh")
    if gh is None:
        return None
    with open(os.path.join(folder, "hosts.yml"), "w", encoding="utf-8") as file:
        file.write("github.com:\n    oauth_token: gho_bench\n    user: bench\n")
    return command([gh, "auth", "token"], environment(GH_CONFIG_DIR=folder))


def row_4(runs: int) -> Row:
    """With the vault's key in the Secret Service."""
    row = Row(4, "arcrun token X, vault key in the Secret Service")
    missing = place.no_secret_service()
    arcrun, keyring, tool = script("arcrun"), script("keyring"), shutil.which("secret-tool")
    if missing or arcrun is None or keyring is None or tool is None:
        row.notes.append(missing or "arcrun and keyring are not installed beside this interpreter")
        return row
    with place.secret_service() as variables, tempfile.TemporaryDirectory() as folder:
        env = environment(ARCRUN_HOME=folder, ARCRUN_INTERACTIVE="0", **variables)
        subprocess.run([PYTHON, "-c", _STORE], env=env, check=True)
        subprocess.run(
            [tool, "store", "--label", "bench", "service", "tool", "username", "token"],
            env=env, check=True, input=b"x" * 40,
        )  # fmt: skip
        found = rounds(
            {
                "arcrun": command([arcrun, "token", place.KEY_SERVICE], env),
                "keyring get": command([keyring, "get", "bench", "token"], env),
                "secretstorage alone": command([PYTHON, "-c", _ALONE], env),
                "secret-tool lookup": command(
                    [tool, "lookup", "service", "tool", "username", "token"], env
                ),
            },
            runs,
        )
        row.compare(
            "arcrun token, Secret Service",
            found,
            {"keyring get": Goal(0.5)},
            why="the way to the Secret Service (secretstorage, jeepney) is most of it",
            cpu=True,
        )
    return row


_STORE = """
import keyring
from keyring.backends.SecretService import Keyring
from arcrun_auth.broker import Broker
from bench import place
keyring.set_keyring(Keyring())
keyring.set_password("bench", "token", "x" * 40)
broker = Broker()
broker.store.put(place.static_key(), expect=0)
"""

_ALONE = """
import secretstorage
bus = secretstorage.dbus_init()
collection = secretstorage.Collection(bus, "/org/freedesktop/secrets/aliases/default")
for item in collection.search_items({"service": "bench", "username": "token"}):
    print(item.get_secret().decode())
"""
