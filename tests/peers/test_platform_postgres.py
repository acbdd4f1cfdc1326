"""Two servers on one PostgreSQL keep no state of their own: an account sees one platform."""

from __future__ import annotations

import base64
import itertools
import os
import threading
from contextlib import ExitStack

import pytest

from arcrun_auth.cloud import Change, Conflict
from arcrun_auth.errors import ProviderUnavailable
from tests.platform_desk import IV, cipher
from tests.postgres_desk import cluster
from tests.servers import GUARD
from tests.serving import Served

pytestmark = pytest.mark.peer
WRITERS, EACH = 4, 12


@pytest.fixture(scope="module")
def postgres():
    with cluster() as found:
        yield found


@pytest.fixture(scope="module")
def servers(postgres, tmp_path_factory):
    """Two processes."""
    home = tmp_path_factory.mktemp("pair") / "home"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARCRUN_")}
    env = kept | {"ARCRUN_DATABASE_URL": postgres.url, "ARCRUN_HOME": str(home)}
    with ExitStack() as stack:
        args = ("--registration", "open")
        yield [stack.enter_context(Served(env, *args)) for _ in range(2)]
        assert not (home / "server").exists(), "nothing is kept on this machine"


@pytest.fixture
def pair(servers):
    """Two processes, and the key of a new account."""
    with servers[0].cloud() as nobody:
        return servers, nobody.register().api_key


def together(work) -> None:
    """`work(number)` in so many threads; the first of their errors."""
    errors: list[BaseException] = []

    def one(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD * 3)
    if errors:
        raise errors[0]


def test_writers_at_both_lose_no_change_and_no_version_is_given_twice(pair) -> None:
    servers, key = pair
    given: list[int] = []

    def count(number: int) -> None:
        """Adds to one counter, by compare-and-swap, and writes a row of its own with it."""
        with servers[number % 2].cloud(key) as cloud:
            for step in range(EACH):
                own = Change(f"s_{number}{step:x}", cipher("own"), IV, expect=0)
                while True:
                    row = cloud.row("s_c")
                    value = int.from_bytes(bytes.fromhex(_hex(row)), "big") + 1
                    counter = Change("s_c", cipher(f"{value:08x}"), IV,
                                     expect=row.version if row else 0)  # fmt: skip
                    try:
                        written = cloud.put_rows([counter, own])
                    except Conflict:
                        continue
                    given.extend(written.versions.values())
                    break

    together(count)
    with servers[0].cloud(key) as here, servers[1].cloud(key) as there:
        assert here.rows_since(0) == there.rows_since(0)
        page = here.rows_since(0)
    assert int(_hex(next(row for row in page.rows if row.name == "s_c")), 16) == WRITERS * EACH
    assert len(page.rows) == WRITERS * EACH + 1
    assert sorted(given) == list(range(1, page.cursor + 1)), "every number is given, and once"


def _hex(row) -> str:
    return base64.b64decode(row.encrypted)[:8].decode() if row else "00000000"


def test_a_reader_at_one_misses_nothing_that_is_written_at_the_other(pair) -> None:
    servers, key = pair
    done = threading.Event()
    seen: dict[str, int] = {}

    def read() -> None:
        cursor = 0
        with servers[1].cloud(key) as cloud:
            for _ in itertools.count():
                last = done.is_set()
                page = cloud.rows_since(cursor)
                assert all(row.version > cursor for row in page.rows)
                assert len(page.rows) % 2 == 0, "a batch shows whole"
                seen.update({row.name: row.version for row in page.rows})
                cursor = page.next_cursor
                if last:
                    break

    def write(number: int) -> None:
        with servers[number % 2].cloud(key) as cloud:
            for step in range(EACH):
                names = (f"s_{number}{step:x}{part}" for part in "ab")
                cloud.put_rows([Change(name, cipher(), IV, expect=0) for name in names])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        together(write)
    finally:
        done.set()
        reader.join(GUARD)
    assert len(seen) == WRITERS * EACH * 2


def test_one_lease_is_held_by_one_of_all(pair) -> None:
    servers, key = pair
    held, most = [0], [0]
    fences: list[int] = []

    def use(number: int) -> None:
        with servers[number % 2].cloud(key) as cloud:
            for _ in range(4):
                lease = _taken(cloud, f"home {number}")
                held[0] += 1
                most[0] = max(most[0], held[0])
                fences.append(lease.fence)
                held[0] -= 1
                cloud.release_lease("grant", lease.lease)

    together(use)
    assert most == [1]
    assert fences == sorted(fences)
    assert len(set(fences)) == WRITERS * 4


def _taken(cloud, holder: str):
    while True:
        try:
            return cloud.take_lease("grant", 60, holder)
        except Conflict:
            threading.Event().wait(0.005)


def test_postgresql_restarted_under_load_loses_nothing_that_was_acknowledged(
    pair, postgres
) -> None:
    servers, key = pair
    acknowledged: list[str] = []
    restarted = threading.Event()

    def write(number: int) -> None:
        after = 0
        with servers[number % 2].cloud(key) as cloud:
            for step in itertools.count():
                name = f"s_{number}{step:x}"
                try:
                    cloud.put_row(name, cipher(name), IV)
                except ProviderUnavailable:
                    continue
                acknowledged.append(name)
                after += restarted.is_set()
                if after > 3:
                    return

    def restart() -> None:
        while len(acknowledged) < 20:
            threading.Event().wait(0.005)
        postgres.stop()
        postgres.start()
        restarted.set()

    thread = threading.Thread(target=restart)
    thread.start()
    together(write)
    thread.join(GUARD)
    with servers[0].cloud(key) as cloud:
        found: dict[str, str] = {}
        cursor, more = 0, True
        while more:
            page = cloud.rows_since(cursor)
            found |= {row.name: row.encrypted for row in page.rows}
            cursor, more = page.next_cursor, page.more
    assert all(found[name] == cipher(name) for name in acknowledged)
