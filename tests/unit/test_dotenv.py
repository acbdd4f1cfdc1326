"""What a .env file says, as a shell and as python-dotenv would read it, or where it is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arcrun_auth.dotenv import DotenvError, parse
from tests import canary
from tests.needs import needs


def values(text: str) -> dict[str, str]:
    return {found.name: found.value for found in parse(text.encode())}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=", ""),
        ("A=plain", "plain"),
        ("  A = with blanks around \t", "with blanks around"),
        ("export A=exported", "exported"),
        ("\texport\tA=1", "1"),
        ("A=a=b==", "a=b=="),
        ("A=value # a comment", "value"),
        ("A=value\t# a comment # of two", "value"),
        ("A= # only a comment", ""),
        ("A=#no-comment", "#no-comment"),
        ("A=no#comment", "no#comment"),
        ("A=it's", "it's"),
        ('A=say "hi"', 'say "hi"'),
        ("A=back\\slash\\n", "back\\slash\\n"),
        ("A=$HOME and $(id) and `id`", "$HOME and $(id) and `id`"),
        ("A='single # \"quoted\"'", 'single # "quoted"'),
        (r"A='it\'s a \\ \n'", "it's a \\ \\n"),
        ("A='${NAME}'", "${NAME}"),
        ("A='two\nlines'", "two\nlines"),
        ("A='x' # after", "x"),
        ("A = 'x'", "x"),
        (r'A="\"\\\'\a\b\f\n\r\t\v\x"', "\"\\'\a\b\f\n\r\t\v\\x"),
        ('A="two\nlines"\t', "two\nlines"),
        ('A="$HOME"', "$HOME"),
        ("A=arcrun://notion/token", "arcrun://notion/token"),
        ("A=“typographic”", "“typographic”"),
    ],
)
def test_one_line(line, value) -> None:
    assert values(line) == {"A": value}
    assert values(f"BEFORE=1\n{line}\nAFTER=2\n") == {"BEFORE": "1", "A": value, "AFTER": "2"}


def test_lines_names_and_their_order() -> None:
    text = (
        "\ufeff# a comment\r\n\r\nA=1\r\n  # one more\r\nB='x\r\ny'\r\nexport=3\r\nA=4\r\na.b-c=5"
    )

    assert [tuple(found) for found in parse(text.encode())] == [
        ("A", "1", 3), ("B", "x\ny", 5), ("export", "3", 7), ("A", "4", 8), ("a.b-c", "5", 9),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (f"A=1\n{canary.WORD}\n", 2, "no NAME=value"),
        ("1A=x", 1, "no NAME=value"),
        ("A B=x", 1, "no NAME=value"),
        ("\n\nexport A", 3, "no NAME=value"),
        ("=x", 1, "no NAME=value"),
        (f"A=1\nB='{canary.WORD}\nC=2\n", 2, "not closed"),
        ('A="x\\"', 1, "not closed"),
        (f"A='x\ny' {canary.WORD}", 2, "follows"),
        ("A=1\nB=${A}", 2, "not filled in"),
        ('A="x ${A:-1}"', 1, "not filled in"),
        ("A=1\nB=\0", 2, "NUL"),
    ],
)
def test_what_is_not_understood_has_its_line_and_is_not_repeated(text, line, said) -> None:
    with pytest.raises(DotenvError, match=said) as caught:
        parse(text.encode())

    assert caught.value.line == line
    assert canary.hits(str(caught.value)) == []


def test_what_is_no_utf_8_has_its_line() -> None:
    with pytest.raises(DotenvError, match="UTF-8") as caught:
        parse(b"A=1\nB=\xff\n")

    assert caught.value.line == 2


@given(st.binary() | st.text("A=\"'\\\n #$ {export", max_size=30).map(str.encode))
def test_any_file_gives_variables_or_a_line(data) -> None:
    try:
        found = parse(data)
    except DotenvError as error:
        lines = [error.line]
    else:
        assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", each.name) for each in found)
        lines = [each.line for each in found]
    assert lines == sorted(lines)
    assert all(1 <= line <= data.count(b"\n") + 1 for line in lines)


def test_a_long_file_takes_no_longer_than_its_length() -> None:
    text = "A='" + "\\'" * 200_000 + "'\n" + 'B="' + "\\" * 200_000 + '"\n' + "C=1\n" * 20_000

    assert len(parse(text.encode())) == 20_002


ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"))


def single(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def double(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), ANY))
def test_what_is_quoted_comes_back(environ) -> None:
    assert values("".join(f"{n}={single(v)} # x\n" for n, v in environ.items())) == environ
    environ = {name: value.replace("${", "$") for name, value in environ.items()}
    assert values("".join(f"export {n} = {double(v)}\n" for n, v in environ.items())) == environ


# What means the same to a shell: no expansions, and no backslash, which it treats its own way.
_TEXT = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters=" #=.,:/@"))
_STYLES = {
    "": st.from_regex(r"[A-Za-z0-9:/@.,=#]*", fullmatch=True),
    "'": _TEXT | st.just("two\nlines"),
    '"': _TEXT | st.just("it's\ntwo lines"),
}
_LINES = st.sampled_from(list(_STYLES)).flatmap(
    lambda quote: st.tuples(
        _STYLES[quote].map(lambda text: f"{quote}{text}{quote}"),
        st.sampled_from(["", " # c", "\t"]),
    ).map("".join)
)


@pytest.mark.skipif(sys.platform == "win32", reason="the counterpart is a POSIX shell")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_LINES, min_size=1, max_size=20))
def test_a_shell_reads_the_same(tmp_path, lines) -> None:
    needs(shutil.which("sh"), "sh")
    text = "".join(f"V{n}={line}\n" for n, line in enumerate(lines))
    (tmp_path / "env").write_text(text)
    script = "set -a; . ./env; env -0"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env={}, capture_output=True, check=True
    )
    read = dict(pair.split("=", 1) for pair in done.stdout.decode().split("\0") if pair)

    assert values(text) == {name: value for name, value in read.items() if name[0] == "V"}
