"""`Arcrun`: connections of this machine; values and workflows of a platform, in all its shapes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64encode

import pytest

from arcrun_auth import Arcrun, platform_config, shared
from arcrun_auth.broker import Broker
from arcrun_auth.errors import (
    AuthError,
    HostNotAllowed,
    ProviderUnavailable,
    StoreError,
    TokenRefused,
)
from arcrun_auth.sync import account
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Secret
from tests import canary
from tests.needs import needs
from tests.platform_desk import desk
from tests.public_platform import KEY, PublicPlatform
from tests.world import Told, broker_for, home_with, master_key

SEAL = bytes(range(32))


@pytest.fixture
def platform():
    with PublicPlatform(sealed=True) as running:
        yield running


@pytest.fixture
def home(tmp_path, monkeypatch, platform):
    """The home of this process's broker, which may talk to the platform."""
    path = tmp_path / "given" / "home"  # the platform's own file lies there in clear
    path.mkdir(parents=True, mode=0o700)
    use(monkeypatch, Broker(home=str(path), environ=master_key(), allow_hosts=[platform.url]))
    monkeypatch.setenv("ARCRUN_ALLOW_HOSTS", platform.url)
    return path


def use(monkeypatch, broker, **environ):
    broker.settings.environ = {**broker.settings.environ, **environ}
    monkeypatch.setattr(shared, "_default", broker)
    return broker


def client(platform, **more):
    broker = shared.default()
    broker.settings.environ = {**broker.settings.environ, "ARCRUN_ALLOW_HOSTS": platform.url}
    return Arcrun(
        **{"api_key": KEY, "base_url": platform.url, "encryption_key": SEAL.hex(), **more}
    )


# -- connections ------------------------------------------------------------------------------


def test_a_key_is_set_up_bound_and_handed_out_as_text_and_lives_on(tmp_path, monkeypatch):
    with Provider() as provider:
        home = home_with(tmp_path, provider)
        environ = master_key()
        use(monkeypatch, broker_for(home, provider, environ=environ))
        arcrun = Arcrun()
        arcrun.auth.setup("keyed", key=provider.static_key)
        later = broker_for(home, provider, environ=environ)  # as a later process has it
        use(monkeypatch, later)
        arcrun = Arcrun()
        with arcrun.auth.bind("keyed") as bound:
            assert bound.get("/static").status_code == 200
        token = arcrun.auth.get_token("keyed")
        assert token == provider.static_key
        listed = {each["service"]: each for each in arcrun.auth.list_services()}
        assert listed["keyed"]["connected"]
        assert listed["keyed"]["instances"] == ["default"]
        assert listed["notion"]["display_name"] == "Notion"
        assert not listed["notion"]["connected"]
        json.dumps(arcrun.auth.list_services())


def test_it_is_imported_from_the_alias_too():
    from arcrun.auth import Arcrun as Same

    assert Same is Arcrun


# -- values ------------------------------------------------------------------------------------


def test_a_value_goes_sealed_and_nothing_else_of_it(home, platform):
    value = canary.fresh("value")
    client(platform).creds.push("my_token", value)
    method, path, headers, body = platform.seen[-1]
    assert (method, path, headers["x-arcrun-api-key"]) == ("POST", "/credentials", KEY)
    assert set(body) == {"name", "encrypted", "iv"}
    assert not canary.hits(json.dumps(platform.seen))


NODE = """
const {webcrypto: {subtle}} = require("crypto");
const read = (text, i) => Buffer.from(text, i ? "base64" : "hex");
const [key, iv, data] = process.argv.slice(1, 4).map(read);
subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"])
  .then(k => subtle.decrypt({name: "AES-GCM", iv}, k, data))
  .then(plain => process.stdout.write(Buffer.from(plain)));
"""


@pytest.mark.peer
def test_node_opens_what_was_pushed_with_the_key_itself(home, platform):
    needs(shutil.which("node"), "node")
    client(platform, encryption_key=b64encode(SEAL).decode()).creds.push("my_token", "välue123")
    body = platform.seen[-1][3]
    command = ["node", "-e", NODE, SEAL.hex(), body["iv"], body["encrypted"]]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert done.stdout.decode() == "välue123"


