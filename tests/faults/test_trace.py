"""What the kernel is asked to write, send and connect to, over every store and command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests import canary
from tests.faults import strace
from tests.faults.desk import GUARD, PATHS
from tests.needs import needs
from tests.world import home_with, master_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arcrun_auth.testing import Provider

pytestmark = [pytest.mark.fault, pytest.mark.peer]

WRITES = ("write", "writev", "pwrite64", "pwritev", "pwritev2", "send", "sendto", "sendmsg",
          "sendmmsg")  # fmt: skip
CALLS = (*WRITES, "connect", "execve")

NAME_SERVICE = "/var/run/nscd/socket"
"""Where the C library looks users and hosts up, whoever calls it."""

COMMANDS = (
    "--help", "--version", "list", "list --all", "list --json", "test demo", "test keyed",
    "why demo", "why keyed --json", "show demo", "snippet demo", "doctor --json", "vault status",
    "vault export {home}/other.enc", "recipes list", "recipes lint {home}/recipes",
    "completion bash", "setup keyed --stdin --force", "setup demo --force", "token demo",
    "token keyed", "token nothing",
)  # fmt: skip
DIALOGUES = ("vault passphrase", "vault recovery-code", "vault rotate", "setup keyed --force")
"""What asks at a terminal; the passphrase and the key are typed."""
LAST = ("remove keyed --yes", "remove demo --yes")


class Watch:
    """The traced processes of one run, and what they did that they must not."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.folder = folder
        self.provider = provider
        self.home = home_with(folder, provider)
        self.url_file = folder / "url"
        self.typed = 0
        self.writes = self.connects = self.secrets = self.processes = 0
        self.faults: list[str] = []
        browser = folder / "browser"
        browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {self.url_file}.new\n'
                           f"mv {self.url_file}.new {self.url_file}\n")  # fmt: skip
        browser.chmod(0o700)
        opened_by = master_key()
        self.key = opened_by["ARCRUN_MASTER_KEY"].encode()
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": PATHS,
            "ARCRUN_HOME": self.home,
            "ARCRUN_ALLOW_HOSTS": provider.issuer,
            "BROWSER": str(browser),
            "DISPLAY": ":9",
            **opened_by,
        }

    def traced(self, words: list[str]) -> tuple[list[str], str]:
        """A command line under strace, and where its trace will lie."""
        log = str(self.folder / f"trace-{self.processes}")
        self.processes += 1
        return [*strace.command(log, CALLS, "-yy", "-v"), *words], log

    def start(self, words: list[str], **environ: str) -> tuple[subprocess.Popen[str], str]:
        line, log = self.traced(words)
        process = subprocess.Popen(
            line,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**self.environ, **environ}, cwd=self.folder,
        )  # fmt: skip
        return process, log

    def judge(self, log: str, *, prints: bool = False) -> None:
        """Look through a trace; with `prints`, its standard output may carry the secret."""
        for number, call in enumerate(strace.read(log)):
            if call.name == "connect":
                self._connect(call)
                continue
            self.writes += call.name in WRITES
            if number and self.key in call.data:  # the first is the program itself: we gave it
                self.faults.append(f"the vault's key in {call.name} of {call.strings[0][:80]!r}")
            if not canary.hits(call.data):
                continue
            self.secrets += 1
            if call.peer not in self.provider.authorities and not (prints and call.fd == 1):
                self.faults.append(f"{call.name} to {call.peer or call.fd}")
        os.unlink(log)

    def judge_demo(self, log: str) -> None:
        """Its provider is in the same process, on a port of its own: never off this machine."""
        for call in strace.read(log):
            if call.name == "connect":
                self.connects += 1
                address = next(iter(call.strings), b"").decode("latin-1")
                if address not in ("127.0.0.1", NAME_SERVICE):
                    self.faults.append(f"the demo connects to {address}")
        os.unlink(log)

    def _connect(self, call: strace.Call) -> None:
        self.connects += 1
        port = re.search(r"sin6?_port=htons\((\d+)\)", call.arguments)
        address = next(iter(call.strings), b"").decode("latin-1")
        if address == NAME_SERVICE:
            return
        where = f"{address}:{port[1]}" if port else repr(address)
        if where not in self.provider.authorities:
            self.faults.append(f"connect to {where}")


@pytest.fixture
def watch(tmp_path, provider) -> Iterator[Watch]:
    needs(sys.platform == "linux", "Linux (strace)")
    provider.latency = 0.0
    provider.static_key = f"demo_{canary.fresh()}"
    return Watch(tmp_path, provider)


