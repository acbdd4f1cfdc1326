"""The page about AWS, played from top to bottom: real boto3, and moto that checks signatures."""

from __future__ import annotations

from tests.docs.aws_stage import AwsStage
from tests.docs.pages import DOCS
from tests.docs.playing import play


def test_the_page_does_what_it_says(tmp_path) -> None:
    with AwsStage(tmp_path) as stage:
        play(DOCS / "howto" / "aws.md", stage)
