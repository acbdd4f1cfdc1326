"""What a home remembers of its server, as a file that several processes open at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from arcrun_auth.stores import private
from arcrun_auth.sync.state import FILE, State
from tests import waiting


def test_a_new_file_that_another_writes_just_now_is_waited_for(tmp_path, monkeypatch) -> None:
    path = tmp_path / "home" / FILE
    private.ensure_folder(str(path.parent))
    private.write_new(str(path), b"")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = waiting.clock(sleep=lambda _: other.execute("ROLLBACK"))
        monkeypatch.setattr("arcrun_auth.stores.schema.time", ends)
        State(str(path)).close()
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
