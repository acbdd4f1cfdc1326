"""Secrets out of texts, in every disguise, and out of the HTTP libraries' logs."""

from __future__ import annotations

import base64
import gc
import json
import logging
import subprocess
import sys
from urllib.parse import quote, quote_plus
from weakref import WeakSet

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import scrub as scrubbing
from arcrun_auth.scrub import scrub
from arcrun_auth.tokens import Secret
from tests import canary

DISGUISES = {
    "raw": str,
    "percent": lambda s: quote(s, safe=""),
    "percent, path": quote,
    "form": quote_plus,
    "twice": lambda s: quote(quote(s, safe=""), safe=""),
    "base64 after a user": lambda s: base64.b64encode(f"user:{s}".encode()).decode(),
    "base64 before a byte": lambda s: base64.b64encode(f"{s}!".encode()).decode(),
    "base64url": lambda s: base64.urlsafe_b64encode(f"u:{s}".encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "json": json.dumps,
    "bytes": lambda s: repr(s.encode()),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_secret_is_found_in_every_disguise(name) -> None:
    secret = canary.fresh() + "/+ é\"'\\&\x01"
    text = f"before {DISGUISES[name](secret)} after"
    clean = scrub(text, [Secret(secret)])
    assert "***" in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert canary.hits(clean) == []


@given(
    st.binary(max_size=6), st.text(st.characters(codec="ascii"), min_size=8), st.binary(max_size=6)
)
def test_base64_is_found_wherever_the_secret_begins(before, secret, after) -> None:
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert scrub(encoded, [secret]) != encoded


@given(st.text())
def test_a_text_without_the_secret_is_left_alone(text) -> None:
    assert scrub(text, []) == text
    assert scrub(text, ["short"]) == text


class Holder:
    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets


@pytest.mark.parametrize(
    "name", ["httpx", "httpx2", "httpcore.http2", "httpcore2.http11", "hpack.hpack"]
)
def test_records_of_the_libraries_are_rewritten_while_the_secret_is_in_use(name, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    secret, holder = "s3cret-in-use", Holder("s3cret-in-use")
    scrubbing.watch(holder)
    scrubbing.watch(holder)
    log = logging.getLogger(name)
    assert len([f for f in log.filters if type(f).__module__ == "arcrun_auth.scrub"]) == 1
    log.debug("Adding %r", (b"authorization", b"Bearer " + secret.encode()))
    log.debug("plain %s", "text")
    del holder
    gc.collect()
    log.debug("now %s", secret)
    assert [record.getMessage() for record in caplog.records if record.name == name] == [
        "Adding (b'authorization', b'Bearer ***')", "plain text", f"now {secret}",
    ]  # fmt: skip


class Joined(WeakSet):
    """While somebody looks at who is in it, another thread comes in."""

    def __init__(self, *holders) -> None:
        super().__init__(holders)
        self.coming = [Holder(canary.fresh())]
        self.there = list(self.coming)

    def __iter__(self):
        for each in super().__iter__():
            while self.coming:
                self.add(self.coming.pop())
            yield each


def test_a_record_is_rewritten_whoever_begins_meanwhile(monkeypatch) -> None:
    first = Holder(canary.fresh())
    holders = Joined(first)
    monkeypatch.setattr(scrubbing, "_holders", holders)
    known = [each.secrets[0] for each in (first, *holders.there)]
    record = logging.LogRecord("httpx", logging.INFO, "", 0, "%s and %s", tuple(known), None)
    assert scrubbing._filter.filter(record)
    assert record.getMessage() == "*** and ***"


def test_importing_it_touches_no_logger() -> None:
    code = "import logging, arcrun_auth.scrub; print(logging.getLogger('httpx').filters)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
