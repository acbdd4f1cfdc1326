"""Rows 20 and 22: what objects, logs and tracebacks show, and what /proc does."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from arcrun_auth import errors
from arcrun_auth.tokens import Secret
from tests import canary
from tests.faults.desk import GUARD, PATHS, Desk
from tests.faults.test_hosts import Log, shown
from tests.needs import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.fault


def _faces(thing: Any) -> Iterator[str]:
    """All that a log, a debugger's summary or a cache might make of an object."""
    yield repr(thing)
    yield str(thing)
    yield f"{thing}"
    yield f"{[thing]} { ({'k': thing}) }"
    yield repr(getattr(thing, "__dict__", ""))
    for turn in (pickle.dumps, copy.deepcopy, json.dumps):
        try:
            yield repr(turn(thing))
        except Exception as refused:
            yield repr(refused)


def _things(desk: Desk, client: httpx.Client, response: httpx.Response) -> dict[str, Any]:
    """What a program has in its hands after ordinary use."""
    broker, record = desk.broker, desk.record
    return {
        "token": broker.get_token("demo", interactive=False),
        "credential": record,
        "grant": record.grant,
        "secret": desk.grant.access_token,
        "broker": broker,
        "store": broker.store,
        "source": client._transport._rules.source,
        "client": client,
        "transport": client._transport,
        "response": response,
        "response headers": response.headers,
        "request": response.request,
        "request headers": response.request.headers,
        "history": response.history,
        "services": broker.list_services(),
        "why": broker.why("demo"),
        "settings": broker.settings,
    }


def _failures(desk: Desk) -> Iterator[Callable[[], object]]:
    """Calls that fail on the way to a token or with one."""
    broker, provider = desk.broker, desk.provider
    # As an object: text that a caller gives stands in the caller's own frames as well.
    wrong = Secret(canary.fresh("wrong"))
    broken = (Secret(f"{wrong.reveal()}\r\nX: y"), Secret(f"{wrong.reveal()}\0é"))
    yield lambda: broker.setup("keyed", key=wrong)
    yield lambda: broker.bind("keyed", secret={"nope": wrong})
    yield lambda: broker.bind("nothing", secret={"key": wrong})
    yield lambda: broker.bind("keyed", secret={"key": broken[0]}).get("/static")
    yield lambda: broker.bind("keyed", secret={"key": broken[1]}).get("/static")
    yield lambda: broker.bind("keyed@x", secret={"key": wrong}).get("/static").raise_for_status()
    yield lambda: broker.bind("demo").get("https://evil.example/")

    def renewal(fault) -> Callable[[], object]:
        def fail() -> object:
            desk.expire()
            provider.fail_next(2, fault)
            try:
                return desk.another().get_token("demo", interactive=False)
            finally:
                provider._faults.clear()

        return fail

    for fault in (500, 429, "drop", "garbage"):
        yield renewal(fault)

    def revoked() -> object:
        desk.expire()
        provider.authority._refresh.clear()
        return desk.another().get_token("demo", interactive=False)

    yield revoked
    yield lambda: desk.another().bind("demo", interactive=False)


def test_row_20_no_object_error_or_log_shows_a_secret(desk, board, capsys) -> None:
    desk.provider.latency = 0.0
    desk.provider.static_key = f"demo_{canary.fresh()}"
    log, shows, failed = Log(), [], []
    root = logging.getLogger()
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            desk.broker.setup("keyed", key=desk.provider.static_key)
            with desk.broker.bind("demo", interactive=False) as client:
                response = client.get("/me")
                things = _things(desk, client, response)
                for name, thing in things.items():
                    shows += [
                        f"{name}: {hit}" for face in _faces(thing) for hit in canary.hits(face)
                    ]
            for number, fail in enumerate(_failures(desk)):
                try:
                    fail()
                except (errors.AuthError, httpx.HTTPError, ValueError) as error:
                    failed.append(type(error).__name__)
                    text = shown(error)
                    shows += [f"{type(error).__name__}: {hit}" for hit in canary.hits(text)]
                else:
                    pytest.fail(f"failure {number} was none")
    finally:
        root.removeHandler(log)
    told = [log.text.getvalue(), *capsys.readouterr(), *(str(each.message) for each in warned)]
    shows += [f"log: {hit}" for hit in canary.hits("".join(told))]
    assert canary.hits(desk.grant.access_token.reveal()), "a token carries the word that is sought"
    board.note(
        20,
        "log, traceback, repr, pickle",
        injected=f"{len(things)} objects, {len(failed)} errors of {len(set(failed))} kinds, "
        "all logs; 6 encodings",
        must_hold="0",
        figure=f"{len(shows)} hits" + (f": {min(shows)[:60]}" if shows else ""),
        held=not shows and len(set(failed)) >= 5,
    )


