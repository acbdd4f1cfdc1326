"""A maintainer with a signed set, the place that gives it out, and a home that takes it."""

from __future__ import annotations

import os

import pytest

from tests import mirror
from tests.mirror import release


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch) -> None:
    """A crash of the machine is no part of these tests, and a thousand files wait for one disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return mirror.ceremony(tmp_path_factory.mktemp("given") / "maintainer")


@pytest.fixture
def maintainer(made, tmp_path):
    (tmp_path / "given").mkdir(exist_ok=True)
    return made.copy(tmp_path / "given" / "maintainer")


@pytest.fixture
def server(maintainer):
    with mirror.mirror(maintainer.site) as running:
        yield running


@pytest.fixture
def home(tmp_path, server, maintainer):
    return mirror.Home(
        tmp_path,
        ARCRUN_RECIPES_URL=f"{server.origin}/recipes",
        ARCRUN_RECIPES_ROOT=str(maintainer.site / "1.root.json"),
        ARCRUN_ALLOW_HOSTS=server.origin,
    )


@pytest.fixture
def used(home, maintainer):
    """Version 2 is in use; `refused` then says that it still is."""
    release(maintainer)
    assert home.update().error is None
    before = home.catalog.bodies()
    home.pinned = home.lock.read_bytes()

    def refused(kind, words, **options):
        result = home.update(**options)
        assert isinstance(result.error, kind), result
        assert words in str(result.error), result.error
        assert not result.changed
        assert home.lock.read_bytes() == home.pinned
        assert home.catalog.bodies() == before
        assert home.catalog.problems == []

    return refused
