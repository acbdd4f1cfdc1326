"""A real notebook kernel: keys and addresses go through its boxes, and it is free afterwards."""

from __future__ import annotations

import base64
import os
import queue
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import canary
from tests.needs import needs

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.peer

HANG = 60.0
ROOT = Path(__file__).parents[2]

START = """
import os, pathlib, threading
from arcrun_auth.testing import Provider
from tests.world import home_with
folder = pathlib.Path(os.environ["TEST_FOLDER"])
provider = Provider().__enter__()
"""
KEY = """
from arcrun_auth import Broker
from arcrun_auth.tokens import Key
provider.static_key = (folder / "given" / "key").read_text()
broker = Broker(home=home_with(folder, provider), allow_hosts=[provider.issuer])
broker.setup("keyed")
held = broker.store.get(Key("credential", "keyed"))
print("the same:", [s.reveal() for s in held.secrets.values()] == [provider.static_key])
"""
LOGIN = """
import msgspec, time, yaml
from arcrun_auth.login import Dialogue, LoginPlan, Ways, log_in
from arcrun_auth.oauth.app import App
from arcrun_auth.people import Here
from arcrun_auth.recipe import OAuth2
from tests.peers.oidc_server import send

oauth2 = msgspec.convert(yaml.safe_load(provider.recipe_yaml())["oauth2"], OAuth2)
plan = LoginPlan("demo", "Demo", oauth2, App("demo"), scopes=oauth2.scopes)
here = Here()

def elsewhere(url):
    (folder / "given" / "part").write_text(provider.redirected(url))
    (folder / "given" / "part").rename(folder / "given" / "address")

def after_the_box(url):
    while not (folder / "given" / "box").exists():
        time.sleep(0.01)
    provider.follow(url)

def login(open_url):
    done = threading.Event()
    try:
        dialogue = Dialogue(
            say=here.say, show=here.show_link, open_url=open_url, paste=lambda: here.paste(done)
        )
        grant = log_in(plan, Ways(), dialogue, send=send, timeout=60)
    finally:
        done.set()
    print("user:", provider.authority.holder(f"Bearer {grant.access_token.reveal()}").user)
"""


class Cell:
    """What a cell showed, and the boxes that came up: their prompts, and whether hidden."""

    def __init__(self) -> None:
        self.text = ""
        self.shown: list[dict[str, str]] = []
        self.boxes: list[tuple[str, bool]] = []


class Kernel:
    """A kernel in a process of its own, and the notebook's side of it."""

    def __init__(self, **env: str) -> None:
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager()
        self.manager.start_kernel(env=os.environ | env)
        self.client = self.manager.client()
        self.client.start_channels()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def run(self, code: str, *typed: Callable[[], str | None]) -> Cell:
        """A cell from its start to its end. Each box is answered by the next of `typed`, or
        never, if that gives None."""
        cell, answers = Cell(), list(typed)
        number = self.client.execute(code, store_history=True, allow_stdin=True)
        until = time.monotonic() + HANG
        while time.monotonic() < until:
            box = _next(self.client.get_stdin_msg)
            if box is not None:
                cell.boxes.append((box["content"]["prompt"], box["content"]["password"]))
                answer = answers.pop(0)()
                if answer is not None:
                    self.client.input(answer)
            message = _next(self.client.get_iopub_msg)
            if message is None or message["parent_header"].get("msg_id") != number:
                continue
            content = message["content"]
            if message["msg_type"] == "stream":
                cell.text += content["text"]
            elif message["msg_type"] == "display_data":
                cell.shown.append(content["data"])
            elif message["msg_type"] == "error":
                pytest.fail("\n".join(content["traceback"]))
            elif content.get("execution_state") == "idle":
                return cell
        pytest.fail(f"the cell hangs; it showed: {cell.text}")


def _next(get):
    try:
        return get(timeout=0.02)
    except queue.Empty:
        return None


@pytest.fixture
def given(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


@pytest.fixture
def kernel(tmp_path, given):
    for module in ("ipykernel", "jupyter_client"):
        try:
            __import__(module)
        except ImportError:
            needs(False, module)
    running = Kernel(
        TEST_FOLDER=str(tmp_path),
        IPYTHONDIR=str(tmp_path / "ipython"),  # its history is searched for what was typed
        ARCRUN_KEYRING="off",
        ARCRUN_MASTER_KEY=base64.b64encode(os.urandom(32)).decode(),
        CI="",
        PYTHONPATH=str(ROOT),
        PATH=os.path.dirname(sys.executable),
    )
    try:
        running.client.wait_for_ready(timeout=HANG)
        running.run(START)
        yield running
    finally:
        running.close()


def test_a_key_is_typed_into_a_hidden_box_and_stored(kernel, given):
    key = canary.fresh("notebook")
    (given / "key").write_text(key)
    cell = kernel.run(KEY, lambda: "y", lambda: key)
    assert "the same: True" in cell.text
    assert [hidden for _, hidden in cell.boxes] == [False, True]
    assert not canary.hits(cell.text)


def test_a_login_by_pasting_the_address(kernel, given):
    def address():
        until = time.monotonic() + HANG
        while not (given / "address").exists() and time.monotonic() < until:
            time.sleep(0.01)
        return (given / "address").read_text()

    kernel.run(LOGIN)
    cell = kernel.run("login(elsewhere)", lambda: "something else", address)
    assert "user: ada" in cell.text
    assert "That is not the address of this login." in cell.text
    assert [hidden for _, hidden in cell.boxes] == [False, False]


def test_the_browser_answers_first_and_the_notebook_goes_on(kernel, given):
    def seen():
        (given / "box").touch()

    kernel.run(LOGIN)
    cell = kernel.run("login(after_the_box)", seen)
    assert "user: ada" in cell.text
    assert len(cell.boxes) == 1
    assert kernel.run("print(6 * 7)").text == "42\n"
    # Whoever answers the box after all does not answer the next question.
    kernel.client.input("too late")
    cell = kernel.run("print('hello', input('Name: '))", lambda: "ada")
    assert cell.text == "hello ada\n"
    left = "print(*[t.name for t in threading.enumerate() if t.name.startswith('arcrun')])"
    assert kernel.run(left).text == "\n"


def test_a_login_is_interrupted_and_the_notebook_goes_on(kernel, given):
    def interrupt():
        kernel.manager.interrupt_kernel()

    kernel.run(LOGIN)
    code = "try:\n    login(lambda url: None)\nexcept KeyboardInterrupt:\n    print('stopped')"
    assert "stopped" in kernel.run(code, interrupt).text
    cell = kernel.run("print('hello', input('Name: '))", lambda: "ada")
    assert cell.text == "hello ada\n"


def test_a_link_is_shown_to_be_clicked(kernel):
    url = "https://id.example.com/authorize?a=b&state=c"
    cell = kernel.run(
        f"from arcrun_auth.people import Here\nHere().show_link({url!r}, 'Log in to Demo')"
    )
    (shown,) = cell.shown
    assert "<b>Log in to Demo</b></a>" in shown["text/html"]
    assert url in shown["text/plain"]
    assert cell.text == ""
