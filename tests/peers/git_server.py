"""A forge on this machine: git's own http-backend (git-http-backend(1)) behind Basic auth."""

from __future__ import annotations

import base64
import subprocess
from typing import TYPE_CHECKING

from tests.servers import GUARD, Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.servers import Seen

    Accepts = Callable[[str, str], bool]
    """Whether a user and a password are let in."""


class Forge:
    """Answers the requests of git for the bare repositories below `root`."""

    def __init__(self, root: Path, accepts: Accepts) -> None:
        self.root = root
        self.accepts = accepts
        self.users: list[tuple[str, str]] = []
        """The users and passwords that came, good ones and others."""

    def repository(self, path: str) -> None:
        """A bare one with a commit, which takes pushes."""
        bare = self.root / path
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        self.git("-C", str(bare), "config", "http.receivepack", "true")
        tree = self.git("-C", str(bare), "mktree")
        commit = self.git("-C", str(bare), "commit-tree", tree, "-m", "first")
        self.git("-C", str(bare), "update-ref", "refs/heads/main", commit)

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], stdin=subprocess.DEVNULL, capture_output=True, check=True,
            timeout=GUARD, env=self._environ(),
        )  # fmt: skip
        return done.stdout.decode().strip()

    def answer(self, seen: Seen) -> Reply:
        given = seen.headers.get("authorization", "").removeprefix("Basic ")
        if given:
            user, _, password = base64.b64decode(given).decode().partition(":")
            self.users.append((user, password))
            if self.accepts(user, password):
                return self._backend(seen, user)
        return Reply(401, {"www-authenticate": 'Basic realm="forge"'}, b"")

    def _environ(self) -> dict[str, str]:
        who = {f"GIT_{role}_{part}": "forge@forge.example" for role in ("AUTHOR", "COMMITTER")
               for part in ("NAME", "EMAIL")}  # fmt: skip
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.root), "GIT_CONFIG_NOSYSTEM": "1", **who}

    def _backend(self, seen: Seen, user: str) -> Reply:
        path, _, query = seen.target.partition("?")
        environ = {
            **self._environ(),
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": seen.method,
            "CONTENT_TYPE": seen.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(seen.body)),
            "HTTP_CONTENT_ENCODING": seen.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": seen.headers.get("git-protocol", ""),
            "REMOTE_USER": user,
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=seen.body, env=environ, capture_output=True,
            check=True, timeout=GUARD,
        )  # fmt: skip
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
        return Reply(int(fields.pop("Status", "200 OK").split()[0]), fields, body)