def test_values_are_listed_and_forgotten_by_their_names(home, platform):
    creds = client(platform).creds
    for name in ("two", "one"):
        creds.push(name, "value123")
    platform.rows["s_" + "ab" * 20] = {"name": "s_" + "ab" * 20}
    platform.rows["odd"] = {"name": 7}
    assert creds.list() == ["one", "two"]
    assert creds.delete("one")
    assert not creds.delete("one")
    assert creds.list() == ["two"]


@pytest.mark.parametrize("name", ["", "a-b", "a/b", "é", "x" * 129, "s_ab", "S_name"])
def test_what_is_no_name_is_refused_before_anything_is_sent(home, platform, name):
    with pytest.raises(ValueError, match="name"):
        client(platform).creds.push(name, "value123")
    assert platform.seen == []


def test_a_row_of_sync_is_not_deleted_by_name(home, platform):
    with pytest.raises(ValueError, match="sync"):
        client(platform).creds.delete("s_" + "ab" * 20)
    assert platform.seen == []


def test_a_platform_that_keeps_plain_values_gets_none(home):
    with PublicPlatform() as plain:
        value = canary.fresh("value")
        with pytest.raises(AuthError, match="缺少 value") as caught:
            client(plain).creds.push("my_token", value)
        assert "arcrun serve" in caught.value.hint
        assert [len(body) for *_, body in plain.seen] == [3]


def test_without_an_encryption_key_nothing_is_sent(home, platform):
    with pytest.raises(AuthError, match="no encryption key") as caught:
        client(platform, encryption_key=None).creds.push("my_token", "value123")
    assert "openssl rand" in caught.value.hint
    with pytest.raises(StoreError, match="is no key"):
        client(platform, encryption_key="hunter2").creds.push("my_token", "value123")
    assert platform.seen == []


def test_with_the_server_of_this_project_it_is_the_same(tmp_path, monkeypatch):
    with desk(tmp_path) as server, server.account() as cloud:
        broker = Broker(home=str(tmp_path / "home"), environ=master_key())
        use(monkeypatch, broker, ARCRUN_ALLOW_HOSTS=server.origin)
        arcrun = Arcrun(cloud.key.reveal(), server.url, SEAL.hex())
        assert arcrun.health()["ok"] is True
        for number in range(3):
            arcrun.creds.push(f"my_{number}", canary.fresh("value"))
        cloud.put_row("s_" + "ab" * 20, "YWFh" * 8, "YWFhYWFhYWFhYWFh")
        assert arcrun.creds.list() == ["my_0", "my_1", "my_2"]
        assert arcrun.creds.delete("my_1")
        assert not arcrun.creds.delete("my_1")
        with pytest.raises(AuthError, match="404"):
            arcrun.workflows.list()


# -- workflows -------------------------------------------------------------------------------------


def test_workflows_are_stored_run_listed_and_forgotten(home, platform):
    workflows = client(platform).workflows
    url = workflows.push("sum up", {"nodes": []}, "adds")
    assert url.startswith(platform.url)
    assert [each["name"] for each in workflows.list()] == ["sum up"]
    platform.workflows["sum"] = {}
    assert workflows.run("sum", {"a": 1, "b": 2}) == {"sum": 3}
    assert platform.seen[-1][3] == {"a": 1, "b": 2}
    assert workflows.delete("sum")
    assert not workflows.delete("sum")


@pytest.mark.parametrize("result", [[1, 2], "done", 7, None, {"error": "of the workflow itself"}])
def test_a_result_may_be_whatever_a_workflow_gives(home, platform, result):
    platform.workflows["any"] = {}
    platform.result = result
    assert client(platform).workflows.run("any") == result


def test_a_workflow_that_there_is_not_or_that_failed_is_an_error(home, platform):
    with pytest.raises(AuthError, match="404"):
        client(platform).workflows.run("none")
    platform.workflows["bad"] = {}
    platform.result = {"success": False, "error": "節點失敗"}
    with pytest.raises(AuthError, match="節點失敗"):
        client(platform).workflows.run("bad")
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="no name"):
            client(platform).workflows.run(name)


def test_a_workflow_without_an_address_is_told(home, platform):
    platform.wrong = (201, "application/json", "{}")
    with pytest.raises(AuthError, match="no address"):
        client(platform).workflows.push("x", {})


