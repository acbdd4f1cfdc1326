"""Rows 25 and 26: recipes that changed after they were agreed to, and files made to do harm."""

from __future__ import annotations

import asyncio
import copy
import json
import time
import tracemalloc
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from arcrun_auth import agreement, httpx_auth, token_provider
from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.errors import AuthError, ConsentRequired, PolicyRefused, RecipeError
from arcrun_auth.hosts import parse_origin
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary
from tests.faults.board import FULL
from tests.hostile import corpus
from tests.rich import COSMETIC, FIXED, holder_of, leaves, mutated, names, rich_at
from tests.servers import Recorder, Reply, recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.fault

IN_OTHER_WAYS = "methods"
"""Ways in that are not the one that is used: their own consent is asked for when they are."""


class Changing:
    """A connection to a real server, and its recipe's file for somebody else to write."""

    def __init__(self, folder: Path, here: Recorder, evil: Recorder) -> None:
        self.home = folder / "home"
        (self.home / "recipes").mkdir(parents=True, mode=0o700)
        self.servers = here, evil
        self.hosts = tuple(server.origin.removeprefix("http://") for server in self.servers)
        self.agreed = rich_at(self.hosts[0])
        self.store = Memory()
        self.write(self.agreed)
        entry = Catalog(self.home).entry("rich")
        recipe = Catalog(self.home).recipe("rich")
        record = Credential(
            Key("credential", "family"),
            method="oauth",
            secrets={"a": Secret(f"{canary.WORD}-key")},
            params={"region": "eu"},
            grant=Grant(
                access_token=Secret(f"{canary.WORD}-at"),
                refresh_token=Secret(f"{canary.WORD}-rt"),
                issued=1.0,
                expires=4e9,
                scopes=("read", "write"),
            ),
        )
        consent = agreement.made(entry, recipe, recipe.way(), record)
        self.store.put(record.replace(consents={"rich": consent}), expect=0)

    def write(self, recipe: dict[str, Any]) -> None:
        (self.home / "recipes" / "rich.yaml").write_text(json.dumps(recipe))

    def changed(self, place: tuple[Any, ...]) -> dict[str, Any]:
        """With another value at `place`: the other server, where it names one."""
        ours, evil = self.hosts
        value = holder_of(self.agreed, place)[place[-1]]
        if not (isinstance(value, str) and ours in value):
            return mutated(place, self.agreed)
        data = copy.deepcopy(self.agreed)
        holder_of(data, place)[place[-1]] = value.replace(ours, evil)
        return data

    def renamed(self, place: tuple[Any, ...]) -> dict[str, Any]:
        """With another name for the key at `place`."""
        data = copy.deepcopy(self.agreed)
        holder = holder_of(data, place)
        holder[f"{place[-1]}x"] = holder.pop(place[-1])
        return data

    def seen(self) -> int:
        return sum(server.connections for server in self.servers)

    def broker(self) -> Broker:
        return Broker(
            home=str(self.home),
            store=self.store,
            person=Nobody(),
            environ={"ARCRUN_ALLOW_HOSTS": ",".join(server.origin for server in self.servers)},
        )


def _bind(broker: Broker) -> None:
    with broker.bind("rich") as client:
        client.get("things")


def _bind_async(broker: Broker) -> None:
    async def run() -> None:
        async with broker.bind_async("rich") as client:
            await client.get("things")

    asyncio.run(run())


def _httpx_auth(broker: Broker) -> None:
    with httpx.Client(auth=httpx_auth("rich", broker=broker)) as client:
        client.get(f"{broker.settings.allow_hosts[0]}/v1/things")


def _git(broker: Broker) -> None:
    origin = parse_origin(broker.settings.allow_hosts[0])
    match = broker.helpers.find("git", origin)
    if match is None:  # the recipe answers for another host now
        raise PolicyRefused("no recipe answers for it", rule="git")
    broker.helpers.token(match)


DOORS: dict[str, Callable[[Broker], object]] = {
    "bind": _bind,
    "get_token": lambda broker: broker.get_token("rich"),
    "bind_async": _bind_async,
    "test": lambda broker: broker.test("rich"),
    "httpx_auth": _httpx_auth,
    "token_provider": lambda broker: token_provider("rich", broker=broker)(),
    "git": _git,
    "a reference": lambda broker: broker.secret("arcrun://rich/a"),
}


