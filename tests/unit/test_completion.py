"""A login that still has to find its address: the grant is kept, and no second login is needed."""

from __future__ import annotations

import json

import pytest
import yaml

from arcrun_auth import errors
from arcrun_auth.adoption import is_of
from arcrun_auth.people import Nobody
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential
from tests import canary
from tests.servers import Reply, recorder
from tests.unit.test_adoption import login_of
from tests.unit.test_quirky_logins import DEMO, Somebody, desk

GO_ON = "arcrun setup demo"


class Interrupted(Somebody):
    """Presses Ctrl-C when asked which one."""

    def ask(self, question, *, hidden=False):
        raise KeyboardInterrupt


@pytest.fixture
def now():
    return [1_700_000_000.0]


@pytest.fixture
def provider(now):
    with Provider(clock=lambda: now[0]) as running:
        yield running


@pytest.fixture
def api():
    with recorder() as server:
        yield server


@pytest.fixture
def at(tmp_path, provider, api, now):
    """A broker of a service whose sites are listed by `api`, with somebody there."""

    def make(*lines, store=None, **more):
        broker = desk(
            tmp_path, provider, *lines, app=None if store else "none", store=store, **more
        )
        recipe = yaml.safe_load(provider.recipe_yaml("demo")) | {
            "base_url": f"{api.origin}/{{{{param.site}}}}",
            "allowed_hosts": [api.origin.partition("//")[2]],
            "params": {"site": {"from": "discover", "pattern": "s[0-9]"}},
            "discover": [
                {
                    "url": f"{api.origin}/sites",
                    "choose": {"label": "name"},
                    "save": {"site": "id"},
                }
            ],
        }
        (tmp_path / "home" / "recipes" / "demo.yaml").write_text(yaml.safe_dump(recipe))
        resolver = broker._connections.resolver
        resolver.allow += (api.origin,)
        resolver.clock = lambda: now[0]
        return broker

    return make


def says(api, data, *, status=200) -> None:
    api.answer = lambda _: Reply(status, body=json.dumps(data).encode())


ONE = [{"id": "s1", "name": "First"}]
TWO = [*ONE, {"id": "s2", "name": "Second"}]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (({}, 503), errors.ProviderUnavailable),
        (({}, 429), errors.ProviderUnavailable),
        (({}, 401), errors.TokenRefused),
        (([], 200), errors.LoginFailed),
        (([{"id": "no such"}], 200), errors.LoginFailed),
        ((TWO, 200), errors.AuthError),
    ],
)
def test_a_login_whose_service_does_not_say_which_one_is_kept_and_completed(
    at, api, provider, said, kind
) -> None:
    broker, (answer, status) = at(), said
    says(api, answer, status=status)
    with pytest.raises(errors.AuthError) as caught:
        broker.setup("demo")
    assert type(caught.value) is kind
    assert caught.value.hint.startswith(GO_ON)
    held = broker.store.get(DEMO)
    assert held.grant is not None
    assert broker.why("demo").status == "incomplete"
    with pytest.raises(errors.LoginRequired, match="not complete") as caught:
        broker.bind("demo", interactive=False)
    assert caught.value.hint == GO_ON
    says(api, ONE)
    at(store=broker.store).setup("demo")
    assert len(provider.authorizations) == 1
    assert broker.store.get(DEMO).params == {"site": "s1"}
    assert broker.why("demo").status == "connected"
    with broker.bind("demo", interactive=False) as client:
        assert str(client.base_url) == f"{api.origin}/s1/"


def begun(at, api, *lines, person=None, status=503):
    """A store with a login that is kept and not complete."""
    broker = at(*lines, person=person)
    says(api, [], status=status)
    with pytest.raises(errors.AuthError):
        broker.setup("demo")
    says(api, ONE)
    return broker.store


def test_a_login_that_was_taken_over_is_kept_and_completed_too(at, api, provider) -> None:
    """Its refresh token is spent by then: there is no second try with that."""
    broker, grant = at(), login_of(provider, "demo")
    says(api, [], status=503)
    for kind in (errors.ProviderUnavailable, errors.AuthError):
        with pytest.raises(kind) as caught:
            broker.adopt("demo", grant=grant)
        assert caught.value.hint.startswith(GO_ON)
    held = broker.store.get(DEMO)
    assert held.incomplete
    assert is_of(held, grant)
    says(api, ONE)
    at(store=broker.store).setup("demo")
    assert (len(provider.authorizations), provider.refreshes, provider.reuses) == (0, 1, 0)
    assert broker.why("demo").status == "connected"
    assert is_of(broker.store.get(DEMO), grant), "and is known again"


def test_whoever_is_asked_which_one_and_leaves_keeps_the_login(at, api, provider) -> None:
    broker = at(person=Interrupted())
    says(api, TWO)
    with pytest.raises(KeyboardInterrupt):
        broker.setup("demo")
    again = at("Second", store=broker.store)
    again.setup("demo")
    assert len(provider.authorizations) == 1
    assert broker.store.get(DEMO).params == {"site": "s2"}


def test_a_login_that_is_kept_is_renewed_to_go_on(at, api, now, provider) -> None:
    store = begun(at, api)
    now[0] += 7200
    at(store=store).setup("demo")
    assert (len(provider.authorizations), provider.refreshes, provider.reuses) == (1, 1, 0)
    assert store.get(DEMO).grant.issued == now[0]
    now[0] += 7200
    at(store=store).get_token("demo", interactive=False)
    assert (provider.refreshes, provider.reuses) == (2, 0)


