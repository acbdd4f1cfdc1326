"""What a test needs beside Python: without it, skip with the reason, or fail where told to."""

from __future__ import annotations

import os

import pytest


def needs(present: object, what: str) -> None:
    """Go on if `present`. `ARCRUN_TEST_NO_SKIP=1` (in CI) makes what is absent a failure."""
    if present:
        return
    if os.environ.get("ARCRUN_TEST_NO_SKIP") == "1":
        pytest.fail(f"needs {what}", pytrace=False)
    pytest.skip(f"needs {what}")
