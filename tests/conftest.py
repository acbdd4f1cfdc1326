"""What holds for every test: no canary in what it printed, logged, warned of or left in files."""

from __future__ import annotations

import gc
import logging
import os
import secrets
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import canary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# No test is measured by the clock, those of Hypothesis included: machines are busy at times.
settings.register_profile(
    "untimed", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

# A shell ignores these for what it starts in the background, and so would all that a test starts.
for number in ("SIGHUP", "SIGINT", "SIGQUIT"):
    ignored = getattr(signal, number, None)
    if ignored is not None and signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.SIG_DFL if number != "SIGINT" else signal.default_int_handler)


class _Watch(logging.Handler):
    """Formats every record of every logger, tracebacks included, and keeps those that show."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.shown: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.shown += canary.hits(self.format(record))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a third of the time a test waits for another program."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def no_canary_in_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    has_folder = "tmp_path" in request.fixturenames
    folder: Path | None = request.getfixturevalue("tmp_path") if has_folder else None
    watch = _Watch()
    root = logging.getLogger()
    before = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(watch)
        root.setLevel(before)
    assert not watch.shown, f"a secret stands in the log: {watch.shown[:3]}"
    if folder is not None:
        found = canary.files_with_hits(folder)
        assert not found, f"a secret lies in clear: {found[:3]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    for title, text in report.sections:
        shown = canary.hits(text)
        if shown:
            report.outcome = "failed"
            report.longrepr = f"a secret stands in the {title}: {shown[:3]}"
    return report


@pytest.fixture(autouse=True, scope="session")
def canary_tokens() -> Iterator[None]:
    """Whatever the embedded provider issues during the suite carries the canary."""
    from arcrun_auth.testing import _authority

    real = _authority.secrets
    _authority.secrets = _CanaryTokens()
    yield
    _authority.secrets = real


class _CanaryTokens:
    """Stands for the module `secrets` where tokens are made."""

    def __getattr__(self, name: str):
        return getattr(secrets, name)

    @staticmethod
    def token_urlsafe(size: int | None = None) -> str:
        return f"{canary.WORD}-{secrets.token_urlsafe(size)}"


@pytest.fixture
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least that is accepted: a test machine need not withstand guessing."""
    from arcrun_auth.stores import kdf

    for name, least in (("MEMORY_KIB", kdf.FLOOR_KIB), ("PASSES", kdf.FLOOR_PASSES), ("AIM", 0.0)):
        monkeypatch.setattr(kdf, name, least)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test uses the home, keyring, settings or proxy of whoever runs it."""
    import os

    for name in list(os.environ):
        if name.startswith("ARCRUN_") and not name.startswith("ARCRUN_TEST_"):
            monkeypatch.delenv(name)
        if name.lower().endswith("_proxy"):  # theirs knows nothing of this machine's loopback
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ARCRUN_HOME", str(home / ".arcrun"))
    monkeypatch.setenv("ARCRUN_KEYRING", "off")


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test runs in this process does not make the next tests run as it does."""
    from arcrun_auth import recording

    monkeypatch.setattr(recording, "_told", None)
    monkeypatch.setattr(recording, "_left_open", None)
    yield
    for trail in recording._left_open or ():
        trail.close()
    gc.enable()
