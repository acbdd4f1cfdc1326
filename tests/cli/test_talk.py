"""What the person at the terminal sees and types."""

from __future__ import annotations

import io
import re
import threading
import time
from types import SimpleNamespace

import pytest

from arcrun_cli import stdin, talk, ui
from arcrun_cli.commands import app_add
from arcrun_cli.faults import UsageFault
from tests import canary

HANG = 30


class Screen(io.StringIO):
    """A terminal that tells when something was written to it."""

    encoding = "utf-8"
    terminal = True

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def fileno(self) -> int:
        raise OSError

    def write(self, text: str) -> int:
        done = super().write(text)
        self.written.set()
        return done


@pytest.fixture
def screen(monkeypatch) -> Screen:
    made = Screen()
    for module in (ui, talk):  # not sys.stderr itself: pytest puts its own back for each phase
        monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=made, stdout=made))
    monkeypatch.setattr(talk, "PATIENCE", 0.01)
    return made


def test_what_takes_long_is_told_and_the_line_goes_away(screen):
    with talk.Waiting("Testing notion"):
        assert screen.written.wait(HANG)

    assert re.search(r"Testing notion… \d+ s", screen.getvalue())
    assert screen.getvalue().endswith("\r\x1b[K")


def test_off_a_terminal_it_is_one_plain_line(screen):
    screen.terminal = False
    with talk.Waiting("Testing notion"):
        assert screen.written.wait(HANG)
        time.sleep(0.05)

    assert screen.getvalue() == "Testing notion…\n"


def test_what_is_quick_says_nothing(screen, monkeypatch):
    monkeypatch.setattr(talk, "PATIENCE", HANG)
    with talk.Waiting("Testing notion"):
        pass

    assert screen.getvalue() == ""


def test_the_count_stands_still_while_somebody_is_asked(screen, monkeypatch):
    person = talk.Terminal(interactive=True)
    monkeypatch.setattr(talk.Here, "reach", property(lambda _: "terminal"))
    seen: list[str] = []

    def answer(question: str) -> str:
        screen.written.clear()
        time.sleep(0.05)
        seen.append(screen.getvalue())
        return "value"

    monkeypatch.setattr("getpass.getpass", answer)
    with person.working("Working"):
        assert screen.written.wait(HANG)
        assert person.ask("Key", hidden=True) == "value"
        screen.written.clear()
        assert screen.written.wait(HANG)

    assert seen[0].endswith("\r\x1b[K")
    assert len(re.findall(r"Working… \d+ s", screen.getvalue())) >= 2


def test_what_waits_is_silent_for_a_question_that_it_knows_nothing_of(screen, monkeypatch):
    monkeypatch.setattr(talk.Here, "reach", property(lambda _: "terminal"))
    shown: list[str] = []

    def answer(question: str) -> str:
        screen.written.clear()
        time.sleep(0.05)
        shown.append(screen.getvalue())
        return "value"

    monkeypatch.setattr("getpass.getpass", answer)
    with talk.Waiting("Syncing"):
        with talk.Waiting("Testing"):
            pass
        assert screen.written.wait(HANG)
        assert talk.Terminal(interactive=True).ask("The vault's passphrase", hidden=True)
    assert shown[0].endswith("\r\x1b[K")
    assert talk.Waiting.current is None


def test_while_somebody_may_paste_nothing_is_written_over_it(screen, monkeypatch):
    person, stop, inside = talk.Terminal(interactive=True), threading.Event(), threading.Event()

    def paste(_: object, stop: threading.Event) -> None:
        inside.set()
        stop.wait(HANG)

    monkeypatch.setattr(talk.Here, "paste", paste)
    with person.working("Working"):
        reader = threading.Thread(target=person.paste, args=(stop,))
        reader.start()
        assert inside.wait(HANG)
        person.say("No browser was opened here.")
        before = screen.getvalue()
        time.sleep(0.05)
        assert screen.getvalue() == before
        stop.set()
        reader.join()


def test_what_is_said_moves_no_cursor(screen):
    talk.Terminal(interactive=False).say("a\x1b[2Jb\u202e\nc")

    assert screen.getvalue() == "a[2Jb\nc\n"


def test_a_question_of_several_lines_asks_in_the_last(screen, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(talk.Here, "reach", property(lambda _: "terminal"))
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "x")

    talk.Terminal(interactive=True).ask("There is no keyring.\nNew passphrase: ", hidden=True)

    assert screen.getvalue() == "There is no keyring.\n"
    assert asked == ["New passphrase: "]


# -- Secrets from a pipe --------------------------------------------------------------------

ONE, TWO = ["notion_token"], ["twilio_account_sid", "twilio_auth_token"]


@pytest.mark.parametrize(
    ("data", "keys", "found"),
    [
        (b"abc\n", ONE, {"notion_token": "abc"}),
        (b"  abc\r\n", ONE, {"notion_token": "abc"}),
        (b"\xef\xbb\xbfabc", ONE, {"notion_token": "abc"}),
        (b"a=b", ONE, {"notion_token": "a=b"}),
        (b'{"token": "abc"}', ONE, {"token": "abc"}),
        (b'{"type": "service_account"}', ONE, {"notion_token": '{"type": "service_account"}'}),
        (b'{"a": 1}', ONE, {"notion_token": '{"a": 1}'}),
        (b"{not json", ONE, {"notion_token": "{not json"}),
        (b"-----BEGIN\nx\n-----END", ONE, {"notion_token": "-----BEGIN\nx\n-----END"}),
        (b'{"account_sid": "a", "auth_token": "b"}', TWO, {"account_sid": "a", "auth_token": "b"}),
        (b"account_sid=a\n\n auth_token = b=c \n", TWO, {"account_sid": "a", "auth_token": "b=c"}),
    ],
)
def test_secrets_from_a_pipe(data, keys, found):
    assert stdin.parse(data, keys, "x") == found


def test_json_of_any_depth_ends_no_command():
    deep = '{"a":' * 100_000
    assert stdin.parse(deep.encode(), ONE, "x") == {"notion_token": deep}
    assert app_add._is_client_file(deep) is False


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff", b"x" * (stdin.MAX_BYTES + 1)])
def test_what_cannot_be_a_secret(data):
    with pytest.raises(UsageFault):
        stdin.parse(data, ONE, "x")


def test_of_what_does_not_fit_nothing_is_repeated():
    with pytest.raises(UsageFault) as caught:
        stdin.parse(canary.fresh().encode(), TWO, "twilio")

    assert canary.WORD not in caught.value.message + caught.value.hint
    assert "twilio_auth_token" in caught.value.message


def test_a_terminal_is_no_pipe(monkeypatch):
    monkeypatch.setattr("sys.stdin", Screen())

    with pytest.raises(UsageFault, match="is the terminal"):
        stdin.read_secrets(ONE, "notion")
