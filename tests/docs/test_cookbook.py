"""Every program of the cookbook runs, unchanged, and does what it says."""

from __future__ import annotations

import email
import json
import re
import sys
from email import policy

import pytest

from tests.docs.cloud import HOSTS, Cloud
from tests.docs.pages import DOCS
from tests.docs.props import KEYS
from tests.docs.stage import Stage

COOKBOOK = DOCS / "cookbook"
PROGRAMS = sorted(path.name for path in COOKBOOK.iterdir() if path.suffix in (".py", ".ipynb"))
WITH_KEYS = ("notion", "github", "openai", "slack", "stripe")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stage is furnished for POSIX")


class Kitchen(Stage):
    """A stage where the services of the cookbook answer, and whose keys the environment holds."""

    def __init__(self, folder) -> None:
        self.cloud = Cloud()
        super().__init__(folder, api=self.cloud.answer, hosts=HOSTS)

    def __enter__(self):
        super().__enter__()
        names = {"openai": "API_KEY", "slack": "BOT_TOKEN", "stripe": "SECRET_KEY"}
        key = KEYS["API key"]
        self.environ |= {f"ARCRUN_{s.upper()}_{names.get(s, 'TOKEN')}": key for s in WITH_KEYS}
        self.environ["ARCRUN_GOOGLE_CLIENT_ID"] = self.client_id
        self.environ["ARCRUN_GOOGLE_CLIENT_SECRET"] = self.provider.client_secret
        return self

    def cook(self, name: str, *args: str, **environ: str) -> str:
        done = self.program("python", str(COOKBOOK / name), *args, **environ)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not self.refused, "a credential was refused, or was not sent"
        return done.stdout


@pytest.fixture
def kitchen(tmp_path):
    with Kitchen(tmp_path) as stage:
        yield stage


TRIED = {"backup_to_s3.py", "s3_link.py"}
"""What is run: those of AWS in tests/sdk/test_aws_page.py, where signatures are looked at."""


def dish(name: str):
    """Marks the test of one program."""
    TRIED.add(name)
    return lambda test: test


@dish("backup_to_drive.py")
def test_a_folder_is_backed_up_and_only_what_changed_goes_up_again(kitchen) -> None:
    folder = kitchen.work / "taxes"
    (folder / "below").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "c.txt"):
        (folder / name).write_text(name)
    assert kitchen.cook("backup_to_drive.py", "taxes").splitlines() == [
        "uploaded a.txt", "uploaded b.txt", "uploaded c.txt",
    ]  # fmt: skip
    assert kitchen.cook("backup_to_drive.py", "taxes") == ""
    (folder / "b.txt").write_text("changed")
    assert kitchen.cook("backup_to_drive.py", "taxes") == "updated b.txt\n"
    files = {file["name"]: file for file in kitchen.cloud.files.values()}
    assert set(files) == {"Backup of taxes", "a.txt", "b.txt", "c.txt"}
    assert files["b.txt"]["content"] == b"changed"
    assert files["a.txt"]["parents"] == [files["Backup of taxes"]["id"]]
    assert len(kitchen.provider.authorizations) == 1, "the browser opens once, and no more"


@dish("list_drive.py")
def test_the_newest_files_are_listed(kitchen) -> None:
    kitchen.cloud.add("report.pdf", b"")
    assert kitchen.cook("list_drive.py") == "report.pdf (f0)\n"


@dish("sheets_append.py")
def test_a_row_is_appended(kitchen) -> None:
    assert kitchen.cook("sheets_append.py", "S", "2026-03-01", "21.5", "x") == "Sheet1!A1:C1\n"
    assert kitchen.cloud.rows == [["2026-03-01", "21.5", "x"]]


@dish("sheets_to_csv.py")
def test_a_range_becomes_csv(kitchen) -> None:
    printed = kitchen.cook("sheets_to_csv.py", "S", "Class Data!A2:E")
    assert printed.split() == ["name,age", "Ada,36", "Grace,85"]


@dish("gmail_send.py")
def test_a_mail_is_sent_with_its_attachment(kitchen) -> None:
    (kitchen.work / "report.pdf").write_bytes(b"%PDF-1.7")
    assert kitchen.cook("gmail_send.py", "you@example.com", "report.pdf") == "m1\n"
    mail = email.message_from_bytes(kitchen.cloud.mails[0], policy=policy.default)
    assert (mail["To"], mail["Subject"]) == ("you@example.com", "report.pdf")
    assert next(mail.iter_attachments()).get_content() == b"%PDF-1.7"


@dish("gmail_unread.py")
def test_unread_mail_is_listed(kitchen) -> None:
    lines = kitchen.cook("gmail_unread.py").splitlines()
    assert lines == ["a@example.com: Letter 1", "a@example.com: Letter 2"]


@dish("calendar_today.py")
def test_what_is_to_come_today(kitchen) -> None:
    lines = kitchen.cook("calendar_today.py").splitlines()
    assert lines == ["2026-03-01T15:00:00+01:00 Dentist", "2026-03-01 (no title)"]


