"""The page about AWS, played from top to bottom: real boto3, and moto that checks signatures.

Beside it the programs of the cookbook that are about AWS.
"""

from __future__ import annotations

from tests.docs.aws_stage import AwsStage
from tests.docs.pages import DOCS
from tests.docs.playing import play


def test_the_page_does_what_it_says(tmp_path) -> None:
    with AwsStage(tmp_path) as stage:
        play(DOCS / "howto" / "aws.md", stage)


def cook(stage, name: str, *args: str) -> str:
    done = stage.program("python", str(DOCS / "cookbook" / name), *args)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not stage.refused
    return done.stdout


def test_a_folder_is_backed_up_to_s3_and_only_what_changed_goes_up_again(tmp_path) -> None:
    with AwsStage(tmp_path) as stage:
        stage.terminal(["arcrun setup aws --param region=eu-central-1"])
        folder = stage.work / "taxes"
        folder.mkdir()
        for name in ("a b.txt", "c.txt"):
            (folder / name).write_text(name)
        uploaded = cook(stage, "backup_to_s3.py", "taxes", "backups")
        assert uploaded.splitlines() == ["uploaded a b.txt", "uploaded c.txt"]
        assert cook(stage, "backup_to_s3.py", "taxes", "backups") == ""
        (folder / "c.txt").write_text("changed")
        assert cook(stage, "backup_to_s3.py", "taxes", "backups") == "uploaded c.txt\n"


def test_a_link_is_made_without_a_request(tmp_path) -> None:
    with AwsStage(tmp_path) as stage:
        stage.terminal(["arcrun setup aws --param region=eu-central-1"])
        before = len(stage.answered)
        link = cook(stage, "s3_link.py", "backups", "a b.txt").strip()
        assert link.startswith("https://s3.eu-central-1.amazonaws.com/backups/a%20b.txt?")
        assert "X-Amz-Expires=3600" in link
        assert len(stage.answered) == before
