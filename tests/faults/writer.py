"""Writes to a vault for ever, and says of each write that it is done. To be killed.

    writer.py VAULT [ROUNDS [EXPORT]]

After each `put` that has returned: a line `ack NAME GENERATION`. The value of a record tells
its own generation, so that whoever reads it later can see whether it is whole.
"""

from __future__ import annotations

import os
import sys

from arcrun_auth.errors import StoreConflict
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Credential, Key, Secret

NAMES = ("ada", "bob", "cleo")
KEY = b"k" * 32


def value(name: str, generation: int) -> str:
    """What record `name` holds at that generation: of another length each time."""
    return f"{name}:{generation}:" + name * (generation * 37 % 3000)


def key(name: str) -> Key:
    return Key("credential", name)


def keys() -> Keys:
    """What opens the vault of a writer, in this process or the next."""
    return Keys(key=KEY, environ={})


def write_all(vault: Vault, rounds: int, export_to: str | None) -> None:
    generations = {name: getattr(vault.get(key(name)), "generation", 0) for name in NAMES}
    done = 0
    while not rounds or done < rounds:
        for name in NAMES:
            now = generations[name]
            record = Credential(key(name), secrets={"s": Secret(value(name, now + 1))})
            try:
                vault.put(record, expect=now)
            except StoreConflict:
                sys.exit("somebody else writes here")
            generations[name] = now + 1
            os.write(1, f"ack {name} {now + 1}\n".encode())
        done += 1
        if export_to:
            from arcrun_auth.stores import export

            export.write(vault, export_to)
            os.write(1, b"ack export 0\n")


if __name__ == "__main__":
    path, *rest = sys.argv[1:]
    opened = Vault(path, keys=keys())
    write_all(opened, int(rest[0]) if rest else 0, rest[1] if len(rest) > 1 else None)
    opened.close()
