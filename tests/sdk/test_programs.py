"""What we print and what we write down runs as it is: snippets, and the page about SDKs."""

from __future__ import annotations

import gc
import re
import tomllib
import warnings

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.snippets import Snippet
from tests import canary
from tests.docs.pages import DOCS, ROOT, blocks
from tests.sdk.desk import sdk
from tests.sdk.internet import internet

PAGE = DOCS / "howto" / "sdks.md"

MODULES = {
    "azure-core": "azure.core", "PyGithub": "github", "notion-client": "notion_client",
    "msgraph-sdk": "msgraph", "google-cloud-storage": "google.cloud.storage",
}  # fmt: skip
"""By package, the module that it brings, where that has another name."""

# It takes no proxy from the environment; its credentials are driven in test_google_sdks.py.
APART = {"google-api-python-client"}


def tried() -> set[str]:
    """The packages of the group `sdk`, whose programs are run; the others' are compiled only."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    named = (line for line in groups["sdk"] if isinstance(line, str))
    return {re.split(r"[\[>=]", line)[0] for line in named} - APART


@pytest.fixture
def network(tmp_path, monkeypatch):
    given = tmp_path / "given"
    given.mkdir()
    with internet(given, monkeypatch) as made:
        yield made


def named(packages: set[str]) -> list[Snippet]:
    catalog = Catalog("nowhere")
    try:
        recipes = map(catalog.recipe, catalog.names())
        return [Snippet(r) for r in recipes if r.sdk is not None and r.sdk.package in packages]
    finally:
        catalog.close()


def needs(package: str) -> None:
    sdk(MODULES.get(package, package.replace("-", "_")), package)


def run(program: str) -> None:
    with warnings.catch_warnings():
        # Such a program ends with its process: nobody closes what it made.
        warnings.simplefilter("ignore", ResourceWarning)
        names = {"__name__": "__main__"}
        exec(compile(program, "program", "exec"), names)
        names.clear()
        gc.collect()


def check(network, shown: str) -> None:
    assert network.answered
    assert not network.refused
    assert shown.strip()
    assert not canary.hits(shown)


@pytest.mark.parametrize("snippet", named(tried()), ids=lambda s: s.recipe.service)
def test_the_program_of_an_sdk_runs_as_it_is_printed(snippet, request, capsys) -> None:
    package = snippet.sdk.package
    needs(package)
    network = request.getfixturevalue("network")
    run(snippet.with_sdk(package))
    if snippet.sdk.call:
        check(network, capsys.readouterr().out)


@pytest.mark.parametrize("library", ["requests", "httpx", "httpx2", "aiohttp"])
def test_the_program_of_a_library_runs_as_it_is_printed(library, request, capsys) -> None:
    needs(library)
    network = request.getfixturevalue("network")
    catalog = Catalog("nowhere")
    try:
        recipe = catalog.recipe("notion")
    finally:
        catalog.close()
    run(Snippet(recipe).with_sdk(library))
    check(network, capsys.readouterr().out)


EXAMPLES = [block for block in blocks(PAGE) if block.note == "sdk"]


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"{block.about}-{block.line}")
def test_an_example_of_the_page_runs_as_it_is(block, request, capsys) -> None:
    needs(block.about)
    network = request.getfixturevalue("network")
    run(block.text)
    check(network, capsys.readouterr().out)


def test_the_page_has_an_example_of_every_sdk() -> None:
    shown = {block.about for block in EXAMPLES}
    elsewhere = {"boto3"}  # howto/aws.md
    assert {snippet.sdk.package for snippet in named(tried())} - elsewhere <= shown
    assert {"requests", "httpx2", "aiohttp", "azure-core"} <= shown
