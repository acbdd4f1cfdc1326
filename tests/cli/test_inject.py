"""`arcrun inject`: a template with its secrets filled in, for its owner alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests import canary
from tests.cli.conftest import COMMAND, HANG
from tests.needs import needs

TEMPLATE = b"""\
[api]\r
token = "{{ arcrun://notion/token }}"
again = {{arcrun://notion/notion_token}}
other = {{ mustache }} {{ .Values.x }} \xff\x00
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")


@pytest.fixture
def holder(cli):
    """With one secret, of the environment, and a folder to work in."""
    cli.env["ARCRUN_NOTION_TOKEN"] = canary.fresh()
    cli.cwd = cli.folder / "given"
    (cli.cwd / "in.tpl").write_bytes(TEMPLATE)
    return cli


@pytest.fixture
def repository(holder):
    needs(shutil.which("git"), "git")
    git(holder, "init", "--quiet")
    return holder


def git(holder, *words: str) -> None:
    subprocess.run(["git", *words], cwd=holder.cwd, env=holder.env, check=True, timeout=HANG)


def filled(holder) -> bytes:
    secret = holder.env["ARCRUN_NOTION_TOKEN"].encode()
    text = TEMPLATE.replace(b"{{ arcrun://notion/token }}", secret)
    return text.replace(b"{{arcrun://notion/notion_token}}", secret)


def test_to_standard_output_byte_by_byte(holder):
    done = subprocess.run(
        [*COMMAND, "inject", "-i", "in.tpl"], env=holder.env, cwd=holder.cwd, capture_output=True,
        timeout=HANG,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, filled(holder), b"")


@posix
def test_where_standard_output_is_closed_it_says_so(holder):
    done = subprocess.run(
        [*COMMAND, "inject", "-i", "in.tpl"], env=holder.env, cwd=holder.cwd, timeout=HANG,
        preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE,
    )  # fmt: skip

    assert done.returncode == 2
    assert b"Standard output is closed." in done.stderr


def test_from_standard_input(holder):
    ran = holder("inject", "--stdin", stdin="key={{ arcrun://notion/token }}")

    assert ran.out == "key=" + holder.env["ARCRUN_NOTION_TOKEN"]


@posix
def test_to_a_new_file_for_you_alone(holder):
    ran = holder("inject", "-i", "in.tpl", "-o", "out")

    path = holder.cwd / "out"
    assert (ran.code, ran.out, ran.err) == (0, "", "✓ 2 secrets in out.\n")
    assert path.read_bytes() == filled(holder)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(holder.cwd)) == ["in.tpl", "key", "out"]


@posix
def test_a_file_that_others_can_read_is_left_alone_without_force(holder):
    path = holder.cwd / "out"
    path.write_text("before")
    path.chmod(0o644)
    ran = holder("inject", "-i", "in.tpl", "-o", "out")

    assert ran.code == 1
    assert "out can be read by others (mode 644). Nothing was written." in ran.err
    assert path.read_text() == "before"

    ran = holder("inject", "-i", "in.tpl", "-o", "out", "--force")

    assert ran.code == 0
    assert "out can be read by others (mode 644)." in ran.err
    assert path.read_bytes() == filled(holder)
    assert path.stat().st_mode & 0o777 == 0o600  # now they cannot


def test_a_file_that_git_keeps_is_left_alone_without_force(repository):
    path = repository.cwd / "out"
    path.write_text("before")
    path.chmod(0o600)
    git(repository, "add", "out")
    ran = repository("inject", "-i", "in.tpl", "-o", str(path))

    assert ran.code == 1
    assert "out is kept by git. Nothing was written." in " ".join(ran.err.split())
    assert path.read_text() == "before"
    assert repository("inject", "-i", "in.tpl", "-o", str(path), "--force").code == 0
    assert path.read_bytes() == filled(repository)


def test_a_file_that_git_does_not_ignore_is_told(repository):
    told = "git does not ignore out: it would be committed with the rest."

    assert told in repository("inject", "-i", "in.tpl", "-o", "out").err
    (repository.cwd / ".gitignore").write_text("out\n")
    assert told not in repository("inject", "-i", "in.tpl", "-o", "out").err


def test_a_repository_starts_no_program_of_its_own(repository):
    marker = repository.cwd / "started"
    hook = repository.cwd / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o700)
    git(repository, "config", "core.fsmonitor", str(hook))

    assert repository("inject", "-i", "in.tpl", "-o", "out").code == 0
    assert not marker.exists()


