"""Plain-text originals are taken out of their files; every other byte stays where it was."""

from __future__ import annotations

import netrc as reference
import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_auth.importers import ini, netrc
from arcrun_auth.importers.dotenv import assignments
from arcrun_auth.importers.model import Found, read_file, whole_line
from arcrun_auth.importers.originals import remove, without

if TYPE_CHECKING:
    from pathlib import Path

# -- .env ----------------------------------------------------------------------------------

NAMES = st.sampled_from(["A", "B2", "LONG_NAME", "_x", "dotted.name"])
ENDS = st.sampled_from(["\n", "\r\n"])
PLAIN = st.text("abcXYZ019-_./:+~", min_size=1, max_size=12)
QUOTED = st.text('aé\n #"=$\\`', min_size=1, max_size=12)
OTHERS = st.sampled_from(
    ["", "  ", "# A=1", "\t# note", "not an assignment", "1X=2", "\ue000é", "="]
)


@st.composite
def env_lines(draw) -> tuple[str, str | None, str | None]:
    """A line or several of one assignment, its name and value; or a line that is none."""
    end = draw(ENDS)
    if draw(st.booleans()):
        return draw(OTHERS) + end, None, None
    name, spaces = draw(NAMES), draw(st.sampled_from(["", " ", "\t"]))
    head = draw(st.sampled_from(["", "export ", "  "])) + name + spaces + "=" + spaces
    value = draw(PLAIN)
    written = value
    if draw(st.booleans()):
        value = draw(QUOTED)
        written = f"'{value}'"
    note = draw(st.sampled_from(["", " # note", "  "]))
    return head + written + note + end, name, value


@settings(deadline=None)
@given(st.lists(env_lines(), max_size=8), st.booleans())
def test_an_assignment_goes_with_its_lines_and_with_nothing_else(lines, last_is_open) -> None:
    texts = [text for text, _, _ in lines]
    if last_is_open and texts:
        texts[-1] = texts[-1].rstrip("\r\n")
    text = "".join(texts)
    found = assignments(text)
    assert [(each.name, each.value) for each in found] == [
        (name, value) for _, name, value in lines if name is not None
    ]
    target = next((name for _, name, _ in lines if name), None)
    spans = [(each.start, each.end) for each in found if each.name == target]
    kept = [text for text, (_, name, _) in zip(texts, lines, strict=True) if name != target]
    assert without(text, spans) == ("".join(kept) if target else text)


@given(st.text(st.sampled_from("A=1 '\"\\\n\r#$`{\ufeffexport\udc80"), max_size=60))
def test_whatever_stands_in_a_file_is_read_without_a_fault(text) -> None:
    found = assignments(text)
    assert all(text[each.start : each.end] for each in found)
    ordered = [bound for each in found for bound in (each.start, each.end)]
    assert ordered == sorted(ordered)
    rest = without(text, [(each.start, each.end) for each in found])
    assert len(rest) == len(text) - sum(each.end - each.start for each in found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('A="x\\ny"', "x\ny"),
        ('A="two\nlines"', "two\nlines"),
        ('A="say \\"hi\\" \\z"', 'say "hi" \\z'),
        ("A='$HOME is not computed'", "$HOME is not computed"),
        ("A=it's", "it's"),
        ('A="open', '"open'),
        ("A=a#b", "a#b"),
        ("\ufeffA=1", "1"),
        ("A.B=1", "1"),
    ],
)
def test_values_as_shells_and_dotenv_read_them(text, value) -> None:
    (found,) = assignments(text)
    assert found.value == value


@pytest.mark.parametrize("text", ["A=$B", 'A="${B}x"', "A=`date`", "A=", "A=''", "A= # none"])
def test_what_is_computed_or_empty_is_no_secret(text) -> None:
    assert assignments(text) == []


# -- netrc ---------------------------------------------------------------------------------

WORDS = st.text("abcXYZ019.-_@%+", min_size=1, max_size=8).filter(
    lambda word: (
        word not in ("machine", "default", "login", "user", "account", "password", "macdef")
    )
)
SPACES = st.sampled_from([" ", "\n", "\n  ", "\t", "\r\n"])
# Of one word: Python's reader takes the others of a comment after an empty line for its own.
COMMENTS = st.sampled_from(["", "\n#note\n", "\n#machine\n", "\n\n"])


