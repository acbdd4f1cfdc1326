"""Row 27: an official set that is old, out of date, mixed, forged, damaged, or hostile."""

from __future__ import annotations

import json
import os
import random
import shutil
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.publishing import repository
from tests import mirror, servers
from tests.faults.board import count
from tests.mirror import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Case = tuple[str, dict[str, bytes]]
    """What is done, and the files that are given out in the place of the right ones."""

pytestmark = pytest.mark.fault

NAMES = (
    "../evil.yaml", "..\\evil.yaml", "/evil.yaml", "a/../../evil.yaml", "evil.yaml\0", "..",
)  # fmt: skip


class World:
    """Releases 1 to 3 of a maintainer, each as it was published; a home that has the second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.maintainer = mirror.ceremony(folder / "given" / "maintainer")
        self.published = {1: self._files()}
        self.home = mirror.Home(folder)
        for version in (2, 3):
            self._release(version)
            self.published[version] = self._files()
            if version == 2:
                self._take()
        self.before = self.home.catalog.bodies()
        self.kept = shutil.copytree(self.home.path, folder / "kept", symlinks=True)

    def _release(self, version: int) -> None:
        self.maintainer.release(version, one=recipe("one", f"v{version}.one.com"))

    def _files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.maintainer.site.iterdir()}

    def _take(self) -> None:
        with mirror.mirror(self.maintainer.site) as server:
            self.serve(server)
            assert self.home.update().error is None

    def serve(self, server: servers.Recorder) -> None:
        self.home.environ |= {
            "ARCRUN_RECIPES_URL": server.origin,
            "ARCRUN_RECIPES_ROOT": str(self.maintainer.site / "1.root.json"),
            "ARCRUN_ALLOW_HOSTS": server.origin,
        }

    def again(self) -> None:
        shutil.rmtree(self.home.path)
        shutil.copytree(self.kept, self.home.path, symlinks=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("index"))


def parts(files: dict[str, bytes], version: int) -> dict[str, str]:
    """The names of the files of one release."""
    targets = json.loads(files[f"{version}.targets.json"])["signed"]["targets"]
    digest = targets["recipes.json"]["hashes"]["sha256"]
    return {
        "timestamp": "timestamp.json",
        "snapshot": f"{version}.snapshot.json",
        "targets": f"{version}.targets.json",
        "set": f"{digest}.recipes.json",
    }


def rollbacks(world: World) -> Iterator[Case]:
    for version in (1, 2):
        yield "rollback", {"timestamp.json": world.published[version]["timestamp.json"]}
        yield "rollback", world.published[version]


def mixtures(world: World) -> Iterator[Case]:
    new, old = (parts(world.published[version], version) for version in (3, 2))
    for size in range(1, 4):
        for chosen in combinations(new, size):
            yield "mix", {new[part]: world.published[2][old[part]] for part in chosen}


def freezes(world: World) -> Iterator[Case]:
    copy = world.maintainer.copy(world.folder / "given" / "frozen")
    for days in (8, 30, 300):
        copy.time = world.maintainer.time
        copy.later(days=-days)
        copy.repository.refresh()
        yield "freeze", {"timestamp.json": (copy.site / "timestamp.json").read_bytes()}


def forgeries(world: World) -> Iterator[Case]:
    other = mirror.ceremony(world.folder / "given" / "other")
    for version in (2, 3, 4):
        other.release(version, one=recipe("one", "evil.example"))
    theirs = {path.name: path.read_bytes() for path in other.site.iterdir()}
    yield "forged", {name: data for name, data in theirs.items() if name != "1.root.json"}
    yield "forged", {**theirs, "2.root.json": theirs["1.root.json"]}
    copy = world.maintainer.copy(world.folder / "given" / "signed-by-one")
    copy.rotate("release")
    root = json.loads((copy.site / "2.root.json").read_text())
    for number in range(len(root["signatures"])):
        fewer = {**root, "signatures": [root["signatures"][number]] * 2}
        yield "one root key", {"2.root.json": json.dumps(fewer).encode()}


def flips(world: World, chance: random.Random) -> Iterator[Case]:
    """One bit of one file. In the hex of a signature it may be the same number: that is right."""
    names = [*parts(world.published[3], 3).values()]
    for _ in range(count(400)):
        name = chance.choice(names)
        data = bytearray(world.published[3][name])
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        yield "bit flip", {name: bytes(data)}


def hostile(world: World, patch: pytest.MonkeyPatch) -> Iterator[Case]:
    """Signed with the right keys: whoever stole them can still write no file of ours. It is a
    higher version, so that the one of before is a rollback from then on."""
    for number, name in enumerate(NAMES):
        copy = world.maintainer.copy(world.folder / "given" / f"hostile-{number}")
        data = json.dumps({"version": 9, "recipes": {name: recipe("evil")}}).encode()
        with patch.context() as inner:
            inner.setattr(repository, "pack", lambda _, data=data: (9, data))
            copy.repository.release("")
        yield "hostile name", {path.name: path.read_bytes() for path in copy.site.iterdir()}


def test_row_27_a_set_that_is_not_right_is_not_used(world, board, monkeypatch) -> None:
    # How a file gets to the disk is the matter of other rows, and a thousand wait for it here.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    chance = random.Random(27)
    cases = [
        *rollbacks(world), *mixtures(world), *freezes(world), *forgeries(world),
        *flips(world, chance), *hostile(world, monkeypatch),
    ]  # fmt: skip
    accepted: list[str] = []
    refused = 0
    outside = {path for path in world.folder.iterdir() if path.name != "home"}
    with mirror.mirror(world.maintainer.site) as server:
        world.serve(server)
        world.again()
        assert world.home.update().error is None
        after = world.home.catalog.bodies()
        assert after != world.before
        for kind, files in cases:
            world.again()
            server.lie = lambda name, files=files: (
                servers.Reply(body=files[name]) if name in files else None
            )
            result = world.home.update()
            refused += result.error is not None
            catalog = world.home.catalog
            allowed = (world.before, after) if kind in ("bit flip", "mix") else (world.before,)
            if catalog.bodies() not in allowed or catalog.problems:
                accepted.append(kind)
            server.lie = lambda _: None
            if kind == "hostile name":
                continue
            if world.home.update().error is not None or world.home.catalog.bodies() != after:
                accepted.append(f"{kind}: and the right one is refused after it")
    if {path for path in world.folder.iterdir() if path.name != "home"} != outside:
        accepted.append("a file outside of the home")
    kinds = list(dict.fromkeys(kind for kind, _ in cases))
    board.note(
        27,
        "an official set of recipes that is stale, rolled back, mixed, forged or damaged",
        injected=f"{len(cases)} answers of a mirror: {', '.join(kinds)}",
        must_hold="what was there before stays in use, and the right set is taken afterwards",
        figure=f"{len(accepted)} accepted of {len(cases)}, {refused} refused in words"
        + (f": {accepted[0]}" if accepted else ""),
        held=not accepted,
    )
