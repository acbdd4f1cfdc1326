# ruff: noqa: INP001, E402 - a program beside the pages, no package; the checkout comes first
"""Writes what the pages take from the code: `python docs/generate.py`.

The reference is made of the docstrings of the public names, the tables of recipe fields of
the model, the picture of the floors of the table that the tests hold the code against, the server's
routes of the table that it runs.
`--check` only says whether all of it is current.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent)]

from fields import with_fields
from reference import reference
from routes import api, with_routes
from services import table

API, DESIGN, RECIPES, SERVER, SERVER_API, SERVICES = (
    DOCS / f"{name}.md" for name in ("api", "design", "recipes", "server", "server-api", "services")
)


def picture() -> str:
    """The floors of the library, the highest first."""
    from tests.unit.test_floors import FLOORS

    width = max(len(name) for name, _ in FLOORS)
    lines = []
    for name, rooms in reversed(FLOORS):
        lines += _wrapped(f"{name:<{width}}  ", rooms.split())
    return "\n".join(lines)


def _wrapped(head: str, words: list[str]) -> list[str]:
    # One line for each floor: whoever compares it reads a table.
    return [head + " ".join(words)]


def with_picture(page: str) -> str:
    """docs/design.md with the picture of today."""
    return re.sub(
        r"(<!-- floors -->\n```text\n).*?(```)",
        lambda found: found[1] + picture() + "\n" + found[2],
        page,
        flags=re.DOTALL,
    )


def main(*, check: bool) -> int:
    """Write the pages; with `check` only compare. The exit code."""
    stale = []
    made = {
        API: reference(),
        DESIGN: with_picture(DESIGN.read_text("utf-8")),
        RECIPES: with_fields(RECIPES.read_text("utf-8")),
        SERVER: with_routes(SERVER.read_text("utf-8")),
        SERVER_API: api(),
        SERVICES: table(),
    }
    for path, text in made.items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        if check:
            stale.append(path.name)
        else:
            path.write_text(text, "utf-8")
    if stale:
        sys.stdout.write(f"not current: {', '.join(stale)}; run: python docs/generate.py\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
