"""The pages that need a platform: played with the real server, by the name that stands on them."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.server.config import Config
from arcrun_auth.sync import account
from tests.docs.pages import DOCS, blocks
from tests.docs.playing import play
from tests.docs.stage import PATIENCE, Stage
from tests.needs import needs
from tests.platform_desk import FREE, desk
from tests.servers import Reply

if TYPE_CHECKING:
    from tests.servers import Seen

PLATFORM = "arcrun.example.com"
PAGE = DOCS / "howto" / "ci-github-actions.md"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the examples are typed into bash")


class PlatformStage(Stage):
    """A stage on which a platform answers, too."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder, hosts=[PLATFORM])
        self._address = address

    def _answer(self, seen: Seen) -> Reply:
        if seen.headers["host"] != PLATFORM:
            return super()._answer(seen)
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE)
        try:
            connection.request(seen.method, seen.target, seen.body or None, seen.headers)
            answer = connection.getresponse()
            headers = {"content-type": "application/json", "arcrun-protocol": "1"}
            return Reply(answer.status, headers, answer.read())
        finally:
            connection.close()


SECOND = DOCS / "howto" / "second-machine.md"


@pytest.mark.parametrize("page", [PAGE, SECOND], ids=["ci", "second machine"])
def test_the_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    for program in ("bash", "openssl"):
        needs(shutil.which(program), program)
    (tmp_path / "server").mkdir()
    config = Config(registration="open", limits=FREE, url=f"https://{PLATFORM}")
    with desk(tmp_path / "server", config) as server, server.account() as cloud:
        address = urlsplit(server.origin).netloc
        with PlatformStage(tmp_path / "stage", address) as stage:
            broker = Broker(home=str(stage.home / ".arcrun"), environ=stage.environ)
            account.keep(
                broker.store, f"https://{PLATFORM}", cloud.key, account="a", email="ada@example.com"
            )
            broker.close()
            play(page, stage)


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
