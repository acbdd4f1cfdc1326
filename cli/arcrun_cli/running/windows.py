"""A command on Windows: it shares our console and input; what it prints comes through pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from arcrun_auth.masking import Masker
from arcrun_cli.running import NotStarted, pump

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

    from arcrun_cli.running import Task


def run(task: Task) -> int:
    """See `running.run`. Without anything to mask it gets our own handles."""
    pipe = subprocess.PIPE if task.masked else None
    # The console sends Ctrl-C to the command, too, which decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(  # noqa: S603 - what this command is for
            task.argv, executable=task.program, env=task.environ, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        raise NotStarted.by(task.argv[0], error) from None
    ends = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    work = [
        Thread(target=_pass_on, args=(source, target.fileno(), task.masked), daemon=True)
        for source, target in ends
        if source is not None
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    return process.wait()


def _pass_on(source: IO[bytes], target: int, masked: Sequence[str]) -> None:
    masker = Masker(masked)
    with suppress(OSError), source:  # nobody reads it any more: the command gets an error, too
        while data := os.read(source.fileno(), pump.SIZE):
            pump.write(target, masker.feed(data))
        pump.write(target, masker.end())
