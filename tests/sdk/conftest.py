"""What the tests with real SDKs share."""

from __future__ import annotations

import pytest

from tests.sdk.desk import opened


@pytest.fixture
def desk(tmp_path):
    with opened(tmp_path) as made:
        yield made
