"""The example of a plug-in: built, installed, found by its entry point, and used."""

from __future__ import annotations

import base64
import hmac
import importlib
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from arcrun_auth import errors, primitives
from arcrun_auth.lint import lint
from arcrun_auth.tokens import Secret
from tests import canary
from tests.docs.pages import DOCS, blocks
from tests.home import broker_with
from tests.servers import Reply, recorder

EXAMPLE = Path(__file__).parents[1] / "plugin_example"
PAGE = DOCS / "howto" / "own-primitive.md"
RECIPE = (EXAMPLE / "depot.yaml").read_text()


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder that the package was installed into, from a wheel that was built of it here."""
    work = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, work / "source")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=120)
    (wheel,) = work.glob("*.whl")
    # The interpreter below this environment has pip: with it the environment was made.
    pip = [sys._base_executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    target = work / "site"
    subprocess.run(
        [*pip, "--no-index", "--no-deps", "--target", str(target), str(wheel)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return target


@pytest.fixture
def here(installed, monkeypatch):
    """This process, with the package on its path."""
    monkeypatch.syspath_prepend(installed)
    monkeypatch.setattr(primitives, "_loaded", {})
    yield
    sys.modules.pop("arcrun_hawk", None)


class Server:
    """Checks signatures by the specification: with the method, path, host and port it sees."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.nonces: set[str] = set()

    def __call__(self, seen) -> Reply:
        given = dict(re.findall(r'(\w+)="([^"]*)"', seen.headers.get("authorization", "")))
        if not given or given["nonce"] in self.nonces:
            return Reply(401, {"WWW-Authenticate": "Hawk"})
        self.nonces.add(given["nonce"])
        host, _, port = seen.headers["host"].partition(":")
        signed = f"hawk.1.header\n{given['ts']}\n{given['nonce']}\n{seen.method}\n"
        signed += f"{seen.target}\n{host}\n{port}\n\n\n"
        mac = hmac.digest(self.key.encode(), signed.encode(), "sha256")
        good = given["mac"] == base64.b64encode(mac).decode() and given["id"] == "k-1"
        return Reply(200 if good else 401, body=b'{"name": "Ada"}')


def recipe(origin: str) -> str:
    return RECIPE.replace("service: depot", "service: thing").replace(
        "https://api.example.com", origin
    )


def test_an_installed_primitive_signs_every_request(here, tmp_path) -> None:
    key = canary.fresh("key")
    with recorder(Server(key)) as server:
        broker = broker_with(tmp_path, recipe(server.origin), server.origin)
        broker.setup("thing", depot_key_id="k-1", depot_key=key)
        assert broker.list_services()["thing"].instances["default"].identity == "Ada"
        with broker.bind("thing") as client:
            for url in ("/a", "/a?b=c&d=%20", "/x/y"):
                assert client.get(url).status_code == 200
            assert client.post("/a", json={"a": 1}).status_code == 200
        assert key not in server.raw


def test_its_signatures_are_those_of_the_specification(here) -> None:
    hawk = importlib.import_module("arcrun_hawk")
    header = hawk.authorization(
        "GET", "http://example.com:8000/resource/1?b=1&a=2", "dh37fgj492je",
        Secret("werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn"), now=1353832234, nonce="j4h3g2",
    )  # fmt: skip
    # Its README signs this request with an `ext` on top: the same text without it.
    text = "hawk.1.header\n1353832234\nj4h3g2\nGET\n/resource/1?b=1&a=2\nexample.com\n8000\n\n\n"
    key = b"werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn"
    assert hmac.digest(
        key, text.replace("\n\n\n", "\n\nsome-app-ext-data\n").encode(), "sha256"
    ) == (base64.b64decode("6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE="))
    mac = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()
    assert header == f'Hawk id="dh37fgj492je", ts="1353832234", nonce="j4h3g2", mac="{mac}"'


def test_its_recipe_is_one_that_the_linter_likes(here) -> None:
    assert lint({"depot.yaml": RECIPE}, tier="local") == []


def test_it_says_what_is_wrong_with_a_recipe(here) -> None:
    (finding,) = lint({"depot.yaml": RECIPE.replace("key: depot_key}", "key: nope}")}, tier="local")
    assert (finding.field, finding.severity) == ("options.key", "error")


def test_without_the_package_its_recipe_is_listed_and_told(tmp_path) -> None:
    broker = broker_with(tmp_path, recipe("https://api.example.com"))
    assert "thing" in broker.list_services()
    with pytest.raises(errors.RecipeError, match="primitive 'hawk'"):
        broker.setup("thing", depot_key_id="k-1", depot_key=canary.fresh())
    (finding,) = lint({"depot.yaml": RECIPE}, tier="local")
    assert (finding.rule, finding.severity) == ("primitive", "warning")


def test_the_page_about_it_shows_these_very_files() -> None:
    shown = {block.about: block.text for block in blocks(PAGE) if block.note == "file"}
    assert shown == {
        f"plugin_example/{name}": (EXAMPLE / name).read_text()
        for name in ("pyproject.toml", "arcrun_hawk.py", "depot.yaml")
    }


def test_the_wheel_holds_the_module_and_its_entry_point_and_nothing_else(installed, here) -> None:
    assert {path.name for path in installed.glob("*.py")} == {"arcrun_hawk.py"}
    (point,) = distribution("arcrun-hawk").entry_points
    assert (point.group, point.name) == (primitives.GROUP, "hawk")
