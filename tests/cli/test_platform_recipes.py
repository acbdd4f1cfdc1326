"""A recipe on a platform of one's own: published with every field, and found from elsewhere."""

from __future__ import annotations

import pytest

from arcrun_auth.server import accounts
from arcrun_auth.tokens import Secret
from tests.cli.test_recipe_push import RICH
from tests.platform_desk import desk


@pytest.fixture
def server(cli, tmp_path):
    with desk(tmp_path / "server") as found:
        cli.env |= {"ARCRUN_SERVER": found.origin, "ARCRUN_ALLOW_HOSTS": found.origin}
        yield found


def push(cli, key: str):
    path = cli.folder / "my_api.yaml"
    path.write_text(RICH)
    ran = cli("recipes", "push", str(path), "--yes", ARCRUN_API_KEY=key)
    path.unlink()
    return ran


def test_it_arrives_whole_and_is_found(server, cli) -> None:
    code = server.database.write(lambda tx: accounts.invite(tx, "recipes"))
    with server.cloud() as nobody:
        key = nobody.register(invite=Secret(code)).api_key
    ran = push(cli, key)
    assert ran.code == 0, ran.both
    assert "my_api is on 127.0.0.1:" in ran.err
    assert "lost" not in ran.out
    assert cli("show", "my_api").code == 2, "nobody is there, so no platform is asked"
    shown = cli("show", "my_api", ARCRUN_INTERACTIVE="1")
    assert "api.example.com" in shown.out, shown.both
    with server.cloud(key) as cloud:
        actions = [entry.action for entry in cloud.audit().entries]
    assert actions == ["account.create", "recipe.publish"]


def test_a_key_without_the_role_publishes_nothing(server, cli) -> None:
    with server.account() as anna:
        key = anna.key.reveal()
    ran = push(cli, key)
    assert ran.code == 5
    assert "may not publish recipes" in ran.err
    assert server.database.read(lambda tx: tx.all("SELECT service FROM recipes")) == []
