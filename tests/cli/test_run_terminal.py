"""`arcrun run` at a terminal: the command has one too, with its keys, its size, its signals."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests import canary
from tests.cli.conftest import COMMAND, HANG, plain
from tests.needs import needs

pexpect = pytest.importorskip("pexpect")
termios = pytest.importorskip("termios")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals")

TOKEN = "arcrun://notion/token"
PYTHON = (sys.executable, "-I", "-S", "-c")
PROMPT = "PROMPT$ "


@pytest.fixture
def holder(cli):
    """With one secret, of the environment, and a variable that refers to it. No screen shows it."""
    cli.env |= {"ARCRUN_NOTION_TOKEN": canary.fresh(), "KEY": TOKEN}
    cli.screen = io.StringIO()
    yield cli
    assert canary.hits(cli.screen.getvalue()) == []


@pytest.fixture
def shell(holder):
    """An interactive shell in a terminal, and `arcrun run --` as `RUN` in it."""
    needs(shutil.which("bash"), "bash")
    env = holder.env | {"PS1": PROMPT, "RUN": f"{' '.join(COMMAND)} run --"}
    child = pexpect.spawn(
        shutil.which("bash"), ["--norc", "--noprofile", "--noediting", "-i"], env=env, timeout=HANG,
        encoding="utf-8", dimensions=(24, 200), cwd=str(holder.folder),
    )  # fmt: skip
    prepared(child, holder).expect_exact(PROMPT)
    yield child
    child.close(force=True)


def typed(shell, line: str) -> str:
    """What the shell shows for one line."""
    shell.sendline(line)
    shell.expect_exact("\n")  # its echo
    shell.expect_exact(PROMPT)
    return plain(shell.before)


def run(holder, *words: str):
    return prepared(holder.terminal("run", "--", *words), holder)


def prepared(child, holder):
    """A dialogue whose screen is searched, and of which a key that is a signal flushes nothing."""
    child.delaybeforesend, child.logfile_read = None, holder.screen
    how = termios.tcgetattr(child.child_fd)
    how[3] |= termios.NOFLSH  # termios(3): the answer could be flushed with what came before it
    termios.tcsetattr(child.child_fd, termios.TCSANOW, how)
    return child


def rest(child) -> tuple[int, str]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, plain(child.before)


def wait_until(true) -> None:
    deadline = time.monotonic() + HANG
    while not true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


def wait_for(path) -> str:
    wait_until(lambda: path.exists() and path.read_text())
    return path.read_text()


SEES = "import os; print([os.isatty(n) for n in range(3)], *os.get_terminal_size(1))"


def test_the_command_sees_a_terminal_of_the_same_size_and_its_output_is_masked(holder):
    code = f"{SEES}; print(os.environ['KEY'], os.ttyname(0) == os.ttyname(1) == os.ttyname(2))"

    assert rest(run(holder, *PYTHON, code)) == (0, "[True, True, True] 80 24\n*** True\n")


@pytest.mark.parametrize(("script", "code"), [("exit 4", 4), ("kill -TERM $$", 143)])
def test_the_exit_code_is_the_command_s(holder, script, code):
    assert rest(run(holder, "sh", "-c", script)) == (code, "")


def test_a_command_that_cannot_be_started(holder):
    path = holder.folder / "given" / "broken"
    path.write_text("\x7fELF")
    path.chmod(0o700)
    code, shown = rest(run(holder, str(path)))

    assert code == 126
    assert " ".join(shown.split()).endswith("broken: Exec format error.")


def test_an_interactive_program_works(holder):
    holder.env["PYTHON_BASIC_REPL"] = "1"  # from 3.13 on it draws its lines itself otherwise
    child = run(holder, sys.executable, "-q", "-i", "-c", "import os, sys; sys.ps1 = 'py> '")
    child.expect_exact("py> ")
    child.sendline("len(os.environ['KEY']), os.environ['KEY']")
    child.expect(r"\((\d+), '\*\*\*'\)")
    assert int(child.match[1]) == len(holder.env["ARCRUN_NOTION_TOKEN"])
    child.setwinsize(40, 120)
    child.expect_exact("py> ")
    child.sendline("while os.get_terminal_size() != (120, 40): pass\n\nprint('res' 'ized')\n")
    child.expect_exact("resized")
    child.sendline("print('wait' 'ing'); sys.stdin.readline()")
    child.expect_exact("waiting")
    child.sendintr()
    child.expect_exact("KeyboardInterrupt")
    child.sendline("sys.exit(7)")

    assert rest(child)[0] == 7


SCREEN = """
import curses
def main(window):
    window.addstr(0, 0, "press")
    while (key := window.getkey()) != "q":
        window.addstr(1, 0, f"pressed <{key}>")
