"""An official set that arrives between two releases of the package is asked about."""

from __future__ import annotations

import contextlib

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.errors import ConsentRequired
from arcrun_auth.people import Nobody
from tests import canary, mirror
from tests.mirror import recipe
from tests.world import Told, master_key


@pytest.fixture
def world(made, tmp_path):
    """A maintainer who releases, a home that fetches it, and brokers there."""
    (tmp_path / "given").mkdir()
    maintainer = made.copy(tmp_path / "given" / "maintainer")
    with mirror.mirror(maintainer.site) as server:
        home = mirror.Home(
            tmp_path,
            ARCRUN_RECIPES_URL=server.origin,
            ARCRUN_RECIPES_ROOT=str(maintainer.site / "1.root.json"),
            ARCRUN_ALLOW_HOSTS=server.origin,
        )
        yield World(maintainer, home)


class World:
    def __init__(self, maintainer, home) -> None:
        self.maintainer, self.home = maintainer, home
        self.key = master_key()

    def publish(self, version: int, one: str) -> None:
        self.maintainer.release(version, one=one, two=recipe("two"))
        assert self.home.update().error is None

    def local(self, name: str, text: str) -> None:
        folder = self.home.path / "recipes"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / name).write_text(text)

    def broker(self, person=None, **environ: str) -> Broker:
        return Broker(
            home=str(self.home.path), recipes=self.home.catalog, person=person or Nobody(),
            environ={**self.home.environ, **self.key, **environ},
        )  # fmt: skip

    def connect(self) -> None:
        with contextlib.closing(self.broker(Told())) as here:
            here.setup("one", one_key=canary.fresh())

    def token(self, person=None, **environ: str) -> str:
        with contextlib.closing(self.broker(person, **environ)) as here:
            return here.get_token("one").access_token


def test_another_host_is_asked_about(world) -> None:
    world.connect()
    world.publish(2, recipe("one", "evil.example"))
    with pytest.raises(ConsentRequired, match=r"api\.one\.com → evil\.example"):
        world.token()


def test_another_word_is_not(world) -> None:
    world.connect()
    world.publish(2, recipe("one", description="The first of all services."))
    assert world.home.catalog.recipe("one").description == "The first of all services."
    assert world.token()


def test_what_the_package_says_too_is_code_and_was_trusted(world) -> None:
    world.connect()
    moved = recipe("one", "new.one.com")
    world.publish(3, moved)
    mirror.recipes(world.home.bundled, 2, one=moved, two=recipe("two"))
    person = Told()
    assert world.home.catalog.entry("one").tier == "official"
    assert world.token(person)
    assert "changed with this release" in person.said[0]
    again = Told()
    assert world.token(again)
    assert again.said == []


def test_a_set_is_not_left_for_the_package_unasked(world) -> None:
    """It may be a company's: its secret is not for the hosts that the package knows."""
    world.publish(2, recipe("one", "one.corp.example"))
    world.connect()
    mirror.recipes(world.home.bundled, 3, one=recipe("one", "api.one.com"))
    assert world.home.catalog.entry("one").tier == "bundled"
    with pytest.raises(ConsentRequired, match=r"one\.corp\.example → api\.one\.com"):
        world.token(Told())


def test_another_set_of_the_package_s_words_is_asked_about_too(world) -> None:
    world.publish(2, recipe("one", "one.corp.example"))
    world.connect()
    world.publish(3, recipe("one"))
    with pytest.raises(ConsentRequired, match=r"one\.corp\.example → api\.one\.com"):
        world.token(Told())


def test_what_was_agreed_to_of_the_package_is_no_word_for_a_file_of_the_user(world) -> None:
    world.connect()
    world.local("one.override.yaml", recipe("one", "mine.example"))
    with pytest.raises(ConsentRequired, match=r"api\.one\.com → mine\.example"):
        world.token(Told())


def test_a_way_in_that_the_package_does_not_have_is_asked_about(world) -> None:
    world.connect()
    mirror.recipes(world.home.bundled, 1, two=recipe("two"))
    world.publish(2, recipe("one", "new.one.com"))
    with pytest.raises(ConsentRequired):
        world.token()


def test_a_secret_of_the_environment_is_for_official_recipes_too(world) -> None:
    world.publish(2, recipe("one", "new.one.com"))
    assert world.token(ARCRUN_ONE_KEY=canary.fresh())
