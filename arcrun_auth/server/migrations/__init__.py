"""The tables, step by step: each file beside this one brings the database one version further.

They are run at every start, in one transaction, under a lock that all processes share.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from arcrun_auth.errors import StoreError

if TYPE_CHECKING:
    from arcrun_auth.server.database import Database, Tx

_LOCK = "SELECT pg_advisory_xact_lock(1094861636)"  # `ARCR`, as the number of a lock


def steps() -> list[str]:
    """The SQL of each version, from the first."""
    folder = resources.files(__name__)
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def run(database: Database) -> int:
    """Brings the tables up to date and tells their version. StoreError for a newer database."""
    return database.write(lambda tx: _run(tx, steps(), shared=not database.inline))


def _run(tx: Tx, texts: list[str], *, shared: bool) -> int:
    if shared:
        tx.all(_LOCK)
    tx.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    found = tx.one("SELECT max(version) FROM schema_version")
    version = int(found[0]) if found and found[0] is not None else 0
    if version > len(texts):
        raise StoreError(
            f"The database has tables of version {version}; this program knows {len(texts)}.",
            hint="pip install --upgrade 'arcrun-auth[server]'",
        )
    for number, text in enumerate(texts[version:], version + 1):
        for statement in _statements(text):
            tx.run(statement)
        tx.run("INSERT INTO schema_version (version) VALUES (?)", number)
    return len(texts)


def _statements(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part for part in "\n".join(lines).split(";") if part.strip()]
