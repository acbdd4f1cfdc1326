"""What every row begins with: a provider, a real vault behind the public door, the board."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.testing import Provider
from tests.faults import board as boards
from tests.faults.desk import Desk
from tests.needs import needs

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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    needs(sys.platform == "linux" and os.geteuid() == 0, "root (to mount a tmpfs)")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    mounted = subprocess.run(mount, capture_output=True)
    needs(mounted.returncode == 0, "the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