@st.composite
def machines(draw) -> tuple[str, str]:
    """An entry as it may be written, and its name."""
    name = draw(WORDS)
    text = "machine" + draw(SPACES) + name
    for key in draw(st.permutations(["login", "password", "account"])):
        text += draw(st.sampled_from(["", " #by-hand\n"])) or draw(SPACES)
        word = draw(WORDS)
        value = draw(st.sampled_from([word, f'"{word} {word}"', word + "\\ " + word, f"#{word}"]))
        text += key + draw(st.sampled_from([" ", "\n", "\t"])) + value
    return text + "\n" + draw(COMMENTS), name


def by_python(folder: Path, text: str):
    path = folder / "given" / "netrc"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, newline="")
    path.chmod(0o600)
    return reference.netrc(str(path)).hosts


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("netrc")


@settings(deadline=None)
@given(st.lists(machines(), min_size=1, max_size=4, unique_by=lambda each: each[1]), COMMENTS)
def test_a_netrc_is_read_as_python_reads_it_and_loses_one_entry(folder, listed, first) -> None:
    text = first + "".join(entry for entry, _ in listed)
    expected = by_python(folder, text)
    found = netrc.entries(text)
    assert {each.machine: (each.login, each.password) for each in found} == {
        name: (login, password) for name, (login, _, password) in expected.items()
    }
    gone = found[0]
    rest = without(text, netrc.spans(text, gone))
    left = dict(expected)
    del left[gone.machine]
    assert by_python(folder, rest) == left
    words = [(word.start, word.end) for word in gone.words]
    assert "".join(rest.split()) == "".join(without(text, words).split())
    lines = iter(rest.split("\n"))
    assert all(line in lines for line in _untouched(text, words)), "a line has changed"


def _untouched(text: str, spans) -> list[str]:
    """The lines that none of these ranges touches."""
    kept, at = [], 0
    for line in text.split("\n"):
        if not any(start < at + len(line) and end > at for start, end in spans):
            kept.append(line)
        at += len(line) + 1
    return kept


def test_comments_inside_an_entry_stay_and_so_do_macros() -> None:
    text = (
        "# top\nmachine a\n  login b # who\n  # between\n  password c\n\n"
        "macdef init\ncd /x\nmachine no\n\nmachine d login e password f\n"
    )
    first, second = netrc.entries(text)
    assert without(text, netrc.spans(text, first)) == (
        "# top\n # who\n  # between\n\nmacdef init\ncd /x\nmachine no\n\n"
        "machine d login e password f\n"
    )
    assert (second.machine, second.password) == ("d", "f")


def test_two_machines_on_one_line_are_told_apart() -> None:
    text = "machine a login b password c machine d login e password f\n"
    first, _ = netrc.entries(text)
    assert without(text, netrc.spans(text, first)) == " machine d login e password f\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [("login a", 1), ("machine", 1), ("machine a\nlogin", 2), ("machine a\n\npasword x", 3)],
)
def test_a_word_out_of_place_says_where(text, line) -> None:
    with pytest.raises(netrc.NotNetrc, match=f"from line {line} on"):
        netrc.entries(text)


@given(st.text(st.sampled_from('machinelogpswordf "\\#\n\r\t\ufeff\udc80'), max_size=80))
def test_no_text_is_a_fault_for_the_reader_of_netrc(text) -> None:
    try:
        found = netrc.entries(text)
    except netrc.NotNetrc:
        return
    for each in found:
        netrc.spans(text, each)


# -- ini -----------------------------------------------------------------------------------


def test_sections_that_come_twice_and_keys_that_come_twice() -> None:
    text = "[a]\nx=1\n[b]\r\nX = 2\r\n[a]\nx=3\n\ty=4\n;z=5\n"
    a, b = ini.sections(text)
    assert (a.get("x"), b.get("x"), a.get("y"), a.get("none")) == ("3", "2", "", "")
    assert without(text, a.cut("x")) == "[a]\n[b]\r\nX = 2\r\n[a]\n\ty=4\n;z=5\n"