# -- all shapes of errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ((401, "application/json", '{"error": "無效的 key"}'), TokenRefused, "無效的 key"),
        ((403, "application/json", '{"success": false, "error": "no"}'), TokenRefused, "no"),
        ((400, "text/plain", "Bad Request"), AuthError, "Bad Request"),
        ((500, "text/plain", "Internal Server Error"), ProviderUnavailable, "500"),
        ((404, "text/html", "<h1>Not found</h1>"), AuthError, "404"),
        ((200, "application/json", '{"success": false, "error": "失敗"}'), AuthError, "失敗"),
        ((429, "application/problem+json", '{"detail": "slow"}'), ProviderUnavailable, "slow"),
        ((200, "application/json", "[]"), AuthError, "no platform"),
    ],
)
def test_every_shape_of_an_error_becomes_one_of_ours(home, platform, wrong, error, words):
    platform.wrong = wrong
    with pytest.raises(error, match=words):
        client(platform).creds.list()


def test_a_key_that_is_repeated_by_the_platform_is_not_repeated_by_us(home, platform):
    platform.wrong = (400, "application/json", json.dumps({"error": f"bad key {KEY}"}))
    with pytest.raises(AuthError) as caught:
        client(platform).creds.list()
    assert KEY not in str(caught.value)


def test_the_key_goes_to_no_plain_address_that_was_not_allowed(home, platform):
    shared.default().settings.environ = master_key()
    with pytest.raises((HostNotAllowed, AuthError)):
        Arcrun(KEY, platform.url, SEAL.hex()).creds.list()
    assert platform.seen == []


# -- where the keys come from ------------------------------------------------------------------


def test_an_argument_stands_before_a_variable_and_that_before_the_file(home, platform, monkeypatch):
    config = home / "config.yaml"
    config.write_text(f"api_key: ak_file\nbase_url: {platform.url}\nencryption_key: {SEAL.hex()}\n")
    allowed = {"ARCRUN_ALLOW_HOSTS": platform.url}
    use(monkeypatch, shared.default(), **allowed)
    Arcrun().creds.push("x", "value123")
    use(monkeypatch, shared.default(), ARCRUN_API_KEY="ak_variable")
    Arcrun().creds.list()
    Arcrun(api_key="ak_argument").creds.list()
    keys = [headers["x-arcrun-api-key"] for _, _, headers, _ in platform.seen]
    assert keys == ["ak_file", "ak_variable", "ak_argument"]


def test_the_login_of_this_home_stands_before_the_file(home, platform, monkeypatch):
    broker = use(monkeypatch, shared.default(), ARCRUN_ALLOW_HOSTS=platform.url)
    (home / "config.yaml").write_text("api_key: ak_file\nbase_url: https://other.example\n")
    account.keep(broker.store, platform.url, Secret("ak_login"), account="a", email="")
    Arcrun().creds.list()
    assert platform.seen[-1][2]["x-arcrun-api-key"] == "ak_login"


def test_a_key_goes_to_the_platform_that_it_is_for_and_to_no_other(home, platform, monkeypatch):
    broker = use(monkeypatch, shared.default(), ARCRUN_ALLOW_HOSTS=platform.url)
    config = home / "config.yaml"
    account.keep(
        broker.store, "https://real.example", Secret(canary.fresh("login")), account="a", email=""
    )
    config.write_text(f"api_key: {canary.fresh('file')}\nbase_url: https://other.example\n")
    with pytest.raises(AuthError, match="no API key"):
        Arcrun(base_url=platform.url).creds.list()
    use(monkeypatch, broker, ARCRUN_SERVER=platform.url)
    with pytest.raises(AuthError, match="no API key"):
        Arcrun().creds.list()
    assert platform.seen == []
    config.write_text("api_key: ak_file\n")  # which is for no platform alone
    Arcrun().creds.list()
    assert platform.seen[-1][2]["x-arcrun-api-key"] == "ak_file"


def test_pages_of_names_that_lead_in_a_circle_have_an_end(home, platform):
    turns = iter("bcbcbcbc")
    answer = platform.answer

    def turn(method, path, key, body):
        if method == "GET" and path.startswith("/credentials"):
            return 200, {"credentials": [{"name": "a"}], "next": next(turns)}
        return answer(method, path, key, body)

    platform.answer = turn
    assert client(platform).creds.list() == ["a"]


