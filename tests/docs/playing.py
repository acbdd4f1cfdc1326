"""A page of the documentation, played from top to bottom on a stage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.docs.props import KEYS
from tests.docs.stage import Stage, matches, session

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path


def play(page: Path, stage: Stage, second: Stage | None = None) -> None:
    """Runs every block, unchanged, and compares what it shows with what the page says.

    What is typed on the `second` machine runs beside the next block of the first, since the two
    may wait for each other.
    """
    shown: list[str] = []
    beside: list[Future[list[str]]] = []
    printed = ""
    with ThreadPoolExecutor(1) as there:
        for block in blocks(page):
            where = f"{page.relative_to(ROOT)}, line {block.line}"
            if block.note in ("not run", "sdk"):  # the others run in tests/sdk
                continue
            if block.note == "on":
                assert second is not None, f"{where}: there is no second machine"
                beside.append(there.submit(_typed, second, block, where))
                continue
            if block.note == "prints":
                assert printed.split() == block.text.split(), where
            elif block.language == "python":
                printed = _printed(stage, block, where)
                shown.append(printed)
            else:
                shown += _done(stage, block, where)
            shown += _ended(beside)
        shown += _ended(beside)
    for each in filter(None, (stage, second)):
        assert not each.refused, "a credential was refused, or was not sent"
        _keeps_secrets(each, shown)


def _ended(beside: list[Future[list[str]]]) -> list[str]:
    """What the other machine showed meanwhile, once it is through."""
    shown = [text for each in beside for text in each.result()]
    beside.clear()
    return shown


def _printed(stage: Stage, block: Block, where: str) -> str:
    try:
        return stage.python(block.text, test=block.note == "pytest")
    except AssertionError as error:
        pytest.fail(f"{where}: {error}", pytrace=False)


def _done(stage: Stage, block: Block, where: str) -> list[str]:
    if block.note == "file":
        stage.write(block.about, block.text)
    elif block.language == "console":
        return _typed(stage, block, where)
    return []


def _typed(stage: Stage, block: Block, where: str) -> list[str]:
    steps = session(block)
    shown = stage.terminal([command for command, _ in steps])
    for (command, expected), actual in zip(steps, shown, strict=True):
        if not matches(expected, actual):
            said = "\n".join(expected)
            pytest.fail(
                f"{where}: $ {command}\n-- the page says:\n{said}\n-- it shows:\n{actual}",
                pytrace=False,
            )
    return shown


def _keeps_secrets(stage: Stage, shown: list[str]) -> None:
    """What was typed hidden stands in no output and in no file."""
    files = [path.read_bytes() for path in stage.home.rglob("*") if path.is_file()]
    for key in filter(None, {**KEYS, **stage.typed}.values()):
        assert not any(key in text for text in shown)
        assert not any(key.encode() in data for data in files)
