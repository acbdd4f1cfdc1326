"""Who is reachable, and how: promise 9."""

from __future__ import annotations

import os
import sys
import threading
import types

import pytest

from arcrun_auth import errors, people
from arcrun_auth.people import Here, Nobody


@pytest.fixture
def terminal(monkeypatch):
    def there(value: bool) -> None:
        monkeypatch.setattr(people, "_has_terminal", lambda: value)

    there(False)
    return there


def test_a_terminal_reaches_somebody_unless_it_is_ci(terminal) -> None:
    terminal(True)
    assert Here(environ={}).reach == "terminal"
    assert Here(environ={"CI": "1"}).reach is None
    assert Here(environ={"CI": "1"}, interactive=True).reach == "terminal"
    assert Here(environ={}, interactive=False).reach is None


def test_without_a_terminal_a_graphical_session_reaches_somebody(terminal) -> None:
    assert Here(environ={}).reach is None
    assert Here(environ={"DISPLAY": ":0"}).reach == "desktop"
    assert Here(environ={}, interactive=True).reach == "desktop"


def test_a_process_without_streams_has_no_terminal(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert people._has_terminal() is False


def test_questions_go_to_the_terminal_and_hidden_ones_are_not_echoed(
    terminal, monkeypatch, capsys
) -> None:
    import getpass

    terminal(True)
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or "typed")
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(readline=lambda: "shop\n"))
    here = Here(environ={})
    assert here.ask("Key\x1b[2J", hidden=True) == "typed"
    assert here.ask("Name") == "shop"
    here.say("hello")
    out, err = capsys.readouterr()
    assert asked == ["Key[2J: "]
    assert out == ""
    assert err == "Name: hello\n"


def test_the_end_of_input_is_no_answer(terminal, monkeypatch, capsys) -> None:
    terminal(True)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(readline=lambda: ""))
    assert Here(environ={}).ask("Name") is None
    assert capsys.readouterr().err == "Name: \n"
    assert Here(environ={}).confirm("Really?") is False


@pytest.mark.parametrize(
    ("typed", "meant"), [("y", True), ("YES", True), ("n", False), ("", False)]
)
def test_a_yes_is_a_yes(terminal, monkeypatch, typed, meant) -> None:
    terminal(True)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(readline=lambda: typed + "\n"))
    assert Here(environ={}).confirm("Really?") is meant


@pytest.mark.parametrize(("then", "meant"), [("y", True), ("No", False), ("", False)])
def test_what_is_neither_yes_nor_no_is_asked_again(terminal, monkeypatch, capsys, then, meant):
    terminal(True)
    typed = iter(("ja\n", "Y es\n", f"{then}\n"))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(readline=lambda: next(typed)))
    assert Here(environ={}).confirm("Really?") is meant
    said = capsys.readouterr().err
    assert said.count("Really? [y/N]: ") == 3
    assert said.count("Type y for yes, or n for no.\n") == 2


def test_who_never_says_yes_or_no_has_said_no(terminal, monkeypatch) -> None:
    terminal(True)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(readline=lambda: "perhaps\n"))
    assert Here(environ={}).confirm("Really?") is False


def test_nobody_answers_nothing(terminal) -> None:
    nobody = Nobody()
    nobody.say("hello?")
    assert (nobody.reach, nobody.ask("who?"), nobody.confirm("sure?")) == (None, None, False)
    nobody.show_link("https://example.com", "Here")
    assert nobody.paste(threading.Event()) is None
    assert Here(environ={}).ask("who?") is None


@pytest.mark.skipif(sys.platform == "win32", reason="select works on sockets only there")
def test_waiting_for_a_paste_ends_when_told_to_and_leaves_the_next_line_alone(monkeypatch) -> None:
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        monkeypatch.setattr(sys, "stdin", reader)
        stop = threading.Event()
        found = []
        waiting = threading.Thread(target=lambda: found.append(Here(environ={}).paste(stop)))
        waiting.start()
        stop.set()
        waiting.join(30)
        assert found == [None]
        writer.write("for the program\n")
        writer.flush()
        assert Here(environ={}).paste(threading.Event()) == "for the program\n"


HOSTILE = "one\x1b[2Jtwo\u202ethree\x9b31m\nfour\x07"


def test_what_a_recipe_says_does_not_move_the_cursor(capsys) -> None:
    """Its labels, help and notices are somebody else's, and are shown before it is agreed to."""
    Here(interactive=True, environ={}).say(HOSTILE)
    assert capsys.readouterr().err == "one[2Jtwothree31m\nfour\n"


def test_no_error_moves_it_either() -> None:
    error = errors.TokenRefused(HOSTILE, hint=HOSTILE)
    assert error.message == error.hint == "one[2Jtwothree31m\nfour"
    error.hint = "\x1b]0;x\x07"
    assert error.hint == "]0;x"
    error.hint = None
    assert str(error) == error.message