# -- row 22 --------------------------------------------------------------------------------

PROBE = """
import json, sys
found = {}
for name in ("environ", "mem", "maps"):
    try:
        with open(f"/proc/{sys.argv[1]}/{name}", "rb") as file:
            if name == "mem":
                start = int(open(f"/proc/{sys.argv[1]}/maps").readline().split("-")[0], 16)
                file.seek(start)
            found[name] = len(file.read(64))
    except OSError as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""
"""Another process of the same user, who looks into /proc."""

LIBRARY = "import arcrun_auth.broker, sys; sys.stdin.read()"


def _as_somebody(words: list[str]) -> list[str]:
    """The command of an ordinary user: root without a capability is one, and has our files."""
    if os.geteuid() != 0:
        return words
    needs(shutil.which("setpriv"), "setpriv (util-linux)")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *words]


def _look_into(words: list[str], environ: dict[str, str]) -> dict[str, Any]:
    process = subprocess.Popen(
        _as_somebody(words), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env=environ,
    )  # fmt: skip
    try:
        _wait_for_its_work(process)
        seen = subprocess.run(
            _as_somebody([sys.executable, "-c", PROBE, str(process.pid)]),
            capture_output=True, text=True, check=True, timeout=GUARD, env=environ,
        )  # fmt: skip
        return json.loads(seen.stdout)
    finally:
        process.kill()
        process.communicate(timeout=GUARD)


def _wait_for_its_work(process: subprocess.Popen[bytes]) -> None:
    """Until it has taken what we write to it, and waits for more."""
    import fcntl
    import termios

    assert process.stdin is not None
    process.stdin.write(b"the beginning of a key")
    process.stdin.flush()
    until = time.monotonic() + GUARD
    while time.monotonic() < until and process.poll() is None:
        waiting = fcntl.ioctl(process.stdin.fileno(), termios.FIONREAD, b"\0" * 4)
        if not any(waiting):
            return
        time.sleep(0.02)
    pytest.fail(f"it does not read its stdin: {process.stderr and process.stderr.read()!r}")


def test_row_22_the_command_line_shows_nothing_in_proc(tmp_path, board) -> None:
    needs(sys.platform == "linux", "Linux (/proc)")
    secret = canary.fresh()
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ARCRUN_HOME": "/nonexistent/a",
               "ARCRUN_OPENAI_KEY": secret, "PYTHONPATH": PATHS}  # fmt: skip
    command = [sys.executable, "-m", "arcrun_cli", "setup", "notion", "--stdin"]
    denied = _look_into(command, environ)
    control = _look_into([sys.executable, "-c", LIBRARY], environ)
    assert control["environ"] == 64, f"the probe must be able to see: {control}"
    readable = [name for name, answer in denied.items() if answer != "PermissionError"]
    board.note(
        22,
        "/proc by another process of the same user",
        injected="environ, mem, maps of a waiting `arcrun setup --stdin`",
        must_hold="all denied",
        figure=f"{len(readable)} of 3 readable"
        + (f": {denied}" if readable else "")
        + f"; of a program with the library {sum(isinstance(a, int) for a in control.values())}",
        held=not readable,
    )