def _run_program(watch: Watch) -> None:
    """`traced.py`, with a browser that is not traced."""
    process, log = watch.start([sys.executable, "-m", "tests.faults.traced"])
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(watch.provider.static_key + "\n")
    process.stdin.flush()
    said = ""
    browsers = []
    for line in process.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "open":
            browsers.append(threading.Thread(target=watch.provider.follow, args=(rest,)))
            browsers[-1].start()
        elif word == "expire":
            watch.provider.authority.expire_access_tokens()
            process.stdin.write("\n")
            process.stdin.flush()
        else:
            said += line
    assert process.wait(GUARD) == 0, said
    assert said == "done\n"
    for browser in browsers:
        browser.join(GUARD)
    process.stdin.close()
    process.stdout.close()
    watch.judge(log)


def _run_command(watch: Watch, command: str) -> None:
    words = command.format(home=watch.home).split()
    logs_in = words[:2] == ["setup", "demo"]
    process, log = watch.start(
        [sys.executable, "-m", "arcrun_cli", *words], ARCRUN_INTERACTIVE=str(int(logs_in))
    )
    browser = threading.Thread(target=_browse, args=(watch,)) if logs_in else None
    if browser is not None:
        browser.start()
    given = watch.provider.static_key + "\n" if "--stdin" in words else None
    said, _ = process.communicate(given, timeout=GUARD)
    if browser is not None:
        browser.join(GUARD)
    refused = "nothing" in words
    assert (process.returncode == 0) is not refused, f"{command}: {said}"
    watch.judge(log, prints=words[0] == "token")


def _run_demo(watch: Watch) -> None:
    process, log = watch.start([sys.executable, "-m", "arcrun_cli", "demo", "--no-browser"])
    said, _ = process.communicate(timeout=GUARD)
    assert process.returncode == 0, said
    watch.judge_demo(log)


def _run_dialogue(watch: Watch, command: str, passphrase: str) -> None:
    import pexpect

    line, log = watch.traced([sys.executable, "-m", "arcrun_cli", *command.split()])
    child = pexpect.spawn(
        line[0], line[1:], env=watch.environ | {"TERM": "xterm"}, cwd=str(watch.folder),
        timeout=GUARD, encoding="utf-8", dimensions=(24, 80),
    )  # fmt: skip
    prompts = {
        r"(?:passphrase|Once more)[^\n]*: ": passphrase,
        r"key: ": watch.provider.static_key,
    }
    said = ""
    while (found := child.expect([*prompts, pexpect.EOF])) < len(prompts):
        said += child.before + child.after
        child.waitnoecho()
        watch.typed += 1
        child.sendline(list(prompts.values())[found])
    said += child.before
    child.close()
    assert child.exitstatus == 0, f"{command}: {said}"
    assert not canary.hits(said)
    watch.judge(log)


def _browse(watch: Watch) -> None:
    """What the user's browser does with the address it was given."""
    until = time.monotonic() + GUARD
    while time.monotonic() < until:
        if watch.url_file.exists():
            url = watch.url_file.read_text()
            assert urlsplit(url).netloc in watch.provider.authorities
            watch.provider.follow(url)
            return
        time.sleep(0.05)


def test_no_secret_is_written_in_clear_and_nobody_else_is_called(watch, board) -> None:
    _run_program(watch)
    for command in COMMANDS:
        _run_command(watch, command)
    passphrase = canary.fresh("passphrase")
    for command in DIALOGUES:
        _run_dialogue(watch, command, passphrase)
    assert watch.typed >= len(DIALOGUES), "they must have asked"
    for command in LAST:
        _run_command(watch, command)
    _run_demo(watch)
    assert watch.secrets > 20, "the provider must have been sent what it gave"
    board.note(
        "trace",
        "every write, send and connect",
        injected="every store, login and "
        f"{len(COMMANDS + DIALOGUES + LAST) + 1} commands under strace: "
        f"{watch.writes} writes, {watch.connects} connects",
        must_hold="no secret but to the provider, no undeclared host, none in argv or environment",
        figure=f"{len(watch.faults)} faults; {watch.secrets} writes carried a secret, "
        "all to the provider or as the output of arcrun token"
        + (f": {sorted(set(watch.faults))[:3]}" if watch.faults else ""),
        held=not watch.faults,
    )
