"""CI vaults: what a job gets, what it cannot, and the store that it reads."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.broker import Broker
from arcrun_auth.ci_identity import REQUEST_TOKEN, REQUEST_URL
from arcrun_auth.errors import (
    AuthError,
    LoginRequired,
    ProviderUnavailable,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    TokenRefused,
)
from arcrun_auth.protocol import ci_vault
from arcrun_auth.protocol.keys import Sealed
from arcrun_auth.server.config import Config
from arcrun_auth.server.providers import Providers
from arcrun_auth.stores.cloud_store import CloudStore
from arcrun_auth.sync import account
from arcrun_auth.testing import Provider, StoreReadContract
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.issuer import Issuer
from tests.platform_desk import FREE, desk
from tests.servers import Reply, recorder
from tests.world import Told, home_with, master_key

KEY = bytes(range(32))
NOTION = Key("credential", "notion")


def bodies(**secrets):
    return {
        Key("credential", name): {"method": "key", "secrets": {"token": value}}
        for name, value in secrets.items()
    }


# -- the row -----------------------------------------------------------------------------------


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(max_size=40)))
def test_what_is_sealed_is_opened_with_the_same_key_alone(secrets):
    sealed = ci_vault.seal(KEY, ci_vault.text_of(bodies(**secrets)))
    found = ci_vault.opened(KEY, Sealed.of(*sealed.wire))
    assert {k.account: r.secrets["token"].reveal() for k, r in found.items()} == secrets
    assert all(record.generation == 1 for record in found.values())
    with pytest.raises(ValueError, match="tag"):
        ci_vault.opened(KEY[::-1], sealed)


def test_the_same_records_make_the_same_text_in_whatever_order_they_come():
    one, two = bodies(a="1", b="2"), bodies(b="2", a="1")
    assert ci_vault.text_of(one) == ci_vault.text_of(two)
    assert ci_vault.mac(KEY, ci_vault.text_of(one)) != ci_vault.mac(KEY[::-1], b"")


def test_the_name_of_a_row_is_that_of_sync_and_tells_nothing():
    name = ci_vault.row_name(KEY)
    assert name.startswith("s_")
    assert len(name) == 42
    assert set(name[2:]) <= set("0123456789abcdef")
    assert name != ci_vault.row_name(KEY[::-1])


@pytest.mark.parametrize(
    "text",
    [
        {"v": 2, "kind": "ci", "records": []},
        {"v": 1, "kind": "other", "records": []},
        {"v": 1, "kind": "ci"},
        {"v": 1, "kind": "ci", "records": [{"key": ["credential", "a", "b"]}]},
        {"v": 1, "kind": "ci", "records": 7},
        [],
    ],
)
def test_what_is_no_row_of_ours_is_refused(text):
    with pytest.raises(ValueError):
        ci_vault.opened(KEY, ci_vault.seal(KEY, json.dumps(text).encode()))


# -- the store of a job ----------------------------------------------------------------------------


class TestCloudStore(StoreReadContract):
    @pytest.fixture
    def store(self):
        sealed = ci_vault.seal(KEY, ci_vault.text_of(bodies(notion=canary.fresh("notion"))))
        return CloudStore({"ARCRUN_ENCRYPTION_KEY": KEY.hex()}, lambda _: sealed.wire)

    @pytest.fixture
    def held(self, store):
        return store.get(NOTION)


def test_a_job_fetches_once_and_asks_for_the_row_of_its_key():
    asked = []
    sealed = ci_vault.seal(KEY, ci_vault.text_of(bodies(notion="x")))

    def fetch(row):
        asked.append(row)
        return sealed.wire

    store = CloudStore({"ARCRUN_ENCRYPTION_KEY": KEY.hex()}, fetch)
    assert asked == []
    assert [store.get(NOTION) is not None, store.get(Key("credential", "x"))] == [True, None]
    list(store.keys())
    assert asked == [ci_vault.row_name(KEY)]


def test_a_job_without_a_key_or_with_a_wrong_one_is_told():
    nothing = CloudStore({}, lambda _: None)
    assert "no key of a CI vault" in nothing.why_not()
    with pytest.raises(StoreLocked, match="no key of a CI vault"):
        nothing.get(NOTION)
    with pytest.raises(StoreError, match="is no key"):
        CloudStore({"ARCRUN_ENCRYPTION_KEY": "hunter2"}, lambda _: None).get(NOTION)
    none = CloudStore({"ARCRUN_ENCRYPTION_KEY": KEY.hex()}, lambda _: None)
    with pytest.raises(StoreLocked, match="no CI vault"):
        none.get(NOTION)


@pytest.mark.parametrize("wire", [("YWFh", "YWFh"), ("?", "?"), ("YWFh" * 12, "YWFh" * 4)])
def test_a_row_that_was_changed_is_corrupt(wire):
    store = CloudStore({"ARCRUN_ENCRYPTION_KEY": KEY.hex()}, lambda _: wire)
    with pytest.raises(StoreCorrupt, match="damaged"):
        store.get(NOTION)


# -- from the home to the job ------------------------------------------------------------------


class World:
    """A platform, a provider, a home that is logged in, and jobs."""

    def __init__(self, folder: Path, provider: Provider, server) -> None:
        self.provider, self.server, self.folder = provider, server, folder
        lasting = yaml.safe_load(provider.recipe_yaml("lasting"))
        lasting["oauth2"]["refresh"] = {"rotates": "no"}
        self.home = home_with(folder, provider, lasting=yaml.safe_dump(lasting))
        self.allow = [provider.issuer, server.origin]
        self.environ = {
            **master_key(), "ARCRUN_ALLOW_HOSTS": ",".join(self.allow),
        }  # fmt: skip
        self.broker = self.open()
        for name in ("demo", "lasting"):
            app = Credential(Key("app", name), secrets={"client_id": Secret("demo")})
            self.broker.store.put(app, expect=0)
        cloud = server.account()
        account.keep(
            self.broker.store.primary, server.url, cloud.key, account="a", email="a@example.com"
        )
        self.cloud = cloud
        self.broker.setup("keyed", key=provider.static_key)

    def open(self) -> Broker:
        return Broker(
            home=self.home, person=Told(), open_url=self.provider.follow, environ=self.environ
        )

    def job(self, variables) -> Broker:
        """A runner: a home with the recipes and nothing else, and what it was given."""
        home = self.folder / "runner"
        if not home.exists():
            (home / "recipes").mkdir(parents=True, mode=0o700)
            for path in (Path(self.home) / "recipes").glob("*.yaml"):
                (home / "recipes" / path.name).write_text(path.read_text())
        given = {n: v.reveal() if isinstance(v, Secret) else v for n, v in variables.items()}
        allowed = {"ARCRUN_ALLOW_HOSTS": ",".join(self.allow), "ARCRUN_KEYRING": "off"}
        return Broker(home=str(home), environ={**allowed, **given})


@pytest.fixture
def world(tmp_path):
    with Provider(rotates=False) as provider, desk(tmp_path / "server") as server:
        made = World(tmp_path, provider, server)
        yield made
        made.cloud.close()


@pytest.fixture(autouse=True)
def server_folder(tmp_path):
    (tmp_path / "server").mkdir()


def test_a_job_uses_what_it_was_given_and_nothing_else(world):
    world.broker.setup("demo")
    made = world.broker.ci.create("deploy", ["keyed"])
    assert set(made.variables) == {
        "ARCRUN_SERVER", "ARCRUN_STORE", "ARCRUN_ENCRYPTION_KEY", "ARCRUN_API_KEY",
    }  # fmt: skip
    job = world.job(made.variables)
    with job.bind("keyed") as client:
        assert client.get("/static").status_code == 200
    with pytest.raises(LoginRequired):
        job.bind("demo", interactive=False)
    with pytest.raises(StoreError, match="read-only"):
        job.setup("keyed", key=world.provider.static_key)
    job.close()
    left = [p for p in (world.folder / "runner").rglob("*") if p.is_file() and p.stat().st_size]
    assert {p.parent.name for p in left if "index" not in p.name} <= {"recipes"}


def test_a_job_cannot_reach_another_row_or_write_its_own(world):
    made = world.broker.ci.create("deploy", ["keyed"])
    other = world.broker.ci.create("other", ["keyed"])
    world.cloud.put_row("plain", "YWFh" * 8, "YWFhYWFhYWFhYWFh")
    with world.server.cloud(made.variables["ARCRUN_API_KEY"]) as cloud:
        own = ci_vault.row_name(made.vault.raw)
        assert cloud.row(own) is not None
        for row in ("plain", ci_vault.row_name(other.vault.raw)):
            with pytest.raises(TokenRefused):
                cloud.row(row)
        with pytest.raises(AuthError):
            cloud.put_row(own, "YWFh" * 8, "YWFhYWFhYWFhYWFh")


def test_a_login_whose_refresh_token_stays_is_renewed_by_the_job(world):
    world.broker.setup("lasting")
    made = world.broker.ci.create("deploy", ["lasting"])
    job = world.job(made.variables)
    before = world.provider.refreshes
    with job.bind("lasting") as client:
        assert client.get("/me").status_code == 200
    assert world.provider.refreshes == before + 1
    with world.broker.bind("lasting") as client:
        assert client.get("/me").status_code == 200


def test_a_login_that_rotates_is_refused_with_the_reason(world):
    world.broker.setup("demo")
    with pytest.raises(AuthError, match="ends the one before") as caught:
        world.broker.ci.create("deploy", ["keyed", "demo"])
    assert "arcrun show demo" in caught.value.hint
    assert world.broker.ci.listed() == []
    assert world.cloud.keys()[0].kind == "account"
    assert len(world.cloud.keys()) == 1


def test_what_the_environment_alone_gives_is_nobodys_to_send(world):
    world.broker.settings.environ["ARCRUN_NOTION_TOKEN"] = canary.fresh("notion")
    with pytest.raises(LoginRequired, match="not stored here"):
        world.broker.ci.create("deploy", ["notion"])


def test_a_name_that_is_none_or_taken_is_refused(world):
    for name in ("", "Deploy", "a b", "x" * 41):
        with pytest.raises(AuthError, match="letters, digits"):
            world.broker.ci.create(name, ["keyed"])
    world.broker.ci.create("deploy", ["keyed"])
    with pytest.raises(AuthError, match="already"):
        world.broker.ci.create("deploy", ["keyed"])
    with pytest.raises(AuthError, match="no CI vault"):
        world.broker.ci.remove("none")


def test_a_changed_key_reaches_the_job_with_the_next_update_and_only_then(world):
    made = world.broker.ci.create("deploy", ["keyed"])
    version = world.cloud.row(ci_vault.row_name(made.vault.raw)).version
    assert world.broker.ci.update() == []
    assert world.cloud.row(ci_vault.row_name(made.vault.raw)).version == version
    held = world.broker.store.get(Key("credential", "keyed"))
    fresh = held.replace(secrets={name: Secret(canary.fresh("new")) for name in held.secrets})
    world.broker.store.put(fresh, expect=held.generation)
    assert world.broker.ci.update("deploy") == ["deploy"]
    found = world.job(made.variables).store.get(Key("credential", "keyed"))
    assert found.secrets == fresh.secrets


def test_one_that_cannot_be_updated_stops_no_other(world):
    world.broker.setup("keyed", "work", key=world.provider.static_key)
    world.broker.ci.create("a", ["keyed@work"])
    world.broker.ci.create("b", ["keyed"])
    world.broker.remove("keyed", "work")
    held = world.broker.store.get(Key("credential", "keyed"))
    world.broker.store.put(held.replace(identity="somebody"), expect=held.generation)
    with pytest.raises(LoginRequired, match="not stored"):
        world.broker.ci.update()
    assert world.broker.ci.update("b") == []


def test_one_that_was_removed_is_of_no_use_to_a_job(world):
    made = world.broker.ci.create("deploy", ["keyed"])
    world.broker.ci.remove("deploy")
    with pytest.raises(TokenRefused):
        world.job(made.variables).store.get(Key("credential", "keyed"))
    assert world.broker.ci.listed() == []
    assert world.cloud.row(ci_vault.row_name(made.vault.raw)) is None


def test_what_was_begun_and_not_ended_can_be_removed(world, monkeypatch):
    def gone(*_, **__):
        raise ProviderUnavailable("The platform is down.")

    monkeypatch.setattr("arcrun_auth.cloud.Cloud.create_key", gone)
    with pytest.raises(ProviderUnavailable):
        world.broker.ci.create("deploy", ["keyed"])
    (begun,) = world.broker.ci.listed()
    assert begun.key_id == ""
    world.broker.ci.remove("deploy")
    assert world.cloud.row(ci_vault.row_name(begun.raw)) is None


def test_a_job_with_no_key_to_the_platform_is_told_what_to_give(world):
    made = world.broker.ci.create("deploy", ["keyed"])
    given = {n: v for n, v in made.variables.items() if n != "ARCRUN_API_KEY"}
    with pytest.raises(StoreLocked, match="no key to a platform"):
        world.job(given).store.get(Key("credential", "keyed"))


def test_the_platform_sees_neither_a_secret_nor_a_name(world):
    world.broker.ci.create("deploy", ["keyed"])
    world.server.database.close()
    text = b"".join(p.read_bytes() for p in (world.folder / "server").rglob("*") if p.is_file())
    assert world.provider.static_key.encode() not in text
    assert b"keyed" not in text


def test_nothing_of_it_shows_its_key(world):
    made = world.broker.ci.create("deploy", ["keyed"])
    assert made.vault.key.reveal() not in repr(made.vault) + str(vars(world.broker.ci))
    assert os.path.exists(world.home)


def test_a_record_that_two_vaults_hold_is_sealed_under_two_keys(world):
    one = world.broker.ci.create("a", ["keyed"]).vault
    two = world.broker.ci.create("b", ["keyed"]).vault
    assert one.raw != two.raw
    row = world.cloud.row(ci_vault.row_name(one.raw))
    with pytest.raises(ValueError, match="tag"):
        ci_vault.opened(two.raw, Sealed.of(row.encrypted, row.iv))
    assert isinstance(world.broker.store.get(Key("device", "ci", "a")), Credential)


# -- by the identity token of the job ------------------------------------------------------------


def test_a_job_needs_no_api_key_where_it_shows_its_identity_token(tmp_path):
    with ExitStack() as stack:
        issuer = Issuer(stack.enter_context(recorder()))
        issuer.user = "repo:ada/site:ref:refs/heads/main"
        providers = Providers(allow_hosts=(issuer.issuer,))
        config = Config(registration="open", limits=FREE, providers=providers)
        server = stack.enter_context(desk(tmp_path / "server", config))
        system = stack.enter_context(recorder())
        token = json.dumps({"value": issuer.token(audience=server.url)}).encode()
        system.answer = lambda _: Reply(body=token)
        world = World(tmp_path, stack.enter_context(Provider(rotates=False)), server)
        stack.enter_context(world.cloud)
        world.allow.append(system.origin)

        made = world.broker.ci.create(
            "site", ["keyed"], issuer=issuer.issuer, subject="repo:ada/site:ref:refs/heads/*"
        )

        assert set(made.variables) == {
            "ARCRUN_SERVER", "ARCRUN_STORE", "ARCRUN_ENCRYPTION_KEY", "ARCRUN_CI_VAULT",
        }  # fmt: skip
        assert (made.vault.key_id, made.vault.subject) == ("", "repo:ada/site:ref:refs/heads/*")
        asked = {REQUEST_URL: f"{system.origin}/t?x=1", REQUEST_TOKEN: canary.fresh("bearer")}
        with world.job({**made.variables, **asked}).bind("keyed") as client:
            assert client.get("/static").status_code == 200
        world.broker.ci.remove("site")
        with pytest.raises(TokenRefused):
            world.job({**made.variables, **asked}).store.get(Key("credential", "keyed"))
