"""A signed set of recipes, and a web server that gives it out: honestly, or as a test wants."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.publishing import pkcs8
from arcrun_auth.publishing.keys import Keyring
from arcrun_auth.publishing.repository import Repository
from arcrun_auth.remote.update import Updates
from arcrun_auth.settings import Settings
from arcrun_auth.tokens import Secret
from tests import canary, servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from arcrun_auth.publishing.repository import KeyName

PASSPHRASE = f"{canary.WORD}-of-the-keys"
NOW = 1_800_000_000.0
"""What time is it for the updates of the tests, as far as they are told? In 2027."""


def recipe(service: str, host: str = "", **more) -> str:
    """A static key for one host."""
    extra = "".join(f"{name}: {json.dumps(value)}\n" for name, value in more.items())
    return (
        f"service: {service}\nprimitive: static_key\n"
        f"base_url: https://{host or f'api.{service}.com'}\n"
        f"required_secrets: [{{key: {service}_key, help_url: 'https://{service.strip('_')}.com/keys'}}]\n"
        f"inject: {{header: {{Authorization: 'Bearer {{{{secret.{service}_key}}}}'}}}}\n{extra}"
    )


def release(maintainer, version=2, host="api.one.com", **more):
    return maintainer.release(version, one=recipe("one", host), three=recipe("three"), **more)


def recipes(folder: Path, version: int, **texts: str) -> Path:
    """A folder with the recipes of a set; `_base` and such are given by their names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    (folder / "version").write_text(f"{version}\n")
    return folder


class Keys(Keyring):
    """Keys that are cheap to open, for they are opened a thousand times."""

    def make(self, name: str):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pkcs8, "COST", (2, 1, 1))
            return super().make(name)


class Maintainer:
    """Whoever has the keys. Everything lies below one folder, which can be copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = datetime.now(UTC)

    @property
    def site(self) -> Path:
        return self.folder / "site"

    @property
    def repository(self) -> Repository:
        keys = Keys(str(self.folder / "keys"), lambda _: Secret(PASSPHRASE))
        return Repository(str(self.site), keys, lambda: self.time)

    def release(self, version: int, **texts: str) -> int:
        return self.repository.release(str(recipes(self.folder / "recipes", version, **texts)))

    def rotate(self, name: KeyName) -> int:
        return self.repository.rotate(name, str(self.folder / "recipes"))

    def copy(self, folder: Path) -> Maintainer:
        shutil.copytree(self.folder, folder)
        return Maintainer(folder)

    def later(self, **delta: float) -> None:
        self.time += timedelta(**delta)


def ceremony(folder: Path) -> Maintainer:
    """The keys, the first root, and a first release with the service `one`."""
    made = Maintainer(folder)
    made.repository.init()
    made.release(1, one=recipe("one"))
    return made


class Mirror(servers.Recorder):
    """Gives out the files of a folder; `lie` may answer in its place."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.lie: Callable[[str], servers.Reply | None] = lambda _: None
        super().__init__(self._give)

    def _give(self, seen: servers.Seen) -> servers.Reply:
        name = os.path.basename(seen.target)
        reply = self.lie(name)
        if reply is not None:
            return reply
        path = self.site / name
        if not path.is_file():
            return servers.Reply(404, body=b"Not Found")
        return servers.Reply(body=path.read_bytes())


@contextlib.contextmanager
def mirror(site: Path) -> Iterator[Mirror]:
    server = Mirror(site)
    try:
        yield server
    finally:
        server.close()


class Home:
    """A user's home, its settings, and a package with a bundled set of its own."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.path = folder / "home"
        self.bundled = folder / "bundled"
        if not self.bundled.exists():
            recipes(self.bundled, 1, one=recipe("one"), two=recipe("two"))
        self.environ = environ

    @property
    def settings(self) -> Settings:
        return Settings(str(self.path), environ=self.environ)

    @property
    def catalog(self) -> Catalog:
        return Catalog(self.path, bundled=self.bundled, settings=self.settings)

    @property
    def lock(self) -> Path:
        return self.path / "recipes" / "recipes.lock"

    def updates(self, now: float = NOW) -> Updates:
        return Updates(self.settings, self.catalog, now=now)

    def update(self, **options):
        """The result of the only source."""
        (result,) = self.updates().run(**options)
        return result


def loaded(maintainer, name):
    """What is signed in a file of the site."""
    return json.loads((maintainer.site / name).read_text())["signed"]
