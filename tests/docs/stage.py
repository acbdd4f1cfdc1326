"""Where the examples of the documentation are played: unchanged, by the real programs.

The names of the Internet lead to this machine: a proxy and a throw-away certificate
authority stand in for it, by the variables that every user has (`HTTPS_PROXY`,
`SSL_CERT_FILE`). So the recipes, the addresses, TLS and the code are the real ones; only
who answers is not. What answers a login is the embedded provider; the browser is a
program in `$BROWSER` that agrees to what it is shown. The home is a throw-away one.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from arcrun_auth.testing import Provider, Quirks
from tests import accounts_world
from tests.docs.props import (
    ACCOUNTS,
    API,
    BROWSER,
    FORGE,
    HOSTS,
    KEYS,
    LOGIN_PATHS,
    REFS,
    ROBOT,
    SDK,
    SITE,
    TOKENS,
)
from tests.servers import Reply, authority, proxy, recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.docs.pages import Block
    from tests.servers import Seen

PATIENCE = 60
"""After how many seconds does an example hang?"""


class Stage:
    """A home, a working folder, and an Internet of this machine's own. `with Stage(folder):`."""

    def __init__(
        self,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        api: Callable[[Seen], Reply | None] | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        """`api` plays the services, on `hosts` too; the props of the pages if not given."""
        self._more = dict(environ or {})
        self._api = api or _props
        self._hosts = sorted({*HOSTS, *hosts})
        self.home = folder / "home"
        self.work = folder / "work"
        self._bin = folder / "bin"
        self._stand_ins = folder / "stand_ins"
        self._stack = ExitStack()
        self.refused: list[str] = []
        self._robots: set[str] = set()
        self.typed: dict[str, str] = {}
        """What the person types beside the keys of the pages: by the end of the question."""

    def __enter__(self) -> Self:
        for path in (self.home, self.work, self._bin, self._stand_ins, self.home / "Downloads"):
            path.mkdir(parents=True)
        self.provider = self._stack.enter_context(
            # The pages end a login of a provider that asks no app for its proof then.
            Provider(quirks=Quirks(revoke="open"))
        )
        self.provider.authority.issuer = f"https://{ACCOUNTS}"
        self.client_id = "1234567890-example.apps.googleusercontent.com"
        self.provider.register(self.client_id, auth="post")
        self._ca, context = authority(self._bin, *self._hosts)
        server = self._stack.enter_context(recorder(self._answer, context))
        self._proxy = self._stack.enter_context(proxy(lambda host, tls: self._route(host, server)))
        self._write_programs()
        self.environ = self._environment()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- who answers ---------------------------------------------------------------------

    def _route(self, host: str, server) -> int:
        assert host in self._hosts, f"an example talks to {host}, and nobody plays that here"
        return server.port

    def _answer(self, seen: Seen) -> Reply:
        host, url = seen.headers["host"], urlsplit(seen.target)
        if host == TOKENS and b"jwt-bearer" in seen.body:
            return self._robot(seen)
        if host in (ACCOUNTS, TOKENS):
            return self._from_provider(seen)
        if host in (FORGE, SITE):
            return self._from_forge(seen) if host == FORGE else self._from_site(url.path)
        if not self._knows(seen.headers.get("authorization", "")):
            self.refused.append(f"{host}{url.path}")
            return Reply(401, body=b'{"error": "unauthorized"}')
        if seen.headers["authorization"] in self._robots:
            return accounts_world.said({"user": {"emailAddress": ROBOT}})
        return self._api(seen) or Reply(
            404, {"content-type": "application/json"}, b'{"error": "not_found"}'
        )

    def _from_forge(self, seen: Seen) -> Reply:
        """git asks without a password first, and only then its helper for one."""
        given = seen.headers.get("authorization", "").removeprefix("Basic ")
        _, _, password = base64.b64decode(given).decode().partition(":")
        if password not in KEYS.values():
            self.refused += [f"{FORGE}: {seen.target}"] if given else []
            return Reply(401, {"www-authenticate": 'Basic realm="forge"'})
        found = "/info/refs" in seen.target
        return Reply(200 if found else 404, {"content-type": "text/plain"}, REFS.encode())

    def _from_site(self, path: str) -> Reply:
        """Whatever lies in the folder that the examples run in."""
        file = self.work / path.lstrip("/")
        return Reply(body=file.read_bytes()) if file.is_file() else Reply(404)

    def _knows(self, authorization: str) -> bool:
        given = authorization.removeprefix("Bearer ")
        return (
            authorization in self._robots
            or given in KEYS.values()
            or self.provider.authority.holder(authorization) is not None
        )

    def _robot(self, seen: Seen) -> Reply:
        """A token for an assertion that the key in Downloads has signed."""
        accounts_world.verified(accounts_world.form(seen)["assertion"])
        token = self.provider.authority.fresh("robot")
        self._robots.add(f"Bearer {token}")
        return accounts_world.said({"access_token": token, "expires_in": 3599})

    def _from_provider(self, seen: Seen) -> Reply:
        path, _, query = seen.target.partition("?")
        path = LOGIN_PATHS.get(path, path)
        address = urlsplit(self.provider.issuer).netloc
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        headers = {
            name: seen.headers[name]
            for name in ("content-type", "authorization")
            if name in seen.headers
        }
        try:
            connection.request(seen.method, f"{path}?{query}", seen.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = {
            name: value
            for name in ("content-type", "location")
            if (value := answer.headers.get(name))
        }
        return Reply(answer.status, kept, body)

    # -- who acts ------------------------------------------------------------------------

    def _write_programs(self) -> None:
        (self._bin / "browse.py").write_text(BROWSER)
        _program(self._bin / "browse", f'{sys.executable} {self._bin}/browse.py "$@"')
        for name in ("arcrun", "arcrun-auth"):
            _program(self._bin / name, f'{sys.executable} -m arcrun_cli "$@"')
        for name in ("python", "python3"):
            _program(self._bin / name, f'{sys.executable} "$@"')
        # A folder of its own: it would else clear away what runs that were killed have left.
        own = f"-p no:cacheprovider --basetemp={self._bin.parent / 'temporary'}"
        _program(self._bin / "pytest", f'{sys.executable} -m pytest {own} "$@"')
        (self._stand_ins / "openai.py").write_text(SDK)
        client = {"client_id": self.client_id, "client_secret": self.provider.client_secret}
        self.client_file = self.home / "Downloads" / "client_secret.json"
        self.client_file.write_text(json.dumps({"installed": client}))
        robot = accounts_world.key_file(
            client_email=ROBOT, private_key=accounts_world.key_pem(ROBOT), note=None
        )
        (self.home / "Downloads" / "drive-robot.json").write_text(robot)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._bin}:/usr/bin:/bin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "PYTHONPATH": str(self._stand_ins),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BROWSER": f"{self._bin}/browse %s",
            "DISPLAY": ":9",  # a desktop, wherever this runs; $BROWSER comes first
            "HTTPS_PROXY": self._proxy.url,
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(self._ca),
            "ARCRUN_KEYRING": "off",
            "ARCRUN_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            **{name: text.format(home=self.home) for name, text in self._more.items()},
        }

    def write(self, name: str, text: str) -> None:
        """A file of the page, in the folder that its examples run in."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def python(self, code: str, *, test: bool = False) -> str:
        """What a program prints. It runs where nobody types, and a browser can be opened."""
        self.write("test_example.py" if test else "example.py", code)
        argv = ["pytest", "-q", "test_example.py"] if test else ["python", "example.py"]
        done = self.program(*argv)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def program(self, name: str, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """How a program ended that runs where nobody types, and a browser can be opened."""
        return subprocess.run(
            [f"{self._bin}/{name}", *args],
            cwd=self.work,
            env={**self.environ, "ARCRUN_INTERACTIVE": "1", **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def terminal(self, commands: list[str]) -> list[str]:
        """What a terminal shows below each command, typed one after the other into one shell.

        Whoever sits there types a key where one is asked for, and `y` to a yes or no.
        """
        import pexpect

        mark = "@@@@"
        lines = [f"{command}\nprintf '{mark}\\n'" for command in commands]
        script = self.work / ".session"
        script.write_text("\n".join(lines) + "\n")
        child = pexpect.spawn(
            "/bin/bash", ["--norc", "--noprofile", str(script)], cwd=str(self.work),
            env=self.environ, encoding="utf-8", timeout=PATIENCE, dimensions=(50, 100),
        )  # fmt: skip
        child.delaybeforesend = None
        shown = ""
        answers = {
            **KEYS,
            **self.typed,
            "client file": str(self.client_file),
            "empty: none": "google_drive",
            "s skips the step": "s",
            "Enter when that is done": "",
            "[y/N]": "y",
        }
        prompts = [rf"{re.escape(question)}: $" for question in answers]
        while (found := child.expect([pexpect.EOF, *prompts])) != 0:
            shown += child.before + child.after
            child.sendline(list(answers.values())[found - 1])
        shown += child.before
        child.close()
        script.unlink()
        shown = shown.replace("\r\n", "\n").replace(str(self.home), "~")
        # On a busy machine seconds are counted, in a line that goes away again.
        shown = re.sub(r"(\r[^\n\x1b]*)+\r\x1b\[K", "", shown)
        # The pages show a desktop, where the keyring opens the vault; here a variable does.
        shown = shown.replace("key-protected", "keyring-protected")
        parts = shown.split(f"{mark}\n")
        assert len(parts) == len(commands) + 1, shown
        return parts[:-1]


def _props(seen: Seen) -> Reply | None:
    """What the props of the pages say to a request."""
    found = API.get((seen.method, seen.headers["host"], urlsplit(seen.target).path))
    if found is None:
        return None
    return Reply(200, {"content-type": "application/json"}, json.dumps(found).encode())


def _program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {line}\n")
    path.chmod(0o700)


def session(block: Block) -> list[tuple[str, list[str]]]:
    """A console block as commands and the lines that are shown below each."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.rstrip("\n").split("\n"):
        if line.startswith("$ "):
            found.append((re.sub(r"\s{2,}# .*$", "", line[2:]), []))
        else:
            assert found, f"line {block.line}: the block begins without a command"
            found[-1][1].append(line)
    return found


def matches(expected: list[str], shown: str) -> bool:
    """Whether `shown` is what the page says: word by word, since where a line is broken
    depends on the width of the terminal. `…` stands for any text, of any length."""
    words = " ".join(" ".join(expected).split())
    # On a line of its own it may stand for nothing: the space around it goes along.
    pattern = re.sub(r"(?:\\ )?…(?:\\ )?", ".*?", re.escape(words))
    return re.fullmatch(pattern, " ".join(shown.split())) is not None
