"""Primitives: what signs (secrets, tokens made here, tokens asked for), plug-ins, the fence."""

from __future__ import annotations

import json
import threading
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from arcrun_auth import errors, primitives
from arcrun_auth.broker import Broker
from arcrun_auth.oauth.call import Draft
from arcrun_auth.primitives.base import Primitive
from arcrun_auth.recipe import read
from arcrun_auth.signing import Signed, Signer
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Grant, Key, Secret
from tests import canary
from tests.servers import Reply, recorder
from tests.world import Told, master_key


class Made(Primitive):
    """Counts what it makes: a token of a minute."""

    label = "a token that is made here"
    source = "made"
    count = 0

    def check(self, way, secrets):
        if secrets["made_key"].reveal().endswith("bad"):
            raise errors.AuthError("This key can never sign.")

    def issue(self, desk):
        type(self).count += 1
        text = f"{desk.secret('made_key').reveal()}.{self.count}"
        return Grant(access_token=Secret(text), issued=desk.now, expires=desk.now + 60)


class Asked(Primitive):
    """Asks a server that the recipe declares, or one that it does not."""

    source = "grant"

    def servers(self, way):
        yield ("options", "url"), way.options["url"]

    def issue(self, desk):
        draft = Draft(desk.way.options.get("instead") or desk.way.options["url"], {})
        draft.fields["key"] = desk.secret("made_key")
        answer = json.loads(desk.send(draft.call("POST", "json")).body)
        return Grant(
            access_token=Secret(answer["token"]),
            issued=desk.now,
            expires=desk.now + answer["life"],
            secrets={"session": Secret(answer["session"])},
        )


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Both, as if installed packages had brought them."""
    points = EntryPoints(
        EntryPoint(name, f"{__name__}:{place}", primitives.GROUP)
        for name, place in (("made", "Made"), ("asked", "Asked"), ("no_primitive", "Told"))
    )
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)
    monkeypatch.setattr(primitives, "_loaded", {})
    Made.count = 0


class World:
    """An API that echoes how a request was signed, a token endpoint, and a broker."""

    def __init__(self, tmp_path, server) -> None:
        self.folder, self.server = tmp_path, server
        self.key = canary.fresh("key")
        (tmp_path / "recipes").mkdir(parents=True)
        tmp_path.chmod(0o700)

    def broker(self, primitive: str, *further: str, **settings) -> Broker:
        text = "\n".join([
            "service: thing",
            f"primitive: {primitive}",
            f"base_url: {self.server.origin}",
            "required_secrets: [{key: made_key}]",
            *further,
        ])  # fmt: skip
        (self.folder / "recipes" / "thing.yaml").write_text(text)
        settings.setdefault("store", Memory())
        return Broker(
            home=str(self.folder),
            allow_hosts=[self.server.origin],
            person=settings.pop("person", Told()),
            **settings,
        )


@pytest.fixture
def world(tmp_path):
    life, count = [60.0], [0]

    def answer(seen):
        if seen.target != "/token":
            return Reply(401 if "refuse" in seen.target else 200)
        count[0] += 1
        body = {"token": f"{canary.WORD}-t{count[0]}", "life": life[0], "session": canary.fresh()}
        return Reply(body=json.dumps(body).encode())

    with recorder(answer) as server:
        found = World(tmp_path / "home", server)
        found.life = life
        yield found


def sent(world) -> list[str]:
    return [seen.headers["authorization"] for seen in world.server.seen if seen.target != "/token"]


def asked(world) -> int:
    return sum(seen.target == "/token" for seen in world.server.seen)


# -- tokens that are made here -----------------------------------------------------------


def test_a_token_made_here_serves_all_until_its_end_and_is_never_stored(world) -> None:
    now = [1000.0]
    broker = world.broker("made", clock=lambda: now[0])
    broker.setup("thing", key=world.key)
    assert broker.store.get(Key("credential", "thing")).grant is None
    Made.count = 0
    with broker.bind("thing") as client:
        client.get("/a")
        client.get("/b")
        now[0] += 59
        client.get("/c")
    assert sent(world)[-3:] == [f"Bearer {world.key}.{n}" for n in (1, 1, 2)]
    assert broker.store.get(Key("credential", "thing")).grant is None
    assert broker.get_token("thing").access_token == f"{world.key}.2"


def test_a_hundred_callers_with_one_refused_token_make_one_new_one(world) -> None:
    broker = world.broker("made")
    broker.setup("thing", key=world.key)
    first = broker.get_token("thing").access_token
    source = broker._connections.known("thing", None)
    Made.count = 10
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda: got.append(source.token(rejected=first).access_token))
        for _ in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(got) == {f"{world.key}.11"}
    assert len(got) == 100


def test_a_401_makes_a_new_token_once(world) -> None:
    broker = world.broker("made")
    broker.setup("thing", key=world.key)
    Made.count = 0
    with broker.bind("thing") as client:
        assert client.get("/refuse").status_code == 401
    assert sent(world)[-2:] == [f"Bearer {world.key}.{n}" for n in (1, 2)]


def test_a_key_that_can_never_work_is_not_kept_and_nothing_is_sent(world) -> None:
    broker = world.broker("made")
    with pytest.raises(errors.AuthError, match="can never sign"):
        broker.setup("thing", key=world.key + "bad")
    assert broker.store.get(Key("credential", "thing")) is None
    assert world.server.seen == []


def test_a_key_that_is_replaced_signs_from_then_on(world) -> None:
    broker = world.broker("made")
    broker.setup("thing", key=world.key)
    with broker.bind("thing") as client:
        client.get("/")
        broker.setup("thing", key=world.key + "new")
        with broker.bind("thing") as second:
            second.get("/")
    assert sent(world)[-1].startswith(f"Bearer {world.key}new.")


# -- tokens that a server is asked for ---------------------------------------------------

URL = "options: {{url: '{}/token'}}"


def test_a_token_that_was_asked_for_is_kept_and_asked_for_again_at_its_end(world) -> None:
    now = [1000.0]
    store = Memory()
    broker = world.broker(
        "asked", URL.format(world.server.origin), store=store, clock=lambda: now[0]
    )
    broker.setup("thing", key=world.key)
    assert asked(world) == 1
    for _ in range(3):  # three processes
        again = world.broker(
            "asked", URL.format(world.server.origin), store=store, clock=lambda: now[0]
        )
        assert again.get_token("thing").access_token == f"{canary.WORD}-t1"
    now[0] += 61
    assert again.get_token("thing").access_token == f"{canary.WORD}-t2"
    assert asked(world) == 2
    instance = again.list_services()["thing"].instances["default"]
    assert (instance.status, instance.can_renew, instance.warnings) == ("connected", True, ())
    assert [kept.outcome for kept in again.keepalive()] == ["fine"]
    assert again.remove("thing", revoke=True).told is None


def test_a_secret_of_the_environment_is_enough(world) -> None:
    broker = world.broker(
        "asked",
        URL.format(world.server.origin),
        store=None,
        environ={"ARCRUN_THING_MADE_KEY": world.key, **master_key()},
    )
    with broker.bind("thing") as client:
        client.get("/")
    assert sent(world) == [f"Bearer {canary.WORD}-t1"]


def test_a_secret_for_this_call_is_exchanged_and_stored_nowhere(world) -> None:
    broker = world.broker("asked", URL.format(world.server.origin))
    with broker.bind("thing", secret={"key": world.key}) as client:
        client.get("/")
    assert sent(world) == [f"Bearer {canary.WORD}-t1"]
    assert broker.store.get(Key("credential", "thing")) is None


def test_what_came_with_the_token_and_what_the_recipe_injects_sign_together(world) -> None:
    broker = world.broker(
        "asked",
        URL.format(world.server.origin),
        'inject: {header: {Authorization: "Bearer {{token.access_token}}",'
        ' X-Key: "{{secret.made_key}}"}}',
    )
    broker.setup("thing", key=world.key)
    with broker.bind("thing") as client:
        client.get("/")
    assert world.server.seen[-1].headers["x-key"] == world.key
    token = broker.get_token("thing")
    assert set(token.secrets) == {"made_key", "session"}
    # And from the store, in another process.
    later = Broker(home=str(world.folder), store=broker.store, allow_hosts=[world.server.origin])
    assert later.get_token("thing", interactive=False).secrets == token.secrets


def test_a_primitive_sends_to_no_host_that_the_recipe_does_not_declare(world) -> None:
    with recorder() as other:
        broker = world.broker(
            "asked", f"options: {{url: '{world.server.origin}/token', instead: '{other.origin}'}}"
        )
        broker._allow_hosts = (world.server.origin, other.origin)
        with pytest.raises(errors.HostNotAllowed):
            broker.setup("thing", key=world.key)
        assert other.seen == []
    assert asked(world) == 0


def test_who_agrees_is_told_where_the_key_goes(world) -> None:
    person = Told()
    broker = world.broker("asked", URL.format(world.server.origin), person=person)
    broker.setup("thing", key=world.key)
    host = world.server.origin.removeprefix("http://")
    assert f"To get a token, what you give it will be sent to: {host}" in person.said


# -- plug-ins -----------------------------------------------------------------------------


def test_a_recipe_whose_plug_in_is_not_here_is_listed_and_told_at_its_first_use(world) -> None:
    broker = world.broker("hawk_sign")
    assert "thing" in broker.list_services()
    with pytest.raises(errors.RecipeError, match="hawk_sign") as caught:
        broker.setup("thing", key=world.key)
    assert "install" in caught.value.hint
    assert broker.store.get(Key("credential", "thing")) is None


def test_a_plug_in_that_is_no_primitive_is_refused(world) -> None:
    broker = world.broker("no_primitive")
    with pytest.raises(errors.RecipeError, match="no subclass"):
        broker.setup("thing", key=world.key)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """An installed package whose module fails, as one does that misses a dependency."""
    (tmp_path / "broken_one.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = EntryPoints([EntryPoint("broken", "broken_one:Primitive", primitives.GROUP)])
    monkeypatch.setattr("importlib.metadata.entry_points", points.select)


def test_a_plug_in_that_fails_to_load_is_told_and_breaks_nothing_else(world, broken) -> None:
    broker = world.broker("broken")
    assert "thing" in broker.list_services()
    with pytest.raises(errors.RecipeError, match="ModuleNotFoundError") as caught:
        broker.setup("thing", key=world.key)
    assert caught.value.hint == "python -c 'import broken_one' shows what is wrong"


def test_a_plug_in_that_cannot_be_made_breaks_nothing_else(world, monkeypatch) -> None:
    class Unmade(Primitive):
        def __init__(self) -> None:
            raise OSError(canary.fresh())

    monkeypatch.setattr(EntryPoint, "load", lambda _: Unmade)
    broker = world.broker("asked")
    assert "thing" in broker.list_services()
    with pytest.raises(errors.RecipeError, match="raises OSError"):
        broker.bind("thing")


def test_a_plug_in_that_fails_at_a_recipe_spoils_that_recipe_alone(world) -> None:
    broker = world.broker("asked")  # it wants an option, and there is none
    assert "thing" not in broker.list_services()
    with pytest.raises(errors.RecipeError, match=r"cannot read this recipe \(KeyError\)"):
        broker.bind("thing")


def test_a_plug_in_cannot_name_an_address_that_the_recipe_does_not_have(world, monkeypatch):
    broker = world.broker("asked", URL.format(world.server.origin))
    broker.setup("thing", key=world.key)
    with recorder() as other:
        elsewhere = f"{other.origin}/token"
        broker._allow_hosts = (world.server.origin, other.origin)
        place = ("options", "url")
        monkeypatch.setattr(Asked, "servers", lambda self, way: [(place, elsewhere)])
        monkeypatch.setattr(
            Asked, "issue", lambda self, desk: desk.send(Draft(elsewhere, {}).call("POST", "json"))
        )
        with (
            broker.bind("thing") as client,
            pytest.raises(errors.RecipeError, match="does not have"),
        ):
            client.get("/refuse")
        assert other.seen == []


def test_a_plug_ins_signer_cannot_send_a_request_elsewhere(world, monkeypatch) -> None:
    with recorder() as other:

        class Away(Signer):
            def only_headers(self, token):
                return None

            def sign(self, **request):
                return Signed(other.origin + "/steal", super().sign(**request).headers)

        monkeypatch.setattr(Made, "signer", lambda self, binding: Away(binding), raising=False)
        broker = world.broker("made")
        broker._allow_hosts = (world.server.origin, other.origin)
        bound = broker.bind("thing", secret={"key": world.key})
        with bound as client, pytest.raises(errors.HostNotAllowed, match="Nothing was sent"):
            client.get("/")
        assert other.seen == world.server.seen == []


def test_a_primitive_says_what_is_wrong_with_a_recipe(monkeypatch) -> None:
    monkeypatch.setattr(
        Made, "faults", lambda self, way: [(("options",), "It wants no options.")], raising=False
    )
    with pytest.raises(errors.RecipeError, match="wants no options"):
        read("service: x\nprimitive: made\noptions: {a: 1}")


@pytest.mark.parametrize("name", primitives.BUILT_IN)
def test_each_of_ours_has_words_for_people(name) -> None:
    assert primitives.load(name).label


def test_a_name_that_can_be_none_is_a_fault_of_the_recipe() -> None:
    with pytest.raises(errors.RecipeError, match="primitive"):
        read("service: x\nprimitive: Not A Name")
