"""The index and its files: what is read, and when; and many at once."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.catalog import Catalog, build
from arcrun_auth.catalog.index import scan, uri
from tests.catalog_kit import key, names_of

ROOT = Path(__file__).parents[3]


def reads(monkeypatch):
    """The paths of the recipe files that are read from now on."""
    seen = []
    real = build.read
    monkeypatch.setattr(
        build, "read", lambda path, sums: seen.append(Path(path).name) or real(path, sums)
    )
    return seen


def test_only_changed_files_are_read(home, bundled, local, monkeypatch):
    for i in range(5):
        (local / f"s{i}.yaml").write_text(key(f"s{i}"))
    seen = reads(monkeypatch)
    Catalog(home, bundled=bundled).names()
    assert sorted(seen) == ["gone.yaml", "notion.yaml", *(f"s{i}.yaml" for i in range(5))]
    seen.clear()
    catalog = Catalog(home, bundled=bundled)
    catalog.names()
    assert seen == []
    (local / "s3.yaml").write_text(key("s3", display_name="Changed"))
    (local / "s4.yaml").unlink()
    catalog.reindex()
    assert seen == ["s3.yaml"]
    assert catalog.entry("s3").display_name == "Changed"
    assert "s4" not in catalog.names()


def test_a_file_that_only_changed_its_time_is_read_again(home, bundled, local, monkeypatch):
    (local / "mine.yaml").write_text(key("mine"))
    Catalog(home, bundled=bundled).names()
    seen = reads(monkeypatch)
    os.utime(local / "mine.yaml", ns=(1, 1))
    Catalog(home, bundled=bundled).names()
    assert seen == ["mine.yaml"]


def test_an_index_made_by_other_rules_is_built_anew(home, bundled, local, monkeypatch):
    (local / "mine.yaml").write_text(key("mine"))
    Catalog(home, bundled=bundled).names()
    seen = reads(monkeypatch)
    monkeypatch.setattr("arcrun_auth.catalog.index.fingerprint", lambda *_: "other rules")
    assert Catalog(home, bundled=bundled).names() == ["gone", "mine", "notion"]
    assert "mine.yaml" in seen


def test_a_file_that_goes_while_the_folder_is_read_costs_no_other(local, monkeypatch):
    for name in "abcd":
        (local / f"{name}.yaml").write_text(key(name))
    real = os.scandir

    @contextmanager
    def scandir(folder):
        with real(folder) as files:
            listed = list(files)
            Path(listed[0].path).unlink()
            yield iter(listed)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(scan([str(local), str(local / "none")])) == 3


@pytest.mark.parametrize("damage", [b"", b"not a database" * 100, None])
def test_a_damaged_index_is_built_anew(home, bundled, local, damage):
    (local / "mine.yaml").write_text(key("mine"))
    Catalog(home, bundled=bundled).names()
    index = local / "index.db"
    index.write_bytes(index.read_bytes()[:-3000] if damage is None else damage)
    catalog = Catalog(home, bundled=bundled)
    assert catalog.entry("mine").tier == "local"
    assert catalog.recipe("mine").service == "mine"


def test_an_update_that_dies_half_way_leaves_the_index_as_it_was(home, bundled, local, monkeypatch):
    (local / "a.yaml").write_text(key("a", display_name="Old"))
    (local / "b.yaml").write_text(key("b"))
    Catalog(home, bundled=bundled).names()
    (local / "a.yaml").write_text(key("a", display_name="New"))
    (local / "b.yaml").write_text(key("b", display_name="New"))
    real = build._Builder._describe

    def die(builder, file):
        if file.recipe.service == "b":
            raise KeyboardInterrupt
        real(builder, file)

    with monkeypatch.context() as patch:
        patch.setattr(build._Builder, "_describe", die)
        with pytest.raises(KeyboardInterrupt):
            Catalog(home, bundled=bundled).names()
    db = sqlite3.connect(local / "index.db")
    assert db.execute("SELECT display_name FROM recipe ORDER BY service").fetchall() == [
        ("Old",), ("B",),
    ]  # fmt: skip
    db.close()
    assert Catalog(home, bundled=bundled).entry("b").display_name == "New"


def test_an_index_of_another_layout_is_built_anew(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    with closing(sqlite3.connect(local / "index.db")) as db, db:
        db.execute("CREATE TABLE recipe (x)")
        db.execute("CREATE TABLE other (x)")
    db.close()
    assert Catalog(home, bundled=bundled).entry("mine").tier == "local"


def test_a_link_where_the_index_belongs_is_not_followed(home, bundled, local, tmp_path):
    (local / "mine.yaml").write_text(key("mine"))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (local / "index.db").symlink_to(victim)
    assert Catalog(home, bundled=bundled).entry("mine").tier == "local"
    assert victim.read_bytes() == b"precious"
    assert not (local / "index.db").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_index_is_for_its_owner_alone(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    (local / "index.db").touch()
    (local / "index.db").chmod(0o644)
    local.chmod(0o755)
    Catalog(home, bundled=bundled).names()
    assert (local / "index.db").stat().st_mode & 0o777 == 0o600
    assert local.stat().st_mode & 0o777 == 0o700


def test_where_nothing_can_be_written_the_index_lives_in_memory(home, bundled, local, monkeypatch):
    (local / "mine.yaml").write_text(key("mine"))

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    # The tests may run as root, who can write everywhere.
    monkeypatch.setattr(build.private, "ensure_folder", refuse)
    catalog = Catalog(home, bundled=bundled)
    assert catalog.names() == ["gone", "mine", "notion"]
    assert catalog.recipe("mine").service == "mine"
    assert not (local / "index.db").exists()


def test_a_catalogue_may_be_closed_and_asked_again(home, bundled):
    catalog = Catalog(home, bundled=bundled)
    entry = catalog.entry("notion")
    catalog.close()
    catalog.close()
    assert catalog.entry("notion") == entry


def steps_of(catalog, question):
    """How many steps SQLite's machine takes for a question."""
    question()  # what is opened once is open
    steps = []
    connection = catalog._open()[0][1]._connection
    connection.set_progress_handler(lambda: steps.append(1), 1)
    question()
    connection.set_progress_handler(None, 1)
    return len(steps)