curses.wrapper(main)
"""


def test_a_program_that_takes_the_whole_screen_gets_each_key(holder):
    pytest.importorskip("curses")
    child = run(holder, sys.executable, "-c", SCREEN)
    child.expect_exact("press")
    child.send("x")
    child.expect_exact("<x>")
    child.send("q")

    assert rest(child)[0] == 0


def test_a_question_is_seen_even_if_it_ends_as_the_secret_begins(holder):
    code = f"answer = input('type {canary.WORD[0]}'); print(answer[::-1])"
    child = run(holder, *PYTHON, code)
    child.expect_exact(f"type {canary.WORD[0]}")
    child.sendline("hello")
    child.expect_exact("olleh")

    assert rest(child)[0] == 0


def test_what_is_pasted_arrives_whole(holder):
    child = run(holder, "sh", "-c", "stty -echo; echo ready; wc -c")
    child.expect_exact("ready")
    line = "x" * 99 + "\n"
    child.send(line * 2000)
    child.sendeof()

    assert rest(child) == (0, "\n200000\n")


# -- not all of it is the terminal -----------------------------------------------------------


def test_an_output_that_goes_elsewhere_is_no_terminal_and_is_masked(shell, holder):
    code = f"import sys; {SEES}; print(os.environ['KEY'], file=sys.stderr)"
    (holder.folder / "see.py").write_text(code)
    shown = typed(shell, f"$RUN {sys.executable} see.py 2> errors")

    assert shown == "[True, True, False] 200 24\n"
    assert (holder.folder / "errors").read_text() == "***\n"


@pytest.mark.parametrize(
    ("redirected", "seen"),
    [
        ("< /dev/null", "[False, True, True] 200 24"),
        ("2>&1 | cat", "[True, False, False] -"),
        ("| cat", "[True, False, True] -"),
    ],
)
def test_what_goes_to_the_terminal_is_one_all_the_same(shell, holder, redirected, seen):
    code = (
        "import os; tty = [os.isatty(n) for n in range(3)];"
        "print(tty, *os.get_terminal_size(1) if tty[1] else '-', os.environ['KEY'])"
    )
    (holder.folder / "see.py").write_text(code)

    assert typed(shell, f"$RUN {sys.executable} see.py {redirected}") == f"{seen} ***\n"


FOLLOWS = """
import os
print("ready")
while os.get_terminal_size(1) != (120, 40):
    pass
print("resized")
"""


def test_an_output_at_the_terminal_follows_its_size(shell, holder):
    (holder.folder / "follow.py").write_text(FOLLOWS)
    shell.sendline(f"$RUN {sys.executable} -u follow.py < /dev/null")
    shell.expect_exact("ready")
    shell.setwinsize(40, 120)
    shell.expect_exact("resized")


COUNTS = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"got it\\n"))
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"that was all\\n"))
os.write(1, b"%d ready\\n" % os.getppid())
sys.stdin.read()
"""


@pytest.mark.parametrize("redirected", ["", "2> errors", "| (trap '' INT; cat)"])
def test_ctrl_c_reaches_the_command_once(shell, holder, redirected):
    (holder.folder / "counts.py").write_text(COUNTS)
    shell.sendline(f"$RUN {sys.executable} counts.py {redirected}")
    shell.expect(r"(\d+) ready")
    above = int(shell.match[1])
    for _ in range(5):  # two at the same moment would be one: not each time
        shell.sendintr()
        shell.expect_exact("got it")
        os.kill(above, signal.SIGUSR1)  # what is passed on comes in order
        shell.expect_exact("that was all")
        assert "got it" not in shell.before
    shell.sendeof()
    shell.expect_exact(PROMPT)


