"""`arcrun serve` in a process of its own, for tests of how it starts and ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Self

from arcrun_auth.cloud import Cloud
from arcrun_auth.tokens import Secret
from tests.cli.runs import COMMAND
from tests.servers import GUARD

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"listens at (\S+)")
_LINK = re.compile(r"^  (\S+/first/\w+)$")


class Served:
    """A running server: `url`, the admin's `link` (or ""), and the `lines` of its log."""

    def __init__(self, env: Mapping[str, str], *args: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *args], env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.url = self.link = ""
        self.said: list[str] = []
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        assert self._up.wait(GUARD), self.said
        assert self.url, self.said

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))
            self.url = self.url or next(iter(_URL.findall(line)), "")
            self.link = self.link or next(iter(_LINK.findall(line)), "")
            if '"event": "started"' in line:
                self._up.set()
        self._up.set()

    @property
    def lines(self) -> list[dict[str, object]]:
        """The log."""
        return [json.loads(line) for line in self.said if line.startswith("{")]

    def cloud(self, key: str | None = None) -> Cloud:
        return Cloud(self.url, None if key is None else Secret(key), allow=[self.url])

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """The exit code, after a signal."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(GUARD)
        self._thread.join(GUARD)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.returncode is None:
            self.end()
