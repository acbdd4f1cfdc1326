"""A person in a notebook, as far as it goes without one; the real kernel is in tests/peers."""

from __future__ import annotations

import builtins
import getpass
import sys
import threading
import time
import types

import pytest

from arcrun_auth import notebook, people
from arcrun_auth.people import Here
from tests import canary

HANG = 30
URL = "https://id.example.com/authorize?a=b&state=c"


class Events:
    """What IPython calls at the end of a cell."""

    def __init__(self):
        self.callbacks = []

    def register(self, event, callback):
        assert event == "post_run_cell"
        self.callbacks.append(callback)

    def unregister(self, event, callback):
        self.callbacks.remove(callback)


@pytest.fixture
def cell(monkeypatch):
    """A kernel with a cell running: what it displayed, and whether somebody may type."""
    kernel = types.SimpleNamespace(_allow_stdin=True)
    shell = types.SimpleNamespace(kernel=kernel, events=Events())
    shown = []
    display = types.ModuleType("IPython.display")
    display.display = lambda data, raw: shown.append(data)
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(people, "_has_terminal", lambda: False)
    return types.SimpleNamespace(kernel=kernel, shown=shown, display=display, events=shell.events)


def test_a_notebook_that_is_executed_in_batch_reaches_nobody(cell) -> None:
    assert Here(environ={}).reach == "notebook"
    cell.kernel._allow_stdin = False
    assert notebook.running()
    assert Here(environ={}).reach is None


def test_ipython_at_a_terminal_is_no_notebook(monkeypatch) -> None:
    shell = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert not notebook.running()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace())
    assert not notebook.can_type()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not notebook.running()


def test_questions_go_through_the_kernel_s_boxes(cell, monkeypatch) -> None:
    key = canary.fresh("box")
    monkeypatch.setattr(getpass, "getpass", lambda prompt: key)
    monkeypatch.setattr(builtins, "input", lambda prompt: f"<{prompt}>")
    here = Here(environ={})
    assert here.ask("Key", hidden=True) == key
    assert here.ask("Na\x1bme") == "<Name: >"


@pytest.mark.parametrize("refusal", [NotImplementedError, EOFError])
def test_a_front_end_without_boxes_is_no_answer(cell, monkeypatch, refusal) -> None:
    def refused(prompt):
        raise refusal

    monkeypatch.setattr(builtins, "input", refused)
    assert Here(environ={}).ask("Name") is None
    assert Here(environ={}).paste(threading.Event()) is None


def test_a_link_is_shown_to_be_clicked_and_nothing_in_it_is_markup(cell, capsys) -> None:
    Here(environ={}).show_link(URL + '"><script>', "Log in <now>")
    (data,) = cell.shown
    assert 'target="_blank" rel="noopener noreferrer"' in data["text/html"]
    assert "a=b&amp;state=c" in data["text/html"]
    assert "<script" not in data["text/html"]
    assert "Log in &lt;now&gt;" in data["text/html"]
    assert capsys.readouterr() == ("", "")


def test_what_is_no_web_address_is_never_a_link(cell, capsys) -> None:
    Here(environ={}).show_link("javascript:alert(1)", "Click")
    assert cell.shown == []
    assert capsys.readouterr().err == "javascript:alert(1)\n"


def test_a_link_that_cannot_be_displayed_is_said(cell, capsys) -> None:
    def gone(data, raw):
        raise RuntimeError

    cell.display.display = gone
    Here(environ={}).show_link(URL, "Log in")
    assert capsys.readouterr().err == URL + "\n"


def test_off_a_notebook_a_link_is_a_line_of_its_own_and_whole(monkeypatch, capsys) -> None:
    monkeypatch.setattr(people, "_has_terminal", lambda: True)
    long = "https://example.com/" + "a" * 5000
    Here(environ={}).show_link(long, "Log in")
    assert capsys.readouterr().err == long + "\n"


def test_what_is_pasted_into_the_box_comes_back(cell, monkeypatch) -> None:
    monkeypatch.setattr(builtins, "input", lambda prompt: "pasted")
    assert Here(environ={}).paste(threading.Event()) == "pasted"


@pytest.fixture
def waiting(monkeypatch):
    """A box that nobody types into; how a kernel waits: a hundredth of a second at a time."""
    seen = types.SimpleNamespace(inside=threading.Event(), ended=threading.Event())

    def box(prompt):
        try:
            seen.inside.set()
            while True:
                time.sleep(0.01)
        finally:
            seen.ended.set()

    monkeypatch.setattr(builtins, "input", box)
    return seen


def pasting(stop):
    found = []
    asking = threading.Thread(target=lambda: found.append(Here(environ={}).paste(stop)))
    asking.start()
    return asking, found


def test_a_box_is_taken_back_and_no_thread_is_left_in_it(cell, waiting) -> None:
    stop = threading.Event()
    asking, found = pasting(stop)
    assert waiting.inside.wait(HANG)
    stop.set()
    asking.join(HANG)
    assert found == [None]
    assert waiting.ended.is_set()
    assert cell.events.callbacks == []


def test_no_box_outlives_its_cell(cell, waiting) -> None:
    asking, found = pasting(threading.Event())
    assert waiting.inside.wait(HANG)
    cell.events.callbacks[0]("how it went")
    assert waiting.ended.is_set()  # before the next cell begins
    asking.join(HANG)
    assert found == [None]


def test_a_box_goes_in_a_shell_without_events_as_well(cell, waiting) -> None:
    del sys.modules["IPython"].get_ipython().events
    stop = threading.Event()
    asking, found = pasting(stop)
    assert waiting.inside.wait(HANG)
    stop.set()
    asking.join(HANG)
    assert found == [None]


def test_a_box_that_was_answered_at_the_last_moment_is_let_alone(cell, monkeypatch) -> None:
    typed = threading.Event()
    monkeypatch.setattr(builtins, "input", lambda prompt: typed.wait(HANG) and "pasted")
    asking, found = pasting(threading.Event())
    while not cell.events.callbacks:
        time.sleep(0.01)
    end = cell.events.callbacks[0]
    typed.set()
    asking.join(HANG)
    end("how it went")
    assert found == ["pasted"]
