"""The pages that need a platform: played with the real server, by the name that stands on them."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.server.config import Config
from arcrun_auth.sync import account
from tests.docs.pages import DOCS, ROOT, blocks
from tests.docs.playing import play
from tests.docs.stage import PATIENCE, Stage
from tests.docs.test_examples import ENVIRON
from tests.needs import needs
from tests.platform_desk import FREE, desk
from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.tokens import Secret
    from tests.platform_desk import Desk
    from tests.servers import Seen

PLATFORM = "arcrun.example.com"
PAGE = DOCS / "howto" / "ci-github-actions.md"
SECOND = DOCS / "howto" / "second-machine.md"
VALUES = DOCS / "howto" / "sealed-values.md"

VISITOR = """\
import sys
sys.path.insert(0, {root!r})
if "//{platform}/" in sys.argv[1]:
    from tests.surfer import Surfer

    person = Surfer(proxies=None)  # those of the environment
    person.open(sys.argv[1])
    person.press("Sign in with the key", key=open({key!r}).read())
    person.press("Log in")
else:
    from tests.docs.props import BROWSER

    exec(BROWSER)
"""
"""Signs in at the server's page with the account's key, and agrees to the login; elsewhere it
does what the browser of the other pages does."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the examples are typed into bash")


class PlatformStage(Stage):
    """A stage on which a platform answers, too."""

    def __init__(self, folder: Path, address: str, environ: dict[str, str] | None = None) -> None:
        super().__init__(folder, environ, hosts=[PLATFORM])
        self._address = address

    def _answer(self, seen: Seen) -> Reply:
        if seen.headers["host"] != PLATFORM:
            return super()._answer(seen)
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE)
        try:
            connection.request(seen.method, seen.target, seen.body or None, seen.headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        headers.pop("content-length", None)
        return Reply(answer.status, headers, body)

    def sits_down(self, key: Secret) -> None:
        """Somebody who has the key of an account, at the browser of this machine."""
        kept = self._bin / "account.key"
        kept.write_text(key.reveal())
        script = VISITOR.format(root=str(ROOT), key=str(kept), platform=PLATFORM)
        (self._bin / "browse.py").write_text(script)


@contextmanager
def platform(folder: Path) -> Iterator[tuple[Desk, str]]:
    """A running server that is called as the pages call it, and where it really is."""
    (folder / "server").mkdir()
    config = Config(registration="open", limits=FREE, url=f"https://{PLATFORM}")
    with desk(folder / "server", config) as server:
        yield server, urlsplit(server.origin).netloc


@pytest.mark.parametrize("page", [SECOND, VALUES, ROOT / "README.md"], ids=lambda path: path.name)
def test_a_page_that_needs_a_server_does_what_it_says(page: Path, tmp_path: Path) -> None:
    for program in ("bash", "openssl"):
        needs(shutil.which(program), program)
    with (
        platform(tmp_path) as (server, address),
        server.account() as cloud,
        PlatformStage(tmp_path / "first", address, ENVIRON.get(page.name)) as first,
        PlatformStage(tmp_path / "second", address) as second,
    ):
        for stage in (first, second):
            stage.sits_down(cloud.key)
        play(page, first, second)
        lying = b"".join(path.read_bytes() for path in (tmp_path / "server").iterdir())
        assert b"notion" not in lying
        assert cloud.key.reveal().encode() not in lying


def test_the_page_on_ci_does_what_it_says(tmp_path: Path) -> None:
    for program in ("bash", "openssl"):
        needs(shutil.which(program), program)
    with (
        platform(tmp_path) as (server, address),
        server.account() as cloud,
        PlatformStage(tmp_path / "stage", address) as stage,
    ):
        broker = Broker(home=str(stage.home / ".arcrun"), environ=stage.environ)
        account.keep(
            broker.store, f"https://{PLATFORM}", cloud.key, account="a", email="ada@example.com"
        )
        broker.close()
        play(PAGE, stage)


def test_the_workflow_of_the_page_is_one_that_a_linter_accepts(tmp_path: Path) -> None:
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    needs(zizmor, "zizmor (of the group lint)")
    (workflow,) = [b for b in blocks(PAGE) if b.note == "file"]
    path = tmp_path / workflow.about
    path.parent.mkdir(parents=True)
    path.write_text(workflow.text)
    done = subprocess.run(
        [zizmor, "--offline", "--persona", "pedantic", "--no-progress", str(path)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