def test_the_way_to_a_token_costs_the_same_in_a_large_catalogue(tmp_path):
    found = []
    for number in (3, 300):
        folder = tmp_path / f"of-{number}"
        folder.mkdir()
        for index in range(number):
            (folder / f"s{index}.yaml").write_text(key(f"s{index}"))
        catalog = Catalog(tmp_path / f"home-{number}", bundled=folder)
        variables = ["PATH", "HOME", "ARCRUN_S1_KEY"]
        questions = [(catalog.entry, "s1"), (catalog.recipe, "s1"), (catalog.accounts, variables)]
        found.append([steps_of(catalog, partial(ask, what)) for ask, what in questions])
        catalog.close()
    assert found[0] == found[1]


def test_the_accounts_that_variables_speak_of_are_looked_up(home, bundled, local):
    (bundled / "more.yaml").write_text(key("more", account="shared"))
    (local / "mine.yaml").write_text(key("mine"))
    catalog = Catalog(home, bundled=bundled)
    assert catalog.accounts(["PATH"]) == []
    assert catalog.accounts(["ARCRUN_NOTION_TOKEN"]) == ["notion"]
    assert catalog.accounts(["arcrun_notion_token", "NOTION_TOKEN"]) == ["notion"]
    assert catalog.accounts(["ARCRUN_NOTION_ACCESS_TOKEN"]) == ["notion"]
    assert catalog.accounts(["ARCRUN_MORE_KEY", "ARCRUN_MINE_KEY"]) == ["shared", "mine"]
    assert catalog.accounts(["THEIRS"]) == ["shared"]  # a local recipe reads none that it names
    many = [f"V{number}" for number in range(2000)]
    assert catalog.accounts([*many, "NOTION_TOKEN"]) == ["notion"]
    (bundled / "more.yaml").unlink()
    catalog.reindex()
    assert catalog.accounts(["ARCRUN_MORE_KEY"]) == []


def test_a_row_is_found_by_its_key_and_not_by_looking_at_all(home, wheel):
    index = Catalog(home, bundled=wheel)._open()[0][1]
    for sql in (
        "SELECT * FROM recipe WHERE service = ?",
        "SELECT * FROM body WHERE service = ?",
        "SELECT * FROM alias WHERE alias = ?",
    ):
        (plan,) = index.query(f"EXPLAIN QUERY PLAN {sql}", "x")
        assert plan[3].startswith("SEARCH"), plan


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=20))
def test_any_path_is_a_uri_of_sqlite(name):
    if name in (".", ".."):
        return
    found = uri(f"/nowhere/{name}", mode="memory")
    db = sqlite3.connect(found, uri=True)
    db.close()


def test_many_processes_may_build_the_index_at_once(home, bundled, local):
    for i in range(30):
        (local / f"s{i}.yaml").write_text(key(f"s{i}"))
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=names_of, args=(str(home), str(bundled), barrier, queue))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    expected = sorted(["gone", "notion", *(f"s{i}" for i in range(30))])
    assert answers == [(expected, [])] * 4


def test_many_threads_may_ask_one_catalogue(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine"))
    catalog = Catalog(home, bundled=bundled)
    failures = []

    def ask():
        try:
            for _ in range(50):
                assert catalog.entry("mine").service == "mine"
                assert catalog.recipe("notion").service == "notion"
                assert len(catalog.entries()) == 3
        except BaseException as error:  # a thread's error must reach the test
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_many_threads_may_open_one_catalogue_and_it_is_built_once(
    home, bundled, local, monkeypatch
):
    (local / "mine.yaml").write_text(key("mine"))
    seen = reads(monkeypatch)
    catalog = Catalog(home, bundled=bundled)
    barrier = threading.Barrier(8)
    found = []

    def ask():
        barrier.wait(30)
        found.append(catalog.names())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [["gone", "mine", "notion"]] * 8
    assert sorted(seen) == ["gone.yaml", "mine.yaml", "notion.yaml"]


def test_who_reads_an_index_is_not_disturbed_by_who_builds_the_next(home, bundled, local):
    (local / "mine.yaml").write_text(key("mine", display_name="Old"))
    reader = Catalog(home, bundled=bundled)
    assert reader.entry("mine").display_name == "Old"
    (local / "mine.yaml").write_text(key("mine", display_name="New"))
    assert Catalog(home, bundled=bundled).entry("mine").display_name == "New"
    assert reader.entry("mine").display_name == "Old"
    reader.reindex()
    assert reader.entry("mine").display_name == "New"
    assert sorted(path.name for path in local.iterdir()) == ["bundled.db", "index.db", "mine.yaml"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_opens_its_own(home, wheel):
    code = (
        "import os, sys\n"
        "from arcrun_auth.catalog import Catalog\n"
        f"catalog = Catalog({str(home)!r}, bundled={str(wheel)!r})\n"
        "catalog.entry('notion')\n"
        "mine = catalog._open()[0][1]._connection\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    catalog.entry('notion')\n"
        "    os._exit(0 if catalog._open()[0][1]._connection is not mine else 1)\n"
        "sys.exit(os.waitpid(pid, 0)[1])\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
