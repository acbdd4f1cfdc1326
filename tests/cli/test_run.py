"""`arcrun run` without a terminal: what a command gets, prints, is told and ends with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from arcrun_cli import running
from tests import canary
from tests.cli.conftest import COMMAND, HANG
from tests.needs import needs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX processes")

BOTH = pytest.mark.parametrize("masking", [(), ("--no-masking",)], ids=["masked", "unmasked"])


def run(cli, *words: str, stdin: bytes = b"", **env: str):
    return cli("run", *words, stdin=stdin, **env)


def python(code: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-I", "-S", "-c", code)


TOKEN = "arcrun://notion/token"


@pytest.fixture
def holder(cli):
    """With one secret, of the environment."""
    cli.env["ARCRUN_NOTION_TOKEN"] = canary.fresh()
    return cli


def secret_of(cli) -> str:
    return cli.env["ARCRUN_NOTION_TOKEN"]


@pytest.fixture
def unstartable(holder):
    """In a folder of files that are no programs."""
    holder.cwd = holder.folder / "given"
    (holder.cwd / "plain").write_text("text")
    for name, text in (("broken", "\x7fELF"), ("lost", "#!/no/such/interpreter\n")):
        (holder.cwd / name).write_text(text)
        (holder.cwd / name).chmod(0o700)
    return holder


@BOTH
def test_a_command_gets_its_environment_with_references_replaced(holder, masking):
    code = (
        "import os, sys; e = os.environ; key = e['KEY'];"
        "print(e['URL'] == f'https://x:{key}@h', e['PLAIN'], e['TEXT'], len(key));"
        "print([name for name in e if name.upper().startswith('ARCRUN')])"
    )
    ran = run(
        holder, *masking, *python(code),
        KEY=TOKEN, URL="https://x:{{ arcrun://notion/notion_token }}@h", PLAIN="as it is",
        TEXT="see " + TOKEN,
    )  # fmt: skip

    assert ran.code == 0, ran.err
    assert ran.out == f"True as it is see {TOKEN} {len(secret_of(holder))}\n[]\n"


@BOTH
def test_nothing_of_ours_is_in_the_process_itself(holder, masking, tmp_path):
    """As the kernel sees it: its environment, and the descriptors that it was given."""
    needs(os.path.isdir("/proc/self/fd"), "/proc")
    code = (
        "import os; environ = open('/proc/self/environ', 'rb').read().upper();"
        "fds = [int(fd) for fd in os.listdir('/proc/self/fd')];"
        "print(b'ARCRUN' in environ, [fd for fd in fds if os.path.lexists(f'/proc/self/fd/{fd}')])"
    )
    given = os.open(tmp_path, os.O_RDONLY)
    done = subprocess.run(
        [*COMMAND, "run", *masking, *python(code)], env=holder.env | {"KEY": TOKEN},
        capture_output=True, stdin=subprocess.DEVNULL, pass_fds=[given], timeout=HANG,
    )  # fmt: skip
    os.close(given)

    assert done.stdout.decode() == f"False [0, 1, 2, {given}]\n"


def test_no_secret_stands_on_any_command_line_or_in_our_own_environment(holder):
    code = (
        "import contextlib, os, glob; word = os.environ['KEY'].encode(); seen = []\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    with contextlib.suppress(OSError):  # of a process that has ended meanwhile\n"
        "        seen.append(open(path, 'rb').read())\n"
        "print(len(seen) > 1, any(word in s for s in seen))"
    )
    needs(os.path.isdir("/proc/self"), "/proc")

    assert run(holder, *python(code), KEY=TOKEN).out == "True False\n"


def test_what_it_prints_is_masked_on_both_outputs_and_across_writes(holder):
    code = (
        "import os, base64, urllib.parse as u; key = os.environ['KEY'].encode();"
        "[os.write(1, key[n:n+1]) for n in range(len(key))]; os.write(1, b' end\\n');"
        "os.write(2, b'\\x00' + key + b'\\xff');"
        "os.write(1, base64.b64encode(b'u:' + key) + b'\\n' + key.hex().encode() + b'\\n')"
    )
    ran = subprocess.run(
        [*COMMAND, "run", *python(code)], env=holder.env | {"KEY": TOKEN},
        capture_output=True, timeout=HANG,
    )  # fmt: skip

    assert ran.stdout.startswith(b"*** end\n")
    assert ran.stderr == b"\x00***\xff"
    assert canary.hits(ran.stdout) == []


def test_without_masking_it_prints_what_it_likes(holder):
    ran = run(holder, "--no-masking", "--", "sh", "-c", 'echo "$KEY"', KEY=TOKEN)

    assert ran.out == secret_of(holder) + "\n"


def test_with_nothing_to_mask_the_command_takes_our_place(cli):
    process = subprocess.Popen(
        [*COMMAND, "run", "--", "sh", "-c", "echo $$"], env=cli.env, stdout=subprocess.PIPE
    )
    out, _ = process.communicate(timeout=HANG)

    assert int(out) == process.pid


def test_both_outputs_in_one_place_keep_their_order(holder):
    script = "for n in 1 2 3; do echo out; echo err $KEY >&2; done"
    done = subprocess.run(
        [*COMMAND, "run", "--", "sh", "-c", script], env=holder.env | {"KEY": TOKEN},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HANG,
    )  # fmt: skip

    assert done.stdout == b"out\nerr ***\n" * 3


def test_input_is_passed_on_and_large_output_arrives_whole(holder):
    data = os.urandom(3_000_000)
    done = subprocess.run(
        [*COMMAND, "run", "--", "cat"], env=holder.env | {"KEY": TOKEN}, input=data,
        capture_output=True, timeout=HANG,
    )  # fmt: skip

    assert done.stdout == data


def test_an_answer_is_out_before_the_next_question(holder):
    """A program on the other side of the pipes waits for it: nothing is held back."""
    process = subprocess.Popen(
        [*COMMAND, "run", "--", "cat"], env=holder.env | {"KEY": TOKEN},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    )  # fmt: skip
    # Its second answer ends as the secret begins: it comes, after a moment.
    for question in (b"one\n", b"two " + canary.WORD[:1].encode(), b"three\n"):
        process.stdin.write(question)
        answer = b""
        while len(answer) < len(question):
            answer += process.stdout.read(100)
        assert answer == question
    process.stdin.close()
    assert process.wait(HANG) == 0
    process.stdout.close()


def test_a_reader_that_has_gone_ends_the_command_as_it_would_without_us(holder):
    script = f"{' '.join(COMMAND)} run -- yes | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], env=holder.env | {"KEY": TOKEN}, capture_output=True,
        timeout=HANG,
    )  # fmt: skip

    assert done.stdout == b"y\n141\n"
    assert done.stderr == b""


@BOTH
@pytest.mark.parametrize("closed", [1, 2])
def test_an_output_that_is_closed_is_none_for_the_command_too(holder, masking, closed):
    ran = subprocess.run(
        [*COMMAND, "run", *masking, "--", "sh", "-c", f"echo out; echo err >&2; exit {closed}"],
        env={**holder.env, "KEY": TOKEN}, preexec_fn=lambda: os.close(closed),
        capture_output=True, timeout=HANG,
    )  # fmt: skip

    assert ran.returncode == closed
    assert ran.stdout == (b"" if closed == 1 else b"out\n")
    assert (b"err\n" in ran.stderr) == (closed == 1)


CROWD = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for number in range(3, 1100):
    os.dup2(0, number)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="there it takes select(2)")
def test_whoever_has_many_files_open_can_run_it_too(holder):
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CROWD, *COMMAND, "run", "--", "sh", "-c", "echo $KEY"],
        env={**holder.env, "KEY": TOKEN}, capture_output=True, timeout=HANG,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert (ran.returncode, ran.stdout) == (0, b"***\n"), ran.stderr


def test_what_it_leaves_behind_keeps_nobody_waiting(holder):
    """It holds the output open; its last words come, and then the command has ended."""
    ran = run(holder, "--", "sh", "-c", "sleep 30 & echo started; exit 3", KEY=TOKEN)

    assert (ran.code, ran.out) == (3, "started\n")


# -- how it ends ---------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 4", 4),
        ("exit 255", 255),
        ("kill -TERM $$", -15),
        ("kill -KILL $$", -9),
    ],
)
def test_the_exit_code_is_the_command_s(holder, masking, script, code):
    ran = run(holder, *masking, "--", "sh", "-c", script, KEY=TOKEN)

    expected = 128 - code if code < 0 and not masking else code
    assert (ran.code, ran.both) == (expected, "")


@BOTH
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("no-such-command", "127 no-such-command: there is no such command."),
        ("./no-such-file", "127 ./no-such-file: there is no such command."),
        ("./plain", "126 ./plain: it cannot be executed."),
        ("./", "126 ./: it cannot be executed."),
        ("./broken", "126 ./broken: Exec format error."),
        ("./lost", "127 ./lost: No such file or directory."),
    ],
)
def test_what_cannot_be_started(unstartable, masking, command, said):
    ran = run(unstartable, *masking, "--", command, KEY=TOKEN)

    assert (f"{ran.code} {ran.err}", ran.out) == (said.replace(" ", " ✗ ", 1) + "\n", "")


def test_a_command_is_looked_for_where_its_own_path_leads(tmp_path):
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(running.NotStarted) as caught:
        running.find("tool", {"PATH": str(tmp_path)})
    assert caught.value.code == running.NOT_EXECUTABLE
    program.chmod(0o700)

    assert running.find("tool", {"PATH": str(tmp_path)}) == str(program)
    assert running.find("sh", {}).endswith("/sh")


# -- signals -------------------------------------------------------------------------------

LISTENS = """
import os, signal, sys
for number in {numbers}:
    signal.signal(number, lambda number, _: os.write(1, b"got %d\\n" % number))