def test_to_go_on_nobody_has_to_be_there_or_to_agree_again(at, api) -> None:
    store = begun(at, api)
    again = at(store=store, person=Nobody())
    assert again.setup("demo").connected
    assert again.why("demo").status == "connected"
    assert store.get(DEMO).consents["demo"].hosts == (api.origin.partition("//")[2],)


def test_a_bind_goes_on_too(at, api, provider) -> None:
    store = begun(at, api)
    with at(store=store).bind("demo") as client:
        assert str(client.base_url) == f"{api.origin}/s1/"
    assert len(provider.authorizations) == 1


def test_a_new_secret_is_not_passed_over_for_a_login_of_before(at, api, provider, tmp_path) -> None:
    """Where a grant is asked for with a secret, that is what the person wants tried."""
    store = begun(at, api)
    again = at(store=store)
    path = tmp_path / "home" / "recipes" / "demo.yaml"
    recipe = yaml.safe_load(path.read_text()) | {"required_secrets": [{"key": "demo_pin"}]}
    path.write_text(yaml.safe_dump(recipe))
    again.setup("demo", pin=canary.fresh())
    assert len(provider.authorizations) == 2
    assert "demo_pin" in store.get(DEMO).secrets


@pytest.mark.parametrize("end", ["refused", "ended", "scopes"])
def test_a_login_that_leads_nowhere_is_done_anew(at, api, now, provider, end) -> None:
    store = begun(at, api)
    told = store.get(DEMO).grant.access_token
    if end == "refused":
        answers = iter([Reply(403), Reply(body=json.dumps(ONE).encode())])
        api.answer = lambda _: next(answers, Reply())
    if end == "ended":
        provider.authority.end(told.reveal())
        now[0] += 7200
    again = at(store=store)
    again.setup("demo", scopes=["more"] if end == "scopes" else None)
    assert len(provider.authorizations) == 2
    assert store.get(DEMO).grant.access_token != told
    assert store.get(DEMO).params == {"site": "s1"}
    assert any("A new login" in line for line in again.person.said) is (end != "scopes")


def test_a_login_that_was_removed_meanwhile_is_whole_again(at, api) -> None:
    broker = at()

    def answer(seen):
        if seen.target == "/sites":
            at(store=broker.store).remove("demo")
        return Reply(body=json.dumps(ONE).encode())

    api.answer = answer
    broker.setup("demo")
    assert broker.why("demo").status == "connected"


def test_what_makes_no_host_of_an_address_is_told_and_loses_no_login(at, api, tmp_path) -> None:
    broker = at()
    path = tmp_path / "home" / "recipes" / "demo.yaml"
    recipe = yaml.safe_load(path.read_text())
    recipe["base_url"] = "https://{{param.site}}.example.com"
    recipe["allowed_hosts"].append("{{param.site}}.example.com")
    recipe["params"]["site"]["pattern"] = ".*"
    path.write_text(yaml.safe_dump(recipe))
    says(api, [{"id": "*"}])
    with pytest.raises(errors.RecipeError) as caught:
        broker.setup("demo")
    assert caught.value.hint == GO_ON
    assert broker.why("demo").status == "incomplete"


# -- others at the same record -------------------------------------------------------------


def renewed_by_another(at, store, now):
    """Another process that renews, as if its token had ended."""
    other = at(store=store, person=Nobody())
    token = other.get_token("demo", interactive=False).access_token
    other._connections.known("demo", None).token(rejected=token)


def test_a_renewal_during_the_test_request_is_not_written_over(at, api, now, provider) -> None:
    """The old refresh token in its place would end the login at the next renewal."""
    broker = at()

    def answer(seen):
        if seen.target == "/s1/me":
            api.answer = lambda _: Reply(body=b'{"email": "ada"}')
            renewed_by_another(at, broker.store, now)
            return Reply(body=b'{"email": "ada"}')
        return Reply(body=json.dumps(ONE).encode())

    api.answer = answer
    broker.setup("demo")
    assert (provider.refreshes, broker.store.get(DEMO).identity) == (1, "ada")
    now[0] += 7200
    broker.get_token("demo", interactive=False)
    assert (provider.refreshes, provider.reuses) == (2, 0)


def test_a_new_login_during_the_test_request_stands(at, api, now) -> None:
    broker = at()

    def answer(seen):
        if seen.target == "/s1/me":
            api.answer = lambda seen: Reply(
                body=b'{"email": "eve"}' if seen.target == "/s1/me" else json.dumps(ONE).encode()
            )
            now[0] += 1
            at(store=broker.store).setup("demo", replace=True)
            return Reply(body=b'{"email": "ada"}')
        return Reply(body=json.dumps(ONE).encode())

    api.answer = answer
    broker.setup("demo")
    held = broker.store.get(DEMO)
    assert (held.grant.issued, held.identity) == (now[0], "eve")


def test_what_is_not_complete_is_still_so_when_it_is_read_again() -> None:
    for name in ("incomplete", "untested"):
        held = Credential(DEMO, **{name: True})
        assert getattr(Credential.load(held.dump()), name) is True
        assert name not in Credential(DEMO).dump()