def _through(changing: Changing, door: str) -> str:
    """How it ends: `open`, or the error's type."""
    broker = changing.broker()
    try:
        DOORS[door](broker)
    except ConsentRequired as error:
        return "ConsentRequired" if error.changes else "it is not told what changed"
    except AuthError as error:
        return type(error).__name__
    finally:
        broker.close()
    return "open"


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Changing]:
    good = Reply(201, body=b'{"ok": "yes", "id": "ada"}')
    with recorder(lambda _: good) as here, recorder() as evil:
        yield Changing(tmp_path, here, evil)


def test_row_25_any_change_that_matters_stops_before_a_packet_is_sent(changing, board) -> None:
    """One field after the other, by another value and by another name."""
    for door in DOORS:
        assert _through(changing, door) == "open", door
    assert changing.seen() > 0  # what is blocked below would have been seen
    before, ends, passed = changing.seen(), Counter[str](), []
    places = [
        place
        for place, _ in leaves(changing.agreed)
        if place not in COSMETIC | FIXED and place[0] != IN_OTHER_WAYS
    ]
    renamed = [place for place in names(changing.agreed) if place[0] != IN_OTHER_WAYS]
    changes = [
        *((place, changing.changed(place)) for place in places),
        *((place, changing.renamed(place)) for place in renamed),
    ]
    for number, (place, recipe) in enumerate(changes):
        changing.write(recipe)
        # Every change meets one door, and in a full run all of them.
        for door in DOORS if FULL else [list(DOORS)[number % len(DOORS)]]:
            end = _through(changing, door)
            ends[end] += 1
            if end in ("open", "it is not told what changed"):
                passed.append((place, door))
    packets = changing.seen() - before
    board.note(
        25,
        "a recipe that changed after it was agreed to",
        injected=f"{len(places)} fields by value, {len(renamed)} by name, all that matter; "
        f"through {', '.join(DOORS)}",
        must_hold="refused, 0 packets to the old or the new server",
        figure=f"{packets} packets, {len(passed)} passed; {counted(ends)}"
        + (f": {passed[0]}" if passed else ""),
        held=not passed and not packets and ends["ConsentRequired"] > ends.total() * 0.8,
    )


def test_row_25_what_is_only_said_otherwise_passes(changing, board) -> None:
    """A label, a link, a new description: nobody is asked, and the request goes where it went."""
    places = sorted(place for place in COSMETIC if place[0] not in (IN_OTHER_WAYS, "status"))
    stopped = []
    for place in places:
        changing.write(mutated(place, changing.agreed))
        before = changing.servers[0].connections
        end = _through(changing, "bind")
        if end != "open" or changing.servers[0].connections == before:
            stopped.append((place, end))
    board.note(
        25,
        "a recipe whose words changed",
        injected=f"{len(places)} fields for people",
        must_hold="nobody is asked, the request is sent",
        figure=f"{len(stopped)} stopped of {len(places)}" + (f": {stopped[0]}" if stopped else ""),
        held=not stopped,
    )


def counted(ends: Counter[str]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(ends.items()))


def test_row_26_files_made_to_do_harm_are_refused_in_little_time_and_memory(
    tmp_path, board
) -> None:
    """Each is read, linted and added by itself. What that costs is printed; that it ends, holds."""
    catalog = Catalog(tmp_path / "home")
    catalog.names()
    cases = corpus.REFUSED | corpus.UNSHIPPED
    accepted, untyped, slowest, largest = [], [], (0.0, ""), (0, "")
    for name, case in cases.items():
        file = tmp_path / "evil.yaml"
        file.write_bytes(corpus.raw(case))
        for measured in (False, True):  # what traces memory costs time
            started = time.perf_counter()
            if measured:
                tracemalloc.start()
            try:
                catalog.add(file)
                accepted.append(name)
            except RecipeError:
                pass
            except Exception as error:
                untyped.append((name, error))
            if measured:
                largest = max(largest, (tracemalloc.get_traced_memory()[1], name))
                tracemalloc.stop()
            else:
                slowest = max(slowest, (time.perf_counter() - started, name))
    board.note(
        26,
        "recipe files made to do harm",
        injected=f"{len(cases)} files: bombs, keys twice, tags, bytes, names, hosts, templates, "
        "patterns that never end, orders to agents",
        must_hold="all refused by a typed error, nothing added",
        figure=f"{len(accepted)} accepted, {len(untyped)} untyped errors; at most "
        f"{slowest[0] * 1000:.0f} ms ({slowest[1]}) and {largest[0] / 2**20:.1f} MB ({largest[1]})",
        held=not accepted and not untyped and not [*tmp_path.glob("home/recipes/*.yaml")],
    )