os.write(1, b"ready %s\\n" % os.environ["KEY"].encode())
sys.stdin.read()
sys.exit(5)
"""
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def test_each_signal_reaches_the_command_once(holder):
    numbers = [getattr(signal, name).value for name in FORWARDED]
    process = subprocess.Popen(
        [*COMMAND, "run", *python(LISTENS.format(numbers=numbers))],
        env=holder.env | {"KEY": TOKEN}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == b"ready ***\n"
    for number in numbers:
        process.send_signal(number)
        assert process.stdout.readline() == b"got %d\n" % number
    rest, _ = process.communicate(timeout=HANG)

    assert (process.returncode, rest) == (5, b"")


def test_a_signal_that_ends_the_command_ends_us(holder):
    process = subprocess.Popen(
        [*COMMAND, "run", "--", "sh", "-c", "echo ready; exec sleep 60"],
        env=holder.env | {"KEY": TOKEN}, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    process.stdout.readline()
    process.terminate()

    assert process.wait(HANG) == 128 + signal.SIGTERM
    process.stdout.close()


def test_where_the_system_does_not_say_who_sent_a_signal_the_terminal_is_asked(monkeypatch):
    """As on macOS, which has no `sigwaitinfo`."""
    from arcrun_cli.running import signals

    monkeypatch.delattr(signal, "sigwaitinfo")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals.FORWARDED)
    found = []
    for in_front, number in (
        (True, signal.SIGINT), (False, signal.SIGINT), (True, signal.SIGTERM),
    ):  # fmt: skip
        monkeypatch.setattr(signals, "in_front", lambda answer=in_front: answer)
        signal.pthread_kill(threading.get_ident(), number)
        found.append(signals._next())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert found == [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGTERM, False)]


def test_as_on_windows_by_threads(holder):
    code = (
        "import os, sys; from arcrun_cli.running import Task, windows;"
        "argv = ('sh', '-c', 'echo out $KEY; echo err $KEY >&2; exit 3');"
        "sys.exit(windows.run(Task('/bin/sh', argv, {'KEY': sys.argv[1]}, tuple(sys.argv[2:]))))"
    )
    ran = [
        subprocess.run(
            [sys.executable, "-c", code, "a-secret", *masked], capture_output=True, timeout=HANG
        )
        for masked in (["a-secret"], [])
    ]

    assert [(done.returncode, done.stdout, done.stderr) for done in ran] == [
        (3, b"out ***\n", b"err ***\n"),
        (3, b"out a-secret\n", b"err a-secret\n"),
    ]


# -- what it may be given ------------------------------------------------------------------


def test_env_files_win_over_the_environment_and_the_last_one_over_all(holder, tmp_path):
    given = tmp_path / "given"
    (given / "one.env").write_text(f"A=one\nB=one\nexport KEY='{TOKEN}'\nARCRUN_HOME=elsewhere\n")
    (given / "two.env").write_text('B="two"\n')
    files = ("--env-file", str(given / "one.env"), "--env-file", str(given / "two.env"))
    ran = run(holder, *files, "--", "sh", "-c", "echo $A $B $C $KEY $ARCRUN_HOME",
              A="environment", C="environment")  # fmt: skip

    assert ran.out == "one two environment ***\n"
    assert "one.env:4: ARCRUN_HOME is not passed on" in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"A=1\n{canary.WORD}\n", ":2: this is no NAME=value."),
        ("A=${B}\n", ":1: ${NAME} is not filled in here"),
    ],
)
def test_an_env_file_of_another_shape_is_refused(cli, tmp_path, text, said):
    path = tmp_path / "given" / ".env"
    path.write_text(text)
    ran = run(cli, "--env-file", str(path), "--", "true")

    assert ran.code == 2
    assert f"{path}{said}" in ran.err
    assert canary.hits(ran.both) == []


def test_an_env_file_that_is_not_there(cli):
    ran = run(cli, "--env-file", "/no/such/.env", "--", "true")

    assert ran.code == 2
    assert "/no/such/.env cannot be read: No such file" in ran.err


def test_a_service_sets_the_variables_that_its_recipe_names(cli):
    key = canary.fresh()
    ran = run(cli, "--with", "github,notion", "--", "sh", "-c",
              '[ "$GITHUB_TOKEN" = "$GH_TOKEN" ] && echo $GH_TOKEN $NOTION_TOKEN',
              ARCRUN_GITHUB_TOKEN=key, ARCRUN_NOTION_TOKEN=key[::-1])  # fmt: skip

    assert ran.out == "*** ***\n", ran.err


def test_a_service_whose_recipe_names_none_is_told_how(connected):
    ran = run(
        connected, "--with", "demo", "--with", "notoin", "--", "true", KEY="arcrun://nobodys/y"
    )

    assert ran.code == 2
    assert "--with demo: The recipe of demo names no variable" in ran.err
    assert "TOKEN=arcrun://demo/token arcrun run" in ran.err
    assert "--with notoin: There is no recipe" in ran.err
    assert "KEY: There is no recipe for 'nobodys'" in ran.err


# -- what goes wrong before ----------------------------------------------------------------


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_started(connected, tmp_path):
    path = tmp_path / "given" / ".env"
    path.write_text("\nA=arcrun://notoin/token\nB=arcrun://notion/token\n")
    ran = run(
        connected, "--env-file", str(path), "--", "touch", str(tmp_path / "started"),
        GOOD="arcrun://demo_static/key", C="arcrun://demo_static/word", D="arcrun://github",
        E="{{ arcrun://notion/token }}",
    )  # fmt: skip

    assert ran.code == 2  # what was mistyped comes before what a person has to get
    for said in (
        f"{path}:2: A: There is no recipe for 'notoin'. Did you mean 'notion'?",
        f"E, {path}:3: B: notion needs its",
        "C: demo_static has no single secret 'word'.",
        "arcrun://demo_static/demo_static_key",
        "D: This is no reference: it names no secret",
        "→ write arcrun://service[@instance]/key",
    ):
        assert said in ran.err
    assert "GOOD" not in ran.err
    assert ran.out == ""
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("reference", "code"), [("arcrun://notion/token", 4), ("arcrun://demo/token", 4)]
)
def test_what_is_missing_has_its_own_exit_code(served, provider, reference, code):
    ran = run(served, "--", "true", KEY=reference, ARCRUN_INTERACTIVE="1")

    assert ran.code == code
    assert "  → arcrun setup" in ran.err
    assert provider.requests.total() == 0


def test_a_locked_vault_is_exit_code_4_too(connected):
    del connected.env["ARCRUN_MASTER_KEY_FILE"]

    assert run(connected, "--", "true", KEY="arcrun://demo_static/key").code == 4


def test_a_value_that_no_variable_can_hold(cli):
    (cli.folder / "given" / "key").write_bytes(b"a\0b-long-enough")
    ran = run(cli, "--", "true", KEY="arcrun://notion/token",
              ARCRUN_NOTION_TOKEN_FILE=str(cli.folder / "given" / "key"),
              ARCRUN_MASTER_KEY_FILE="")  # fmt: skip

    assert ran.code == 1
    assert "KEY: Its value has characters that no variable can hold." in ran.err


def test_a_value_that_is_too_short_to_be_masked_is_told(cli):
    ran = run(cli, "--", "sh", "-c", "echo $KEY", KEY="arcrun://notion/token",
              ARCRUN_NOTION_TOKEN="12345")  # fmt: skip

    assert ran.out == "12345\n"
    assert "KEY is too short to be masked." in ran.err


def test_without_a_command_there_is_nothing_to_do(cli):
    ran = run(cli)

    assert ran.code == 2
    assert "There is no command to run." in ran.err


def test_the_words_of_the_command_are_its_own(holder):
    ran = run(holder, "echo", "--json", "--env-file", "-h", KEY=TOKEN)
    assert (ran.code, ran.out) == (0, "--json --env-file -h\n")

    ran = run(holder, "--", "no-such-command", "--json", KEY="arcrun://nobodys/y")
    assert (ran.code, ran.out) == (2, "")


@pytest.mark.parametrize("masking", [(), ("--no-masking",)])
def test_in_an_agent_s_shell_it_is_refused(holder, masking):
    ran = run(holder, *masking, "--", "sh", "-c", "echo $KEY", KEY=TOKEN, CLAUDECODE="1")

    assert ran.code == 7
    assert "CLAUDECODE" in ran.err
    assert secret_of(holder) not in ran.both
