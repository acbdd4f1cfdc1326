# ruff: noqa: INP001, E402 - a program beside the pages, no package; the checkout comes first
"""Writes what the pages take from the code: `python docs/generate.py`.

The reference is made of the docstrings of the public names, the tables of recipe fields of
the model, the picture of the floors of the table that the tests hold the code against, the server's
routes of the table that it runs, the references of the skill of these pages.
`--check` only says whether all of it is current.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "cli")]

from fields import with_fields
from llms import full
from reference import reference
from routes import api, with_routes
from services import table
from skill import references

API, DESIGN, RECIPES, SERVER, SERVER_API, SERVICES, AGENTS = (
    DOCS / f"{name}.md"
    for name in ("api", "design", "recipes", "server", "server-api", "services", "agents")
)
LLMS_FULL = DOCS / "llms-full.txt"


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


def with_block(page: str) -> str:
    """docs/agents.md with the block that `arcrun agents init` writes."""
    from arcrun_cli.coding.block import merged
    from arcrun_cli.coding.project import body

    return re.sub(
        r"(?<=```markdown\n).*?(?=```)",
        lambda _: merged("", body(), ""),
        page,
        flags=re.DOTALL,
    )


def main(*, check: bool) -> int:
    """Write the pages; with `check` only compare. The exit code."""
    made = {
        API: reference(),
        DESIGN: with_picture(DESIGN.read_text("utf-8")),
        RECIPES: with_fields(RECIPES.read_text("utf-8")),
        SERVER: with_routes(SERVER.read_text("utf-8")),
        SERVER_API: api(),
        SERVICES: table(),
        AGENTS: with_block(AGENTS.read_text("utf-8")),
    }
    stale = _written(made, check=check)
    # These are made of the pages, which are current now.
    stale += _written(
        {**references(), LLMS_FULL: full((DOCS.parent / "llms.txt").read_text("utf-8"))},
        check=check,
    )
    if stale:
        sys.stdout.write(f"not current: {', '.join(stale)}; run: python docs/generate.py\n")
    return 1 if stale else 0


def _written(made: dict[Path, str], *, check: bool) -> list[str]:
    """Writes what is not current; with `check` its names only."""
    stale = []
    for path, text in made.items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        if check:
            stale.append(path.name)
        else:
            path.write_text(text, "utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
