"""Threads of a login: Ctrl-C never strikes while one is being started."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading

import pytest

from arcrun_auth import threads

HANG = 30


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C as Python has it, whatever the runner of the tests made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_the_work_runs_in_a_daemon_thread() -> None:
    seen: queue.SimpleQueue = queue.SimpleQueue()
    threads.start(lambda: seen.put(threading.current_thread()), "arcrun-example")
    thread = seen.get(timeout=HANG)
    assert (thread.name, thread.daemon) == ("arcrun-example", True)


def test_ctrl_c_amid_the_start_comes_after_it(monkeypatch) -> None:
    ran = threading.Event()
    start = threading.Thread.start
    steps = []

    def interrupted(thread: threading.Thread) -> None:
        signal.raise_signal(signal.SIGINT)
        start(thread)
        steps.append("started")

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        threads.start(ran.set, "arcrun-example")
    assert ran.wait(HANG)
    assert steps == ["started"]


def test_a_thread_that_cannot_start_leaves_ctrl_c_as_it_was(monkeypatch) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    with pytest.raises(RuntimeError):
        threads.start(lambda: None, "arcrun-example")


def test_another_thread_starts_one_too() -> None:
    ran = threading.Event()
    outer = threading.Thread(target=lambda: threads.start(ran.set, "arcrun-example"))
    outer.start()
    outer.join(HANG)
    assert ran.wait(HANG)


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ran = threading.Event()
    threads.start(ran.set, "arcrun-example")
    assert ran.wait(HANG)
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is signal.SIG_IGN


FIRST = """
import threading, time
from arcrun_auth import recipe
from msgspec import _utils

known, begun, calls = _utils._eval_type, threading.Event(), []

def slowly(*args, **options):
    calls.append(args)
    if len(calls) == 100:  # in the midst of the types: the other thread reads meanwhile
        begun.set()
        time.sleep(0.2)
    return known(*args, **options)

_utils._eval_type = slowly
data = b'{"service": "thing", "primitive": "static_key", "base_url": "https://a.example"}'
text = data.decode()[:-1] + ', "required_secrets": [{"key": "k"}]}'
other = threading.Thread(target=recipe.decode, args=(data,))
other.start()
begun.wait(30)
recipe.decode(data) if %r == "decode" else recipe.read(text)
other.join()
"""


@pytest.mark.parametrize("how", ["decode", "read"])
def test_the_first_recipes_of_a_process_may_be_read_by_many_threads_at_once(how) -> None:
    # In a process of its own: what is noted on the types at the first time stays there.
    done = subprocess.run(
        [sys.executable, "-c", FIRST % how], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
