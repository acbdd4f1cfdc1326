"""Rows 5 and 6: what an import costs, and how soon there is a client."""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import TYPE_CHECKING

from bench import place
from bench.board import Goal, Line, Row
from bench.measure import CONTROL, rounds
from bench.processes import PYTHON, command, environment, weigh

if TYPE_CHECKING:
    from bench.measure import Samples

OURS = "from arcrun import auth"
BARE = "python -c pass"

IMPORTS = {
    OURS: OURS,
    "keyring": "import keyring",
    "google.oauth2.credentials": "import google.oauth2.credentials",
    "authlib's httpx client": "from authlib.integrations.httpx_client import OAuth2Client",
    BARE: "pass",
}

MEMORY_RUNS = 5

_LOADED = """
import sys
before = set(sys.modules)
from arcrun import auth
import json
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def row_5(runs: int) -> Row:
    """CPU time and memory of an import, over those of bare Python."""
    row = Row(5, "import: CPU and memory over bare Python")
    row.notes.append("azure.identity: too heavy a tree to install for one line; left out")
    env = environment()
    found = rounds({n: command([PYTHON, "-c", code], env) for n, code in IMPORTS.items()}, runs)
    row.samples["import"] = found
    mine = _over(found[OURS], found[BARE])
    for name, samples in found.items():
        if name in (OURS, BARE, CONTROL):
            continue
        theirs = _over(samples, found[BARE])
        limit = Goal(0.1) if name == "keyring" else None
        times = mine / theirs
        row.lines.append(
            Line(
                "5", "import, CPU over bare Python", f"{mine * 1e3:.1f} ms", name,
                f"{theirs * 1e3:.1f} ms", times, str(limit or ""),
                None if limit is None else times <= limit.most,
            )
        )  # fmt: skip
    _memory(row, env)
    _modules(row, env)
    return row


def _over(samples: Samples, bare: Samples) -> float:
    """CPU seconds more than bare Python in the same round; the median of that."""
    return statistics.median(a - b for a, b in zip(samples.cpu, bare.cpu, strict=True))


def _memory(row: Row, env: dict[str, str]) -> None:
    held = {
        name: statistics.median(weigh(code, env) for _ in range(MEMORY_RUNS))
        for name, code in IMPORTS.items()
    }
    mine = held[OURS] - held[BARE]
    for name, megabytes in held.items():
        if name in (OURS, BARE):
            continue
        theirs = megabytes - held[BARE]
        limit = Goal(2, " MB", absolute=True) if name == "keyring" else None
        row.lines.append(
            Line(
                "5", "import, memory over bare Python", f"{mine:.1f} MB", name,
                f"{theirs:.1f} MB", mine / theirs, str(limit or ""),
                None if limit is None else mine <= limit.most,
            )
        )  # fmt: skip


def _modules(row: Row, env: dict[str, str]) -> None:
    """How many modules of others the import loads."""
    output = subprocess.run(
        [PYTHON, "-c", _LOADED], env=env, check=True, capture_output=True, text=True
    ).stdout
    import sys

    ours = {"arcrun", "arcrun_auth"}
    foreign = [n for n in json.loads(output) if n not in ours | set(sys.stdlib_module_names)]
    row.lines.append(
        Line("5", "modules of third parties", str(len(foreign)), goal="0", met=not foreign,
             why=f"it loads {', '.join(foreign)}" if foreign else "")
    )  # fmt: skip


def row_6(runs: int) -> Row:
    """From nothing to a client that could send its first request."""
    row = Row(6, "import to the first usable client, token cached")
    with place.home() as home:
        vault = home.vault()
        place.fill(vault, [place.static_key(), place.grant()])
        vault.close()
        env = home.environ

        def python(code: str):
            return command([PYTHON, "-c", code], env)

        found = rounds(
            {
                "auth.bind": python(f"{OURS}; auth.bind({place.GRANT_SERVICE!r})"),
                "httpx.Client()": python("import httpx; httpx.Client()"),
                "authlib's httpx client": python(_AUTHLIB),
                "google AuthorizedSession": python(_GOOGLE),
            },
            runs,
        )
        row.compare(
            "import to first client",
            found,
            {"httpx.Client()": Goal(1.15)},
            why="opening the vault and signing come on top of httpx, which is most of both",
            cpu=True,
        )
    return row


_AUTHLIB = """
from authlib.integrations.httpx_client import OAuth2Client
OAuth2Client("id", token={"access_token": "x", "token_type": "Bearer"})
"""

_GOOGLE = """
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
AuthorizedSession(Credentials("x"))
"""
