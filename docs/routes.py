# ruff: noqa: INP001 - a program beside the pages, no package
"""The table of the server's routes, from the table that it runs."""

from __future__ import annotations

import re

from arcrun_auth.server.running import ALL_ROUTES


def with_routes(page: str) -> str:
    """docs/server.md with the routes of today."""
    return re.sub(
        r"(<!-- routes -->\n).*?(<!-- end of routes -->)",
        lambda found: found[1] + _table() + found[2],
        page,
        flags=re.DOTALL,
    )


def _table() -> str:
    rows = ["| | keys | |", "|---|---|---|"]
    for route in sorted(ALL_ROUTES, key=lambda route: (route.path, route.method)):
        keys = ", ".join(route.keys) or "none"
        rows.append(f"| `{route.method} {route.path}` | {keys} | {route.says} |")
    return "\n".join(rows) + "\n"