@given(st.text(st.sampled_from("[a]=1 \n\r#;\t\ufeff\udc80"), max_size=60))
def test_every_line_of_a_value_is_a_whole_line(text) -> None:
    for section in ini.sections(text):
        for start, end in section.cut(*section.values):
            assert start == 0 or text[start - 1] == "\n"
            assert end == len(text) or text[end - 1] == "\n"


# -- files ---------------------------------------------------------------------------------


def found_in(path: Path, *spans, whole: bool = False) -> Found:
    return Found("env", str(path), "X", "key", cut=spans, whole=whole, file=read_file(str(path)))


def test_the_file_keeps_its_mode_and_nothing_is_left_beside_it(tmp_path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"A=1\r\nB=\xff\xfe\r\nC=3")
    path.chmod(0o640)
    remove([found_in(path, (0, 5)), found_in(path, (11, 14))])
    assert path.read_bytes() == b"B=\xff\xfe\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == [".env"]


def test_behind_a_link_the_file_itself_changes(tmp_path) -> None:
    target, link = tmp_path / "dotfiles" / "env", tmp_path / ".env"
    target.parent.mkdir()
    target.write_text("A=1\nB=2\n")
    link.symlink_to(target)
    remove([found_in(link, (0, 4))])
    assert link.is_symlink()
    assert target.read_text() == "B=2\n"
    remove([found_in(link, whole=True)])
    assert not target.exists()
    assert not link.is_symlink()


def test_what_has_changed_meanwhile_is_left_alone(tmp_path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    found = found_in(path, (0, 4))
    path.write_text("A=2\n")
    with pytest.raises(AuthError, match="has changed since"):
        remove([found])
    assert path.read_text() == "A=2\n"
    path.unlink()
    with pytest.raises(AuthError, match="has changed since"):
        remove([found])


def test_a_second_name_of_the_file_would_keep_it(tmp_path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    os.link(path, tmp_path / "copy")
    with pytest.raises(AuthError, match="second name") as caught:
        remove([found_in(path, (0, 4))])
    assert "samefile" in caught.value.hint
    assert path.read_text() == "A=1\n"


def test_a_file_of_somebody_else_is_left_alone(tmp_path, monkeypatch) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n")
    found = found_in(path, (0, 4))
    monkeypatch.setattr(os, "getuid", lambda: 4711)  # a second user of this machine
    with pytest.raises(AuthError, match="belongs to another user"):
        remove([found])
    assert path.read_text() == "A=1\n"


def test_a_file_that_cannot_be_deleted_is_told(tmp_path, monkeypatch) -> None:
    path = tmp_path / "token.json"
    path.write_text("{}")
    found = found_in(path, whole=True)

    def refused(name: str) -> None:  # as in a folder that may not be written; root may all
        raise PermissionError(1, "Operation not permitted", name)

    monkeypatch.setattr(os, "unlink", refused)
    with pytest.raises(AuthError, match="cannot be deleted: Operation not permitted"):
        remove([found])


def test_a_group_that_we_are_not_in_gets_no_right_to_read(tmp_path, monkeypatch) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nB=2\n")
    path.chmod(0o640)
    found = found_in(path, (0, 4))

    def refused(*_: int) -> None:  # what the system says to whoever is not root
        raise PermissionError

    real = os.fstat
    other = real(os.open(path, os.O_RDONLY)).st_gid + 1
    monkeypatch.setattr(os, "fchown", refused)
    monkeypatch.setattr(os, "stat", _with_group(os.stat, other))
    remove([found])
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600


def _with_group(real, group: int):
    def asked(path, **more):
        found = real(path, **more)
        return os.stat_result((*found[:5], group, *found[6:10]))

    return asked


def test_a_range_grows_to_its_line_only_where_it_stands_alone() -> None:
    assert whole_line("a\n  x  \nb", 4, 5) == (2, 8)
    assert whole_line("a x b", 2, 3) == (2, 3)
    assert whole_line("\ufeffx", 1, 2) == (1, 2)
