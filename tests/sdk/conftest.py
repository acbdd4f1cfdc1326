"""What the tests with real SDKs share."""

from __future__ import annotations

import pytest

from arcrun_auth.testing import Provider
from tests.sdk.desk import Clock, Desk


@pytest.fixture
def desk(tmp_path):
    clock = Clock()
    with Provider(clock=clock) as provider:
        made = Desk(tmp_path, provider, clock)
        yield made
        made.close()
