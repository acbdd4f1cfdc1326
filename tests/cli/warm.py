"""A process that has imported what the command needs, and becomes it as often as it is asked.

    python -m tests.cli.warm FD

Most of a short command is the start of Python and its imports. Tests of what a command does
need neither each time: this process has done both, runs nothing else and no thread, and forks.
What comes of it is a process with a memory, an environment, a folder and files of its own. Each
request comes over the socket FD: a JSON text, with the three files of the command and one to
answer on, by which go its process id and, at its end, its exit code.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import sys
from importlib import import_module
from typing import NoReturn

SIZE = 1 << 18
NEEDED = (
    "arcrun_cli.app", "arcrun_cli.ui", "arcrun_cli.failures", "arcrun_cli.stage",
    "arcrun_auth.broker", "arcrun_auth.client", "arcrun_auth.probe", "arcrun_auth.checkup",
    "arcrun_auth.report", "arcrun_auth.stores.vault", "arcrun_auth.stores.opening",
    "arcrun_auth.catalog.build", "arcrun_auth.lint", "arcrun_auth.login", "arcrun_auth.enrol",
    "arcrun_auth.removal", "arcrun_auth.locks", "httpx", "yaml", "cryptography.x509", "filelock",
    "truststore", "asyncio",
)  # fmt: skip


def main(number: int) -> int:
    """Serves until the other end of the socket is closed."""
    for name in NEEDED:
        import_module(name)
    gc.collect()
    gc.freeze()  # else a child copies every page that its first collection looks at
    control = socket.socket(fileno=number)
    wakes, woken = socket.socketpair()
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, wakes], [], [])
        if wakes in ready:
            wakes.recv(SIZE)
            _tell(running)
        if control not in ready:
            continue
        data, files, _, _ = socket.recv_fds(control, SIZE, 4)
        if not data:
            return 0
        *standard, last = files
        pid = os.fork()
        if pid == 0:
            becomes(json.loads(data), standard)
        running[pid] = socket.socket(fileno=last)
        running[pid].sendall(b"%d\n" % pid)
        for file in standard:
            os.close(file)


def _tell(running: dict[int, socket.socket]) -> None:
    """Tells how commands have ended."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as answer:
            answer.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def becomes(asked: dict, files: list[int]) -> NoReturn:
    """The command itself."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for place, file in enumerate(files):
        os.dup2(file, place)
    os.closerange(3, 64)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    sys.argv[1:] = asked["args"]
    from arcrun_cli import main as command

    code = command(asked["args"])
    # The end of an interpreter, but for taking apart all that was imported.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    gc.collect()  # files of SQLite are closed by whoever lets go of them
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
