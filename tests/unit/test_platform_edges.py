"""What goes wrong between a client, a server and a provider: each is told, and nothing is lost."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from arcrun_auth import errors
from arcrun_auth.oauth import dpop
from arcrun_auth.relayed import Relay
from arcrun_auth.server import ci, device_logins, issuers
from arcrun_auth.server.config import Config
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.proofs import BadProof, read_proof
from arcrun_auth.server.providers import Providers, SharedApp, find
from arcrun_auth.server.sealing import Sealer, Unsealed
from arcrun_auth.server.visits import Site
from arcrun_auth.stores.memory import Memory
from arcrun_auth.sync import account
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Secret
from tests.platform_desk import FREE, desk
from tests.servers import Reply, recorder
from tests.surfer import Surfer
from tests.unit.test_identity_tokens import by_hand
from tests.unit.test_platform_login import ASKED, began, key_of, polled
from tests.unit.test_relay import Client, World

URL = "https://server.example/oauth/demo/token"
NOW = 1_800_000_000.0


@pytest.fixture
def there(tmp_path):
    with desk(tmp_path / "server") as found:
        yield found


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


@pytest.fixture
def world(tmp_path, provider):
    found = World(tmp_path, provider)
    yield found
    found.close()


# -- sealing, proofs ---------------------------------------------------------------


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5), st.data())
def test_what_is_sealed_comes_back_and_nothing_else_opens(data, draw):
    sealer = Sealer(bytes(32))
    text = sealer.seal("flow", data, ends=10.0)
    assert sealer.open("flow", text, now=9.9) == data
    assert "flow" not in repr(sealer)
    for purpose, now in (("code", 9.9), ("flow", 10.0)):
        with pytest.raises(Unsealed):
            sealer.open(purpose, text, now=now)
    with pytest.raises(Unsealed):
        Sealer(b"x" * 32).open("flow", text, now=9.9)
    at = draw.draw(st.integers(0, len(text) - 2))
    other = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
    with pytest.raises(Unsealed):
        sealer.open("flow", other, now=9.9)


@given(st.text(max_size=300))
def test_no_text_opens_a_seal_or_is_a_proof(text):
    with pytest.raises(Unsealed):
        Sealer(bytes(32)).open("flow", text, now=0.0)
    with pytest.raises(BadProof):
        read_proof(text, "POST", URL, now=NOW, is_ours=lambda _: True)


def test_a_mark_is_of_its_parts_in_their_order_alone():
    sealer = Sealer(bytes(32))
    mark = sealer.mark("binding", b"ab", b"c")
    assert sealer.marked("binding", mark, b"ab", b"c")
    for purpose, parts in (("binding", (b"a", b"bc")), ("binding", (b"c", b"ab")),
                           ("csrf", (b"ab", b"c"))):  # fmt: skip
        assert not sealer.marked(purpose, mark, *parts)
    assert not sealer.marked("binding", "é", b"ab", b"c")


def proof(key=None, alg="ES256", header=None, **claims):
    key = key or ECKey.generate_key("P-256")
    public = key.as_dict(private=False)
    head = {"alg": alg, "typ": "dpop+jwt", "jwk": public, **(header or {})}
    body = {"jti": "x" * 22, "htm": "POST", "htu": URL, "iat": int(NOW), **claims}
    return jwt.encode(head, body, key, algorithms=[alg])


def read(text, **changed):
    known = {"now": NOW, "is_ours": lambda nonce: nonce == "ours", **changed}
    return read_proof(text, "POST", URL, **known)


def test_a_proof_that_is_right_names_its_key():
    key = ECKey.generate_key("P-256")
    found = read(proof(key))
    assert (found.jkt, found.jti) == (key.thumbprint(), "x" * 22)
    assert read(proof(key, iat=1, nonce="ours")).jkt == key.thumbprint()  # its clock is its own
    shown = dpop.proof(dpop.new_key(), "POST", URL + "?query#part", now=NOW)
    assert read(shown.reveal()).jti


def test_a_proof_that_is_not_right_is_not_taken():
    key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    private = {"jwk": key.as_dict(private=True)}
    p384 = ECKey.generate_key("P-384")
    good = proof(key)
    for bad in (
        proof(key, header={"typ": "JWT"}),
        proof(key, header={"jwk": other.as_dict(private=False)}),  # signed by another
        proof(key, header=private),  # the private half is nobody else's
        by_hand({"alg": "ES256", "typ": "dpop+jwt", "jwk": "x"}, sign=lambda _: b"x" * 64),
        by_hand({"alg": "none", "typ": "dpop+jwt"}),
        by_hand({"alg": "ES256", "typ": "dpop+jwt", "jwk": {
            **key.as_dict(private=False), "x": "AA"}}, sign=lambda _: b"x" * 64),
        proof(p384, alg="ES384"),
        by_hand({"alg": "EdDSA", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}),
        proof(key, htm="GET"), proof(key, htu=URL + "/"), proof(key, htu=URL + "?x"),
        proof(key, jti=7), proof(key, jti="short"), proof(key, jti="x" * 201),
        proof(key, iat="now"), proof(key, iat=True), proof(key, iat=int(NOW) - 301),
        proof(key, iat=float("nan")), proof(key, iat=float("inf")), proof(key, iat=10**400),
        proof(key, jti="x" * 22 + "é"), proof(key, jti="x" * 22 + "\n"),
        proof(key, nonce="theirs"), proof(key, nonce=7),
        good[:-4] + "AAAA", good + "." + good, "",
    ):  # fmt: skip
        with pytest.raises(BadProof):
            read(bad)


# -- a server and its provider ---------------------------------------------------------------


def test_a_provider_that_fails_is_told_with_whether_it_may_have_heard(world):
    client = Client(world)
    _, known = client.redeem(client.code())
    kept = json.loads(known.reveal())
    resolver = client.broker._connections.resolver

    def refreshed():
        relay = Relay(
            resolver, "demo", world.desk.url,
            proof_key=Secret(kept["key"]), binding=kept["binding"],
        )  # fmt: skip
        return relay.refresh(json_of(world))

    world.provider.fail_next(1, "drop")
    with pytest.raises(errors.ProviderUnavailable) as caught:
        refreshed()
    assert caught.value.sent
    world.provider.__exit__()
    with pytest.raises(errors.ProviderUnavailable) as caught:
        refreshed()
    assert not caught.value.sent


def json_of(world):
    """The refresh token that the provider has given out."""
    return Secret(next(iter(world.provider.authority._refresh)))


def test_an_answer_that_is_no_text_is_told_as_one(tmp_path, provider):
    world = World(tmp_path, provider)
    try:
        client = Client(world)
        code = client.code()
        with recorder(lambda _: Reply(body=b"\xff\xfe")) as odd:
            offer = world.site.offers["demo"]
            from dataclasses import replace as with_

            from msgspec.structs import replace

            there = replace(offer.oauth2, token_endpoint=f"{odd.origin}/token")
            world.site.offers["demo"] = with_(offer, oauth2=there)
            world.site.issuers.allow = (odd.origin,)
            with pytest.raises(errors.AuthError, match="no text"):
                client.redeem(code)
    finally:
        world.close()


def test_a_provider_that_the_server_may_not_ask_is_told(world):
    client = Client(world)
    code = client.code()
    world.site.issuers.allow = ()
    with pytest.raises(errors.AuthError, match="cannot be asked from this server"):
        client.redeem(code)


def test_a_login_whose_app_was_withdrawn_goes_no_further(world):
    client = Client(world)
    world.site.offers.clear()
    world.surfer.only(client.url)
    assert world.surfer.status == 404


def test_a_provider_without_a_place_for_it_ends_no_login(tmp_path, provider):
    world = World(tmp_path, provider)
    try:
        client = Client(world)
        data, known = client.redeem(client.code())
        from dataclasses import replace as with_

        from msgspec.structs import replace

        offer = world.site.offers["demo"]
        nowhere = replace(offer.oauth2, revocation_endpoint="")
        world.site.offers["demo"] = with_(offer, oauth2=nowhere)
        from arcrun_auth.tokens import Grant

        grant = Grant(
            access_token=Secret(data["access_token"]),
            refresh_token=Secret(data["refresh_token"]), issued=0.0, relay=known,
        )  # fmt: skip
        resolver = client.broker._connections.resolver
        with pytest.raises(errors.AuthError):
            Relay.of(resolver, "demo", grant).revoke(grant)
    finally:
        world.close()


def test_a_renewal_is_not_held_back_when_the_admin_narrows_what_may_be_asked_for(world):
    broker = world.broker()
    world.login(broker)
    from dataclasses import replace as with_

    world.site.offers["demo"] = with_(world.site.offers["demo"], scopes=())
    world.renewed(broker)
    world.renewed(broker)
    assert world.provider.reuses == 0


# -- a client and a server that lies ---------------------------------------------------------------


def test_a_server_that_answers_nonsense_is_told_as_one(world):
    client = Client(world)
    relay = client.relay
    good = Reply(headers={"Content-Type": "application/json"})

    def answering(body):
        return recorder(lambda _: Reply(headers=good.headers, body=json.dumps(body).encode()))

    for body, act in (
        ({}, lambda: relay.start("c" * 43, 5555)),
        ({"state": "x", "url": "https://evil.example/x"}, lambda: relay.start("c" * 43, 5555)),
        ({"state": "x", "url": "SERVER.evil.example/x"}, lambda: relay.start("c" * 43, 5555)),
        ({}, lambda: relay.refresh(Secret("x"))),
        ({"status": "200", "headers": {}, "body": ""}, lambda: relay.refresh(Secret("x"))),
    ):  # fmt: skip
        with answering(body) as server:
            if body.get("url", "").startswith("SERVER"):
                body["url"] = body["url"].replace("SERVER", server.origin)
            relay.server = server.origin
            from arcrun_auth.hosts import fence_of

            relay._fence = fence_of(server.origin, [server.origin])
            with pytest.raises(errors.AuthError, match=r"answered without|not its own"):
                act()


def test_an_address_that_is_none_is_no_server(world):
    resolver = world.broker()._connections.resolver
    with pytest.raises(errors.AuthError, match="No platform"):
        Relay(resolver, "demo", "nonsense")
    with pytest.raises(errors.HostNotAllowed):
        Relay(resolver, "demo", "http://192.0.2.1")


# -- a server by itself ---------------------------------------------------------------


def test_an_app_says_at_the_start_why_it_cannot_be_shared(tmp_path, provider):
    recipes = tmp_path / "recipes"
    recipes.mkdir(mode=0o700)
    tmp_path.chmod(0o700)

    def fault(**more):
        text = provider.recipe_yaml("demo", **more.pop("recipe", {}))
        (recipes / "demo.yaml").write_text(text)
        apps = {"demo": SharedApp(**{"client_id": "x", **more})}
        config = Config(folder=str(tmp_path), providers=Providers(apps=apps))
        with pytest.raises(errors.AuthError) as caught:
            Site(None, config)
        return caught.value.message

    assert "does not name the endpoints" in fault(recipe={"discovery": True})
    assert "by a key or a certificate" in fault(recipe={"auth": "private_key_jwt"})
    assert "needs its secret" in fault(recipe={"auth": "post"})
    assert "no such login" in fault(recipe={"grant": "device_code"})
    assert "no such login" in fault(method="other")
    with Provider(quirks=Quirks(renewal="exchange")) as other:
        provider = other
        assert "otherwise than by a refresh token" in fault()


def test_a_server_whose_address_nobody_has_said_ends_no_login_anywhere():
    with pytest.raises(Problem) as caught:
        Site(None, Config(limits=FREE)).url  # noqa: B018 - what it raises is the point
    assert caught.value.status == 503


def test_a_configuration_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "server.toml").mkdir()
    with pytest.raises(errors.AuthError, match="cannot be read"):
        find(str(tmp_path), {})


def test_a_job_with_the_key_of_another_is_no_user_of_the_app(world):
    with world.desk.account() as cloud:
        job = cloud.create_key("ci", "job", rows=["s_0"]).api_key
    broker = world.broker(ARCRUN_API_KEY=job)
    with pytest.raises(errors.AuthError, match="kind ci"):
        broker.setup("demo", ownership="managed")


def test_an_issuer_that_cannot_be_asked_now_keeps_nobody_out_for_good(tmp_path):
    found = issuers.Issuers()
    with pytest.raises(errors.AuthError):
        found.openid("nonsense")
    with recorder(lambda _: Reply(status=503)) as server:
        found = issuers.Issuers([server.origin])
        with pytest.raises(errors.ProviderUnavailable):
            found.openid(server.origin)
        server.answer = lambda _: Reply(status=404)
        with pytest.raises(errors.AuthError, match="does not say who it is"):
            found.openid(server.origin)


def test_only_so_many_issuers_are_remembered(monkeypatch):
    monkeypatch.setattr(issuers, "MOST", 1)
    clock = [0.0]

    def answer(seen):
        base = server.origin + seen.target.rpartition("/.well-known")[0]
        document = {"issuer": base, "jwks_uri": f"{server.origin}/keys"}
        return Reply(body=json.dumps(document if "well-known" in seen.target else {}).encode())

    with recorder(answer) as server:
        found = issuers.Issuers([server.origin], clock=lambda: clock[0])
        for path in ("/a", "/b", "/b", "/a"):
            found.openid(server.origin + path)
            clock[0] += 1
        asked = [seen.target for seen in server.seen if "well-known" in seen.target]
        assert len(asked) == 3
        clock[0] += issuers.KEPT_SECONDS
        found.openid(server.origin + "/a")
        assert len(server.seen) == 8


def test_codes_for_devices_are_few_enough_and_never_the_same(there, monkeypatch):
    monkeypatch.setattr(device_logins, "_code", lambda: "BCDFGHJK")
    assert began(there)["user_code"] == "BCDF-GHJK"
    assert began(there)["error"] == "slow_down"  # that one is under way
    monkeypatch.setattr(device_logins, "MOST", 1)
    monkeypatch.undo()
    monkeypatch.setattr(device_logins, "MOST", 1)
    assert began(there)["error"] == "slow_down"


def test_a_client_that_is_not_ours_asks_in_vain_for_a_key(there):
    one = began(there)
    surfer = Surfer()
    surfer.only(f"{there.url}/auth/token", {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": one["device_code"], "client_id": "other",
    })  # fmt: skip
    assert json.loads(surfer.page.text)["error"] == "invalid_client"
    assert polled(there, one["device_code"])["error"] in ("slow_down", "authorization_pending")


def test_whoever_has_signed_out_meanwhile_is_asked_again_who_it_is(there):
    key = key_of(there)
    for start, button in (
        (f"/auth/start?{urlencode(ASKED)}", "Log in"),
        (f"/device?{urlencode({'user_code': began(there)['user_code']})}", "Log in"),
    ):
        surfer = Surfer()
        surfer.open(there.url + start)
        surfer.press("Sign in with the key", key=key.reveal())
        form = next(f for f in surfer.page.forms if f.button == button)
        surfer.only(f"{there.url}/auth/logout", {"csrf": form.fields["csrf"]})
        surfer.only(there.url + form.action, form.fields)
        assert surfer.page.title == "Who are you?"


def test_a_code_of_an_account_that_is_gone_gives_no_key(there):
    from tests.unit.test_platform_login import code_for, redeemed

    key = key_of(there)
    code = code_for(there, key)
    with there.cloud(key) as cloud:
        cloud.delete_account()
    assert redeemed(there, code)[1]["error"] == "invalid_grant"


def test_an_account_has_only_so_many_vaults(there, monkeypatch):
    monkeypatch.setattr(ci, "MOST", 1)
    body = {"label": "x", "rows": ["s_0"], "issuer": "https://id.example.com", "subject": "a:b/*"}
    with there.account() as cloud:
        cloud.ask("POST", "/me/ci", body)
        with pytest.raises(errors.AuthError, match="Delete one first"):
            cloud.ask("POST", "/me/ci", body)


def test_an_issuer_of_jobs_that_is_away_or_none_is_told(tmp_path):
    with recorder(lambda _: Reply(status=503)) as server:
        config = Config(
            registration="open", limits=FREE, providers=Providers(allow_hosts=(server.origin,))
        )
        with desk(tmp_path / "server", config) as there, there.account() as cloud:
            body = {"label": "x", "rows": ["s_0"], "issuer": server.origin, "subject": "a:b/*"}
            vault = cloud.ask("POST", "/me/ci", body)["id"]
            asked = {"vault": vault, "token": "x.y.z"}
            with pytest.raises(errors.ProviderUnavailable):
                cloud.ask("POST", "/auth/ci", asked)
            server.answer = lambda _: Reply(status=404)
            with pytest.raises(errors.TokenRefused, match="does not say who it is"):
                cloud.ask("POST", "/auth/ci", asked)


# -- the record of a login ---------------------------------------------------------------


class Contended(Memory):
    """Somebody else writes first, once for each write."""

    def __init__(self):
        super().__init__()
        self.meanwhile = None

    def _first(self):
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()

    def put(self, record, *, expect):
        self._first()
        return super().put(record, expect=expect)

    def delete(self, key, *, expect):
        self._first()
        super().delete(key, expect=expect)


def test_two_who_change_the_login_at_once_lose_nothing_by_it():
    store = Contended()

    def other(text):
        return lambda: account.keep(store, "https://a.example", Secret(text), account="a", email="")

    store.meanwhile = other("first")
    account.keep(store, "https://a.example", Secret("later"), account="a", email="")
    assert store.get(account.KEY).secrets["api_key"].reveal() == "later"
    # A key that was replaced meanwhile is not put over by the one that followed the old one.
    store.meanwhile = other("newer")
    account.replace_key(store, Secret("later"), Secret("rotated"))
    assert store.get(account.KEY).secrets["api_key"].reveal() == "newer"
    store.meanwhile = other("newest")
    assert account.forget(store)
    assert not account.forget(store)


def test_half_a_record_is_no_login(there):
    from arcrun_auth.settings import Settings
    from arcrun_auth.tokens import Credential

    store = Memory()
    store.put(Credential(account.KEY, params={"server": there.url}), expect=0)
    assert account.account(store, Settings("/nowhere", environ={})) is None