@dish("slack_post.py")
def test_a_message_is_posted_and_a_no_under_200_is_one(kitchen) -> None:
    kitchen.cook("slack_post.py", "#builds", "done")
    assert kitchen.cloud.posted == [{"channel": "#builds", "text": "done"}]
    done = kitchen.program("python", str(COOKBOOK / "slack_post.py"), "#nowhere", "done")
    assert (done.returncode, done.stderr.strip()) == (1, "Slack says: channel_not_found")


@dish("slack_export.py")
def test_all_pages_of_a_channel(kitchen) -> None:
    printed = kitchen.cook("slack_export.py", "C1")
    assert [json.loads(line)["text"] for line in printed.splitlines()] == ["first", "second"]


@dish("notion_add.py")
def test_a_page_is_added(kitchen) -> None:
    assert kitchen.cook("notion_add.py", "db", "Buy milk") == "https://www.notion.so/p1\n"
    assert kitchen.cloud.pages[0]["parent"] == {"database_id": "db"}


@dish("notion_backup.py")
def test_all_pages_become_files(kitchen) -> None:
    assert kitchen.cook("notion_backup.py", "backup") == "2 pages\n"
    page = json.loads((kitchen.work / "backup" / "p2.json").read_text())
    assert page["blocks"] == [{"type": "paragraph"}]


@dish("github_issues.py")
def test_issues_of_all_pages_without_pull_requests(kitchen) -> None:
    lines = kitchen.cook("github_issues.py", "you/thing").splitlines()
    assert lines == ['2,ada,"It, is broken"', '1,ada,"It, is broken"']


@dish("github_release.py")
def test_a_release_gets_its_file(kitchen) -> None:
    (kitchen.work / "thing.whl").write_bytes(b"PK")
    printed = kitchen.cook("github_release.py", "you/thing", "v1", "thing.whl")
    assert printed == "https://github.com/you/thing/releases/download/v1/thing.whl\n"
    assert kitchen.cloud.assets == {"thing.whl": b"PK"}


@dish("two_accounts.py")
def test_two_accounts_have_a_login_each(kitchen) -> None:
    id_ = kitchen.cloud.add("notes.txt", b"of work")
    assert kitchen.cook("two_accounts.py", id_) == "copied notes.txt\n"
    assert [file["content"] for file in kitchen.cloud.files.values()] == [b"of work"] * 2
    assert len(kitchen.provider.authorizations) == 2


@dish("cron.py")
def test_a_job_never_waits_and_says_what_to_type(kitchen) -> None:
    done = kitchen.program("python", str(COOKBOOK / "cron.py"))
    assert done.returncode == 1
    assert "Type this at a terminal: arcrun setup google_calendar" in done.stderr
    assert kitchen.provider.authorizations == []
    kitchen.cook("calendar_today.py")  # somebody logs in, once
    assert kitchen.cook("cron.py") == "2 events\n"


@dish("ci.py")
def test_in_ci_the_variable_is_enough_and_nothing_is_stored(kitchen) -> None:
    assert kitchen.cook("ci.py", "you/thing", "c0ffee", "success", CI="true") == "success\n"
    assert kitchen.cloud.statuses == [("c0ffee", "success")]
    assert not [path for path in kitchen.home.rglob("*") if path.suffix == ".db"]


@dish("many_at_once.py")
def test_three_services_at_once(kitchen) -> None:
    kitchen.cloud.add("a", b"")
    lines = kitchen.cook("many_at_once.py").splitlines()
    assert lines == ["google_drive 1", "notion 1", "openai 1"]


@dish("ask_a_model.py")
def test_a_model_is_asked(kitchen) -> None:
    (kitchen.work / "notes.txt").write_text("milk")
    printed = kitchen.cook("ask_a_model.py", "notes.txt", "What is to do?")
    assert printed == "You asked: What is to do?\n"


@dish("stripe_balance.py")
def test_the_balance(kitchen) -> None:
    assert kitchen.cook("stripe_balance.py") == "123.45 EUR\n"


@dish("notebook.ipynb")
def test_the_cells_of_the_notebook_run_in_their_order(kitchen) -> None:
    cells = json.loads((COOKBOOK / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    assert kitchen.python(code).splitlines() == [
        "{'name': 'Ada', 'age': '36'}", "{'name': 'Grace', 'age': '85'}",
    ]  # fmt: skip


# -- the page ------------------------------------------------------------------------------

TABLE = (COOKBOOK / "README.md").read_text(encoding="utf-8")


def lines_of(name: str) -> int:
    """The lines that say something: no blank ones, no comments, no docstring on top."""
    text = (COOKBOOK / name).read_text(encoding="utf-8")
    if name.endswith(".ipynb"):
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    text = re.sub(r'\A""".*?"""\n', "", text, flags=re.DOTALL)
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.split("\n"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_is_run_above_and_stands_in_the_table_with_its_lines(name) -> None:
    assert name in TRIED
    row = rf"^\| \[{re.escape(name)}\]\({re.escape(name)}\) \| .+ \| {lines_of(name)} \|"
    assert re.search(row, TABLE, re.MULTILINE), f"{name}: {lines_of(name)} lines"


def test_there_are_twenty_and_the_first_backs_a_folder_up() -> None:
    rows = re.findall(r"^\| \[(.+?)\]", TABLE, re.MULTILINE)
    assert len(rows) == len(set(rows)) == len(PROGRAMS) >= 20
    assert rows[0] == "backup_to_drive.py"
