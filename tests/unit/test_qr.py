"""The picture of an address: the code that a library of codes makes, and only where it shows."""

from __future__ import annotations

import io
import os
import sys

import pytest

from arcrun_auth import qr
from arcrun_auth.qr import qr_lines

URL = "https://id.example.com/device?user_code=WDJB-MJHT"


class Screen(io.StringIO):
    encoding = "UTF-8"

    def __init__(self, *, terminal=True):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def fileno(self):
        return 1


@pytest.fixture
def wide(monkeypatch):
    def columns(number):
        monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((number, 24)))

    columns(80)
    return columns


def modules(lines):
    """The light (0) and dark (1) modules that the characters stand for."""
    rows = []
    for line in lines:
        pairs = [{"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}[c] for c in line]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    return rows


@pytest.mark.parametrize("text", [URL, "x", URL * 3])
def test_what_is_drawn_is_the_code(wide, text):
    segno = pytest.importorskip("segno")
    lines = qr_lines(text, Screen())
    code = segno.make(text, error="l", micro=False)
    expected = [list(row) for row in code.matrix_iter(border=4)]
    assert modules(lines)[: len(expected)] == expected
    assert all(set(row) == {0} for row in modules(lines)[len(expected) :])
    assert len(lines) == (len(expected) + 1) // 2
    assert len({len(line) for line in lines}) == 1


def test_it_is_not_drawn_where_it_would_not_show(wide, monkeypatch):
    narrow = len(qr_lines(URL, Screen())[0])
    wide(narrow)
    assert qr_lines(URL, Screen())
    wide(narrow - 1)
    assert qr_lines(URL, Screen()) is None
    assert qr_lines(URL, Screen(terminal=False)) is None
    plain = Screen()
    plain.encoding = "ascii"
    assert qr_lines(URL, plain) is None
    plain.encoding = None
    assert qr_lines(URL, plain) is None


def test_a_terminal_that_does_not_say_how_wide_it_is_gets_none(monkeypatch):
    def unknown(fd):
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", unknown)
    assert qr_lines(URL, Screen()) is None


def test_more_than_a_code_holds_is_not_drawn(wide):
    assert qr_lines("x" * 5000, Screen()) is None


def test_without_the_extra_there_is_none(wide, monkeypatch):
    monkeypatch.setitem(sys.modules, "segno", None)
    assert qr_lines(URL, Screen()) is None


def test_it_is_meant_for_standard_error(monkeypatch):
    monkeypatch.setattr(qr.sys, "stderr", Screen(terminal=False))
    assert qr_lines(URL) is None
