"""Row 17: sync of many records over loopback; what one change costs, whatever the vault's size."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from arcrun_auth.cloud import Cloud
from arcrun_auth.protocol import log
from arcrun_auth.protocol.keys import VaultKeys
from arcrun_auth.seal import encrypt
from arcrun_auth.sync import ring as rings
from arcrun_auth.sync.cloud_wire import CloudWire
from arcrun_auth.sync.engine import Engine
from arcrun_auth.sync.founding import founded
from arcrun_auth.sync.identity import identity
from arcrun_auth.sync.state import FILE, State
from arcrun_auth.sync.wire import Wire, Write
from arcrun_auth.tokens import Secret
from bench import place
from bench.board import Line, Row
from bench.measure import Samples, loop, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from arcrun_auth.stores.vault import Vault
    from arcrun_auth.sync.wire import Page, Written
    from arcrun_auth.sync.wire import Row as Shown

FEW, MANY = 100, 10_000
TIMES = 3
"""How often is a whole vault pushed and pulled?"""


def row_17(runs: int) -> Row:
    """The first push, the first pull, and one change on each side."""
    many = MANY if runs > TIMES else 1000
    row = Row(17, f"sync of {many:,} records over loopback")
    first = {name: Samples() for name in ("push", "pull", "one file")}
    for _ in range(min(runs, TIMES)):
        with _place(many) as (desk, homes):
            one, other = homes
            first["push"].wall.append(_seconds(one.sync))
            desk.let_in(one, other)
            first["pull"].wall.append(_seconds(other.sync))
            first["one file"].wall.append(_seconds(_whole_file(desk.folder, many)))
    for what in ("push", "pull"):
        found = {what: first[what], "one encrypted file": first["one file"]}
        row.compare(f"first {what}, {many:,} records", found)
    with _place(many) as (desk, homes):
        one = homes[0]
        one.sync()
        found = rounds(
            {"change": loop(one.change), "file": loop(_whole_file(desk.folder, many))}, runs
        )
        row.compare(
            f"one change of {many:,}",
            {"sync": found["change"], "one encrypted file": found["file"]},
        )
        of_many = one.traffic()
    with _place(FEW) as (_, homes):
        homes[0].sync()
        of_few = homes[0].traffic()
    for unit, ours, theirs in zip(
        ("requests", "bytes of ciphertext"), of_many, of_few, strict=True
    ):
        met = ours <= theirs * 1.05
        row.lines.append(
            Line(
                "17", f"one change: {unit}", f"{ours:,.0f}", f"the same of {FEW}",
                f"{theirs:,.0f}", ours / theirs, "<=1.05x", met,
            )
        )  # fmt: skip
    return row


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


class _Home:
    """A vault with records, and its engine."""

    def __init__(self, vault: Vault, cloud: Cloud, folder: str) -> None:
        self.store = vault
        self.cloud = cloud
        self.wire: Wire = CloudWire(cloud)
        self.state = State(os.path.join(folder, FILE))
        self.identity = identity(vault, name="bench")
        self.number = 0

    def sync(self) -> None:
        founded(self.store, self.state, self.wire, self.identity, now=time.time())
        Engine(self.store, self.state, self.wire, self.identity, login=lambda _: "travels").sync()

    def change(self) -> None:
        """A new key for one record, on the server when this returns."""
        key = place.static_key(place.names(1)[0], "token").key
        record = self.store.get(key)
        assert record is not None
        self.number += 1
        secrets = {"token": Secret(f"key-{self.number:0120}")}
        self.store.put(record.replace(secrets=secrets), expect=record.generation)
        self.sync()

    def traffic(self) -> tuple[float, float]:
        """Requests and bytes of one change, the mean of a whole segment's."""
        wire = self.wire = _Counted(self.wire)
        for _ in range(log.SEGMENT):
            self.change()
        self.wire = wire.inner
        return wire.requests / log.SEGMENT, wire.sent / log.SEGMENT


class _Counted(Wire):
    """Counts requests, and bytes of ciphertext in both directions."""

    def __init__(self, inner: Wire) -> None:
        self.inner = inner
        self.requests = self.sent = 0

    def _count(self, rows: Iterable[Shown | Write]) -> None:
        self.requests += 1
        self.sent += sum(len(row.sealed.data) for row in rows if row.sealed is not None)

    def rows_since(self, cursor: int) -> Page:
        page = self.inner.rows_since(cursor)
        self._count(page.rows)
        return page

    def row(self, name: str) -> Shown | None:
        found = self.inner.row(name)
        self._count([found] if found is not None else [])
        return found

    def write(self, batch: Sequence[Write]) -> Written:
        self._count(batch)
        return self.inner.write(batch)


class _Desk:
    def __init__(self, folder: str, port: int) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        with Cloud(self.url, None, allow=[self.url]) as nobody:
            self.key = Secret(nobody.register().api_key)

    def let_in(self, one: _Home, other: _Home) -> None:
        """As `arcrun devices` does, without the questions."""
        ring = rings.stored(one.store)
        assert ring is not None
        keys = ring.keys
        members = one.state.members(keys.vault)
        assert members is not None
        more = members.add(
            other.identity.device, by=one.identity.id, sign=one.identity.sign, at=time.time()
        )
        sealed = keys.seal_meta(keys.members, more.dump())
        one.wire.write([Write(keys.members, sealed, one.state.version(keys.members))])
        rings.begin(other.store, VaultKeys(keys.vault, keys.root, keys.contents))


@contextlib.contextmanager
def _place(many: int) -> Iterator[tuple[_Desk, list[_Home]]]:
    """A server, and two homes: the first with so many keys, the second empty."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.sync_desk", folder], stdout=subprocess.PIPE, text=True
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        desk = _Desk(folder, int(process.stdout.readline()))
        homes = []
        for records in (many, 0):
            home = stack.enter_context(place.home())
            vault = home.vault()
            stack.callback(vault.close)
            vault.prepare()
            if records:
                keys = [place.static_key(name, "token") for name in place.names(records)]
                place.fill(vault, keys)
            cloud = stack.enter_context(Cloud(desk.url, desk.key, allow=[desk.url]))
            homes.append(_Home(vault, cloud, home.folder))
            stack.callback(homes[-1].state.close)
        yield desk, homes


def _whole_file(folder: str, many: int) -> Callable[[], None]:
    """What a program does that keeps everything in one encrypted file: it writes all of it."""
    key, path = os.urandom(32), os.path.join(folder, "whole.enc")
    records = [
        {"service": name, "secrets": {"token": "x" * 120}, "created": 1.0, "updated": 2.0}
        for name in place.names(many)
    ]

    def write() -> None:
        nonce, sealed = encrypt(key, json.dumps(records).encode(), b"")
        with open(f"{path}.tmp", "wb") as file:
            file.write(nonce + sealed)
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.tmp", path)

    return write
