"""Every example of the documentation runs, unchanged, and shows what the page says."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, ROOT, blocks, pages
from tests.docs.playing import play
from tests.docs.props import KEYS
from tests.docs.stage import Stage, matches
from tests.needs import needs

if TYPE_CHECKING:
    from pathlib import Path

RUN = ("python", "console")
SHOWN_ONLY = ("sh", "toml", "yaml", "text", "json", "ini", "dockerfile", "markdown", "make", "js",
              "")  # fmt: skip
"""Blocks that are read, not run: what another system runs, or what an answer looks like."""

GENERATED = ("cli.md", "faults.md", "bench.md")
"""Pages that are printed by the programs they are about: their own tests hold them."""

WITH_SDK = ("docs/howto/aws.md",)
"""Which pages are played in tests/sdk, since their examples need an SDK?"""

WITH_PLATFORM = (
    "README.md",
    "docs/howto/ci-github-actions.md",
    "docs/howto/sealed-values.md",
    "docs/howto/second-machine.md",
)
"""And which are played with a server, in test_platform_pages?"""

PAGES = [
    page
    for page in pages()
    if page.name not in GENERATED
    and str(page.relative_to(ROOT)) not in WITH_SDK + WITH_PLATFORM
    and any(block.language in RUN for block in blocks(page))
]

ENVIRON = {
    "README.md": {"OPENAI_API_KEY": KEYS["API key"]},
    "docs/howto/git-docker-aws.md": {"GIT_SSL_CAINFO": "{home}/../bin/ca.pem"},
    "docs/howto/headless.md": {
        "ARCRUN_MASTER_KEY": "",
        "ARCRUN_MASTER_KEY_FILE": "{home}/vault.key",
    },
}
"""What a reader of the page has in the environment already."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the examples are typed into bash")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_does_what_it_says_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    for program in ("bash", "openssl"):
        needs(shutil.which(program), program)
    with Stage(tmp_path, ENVIRON.get(_name(page))) as stage:
        play(page, stage)


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        assert block.language in RUN + SHOWN_ONLY, f"{page}:{block.line}: {block.language!r}"
        if block.note == "not run":
            assert block.about, f"{page}:{block.line}: not run, and no reason is given"


def test_the_pages_that_teach_have_examples_that_run() -> None:
    for name in ("README.md", "docs/tutorial.md", "docs/howto/headless.md",
                 "docs/howto/docker-ci.md", "docs/howto/accounts.md",
                 "docs/howto/git-docker-aws.md",
                 "docs/howto/own-recipe.md", "docs/howto/project.md",
                 "docs/howto/make-a-recipe.md",
                 "docs/howto/test-a-recipe.md", "docs/howto/own-app.md",
                 "docs/howto/keepalive.md", "docs/howto/sdks.md", "docs/howto/aws.md",
                 "docs/howto/import.md", "docs/howto/run.md",
                 "docs/howto/coding-agents.md"):  # fmt: skip
        run = [b for b in blocks(ROOT / name) if b.language in RUN and b.note != "not run"]
        assert run, name
    assert sum(b.language == "python" for b in blocks(ROOT / "README.md")) >= 3
    assert DOCS.is_dir()


def test_the_comparison_itself_can_fail() -> None:
    assert matches(["one …", "…", "last"], "one 1\nx\n  y\n\nlast  \n")
    assert matches(["one", "…", "last"], "one\nlast\n")
    assert matches([], "\n")
    assert not matches(["one"], "one\ntwo\n")
    assert not matches(["one"], "")
    assert not matches(["a.c"], "abc\n")
    assert not matches(["one", "…"], "two\n")
