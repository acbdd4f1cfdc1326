"""Docker's own library for Python asks the credential helper, as the docker command does."""

from __future__ import annotations

import os
import sys

import pytest

from arcrun_auth import Broker
from tests.cli.conftest import Agrees, cli, provider, served  # noqa: F401 - fixtures
from tests.sdk.desk import sdk

HOST = "registry.example.com"


@pytest.fixture
def store(served, monkeypatch):  # noqa: F811 - the fixture
    """The helper of that name on the PATH, for a recipe that answers for one registry."""
    credentials = sdk("docker.credentials", "docker")
    file = served.home / "recipes" / "demo_static.yaml"
    file.write_text(f"{file.read_text()}\ndocker: {{registries: [{HOST}], username: token}}\n")
    path = f"{os.path.dirname(sys.executable)}:{served.env['PATH']}"
    monkeypatch.setenv("PATH", path)
    return credentials.Store("arcrun", environment=served.env | {"PATH": path})


def test_it_gets_the_password_of_a_registry_that_is_connected(served, provider, store) -> None:  # noqa: F811
    broker = Broker(home=str(served.home), environ=served.env, person=Agrees())
    broker.setup("demo_static", key=provider.static_key)
    broker.close()
    found = store.get(f"https://{HOST}")
    assert (found["Username"], found["Secret"]) == ("token", provider.static_key)
    assert store.list() == {HOST: "token"}


@pytest.mark.parametrize("server", ["https://other.example.com", f"https://{HOST}"])
def test_it_is_told_that_there_is_none_in_the_words_it_knows(store, server) -> None:
    errors = sdk("docker.credentials.errors", "docker")
    with pytest.raises(errors.CredentialsNotFound):
        store.get(server)
