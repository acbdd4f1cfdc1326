"""`auth.token_provider`: what all adapters that hand out a token stand on."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
import yaml

import arcrun_auth as auth
from arcrun_auth import adapters, errors
from arcrun_auth.adapters.sdk import load
from arcrun_auth.people import Nobody
from arcrun_auth.shared import default
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.sdk.desk import opened


@pytest.fixture
def desk(tmp_path):
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def provider(desk):
    return auth.token_provider("demo", broker=desk.broker)


def good(desk, token: str) -> bool:
    return desk.provider.authority.holder(f"Bearer {token}") is not None


def test_it_gives_the_token_as_a_text_and_as_a_whole(desk, provider) -> None:
    assert good(desk, provider())
    assert provider.token().access_token == provider()
    assert provider.token().expires_at is not None
    assert repr(provider) == "TokenProvider('demo')"
    assert desk.renewals == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_callers_get_the_same(desk, provider, backend) -> None:
    async def work() -> tuple[str, str]:
        first = await provider.acall()
        desk.expire()
        return first, await provider.acall()

    first, second = anyio.run(work, backend=backend)
    assert first != second
    assert good(desk, second)
    assert desk.renewals == 1


def test_an_expired_token_is_renewed_once_for_all(desk, provider) -> None:
    old = provider()
    desk.expire()
    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(lambda _: provider(), range(40)))
    assert len(tokens) == 1
    assert tokens != {old}
    assert desk.renewals == 1


def test_a_refused_token_is_renewed_once_however_many_say_so(desk, provider) -> None:
    old = provider()
    desk.refuse()

    def meet_the_refusal(_: int) -> str:
        provider.invalidate(old)
        return provider()

    with ThreadPoolExecutor(20) as pool:
        tokens = set(pool.map(meet_the_refusal, range(40)))
    assert len(tokens) == 1
    assert good(desk, tokens.pop())
    assert desk.renewals == 1


def test_without_a_name_the_token_handed_out_last_is_meant(desk, provider) -> None:
    provider.invalidate()  # nothing was handed out yet
    old = provider.token()
    assert desk.renewals == 0
    provider.invalidate()
    assert provider() != old.access_token
    provider.invalidate(old)  # is known to be refused already
    provider()
    assert desk.renewals == 1


def test_one_thread_s_token_does_not_make_another_s_refusal_forgotten(desk, provider) -> None:
    old = provider()
    provider.invalidate(old)
    provider._hand_out(desk.broker.get_token("demo"), None)  # it had asked before the refusal
    assert provider() != old


def test_making_one_checks_the_name_and_sends_and_asks_nothing(desk) -> None:
    with pytest.raises(errors.UnknownService) as caught:
        auth.token_provider("demoo", broker=desk.broker)
    assert "demo" in caught.value.similar
    desk.broker.remove("demo")
    desk.broker._person = Nobody()
    late = auth.token_provider("demo", broker=desk.broker)
    with pytest.raises(errors.LoginRequired):
        late()


def test_scopes_are_asked_for_when_it_is_first_used(desk) -> None:
    desk.broker._person = Nobody()
    fits = auth.token_provider("demo", scopes=["read"], broker=desk.broker)
    assert good(desk, fits())
    more = auth.token_provider("demo", scopes="admin", broker=desk.broker)
    with pytest.raises(errors.MissingScope):
        more()


def test_a_service_without_a_single_token_says_so(desk) -> None:
    recipe = {
        "service": "pair",
        "primitive": "static_key",
        "base_url": desk.api.origin,
        "required_secrets": [{"key": "user"}, {"key": "password"}],
        "inject": {"header": {"Authorization": "Basic {{secret.user}}:{{secret.password}}"}},
    }
    broker = desk.with_recipe(desk.recipe(), pair=yaml.safe_dump(recipe))
    broker.setup("pair", user="ada", password=canary.fresh())
    with pytest.raises(errors.NoToken):
        auth.token_provider("pair", broker=broker)()


def test_without_a_broker_it_is_the_process_s(desk, monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.shared._default", desk.broker)
    assert default() is desk.broker
    assert good(desk, auth.token_provider("demo")())


# -- the table, and what is not there ------------------------------------------------------


def test_the_door_has_every_adapter_and_each_has_a_broker_of_its_own() -> None:
    import inspect

    assert set(adapters.HOMES) <= set(auth.__all__)
    for name in set(adapters.HOMES) - {"TokenProvider"}:
        parameters = inspect.signature(getattr(auth, name)).parameters
        assert {"service", "instance", "broker"} <= set(parameters), name


def test_no_sdk_is_imported_before_it_is_used() -> None:
    code = (
        "import sys; from arcrun import auth; auth.token_provider; auth.requests_auth;"
        "auth.aiohttp_middleware; auth.azure_credential; auth.anthropic_credentials;"
        "auth.github_auth; auth.slack_client; auth.hf_api; auth.httpx_auth;"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'requests', 'aiohttp',"
        " 'azure', 'anthropic', 'github', 'slack_sdk', 'huggingface_hub', 'httpx', 'httpx2'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_missing_sdk_is_an_error_with_the_command_to_type() -> None:
    with pytest.raises(errors.AuthError) as caught:
        load("not_there.at_all", "not-there")
    assert caught.value.hint == "pip install not-there"


def test_an_sdk_that_lacks_something_itself_keeps_its_own_error(tmp_path, monkeypatch) -> None:
    (tmp_path / "half_there.py").write_text("import something_else_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_else"):
        load("half_there", "half-there")


# -- set up anew, removed --------------------------------------------------------------------


def test_after_a_setup_anew_the_token_is_that_of_the_new_login(desk, provider) -> None:
    old = provider()
    desk.broker.setup("demo", replace=True)
    assert provider() != old
    assert good(desk, provider())
    assert desk.renewals == 0


def test_after_a_removal_nothing_of_before_is_handed_out(desk, provider) -> None:
    assert good(desk, provider())
    desk.broker.remove("demo")
    desk.broker._person = Nobody()
    with pytest.raises(errors.LoginRequired):
        provider()
    with pytest.raises(errors.LoginRequired):
        anyio.run(provider.acall)


def test_what_was_closed_is_opened_again(desk, provider) -> None:
    token = provider()
    desk.broker.close()
    assert provider() == token


def test_a_login_of_another_app_is_not_renewed_by_this_one_nor_given_up(desk, provider) -> None:
    old, key = provider(), Key("app", "demo")

    def app(client_id: str) -> None:
        held = desk.broker.store.get(key)
        secrets = {"client_id": Secret(client_id)}
        desk.broker.store.put(held.replace(secrets=secrets), expect=held.generation)

    app("another")
    desk.expire()
    for _ in range(2):
        with pytest.raises(errors.LoginRequired, match="another OAuth app") as caught:
            provider()
        assert caught.value.why == "expired"
        assert "arcrun setup demo" in caught.value.hint
    assert desk.renewals == 0
    assert desk.broker.store.get(Key("credential", "demo")).grant.dead is None
    app("demo")
    assert provider() != old
    assert desk.renewals == 1
    desk.expire()
    assert good(desk, provider())
    app("another")
    desk.expire()
    with pytest.raises(errors.LoginRequired, match="another OAuth app"):
        provider()


def test_a_login_of_before_it_was_noted_whose_it_is_is_renewed(desk, provider) -> None:
    old, key = provider(), Key("credential", "demo")
    held = desk.broker.store.get(key)
    desk.broker.store.put(
        held.replace(grant=held.grant.replace(client=None)), expect=held.generation
    )
    desk.expire()
    assert provider() != old
    assert desk.renewals == 1
