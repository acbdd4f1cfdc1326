"""The test request: how its answers are read."""

from __future__ import annotations

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from tests import canary
from tests.servers import Reply, recorder
from tests.world import Told

RECIPE = """\
service: thing
primitive: static_key
base_url: {origin}
required_secrets:
  - {{key: thing_key}}
inject:
  header: {{Authorization: "Bearer {{{{secret.thing_key}}}}"}}
test:
  path: /me
  ok: {{path: ok, equals: true}}
  identity: "user.name || id"
"""


@pytest.fixture
def answers():
    with recorder() as server:
        yield server


def say(answers, status: int, body: bytes) -> None:
    answers.answer = lambda _: Reply(status, body=body)


def desk(tmp_path, answers) -> Broker:
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    (recipes / "thing.yaml").write_text(RECIPE.format(origin=answers.origin))
    broker = Broker(
        home=str(tmp_path / "home"),
        store=Memory(),
        person=Told(),
        allow_hosts=[answers.origin],
        environ={},
    )
    say(answers, 200, b'{"ok": true}')
    broker.setup("thing", key=canary.fresh())
    return broker


@pytest.mark.parametrize(
    ("body", "identity"),
    [
        (b'{"ok": true, "user": {"name": "ada"}}', "ada"),
        (b'{"ok": true, "id": 7}', "7"),
        (b'{"ok": true, "id": "a\\u001b[2Jb"}', "a[2Jb"),
        (b'{"ok": true}', None),
    ],
)
def test_a_good_answer_tells_whose_account_it_is(tmp_path, answers, body, identity) -> None:
    broker = desk(tmp_path, answers)
    say(answers, 200, body)
    checked = broker.test("thing")
    assert (checked.status, checked.identity) == (200, identity)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error": {"message": "bad key"}}', errors.TokenRefused),
        (403, b"", errors.TokenRefused),
        (200, b'{"ok": false, "error": "invalid_auth"}', errors.TokenRefused),
        (200, b"<html>", errors.TokenRefused),
        (429, b"", errors.ProviderUnavailable),
        (503, b"", errors.ProviderUnavailable),
        (404, b'{"ok": true}', errors.AuthError),
    ],
)
def test_every_other_answer_has_its_own_error(tmp_path, answers, status, body, kind) -> None:
    broker = desk(tmp_path, answers)
    say(answers, status, body)
    with pytest.raises(kind) as caught:
        broker.test("thing")
    assert type(caught.value) is kind
    if b"bad key" in body:
        assert caught.value.error == "bad key"


def test_what_cannot_be_reached_is_unavailable(tmp_path) -> None:
    with recorder() as answers:
        broker = desk(tmp_path, answers)
    with pytest.raises(errors.ProviderUnavailable, match="cannot be reached"):
        broker.test("thing")


def test_an_answer_without_end_is_not_read_to_its_end(tmp_path, answers) -> None:
    broker = desk(tmp_path, answers)
    say(answers, 200, b"x" * (8 << 20))
    with pytest.raises(errors.TokenRefused):
        broker.test("thing")
