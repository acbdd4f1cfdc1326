"""Row 18: a whole login, beside the round trips that it cannot do without."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
from typing import TYPE_CHECKING, Any

from arcrun_auth.tokens import Credential, Key, Secret
from bench import login_caller, login_desk, place
from bench.board import Goal, Line, Row, seconds
from bench.measure import rounds
from bench.processes import PYTHON, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.measure import Sample, Samples

OURS, BARE = "arcrun", "bare protocol"
PEERS = ("google-auth-oauthlib", "authlib, bare listener")
DEMO = Key("credential", "demo")

LIMIT = 0.05
"""How many seconds may we add to what the protocol takes?"""

NEEDED = {"/authorize": 1, "/consent": 1, "/token": 1, "/api/me": 1}
"""Which requests of the provider does a login need, with one that tries the token?"""


class Desk:
    """A provider and a person in a process of their own, and a home that knows the app."""

    def __init__(self, process: subprocess.Popen[str], home: place.Home) -> None:
        self.process = process
        self.home = home
        where = self._heard()
        os.mkdir(os.path.join(home.folder, "recipes"), 0o700)
        path = os.path.join(home.folder, "recipes", "demo.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(where.pop("recipe"))
        self.config = os.path.join(home.folder, "config.json")
        token_file = os.path.join(home.folder, "token.json")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump({**where, "google": login_desk.GOOGLE, "token_file": token_file}, file)
        self.env = environment(
            ARCRUN_HOME=home.folder,
            ARCRUN_MASTER_KEY=home.key,
            ARCRUN_KEYRING="off",
            ARCRUN_ALLOW_HOSTS=where["issuer"],
            AUTHLIB_INSECURE_TRANSPORT="1",
            OAUTHLIB_INSECURE_TRANSPORT="1",
        )
        self.vault = home.vault()
        app = Credential(Key("app", "demo"), secrets={"client_id": Secret("demo")})
        self.vault.put(app, expect=0)
        broker = home.broker()
        broker.recipes.names()  # indexed, as after the first command
        broker.close()

    def _heard(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def requests(self) -> dict[str, int]:
        """How many requests the provider has had so far, by path."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._heard()

    def forget(self) -> None:
        """No login is left: the next one is the first."""
        held = self.vault.get(DEMO)
        if held is not None:
            self.vault.delete(DEMO, expect=held.generation)

    @contextlib.contextmanager
    def caller(self, library: str) -> Iterator[Callable[[], Sample]]:
        """A program that logs in once for each call of what this gives, and times itself."""
        with subprocess.Popen(
            [PYTHON, login_caller.__file__, library, self.config],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None

            def timed() -> Sample:
                self.forget()
                process.stdin.write("\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    raise RuntimeError(f"{library}: the login has failed")
                wall, cpu = json.loads(line)
                return wall, cpu

            yield timed

    def fresh(self, library: str) -> Callable[[], Sample]:
        """A subject: the first login of a process, imports included."""

        def timed() -> Sample:
            with self.caller(library) as login:
                return login()

        return timed


@contextlib.contextmanager
def desk() -> Iterator[Desk]:
    with (
        place.home() as home,
        subprocess.Popen(
            [PYTHON, login_desk.__file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True,
        ) as process,
    ):  # fmt: skip
        try:
            made = Desk(process, home)
            yield made
            made.vault.close()
        finally:
            process.kill()


def row_18(runs: int) -> Row:
    """From the call to its return: vault opened, consent given, grant stored, token tried."""
    row = Row(18, "a login, beside the provider's own round trips")
    libraries = (OURS, BARE, *PEERS)
    with desk() as at:
        with contextlib.ExitStack() as stack:
            callers = {name: stack.enter_context(at.caller(name)) for name in libraries}
            _compare(row, "login", rounds(callers, runs), Goal(LIMIT * 1e3, " ms", absolute=True))
        fresh = {name: at.fresh(name) for name in libraries}
        _compare(row, "login, fresh process", rounds(fresh, runs), None)
        _count(row, at)
    return row


def _compare(row: Row, what: str, found: dict[str, Samples], limit: Goal | None) -> None:
    """Ours beside each, and what we add to the bare protocol within a round."""
    row.compare(what, found)
    pairs = zip(found[OURS].wall, found[BARE].wall, strict=True)
    added = statistics.median(mine - bare for mine, bare in pairs)
    met = None if limit is None else added * 1e3 <= limit.most
    row.lines.append(
        Line(
            str(row.number), f"{what}: added", seconds(added), BARE, goal=str(limit or ""),
            met=met, why="" if met is not False else _WHY,
        )
    )  # fmt: skip


def _count(row: Row, at: Desk) -> None:
    """What one login of ours asks of the provider."""
    before = at.requests()
    at.fresh(OURS)()
    asked = {path: n - before.get(path, 0) for path, n in at.requests().items()}
    asked = {path: n for path, n in asked.items() if n}
    row.lines.append(
        Line(
            str(row.number), "login: requests to authorize, consent, token, test",
            _times(asked), goal=_times(NEEDED), met=asked == NEEDED,
            why="" if asked == NEEDED else f"it asked for {asked}",
        )
    )  # fmt: skip


def _times(asked: Mapping[str, int]) -> str:
    return " ".join(str(asked.get(path, 0)) for path in NEEDED)


_WHY = "the grant is on the disk when it returns, and each request has a connection of its own"
