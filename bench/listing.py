"""Rows 11 and 12: a thousand services, one of them, and how they get into their index."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from typing import TYPE_CHECKING

import yaml

from arcrun_auth.catalog import Catalog
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
            why="each service becomes an object of its own, and what is connected is looked for "
            "in the vault and in the environment",
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


def row_12(runs: int) -> Row:
    """From files to an index: all of them, and again after one has changed."""
    row = Row(12, "first index of 1,000 recipes; after one file changed")
    with (
        place.catalog(MANY) as recipes,
        tempfile.TemporaryDirectory(prefix="arcrun-bench-") as folder,
    ):
        files = _files(recipes)
        source = os.path.dirname(files[0])
        found = rounds(
            {
                "first index": _indexing(source, folder),
                "CSafeLoader over files": loop(lambda: [_load(path) for path in files]),
            },
            runs,
        )
        row.compare(
            "first index, 1,000", found, {"CSafeLoader over files": Goal(1.2)},
            why="to be read is the smaller half: each recipe is checked by every rule, its consent "
            "is digested and its rows are written, once and never on the way to a token",
        )  # fmt: skip
        found = rounds(
            {
                "one changed": _changing(recipes, files[MANY // 2]),
                "CSafeLoader over files": loop(lambda: [_load(path) for path in files]),
            },
            runs,
            control=False,
        )
        row.compare("one of 1,000 changed", found, {"CSafeLoader over files": Goal(0.2)})
    return row


def _indexing(source: str, folder: str) -> Callable[[], float]:
    """A subject that makes the index of `source` in a home of its own each time."""

    def once() -> float:
        with tempfile.TemporaryDirectory(dir=folder) as home:
            recipes = Catalog(home, bundled=source)
            os.mkdir(recipes.folder, 0o700)
            try:
                return loop(recipes.names)()
            finally:
                recipes.close()

    return once


def _changing(recipes: Catalog, path: str) -> Callable[[], float]:
    """A subject that has one file more changed each time, and brings the index up to date."""

    def once() -> float:
        with open(path, "a", encoding="utf-8") as file:
            file.write("# one line more\n")
        return loop(recipes.reindex)()

    return once


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
