"""A recipe on a platform of one's own: published with every field, and found from elsewhere."""

from __future__ import annotations

import pytest

from arcrun_auth.server import accounts
from arcrun_auth.tokens import Secret
from tests.cli.test_recipe_push import RICH
from tests.platform_desk import desk


@pytest.fixture
def server(tmp_path, monkeypatch):
    with desk(tmp_path / "server") as found:
        monkeypatch.setenv("ARCRUN_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("ARCRUN_SERVER", found.origin)
        monkeypatch.setenv("ARCRUN_ALLOW_HOSTS", found.origin)
        yield found


def editor(server) -> str:
    """The key of an account that may publish."""
    code = server.database.write(lambda tx: accounts.invite(tx, "recipes"))
    with server.cloud() as nobody:
        return nobody.register(invite=Secret(code)).api_key


def test_it_arrives_whole_and_is_found(server, inside, tmp_path) -> None:
    (tmp_path / "my_api.yaml").write_text(RICH)
    key = editor(server)
    ran = inside("recipes", "push", "my_api.yaml", "--yes", ARCRUN_API_KEY=key)
    assert ran.code == 0, ran.both
    assert "my_api is on 127.0.0.1:" in ran.err
    assert "lost" not in ran.out
    (tmp_path / "my_api.yaml").unlink()
    assert inside("show", "my_api").code == 2, "nothing is asked for where nobody is there"
    shown = inside("show", "my_api", ARCRUN_INTERACTIVE="1")
    assert "api.example.com" in shown.out, shown.both
    assert inside("show", "my_api").code == 0
    with server.cloud(key) as cloud:
        actions = [entry.action for entry in cloud.audit().entries]
    assert actions == ["account.create", "recipe.publish"]


def test_a_key_without_the_role_publishes_nothing(server, inside, tmp_path) -> None:
    (tmp_path / "my_api.yaml").write_text(RICH)
    with server.account() as anna:
        key = anna.key.reveal()
    ran = inside("recipes", "push", "my_api.yaml", "--yes", ARCRUN_API_KEY=key)
    assert ran.code == 5
    assert "may not publish recipes" in ran.err
    assert server.database.read(lambda tx: tx.all("SELECT service FROM recipes")) == []