def test_a_template_that_is_not_there_leaves_what_was_made_of_it(holder):
    (holder.cwd / "out").write_text("before")
    ran = holder("inject", "-i", "gone.tpl", "-o", "out", "--force")

    assert (ran.code, ran.out) == (2, "")
    assert "gone.tpl cannot be read: No such file or directory." in ran.err
    assert (holder.cwd / "out").read_text() == "before"


@posix
@pytest.mark.parametrize(("target", "said"), [
    ("link", "link is no regular file"),
    ("pipe", "pipe is no regular file"),
    ("in.tpl", "The template itself would be written over."),
    ("no/such/folder/out", "cannot be written: No such file or directory"),
])  # fmt: skip
def test_where_it_is_never_written(holder, target, said):
    (holder.cwd / "link").symlink_to("elsewhere")
    os.mkfifo(holder.cwd / "pipe")
    (holder.cwd / "in.tpl").chmod(0o600)
    ran = holder("inject", "-i", "in.tpl", "-o", target, "--force")

    assert ran.code == 1
    assert said in ran.err
    assert (holder.cwd / "in.tpl").read_bytes() == TEMPLATE
    assert not (holder.cwd / "elsewhere").exists()


def test_all_that_is_missing_is_told_by_its_line_and_nothing_is_written(holder):
    text = (
        "a {{ arcrun://notion/token }}\n\nb {{ arcrun://notoin/token }}\n"
        "c {{ arcrun://github/token }}\nd {{ arcrun://notoin/token }}\n{{ arcrun://notion }}"
    )
    ran = holder("inject", "--stdin", "-o", "out", stdin=text)

    assert ran.code == 2
    assert "standard input:3, standard input:5: There is no recipe for 'notoin'." in ran.err
    assert "standard input:4: github needs its" in ran.err
    assert "standard input:6: This is no reference" in ran.err
    assert "standard input:1" not in ran.err
    assert not (holder.cwd / "out").exists()


def test_a_reference_without_braces_is_left_and_told(holder):
    ran = holder("inject", "--stdin", stdin="x\nkey: arcrun://notion/token\n")

    assert ran.out == "x\nkey: arcrun://notion/token\n"
    assert "standard input:2: a reference without {{ }} was left as it is." in ran.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "The template is a file, or standard input: name one."),
        (("-i", "in.tpl", "--stdin"), "The template is a file, or standard input: name one."),
        (("-i", "none.tpl"), "none.tpl cannot be read: No such file or directory."),
        (("--stdin",), "The template has more than 1 MiB."),
    ],
)
def test_what_is_no_template(holder, args, said):
    ran = holder("inject", *args, stdin=b"x" * (1 << 20) + b"x" if args == ("--stdin",) else b"")

    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_in_an_agent_s_shell_it_is_refused(holder):
    ran = holder("inject", "-i", "in.tpl", "-o", "out", CURSOR_AGENT="1")

    assert ran.code == 7
    assert "CURSOR_AGENT" in ran.err
    assert not (holder.cwd / "out").exists()


def test_without_git_it_is_written_all_the_same(holder):
    (holder.cwd / "bin").mkdir()

    assert holder("inject", "-i", "in.tpl", "-o", "out", PATH=str(holder.cwd / "bin")).code == 0
