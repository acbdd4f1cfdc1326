"""`arcrun agents`: a block, a skill, and nothing else of the project is touched."""

from __future__ import annotations

import json
import os
import re
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_cli import programs
from arcrun_cli.coding import block, places, project, skill
from arcrun_cli.schemas import SCHEMAS

LINKS = pytest.mark.skipif(os.name != "posix", reason="links need a right on Windows")


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository of git, as far as a folder shows one."""
    root = tmp_path / "repo"
    (root / ".git").mkdir(parents=True)
    (root / "src" / "deep").mkdir(parents=True)
    return root


@pytest.fixture
def at(inside, repo, monkeypatch):
    """`arcrun agents …`, typed in the repository."""
    monkeypatch.chdir(repo)
    return lambda *words: inside("agents", *words)


def tree(root):
    return {
        path.relative_to(root).as_posix(): os.readlink(path)
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# -- the block -----------------------------------------------------------------------------

outside = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: "<!--" not in t)


@given(outside, st.text(st.characters(categories=["L", "N"], include_characters=" \n#-")))
def test_what_stands_in_a_file_stays_and_the_block_comes_once(text, body) -> None:
    once = block.merged(text, body, "AGENTS.md")
    assert once.startswith(text)
    assert once.endswith("\n") is (text.endswith("\n") or not text)
    assert block.merged(once, body, "AGENTS.md") == once
    assert once.count(block.begin()) == once.count(block.END) == 1


@given(outside, outside)
def test_only_what_stands_between_the_marks_is_replaced(before, after) -> None:
    old = f"{before}\n{block.begin(0)}\nold\n{block.END}\n{after}"
    new = block.merged(old, "new", "AGENTS.md")
    head, tail = new.split(block.begin())
    assert head == f"{before}\n"
    assert tail.endswith(f"new{newline_of(old)}{block.END}\n{after}")
    assert "old" not in tail.removesuffix(after)


def newline_of(text):
    return "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{block.begin()}\n",
        f"{block.END}\n",
        f"{block.END}\n{block.begin()}\n",
        f"{block.begin()}\n{block.END}\n{block.begin()}\n{block.END}\n",
        f"{block.begin()}\n{block.begin()}\n{block.END}\n",
        f"{block.begin()}\nx\n {block.END}\n",
        f"text {block.begin()}\nx\n{block.END}\n",
        "<!-- arcrun:begin v1-->\nx\n<!-- arcrun:end -->\n",
        "<!--arcrun:begin-->\n",
    ],
)
def test_marks_that_are_no_pair_are_told_with_their_lines(text) -> None:
    with pytest.raises(AuthError, match=r"not one pair \(line 1") as caught:
        block.merged(text, "new", "AGENTS.md")
    assert caught.value.hint == block.HINT


def test_the_marks_of_old_without_a_number_are_marks() -> None:
    old = "<!-- arcrun:begin -->\nold\n<!-- arcrun:end -->"
    assert block.merged(old, "new", "x") == f"{block.begin()}\nnew\n{block.END}"


def test_the_block_of_a_newer_version_is_not_put_back() -> None:
    text = f"{block.begin(block.VERSION + 1)}\nx\n{block.END}\n"
    with pytest.raises(AuthError, match="A newer arcrun-auth") as caught:
        block.merged(text, "old", "AGENTS.md")
    assert caught.value.hint == "pip install --upgrade arcrun-auth"


# -- the project ---------------------------------------------------------------------------


def test_from_any_folder_of_a_repository_its_root_is_found(repo, tmp_path) -> None:
    assert places.root_of(str(repo / "src" / "deep")) == str(repo)
    worktree = tmp_path / "tree"
    worktree.mkdir()
    (worktree / ".git").write_text("gitdir: elsewhere")
    assert places.root_of(str(worktree)) == str(worktree)
    assert places.root_of(str(tmp_path)) == str(tmp_path)


@LINKS
def test_init_writes_what_is_wished_and_again_nothing(at, repo, monkeypatch) -> None:
    (repo / "CLAUDE.md").write_bytes(b"Be kind.\r\n")
    monkeypatch.chdir(repo / "src" / "deep")
    ran = at("init", "--claude", "--cursor", "--copilot", "--gemini", "--mcp")
    assert ran.code == 0
    assert ran.out.count("written") == 7
    assert "arcrun mcp install --client" in ran.err
    made = tree(repo)
    assert made["AGENTS.md"].decode() == block.merged("", project.body(), "")
    assert made["CLAUDE.md"] == (
        b"Be kind.\r\n\r\n<!-- arcrun:begin v1 -->\r\n@AGENTS.md\r\n<!-- arcrun:end -->\r\n"
    )
    assert made[project.CURSOR].startswith(b"---\ndescription: ")
    assert made[project.COPILOT] == made["AGENTS.md"]
    assert json.loads(made[project.GEMINI]) == {"context": {"fileName": ["AGENTS.md", "GEMINI.md"]}}
    for folder in (project.SKILLS, project.CLAUDE_SKILLS):
        assert (repo / folder / skill.NAME / skill.FILE).is_file()
    again = at("init", "--claude", "--cursor", "--copilot", "--gemini")
    assert again.out.count("current") == 7
    assert tree(repo) == made
    assert at("check").code == 0


def test_new_files_of_a_project_are_for_all_who_may_read_it(at, repo) -> None:
    at("init", "--copilot", "--copy")
    os.umask(mask := os.umask(0))
    if os.name == "posix":
        assert stat.S_IMODE((repo / "AGENTS.md").stat().st_mode) == 0o666 & ~mask
        assert stat.S_IMODE((repo / ".github").stat().st_mode) & 0o050


def test_a_dry_run_says_what_would_be_and_writes_nothing(at, repo) -> None:
    (repo / "AGENTS.md").write_text("# Mine\n")
    before = tree(repo)
    ran = at("init", "--claude", "--copy", "--dry-run")
    assert ran.code == 0
    assert block.begin() in ran.out
    assert "+ SKILL.md" in ran.out
    assert tree(repo) == before


@LINKS
def test_a_dry_run_says_where_the_link_would_lead(at, repo) -> None:
    assert f"+ → {os.path.realpath(skill.SOURCE)}" in at("init", "--dry-run").out
    assert not (repo / ".agents").exists()


def test_where_one_file_is_broken_none_is_written(at, repo) -> None:
    (repo / "CLAUDE.md").write_text(f"{block.begin()}\nno end\n")
    before = tree(repo)
    ran = at("init")
    assert ran.code == 1
    assert "not one pair (line 1)" in ran.err
    assert block.HINT in ran.err
    assert tree(repo) == before


@pytest.mark.parametrize("text", ["@AGENTS.md\n", "# Rules\n  @AGENTS.md  \nmore"])
def test_a_claude_md_that_takes_in_the_other_file_is_left_alone(at, repo, text) -> None:
    (repo / "CLAUDE.md").write_text(text)
    at("init", "--copy")
    assert (repo / "CLAUDE.md").read_text() == text


@LINKS
def test_a_claude_md_that_is_the_other_file_is_left_alone(at, repo) -> None:
    (repo / "AGENTS.md").write_text("# Mine\n")
    (repo / "CLAUDE.md").symlink_to("AGENTS.md")
    at("init", "--copy")
    assert "@AGENTS.md" not in (repo / "AGENTS.md").read_text()
    assert (repo / "CLAUDE.md").is_symlink()


def test_what_is_no_text_is_left_alone(at, repo) -> None:
    (repo / "AGENTS.md").write_bytes("# Ä".encode("utf-16"))
    ran = at("init")
    assert ran.code == 1
    assert "no text in UTF-8" in ran.err


@LINKS
@pytest.mark.parametrize("name", ["AGENTS.md", ".github", ".agents", ".gemini/settings.json"])
def test_no_link_of_a_project_leads_our_writing_out_of_it(at, repo, tmp_path, name) -> None:
    target = tmp_path / "outside"
    target.mkdir() if name.startswith(".") and "/" not in name else target.write_text("{}")
    (repo / name).parent.mkdir(exist_ok=True)
    (repo / name).symlink_to(target)
    ran = at("init", "--copilot", "--gemini", "--copy")
    assert ran.code == 1
    assert "leads out of" in ran.err
    assert list(target.iterdir()) == [] if target.is_dir() else target.read_text() == "{}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"context": {"fileName": "RULES.md"}}', ["AGENTS.md", "RULES.md"]),
        ('{"context": {"fileName": ["A.md"]}, "x": 1}', ["AGENTS.md", "A.md"]),
        ('{"context": {"fileName": ["B.md", "AGENTS.md"]}}', ["B.md", "AGENTS.md"]),
    ],
)
def test_gemini_keeps_the_files_that_it_read(at, repo, before, after) -> None:
    (repo / ".gemini").mkdir()
    (repo / project.GEMINI).write_text(before)
    at("init", "--gemini", "--copy")
    found = json.loads((repo / project.GEMINI).read_text())
    assert found.pop("context") == {"fileName": after}
    assert found == {key: value for key, value in json.loads(before).items() if key == "x"}


def test_settings_with_comments_are_left_alone_and_it_says_what_to_write(at, repo) -> None:
    (repo / ".gemini").mkdir()
    (repo / project.GEMINI).write_text('{ // mine\n"theme": "dark",}')
    ran = at("init", "--gemini", "--copy")
    assert ran.code == 1
    assert '"fileName": ["AGENTS.md", "GEMINI.md"]' in ran.err
    assert not (repo / "AGENTS.md").exists()


# -- the skill -----------------------------------------------------------------------------


@LINKS
def test_the_link_is_relative_where_the_package_lies_in_the_project(
    repo, tmp_path, monkeypatch
) -> None:
    source = repo / ".venv" / "arcrun_auth" / ".agents" / "skills" / skill.NAME
    source.mkdir(parents=True)
    (source / skill.FILE).write_text("---\nname: arcrun-auth\n---\n")
    monkeypatch.setattr(skill, "SOURCE", str(source))
    planned = skill.planned(str(repo), f".agents/skills/{skill.NAME}", copy=False)
    planned.apply()
    moved = repo.rename(tmp_path / "moved")
    assert (moved / ".agents" / "skills" / skill.NAME / skill.FILE).is_file()


@LINKS
def test_a_link_to_an_older_place_is_led_to_the_new_one(at, repo) -> None:
    folder = repo / ".agents" / "skills"
    folder.mkdir(parents=True)
    (folder / skill.NAME).symlink_to(f"/gone/arcrun_auth/.agents/skills/{skill.NAME}")
    assert at("check").code == 1
    assert at("init").code == 0
    assert os.readlink(folder / skill.NAME) == os.path.realpath(skill.SOURCE)
    assert [path.name for path in folder.iterdir()] == [skill.NAME]


@LINKS
def test_a_link_becomes_a_copy_and_a_copy_stays_one(at, repo) -> None:
    at("init")
    at("init", "--copy")
    place = repo / ".agents" / "skills" / skill.NAME
    assert place.is_dir()
    assert not place.is_symlink()
    assert sorted(p.relative_to(place).as_posix() for p in place.rglob("*.md")) == skill.files(
        skill.SOURCE
    )
    (place / "mine.md").write_text("kept")
    (place / skill.FILE).write_text((place / skill.FILE).read_text() + "old")
    assert at("check").code == 1
    at("init")
    assert not place.is_symlink()
    assert (place / "mine.md").read_text() == "kept"
    assert at("check").code == 0


@LINKS
def test_a_link_in_a_copy_that_leads_out_is_not_written_through(at, repo, tmp_path) -> None:
    at("init", "--copy")
    reference = repo / ".agents" / "skills" / skill.NAME / "references" / "errors.md"
    reference.unlink()
    (tmp_path / "precious").write_text("kept")
    reference.symlink_to(tmp_path / "precious")
    ran = at("init")
    assert ran.code == 1
    assert "leads out of" in ran.err
    assert (tmp_path / "precious").read_text() == "kept"


def somebody_elses_link(place):
    place.symlink_to("/somewhere/else")


def somebody_elses_folder(place):
    place.mkdir()
    (place / skill.FILE).write_text("---\nname: other\n---\n")


def somebody_elses_file(place):
    place.write_text("x")


@LINKS
@pytest.mark.parametrize("made", [somebody_elses_link, somebody_elses_folder, somebody_elses_file])
def test_what_is_not_our_skill_is_left_alone(at, repo, made) -> None:
    (repo / ".agents" / "skills").mkdir(parents=True)
    made(repo / ".agents" / "skills" / skill.NAME)
    before = tree(repo)
    assert at("init").code == 1
    assert tree(repo) == before


def test_where_no_link_can_be_it_says_copy(at, repo, monkeypatch) -> None:
    def refused(*_, **__):
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(skill.os, "symlink", refused)
    ran = at("init")
    assert ran.code == 1
    assert "arcrun agents init --copy" in ran.err


@LINKS
def test_a_link_that_cannot_take_its_place_leaves_nothing(tmp_path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(AuthError, match="cannot be written"):
        skill.Link(str(tmp_path / "taken"), "x").apply()
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_what_uvx_keeps_for_a_while_is_copied(at, repo, monkeypatch) -> None:
    monkeypatch.setattr(programs.sys, "prefix", os.path.join("c", "uv", "archive-v0", "x9"))
    assert at("init").code == 0
    assert not (repo / ".agents" / "skills" / skill.NAME).is_symlink()


# -- check ---------------------------------------------------------------------------------


def test_check_says_of_each_file_how_it_stands(at, repo) -> None:
    at("init", "--cursor", "--copy")
    (repo / project.CURSOR).write_text(f"{block.begin()}\n")
    (repo / "AGENTS.md").write_text(f"{block.begin()}\nold\n{block.END}\n")
    (repo / "CLAUDE.md").write_text("mine\n")
    (repo / ".agents" / "skills" / skill.NAME / skill.FILE).unlink()
    (repo / ".agents" / "skills" / skill.NAME).rename(repo / "away")
    before = tree(repo)
    found = json.loads(at("check", "--json").out)
    assert set(found) - {"schema"} == set(SCHEMAS["agents check"])
    assert found["ok"] is False
    assert {each["path"]: each["state"] for each in found["files"]} == {
        "AGENTS.md": "outdated",
        "CLAUDE.md": "outdated",
        project.CURSOR: "broken",
        f"{project.SKILLS}/{skill.NAME}": "absent",
    }
    assert [bool(each["message"]) for each in found["files"]] == [False, False, True, False]
    ran = at("check")
    assert ran.code == 1
    assert ran.out.count("arcrun agents init") == 3
    assert "not one pair" in ran.out
    assert tree(repo) == before


def test_a_file_that_cannot_be_read_is_no_reason_to_fail_before_it_is_asked_for(at, repo) -> None:
    (repo / project.COPILOT).mkdir(parents=True)
    assert at("init", "--copy").code == 0
    assert at("check").code == 0