def test_with_nothing_at_all_it_says_what_to_set(home):
    with pytest.raises(AuthError, match="No platform is named") as caught:
        Arcrun().health()
    assert "ARCRUN_SERVER" in caught.value.hint
    with pytest.raises(AuthError, match="no API key") as caught:
        Arcrun(base_url="https://platform.example").creds.list()
    assert caught.value.hint.endswith("arcrun login")


def test_neither_a_client_nor_its_file_shows_a_key(home):
    (home / "config.yaml").write_text(f"api_key: {canary.fresh('api')}\n")
    arcrun = Arcrun(api_key=canary.fresh("api"), encryption_key=canary.fresh("seal"))
    print(arcrun, vars(arcrun), vars(arcrun.creds), platform_config.read(str(home)))


CONFIG = """# of the platform
api_key: ak_file
theme: dark
encryption_key: {seal}
base_url: https://platform.example
"""


def test_somebody_at_a_terminal_is_asked_once_to_move_the_keys_into_the_vault(home, monkeypatch):
    config = home / "config.yaml"
    config.write_text(CONFIG.format(seal=SEAL.hex()))
    person = Told()
    broker = use(monkeypatch, Broker(home=str(home), environ=master_key(), person=person))
    arcrun = Arcrun(base_url="https://platform.example")
    assert arcrun._keys.encryption_key() == SEAL
    assert len(person.asked) == 1
    assert config.read_text() == (
        "# of the platform\ntheme: dark\nbase_url: https://platform.example\n"
    )
    later = Arcrun()._keys
    assert later.encryption_key() == SEAL
    assert later.api_key().reveal() == "ak_file"
    assert later.platform().url == "https://platform.example"
    assert broker.store.get(platform_config.KEY) is not None
    assert len(person.asked) == 1


def test_who_says_no_keeps_the_file(home, monkeypatch):
    config = home / "config.yaml"
    config.write_text(CONFIG.format(seal=SEAL.hex()))
    person = Told(yes=False)
    broker = use(monkeypatch, Broker(home=str(home), environ=master_key(), person=person))
    assert Arcrun()._keys.encryption_key() == SEAL
    assert config.read_text() == CONFIG.format(seal=SEAL.hex())
    assert list(broker.store.keys()) == []


@pytest.mark.parametrize(
    "text",
    [
        "{{api_key: ak_file, base_url: 'https://platform.example', encryption_key: {seal}}}\n",
        "api_key: |\n  ak_file\nbase_url: https://platform.example\nencryption_key: {seal}\n",
    ],
)
def test_a_file_that_is_written_otherwise_is_read_and_left_to_the_person(home, monkeypatch, text):
    config = home / "config.yaml"
    config.write_text(text.format(seal=SEAL.hex()))
    person = Told()
    use(monkeypatch, Broker(home=str(home), environ=master_key(), person=person))
    assert Arcrun()._keys.encryption_key() == SEAL
    assert config.read_text() == text.format(seal=SEAL.hex())
    assert "yourself" in person.said[-1]


def test_what_the_vault_holds_already_is_not_replaced(home, monkeypatch):
    person = Told()
    broker = use(monkeypatch, Broker(home=str(home), environ=master_key(), person=person))
    account.keep(broker.store, "https://mine.example", Secret("ak_mine"), account="a", email="")
    (home / "config.yaml").write_text("api_key: ak_file\nbase_url: https://platform.example\n")
    found = platform_config.read(str(home))
    assert platform_config.take(broker.store, found) == []
    assert not platform_config.clear(broker.store, found)


@pytest.mark.parametrize("text", ["- a\n", "a: [", "\ufffe", "x" * 70_000])
def test_a_file_that_is_none_of_the_platforms_is_told(home, text):
    (home / "config.yaml").write_text(text)
    with pytest.raises(AuthError, match="no configuration"):
        platform_config.read(str(home))


def test_a_file_that_is_no_text_or_cannot_be_read_is_told(home):
    (home / "config.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(AuthError, match="no configuration"):
        platform_config.read(str(home))
    os.unlink(home / "config.yaml")
    (home / "config.yaml").mkdir()
    with pytest.raises(AuthError, match="cannot be read"):
        platform_config.read(str(home))


def test_an_empty_file_says_nothing(home):
    (home / "config.yaml").write_text("# nothing yet\n")
    found = platform_config.read(str(home))
    assert (found.base_url, found.secrets) == ("", {})