# -- job control -----------------------------------------------------------------------------


WAITS = """
import os, sys, time
print("ready", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
print("<" + sys.stdin.readline().strip() + ">")
"""


def stop(shell, holder, redirected: str = "") -> None:
    """A command that will read a line, stopped before it does.

    In a pipeline the shell waits for us only: the command may still read while it prompts. And
    it is no shell: one that is just starting something (vfork) cannot be stopped.
    """
    (holder.folder / "waits.py").write_text(WAITS)
    shell.sendline(f"$RUN {sys.executable} waits.py {redirected}")
    shell.expect_exact("ready\r\n")
    shell.send("\x1a")
    shell.expect_exact("Stopped")
    shell.expect_exact(PROMPT)
    assert " icanon" in typed(shell, "stty -a")


def bring_to_the_front(shell, holder) -> None:
    """It goes on, and gets its line."""
    shell.sendline("fg")
    shell.expect_exact("\n")
    (holder.folder / "go").touch()
    shell.sendline("hello")
    shell.expect_exact("<hello>")
    shell.expect_exact(PROMPT)


@pytest.mark.parametrize("redirected", ["", "2>&1 | cat"])
def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_goes_on(shell, holder, redirected):
    stop(shell, holder, redirected)
    bring_to_the_front(shell, holder)

    assert " icanon" in typed(shell, "stty -a")


def test_in_the_background_the_terminal_is_left_alone(shell, holder):
    typed(shell, "$RUN sh -c 'echo $KEY; echo > done a line' &")
    wait_for(holder.folder / "done")

    assert " icanon" in typed(shell, "wait; stty -a")
    assert "***\r\n" in holder.screen.getvalue()


def test_stopped_and_continued_in_the_background_and_in_front_again(shell, holder):
    stop(shell, holder)
    typed(shell, "bg")
    assert " icanon" in typed(shell, "stty -a")
    bring_to_the_front(shell, holder)


# -- how it ends -----------------------------------------------------------------------------


def started(shell, holder, script: str) -> int:
    """Our process id, when a script runs that says it is ready."""
    needs(os.path.isdir("/proc/self"), "/proc")
    (holder.folder / "script").write_text(f"echo $PPID; {script}")
    shell.sendline("$RUN sh script; echo code $?")
    shell.expect_exact("ready")
    monitor = plain(shell.before).split()[-1]
    stat = Path(f"/proc/{monitor}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])  # proc_pid_stat(5): its parent


def test_a_signal_to_us_goes_to_the_command_and_the_terminal_is_given_back(shell, holder):
    script = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    os.kill(started(shell, holder, script), signal.SIGTERM)
    shell.expect_exact("bye")
    shell.expect_exact("code 9")
    shell.expect_exact(PROMPT)

    assert " icanon" in typed(shell, "stty -a")


def test_stopped_from_elsewhere_it_takes_the_terminal_again(shell, holder):
    def is_raw() -> bool:
        return not termios.tcgetattr(shell.child_fd)[3] & termios.ICANON

    ours = started(shell, holder, 'echo ready; read a; echo "<$a>"')
    assert is_raw()
    os.kill(ours, signal.SIGSTOP)
    shell.expect_exact("Stopped")
    shell.expect_exact(PROMPT)
    assert not is_raw()
    shell.sendline("fg")
    wait_until(is_raw)
    shell.sendline("hello")
    shell.expect_exact("<hello>")
    shell.expect_exact(PROMPT)


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_when_the_terminal_or_we_are_gone_the_command_is_told(holder, end):
    told = holder.folder / "told"
    script = f"trap 'echo hung up > {told}; exit' HUP; echo ready; while :; do sleep 0.05; done"
    child = run(holder, "sh", "-c", script)
    child.expect_exact("ready")
    if end == "killed":
        child.kill(signal.SIGKILL)
        child.wait()
    child.close(force=True)

    assert wait_for(told) == "hung up\n"
