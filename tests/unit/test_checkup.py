"""The test request: how its answers are read."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import errors, probe
from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key
from tests import canary
from tests.servers import Reply, recorder
from tests.world import Told, broker_for, home_with

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


def desk(tmp_path, answers, *, recipe: str = RECIPE, more: str = "") -> Broker:
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    (recipes / "thing.yaml").write_text(recipe.format(origin=answers.origin) + more)
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


def test_an_answer_in_drops_is_not_waited_for_to_its_end(tmp_path, answers, monkeypatch) -> None:
    """A byte now and then outlives every time limit of a socket. Ours is over at once here."""
    broker = desk(tmp_path, answers)
    monkeypatch.setattr(probe, "MAX_SECONDS", -1.0)
    with pytest.raises(errors.ProviderUnavailable, match="no end within"):
        broker.test("thing")


def test_an_answer_without_end_is_not_read_to_its_end(tmp_path, answers) -> None:
    broker = desk(tmp_path, answers)
    say(answers, 200, b"x" * (8 << 20))
    with pytest.raises(errors.TokenRefused):
        broker.test("thing")


# -- what it means -------------------------------------------------------------------------

RULES = """\
diagnose:
  - when: {status: 401, error: expired.*}
    say: Keys of this service end after a year.
    do: make a new one
  - when: {status: 503}
    say: It sleeps at night.
  - when: {status: 404, body: 'share the [a-z]+'}
    say: The page is not shared.
    do: share it
"""


@pytest.fixture
def as_bundled(monkeypatch) -> None:
    """Local recipes count like those that came with the package."""
    monkeypatch.setattr("arcrun_auth.catalog.entry.TRUSTED_TIERS", ("bundled", "local"))


@pytest.mark.usefixtures("as_bundled")
@pytest.mark.parametrize(
    ("answer", "kind", "meant"),
    [
        ((401, b'{"error": "expired_key"}'), errors.TokenRefused,
         ("Keys of this service end after a year.", "make a new one")),
        ((401, b'{"error": "other"}'), errors.TokenRefused,
         ("The thing_key is mistyped, has expired or was withdrawn.", "arcrun setup thing")),
        ((503, b""), errors.ProviderUnavailable, ("It sleeps at night.", "arcrun test thing")),
        ((404, b'{"ok": true, "message": "share the page first"}'), errors.AuthError,
         ("The page is not shared.", "share it")),
        ((404, b'{"ok": true}'), errors.AuthError, ("", "arcrun show thing")),
    ],
)  # fmt: skip
def test_the_recipe_says_what_an_answer_means(tmp_path, answers, answer, kind, meant) -> None:
    broker = desk(tmp_path, answers, more=RULES)
    say(answers, *answer)
    with pytest.raises(kind) as caught:
        broker.test("thing")
    assert type(caught.value) is kind
    meaning, hint = meant
    assert caught.value.hint == hint
    assert caught.value.message.endswith(meaning)
    if kind is errors.TokenRefused:
        assert caught.value.meaning == (meaning or None)


def test_an_answer_that_repeats_the_key_shows_it_nowhere(tmp_path, answers) -> None:
    broker = desk(tmp_path, answers)

    def echo(seen):
        key = seen.headers["authorization"].removeprefix("Bearer ")
        return Reply(401, body=b'{"error": {"message": "bad key %s"}}' % key.encode())

    answers.answer = echo  # as some do
    with pytest.raises(errors.TokenRefused) as caught:
        broker.test("thing")
    assert caught.value.error == "bad key ***"
    assert canary.hits(repr(vars(caught.value)) + str(caught.value)) == []


def test_headers_of_the_test_request_are_filled_in(tmp_path, answers) -> None:
    test = (
        'params: {{team: {{default: blue}}}}\ntest:\n  headers: {{X-Team: "{{{{param.team}}}}"}}\n'
    )
    desk(tmp_path, answers, recipe=RECIPE.replace("test:\n", test))
    assert answers.seen[-1].headers["x-team"] == "blue"


# -- without a test request: OpenID Connect's endpoint -------------------------------------


def oauth(tmp_path, provider, answers=None) -> Broker:
    text = provider.recipe_yaml("demo").partition("test:\n")[0]
    if answers is not None:
        text = text.replace(f"{provider.issuer}/userinfo", f"{answers.origin}/userinfo")
    home = home_with(tmp_path, provider, demo=text)
    allow = answers.origin if answers is not None else ""
    return broker_for(home, provider, store=Memory(), environ={"ARCRUN_ALLOW_HOSTS": allow})


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


def test_the_userinfo_endpoint_tells_whose_account_it_is(tmp_path, provider) -> None:
    broker = oauth(tmp_path, provider)
    broker.setup("demo")
    assert provider.requests["/userinfo"] == 1
    checked = broker.test("demo")
    assert checked.status == 200
    assert "ada" in checked.identity
    assert broker.store.get(Key("credential", "demo")).identity == checked.identity


@pytest.mark.parametrize(
    ("data", "identity"),
    [
        ({"sub": "7", "name": "Ada", "preferred_username": "ada", "email": "a@b"}, "a@b"),
        ({"sub": "7", "name": "Ada", "preferred_username": "ada"}, "ada"),
        ({"sub": "7", "name": "Ada", "email": ""}, "Ada"),
        ({"sub": "7"}, "7"),
        ({"sub": ["7"]}, None),
        ([], None),
    ],
)
def test_of_its_claims_people_know_one_best(tmp_path, provider, answers, data, identity) -> None:
    say(answers, 200, json.dumps(data).encode())
    broker = oauth(tmp_path, provider, answers)
    broker.setup("demo")
    assert broker.test("demo").identity == identity
    assert answers.seen[0].headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, errors.TokenRefused), (403, errors.TokenRefused), (503, errors.ProviderUnavailable),
     (429, errors.ProviderUnavailable), (404, errors.AuthError)],
)  # fmt: skip
def test_a_userinfo_endpoint_that_refuses_is_told_and_the_grant_kept(
    tmp_path, provider, answers, status, kind
) -> None:
    say(answers, status, b"{}")
    broker = oauth(tmp_path, provider, answers)
    broker.setup("demo")
    assert broker.store.get(Key("credential", "demo")).grant.dead is None
    with pytest.raises(kind) as caught:
        broker.test("demo")
    assert type(caught.value) is kind
    assert str(status) in caught.value.message


def test_where_nothing_can_be_tried_nothing_is_claimed(tmp_path, provider, answers) -> None:
    text = provider.recipe_yaml("demo").partition("test:\n")[0]
    text = text.replace(f"userinfo_endpoint: {provider.issuer}/userinfo", "pkce: S256")
    keyed = provider.recipe_yaml("keyed", primitive="static_key").partition("test:\n")[0]
    text = text.replace("  pkce: required\n", "")
    home = home_with(tmp_path, provider, demo=text, keyed=keyed)
    broker = broker_for(home, provider, store=Memory())
    broker.setup("demo")
    broker.setup("keyed", key=provider.static_key)
    for name in ("demo", "keyed"):
        checked = broker.test(name)
        assert (checked.status, checked.identity) == (None, None)
    assert provider.requests["/userinfo"] == 0
