"""Row 11: a thousand services, and one of them."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from typing import TYPE_CHECKING

import yaml

from bench import place
from bench.board import Goal, Row
from bench.measure import loop, rounds

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 1000


def row_11(runs: int) -> Row:
    """The catalogue is open; nothing is kept in memory between two questions."""
    row = Row(11, "list 1,000 services; get one recipe")
    with (
        place.home() as home,
        place.catalog(MANY) as recipes,
        tempfile.TemporaryDirectory(prefix="arcrun-bench-") as folder,
    ):
        rows, one = _sqlite(recipes, os.path.join(folder, "bare.db"))
        files = _files(recipes)
        found = rounds(
            {
                "catalog.entries": loop(recipes.entries, 5),
                "sqlite": loop(rows, 5),
            },
            runs,
        )
        row.compare("list 1,000 recipes", found, {"sqlite": Goal(2)})
        broker = home.broker(recipes)
        found = rounds(
            {"list_services": loop(broker.list_services, 3), "sqlite": loop(rows, 5)}, runs
        )
        row.compare(
            "list_services(), 1,000", found, {"sqlite": Goal(2)},
            why="the ways in of each service are read (JSON), and the variables that each may "
            "have are worked out and looked for in the environment",
        )  # fmt: skip
        few = min(runs, 5)
        found = rounds(
            {
                "list_services": loop(broker.list_services),
                "CSafeLoader over files": loop(lambda: [_load(path) for path in files]),
            },
            few,
            control=False,
        )
        row.compare("list_services(), 1,000", found)
        name = place.names(MANY)[MANY // 2]
        found = rounds(
            {
                "catalog.recipe": loop(lambda: recipes.recipe(name), 20),
                "sqlite + json": loop(one, 20),
                "CSafeLoader, one file": loop(lambda: _load(files[MANY // 2]), 20),
            },
            runs,
        )
        limit = Goal(300, " µs", absolute=True)
        row.compare("get one recipe", found, {"sqlite + json": limit})
        broker.close()
    return row


def _files(recipes) -> list[str]:
    return sorted(
        os.path.join(os.path.dirname(recipes.folder), "..", "bundled", f"{name}.yaml")
        for name in recipes.names()
    )


def _load(path: str):
    with open(path, "rb") as file:
        return yaml.load(file, Loader=yaml.CSafeLoader)


def _sqlite(recipes, path: str) -> tuple[Callable[[], object], Callable[[], object]]:
    """The same rows, and one of the same bodies, in a database of their own."""
    import json

    entries = recipes.entries()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipe(service TEXT PRIMARY KEY, " + _COLUMNS + ")")
    connection.execute("CREATE TABLE body(service TEXT PRIMARY KEY, json BLOB)")
    for entry in entries:
        ways = [[way.id, way.primitive, way.label, way.secrets] for way in entry.methods]
        values = (
            entry.service, entry.display_name, entry.category, entry.account, entry.status,
            entry.successor, entry.tier, entry.release, entry.path, json.dumps([[], ways]), 0,
        )  # fmt: skip
        connection.execute(f"INSERT INTO recipe VALUES ({', '.join('?' * 11)})", values)
        with open(_file_of(recipes, entry.service), "rb") as file:
            body = json.dumps(yaml.load(file, Loader=yaml.CSafeLoader)).encode()
        connection.execute("INSERT INTO body VALUES (?, ?)", (entry.service, body))
    connection.commit()
    name = entries[MANY // 2].service

    def rows() -> None:
        assert len(connection.execute("SELECT * FROM recipe ORDER BY service").fetchall()) == MANY

    def one() -> None:
        sql = "SELECT json FROM body WHERE service = ?"
        assert json.loads(connection.execute(sql, (name,)).fetchone()[0])

    return rows, one


_COLUMNS = (
    "display_name, category, account, status, successor, tier, release, path, detail, override"
)


def _file_of(recipes, service: str) -> str:
    return os.path.join(os.path.dirname(recipes.folder), "..", "bundled", f"{service}.yaml")
