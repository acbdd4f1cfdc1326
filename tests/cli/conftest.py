"""The real command in a process of its own, with a home of its own."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.people import Nobody
from arcrun_auth.testing import Provider
from tests.cli import runs
from tests.cli.runs import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arcrun_auth.people import Person

HANG = 60
"""After how many seconds do we call a command hung?"""

DEAD_PROXY = "http://127.0.0.1:9"
"""Where requests to the outside end, at once: no test leaves this machine."""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def both(self) -> str:
        return self.out + self.err


@dataclass
class Cli:
    """Runs `arcrun` as a user of this test would: `cli("list", "--json")`."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    """The folder that it is typed in; that of the test if None."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def __call__(self, *args: str, stdin: str | bytes = b"", **env: str) -> Ran:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = runs.run(
            args, data, env=self.env | env, own=env, timeout=HANG,
            cwd=str(self.cwd) if self.cwd else None,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def terminal(self, *args: str, **env: str):
        """The same in a pseudo-terminal of 80 columns, for a dialogue."""
        pexpect = pytest.importorskip("pexpect")
        return pexpect.spawn(
            COMMAND[0], [*COMMAND[1:], *args], env=self.env | env, timeout=HANG,
            encoding="utf-8", dimensions=(24, 80), cwd=str(self.cwd) if self.cwd else None,
        )  # fmt: skip


@pytest.fixture
def inside(tmp_path, monkeypatch, capsys):
    """Runs `arcrun` in this process, where nobody can be asked unless `person` is given: what
    needs no process of its own costs none."""
    from arcrun_cli import app, failures, options, talk

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCRUN_MASTER_KEY", b64encode(bytes(32)).decode())

    def run(*args: str, person: Person | None = None, **env: str) -> Ran:
        with pytest.MonkeyPatch.context() as patch:
            somebody = person or talk.Terminal(interactive=False)
            patch.setattr(options, "terminal", lambda **_: somebody)
            for name, value in env.items():
                patch.setenv(name, value)
            try:
                code = app.run(list(args))
            except Exception as error:  # the one place that tells them is `main`
                code = failures.tell(error, args)
        shown = capsys.readouterr()
        return Ran(code, shown.out, shown.err)

    return run


def plain(text: str) -> str:
    """What a terminal shows, without colours and carriage returns."""
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", text).replace("\r", "")


@pytest.fixture(autouse=True, scope="session")
def the_warm_process_ends() -> Iterator[None]:
    yield
    runs.WARM.close()


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    given = tmp_path / "given"
    given.mkdir()
    key = given / "key"
    key.write_bytes(b64encode(os.urandom(32)))
    key.chmod(0o600)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "user"),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "ARCRUN_HOME": str(tmp_path / "home"),
        "ARCRUN_KEYRING": "off",
        "ARCRUN_MASTER_KEY_FILE": str(key),
        "HTTPS_PROXY": DEAD_PROXY,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    (tmp_path / "user").mkdir()
    env |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return Cli(tmp_path, env)


class Agrees(Nobody):
    """Whoever sets up the test's own recipes."""

    @property
    def reach(self):
        return "desktop"

    def confirm(self, question: str) -> bool:
        return True


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture
def served(cli: Cli, provider: Provider) -> Cli:
    """With recipes for the provider: `demo` by login, `demo_static` by a key."""
    recipes = cli.home / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    (recipes / "demo.yaml").write_text(provider.recipe_yaml("demo"))
    text = provider.recipe_yaml("demo_static", primitive="static_key")
    (recipes / "demo_static.yaml").write_text(text)
    cli.env["ARCRUN_ALLOW_HOSTS"] = provider.issuer
    cli.env["ARCRUN_DEMO_CLIENT_ID"] = "demo"
    return cli


@pytest.fixture
def connected(served: Cli, provider: Provider) -> Cli:
    """With both of them set up, as `ada@example.com`."""
    from arcrun_auth import Broker

    broker = Broker(
        home=str(served.home), environ=served.env, person=Agrees(), open_url=provider.follow
    )
    broker.setup("demo")
    broker.setup("demo_static", key=provider.static_key)
    broker.close()
    return served
