"""What every row begins with: a provider, a real vault behind the public door, the board."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.testing import Provider
from tests.faults import board as boards
from tests.faults.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def board() -> boards.Board:
    return boards.Board(os.environ.get(boards.LOG))


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Slow enough for callers to meet at it; strict: a reused refresh token ends the login."""
    with Provider(latency=0.15) as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, provider: Provider) -> Iterator[Desk]:
    """A home with a vault, in which `demo` is connected."""
    with Desk(tmp_path, provider) as made:
        made.broker.setup("demo")
        yield made
