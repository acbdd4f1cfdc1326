"""One's own OAuth app."""

from __future__ import annotations

import json

import msgspec
import pytest

from arcrun_auth import apps
from arcrun_auth.broker import Broker
from arcrun_auth.errors import AuthError, MissingSecret
from arcrun_auth.oauth.client_file import check_certificate, check_key, read_client
from arcrun_auth.recipe.model import ClientAuth, GuideStep, Method, OAuth2, Redirect
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.world import Told, home_with


def way(**client) -> Method:
    return Method(
        id="oauth",
        primitive="oauth2",
        base_url="https://api.example.com",
        oauth2=OAuth2(
            token_endpoint="https://example.com/token",
            scopes=("read", "write"),
            client=ClientAuth(**client),
            redirect=Redirect(policy="fixed_port", ports=(8423, 8424)),
        ),
        app_guide=(
            GuideStep(text="Make an app", url="https://example.com/apps"),
            GuideStep(text="Paste this", value="{{redirect_uri}} for {{scopes}}"),
        ),
        app_register_url="https://example.com/apps",
    )


def test_an_app_serves_its_whole_family_and_a_secret_is_never_in_a_repr() -> None:
    store, secret = Memory(), canary.fresh()
    app = apps.App("id-1", Secret(secret))
    apps.keep(store, "drive", way(app="family"), app)
    found = apps.stored(store, "mail", way(app="family"))
    assert found is not None
    assert (found.client_id, found.client_secret) == ("id-1", app.client_secret)
    assert apps.stored(store, "mail", way()) is None
    assert secret not in repr(vars(apps)) + repr(found)


def test_keeping_another_app_replaces_the_first() -> None:
    store = Memory()
    for name in ("one", "two"):
        apps.keep(store, "drive", way(secret_required=False), apps.App(name))
    found = apps.stored(store, "drive", way(secret_required=False))
    assert found is not None
    assert found.client_id == "two"


def test_half_an_app_is_none() -> None:
    store = Memory()
    apps.keep(store, "drive", way(), apps.App("id-1"))
    assert apps.stored(store, "drive", way()) is None


def test_the_guide_names_the_exact_redirect_uris_and_scopes() -> None:
    person = Told("", "id-1", canary.fresh())
    app = apps.ask("drive", "Drive", way(), ["read"], person)
    assert app.client_id == "id-1"
    shown = "\n".join(person.said)
    assert "http://127.0.0.1:8423/callback http://127.0.0.1:8424/callback for read" in shown
    assert "https://example.com/apps" in shown
    assert person.hidden == ["Client secret"]


def test_a_public_client_is_asked_for_no_secret() -> None:
    person = Told("", "id-1")
    app = apps.ask("drive", "Drive", way(auth="none", secret_required=False), [], person)
    assert app.client_secret is None
    assert person.hidden == []


def test_an_optional_secret_may_be_left_out() -> None:
    app = apps.ask("drive", "Drive", way(secret_required=False), [], Told("", "id-1", ""))
    assert app.client_secret is None


@pytest.mark.parametrize("typed", [(None,), ("",), ("id-1", ""), ("id-1", None)])
def test_an_unanswered_question_says_what_is_missing(typed) -> None:
    with pytest.raises(MissingSecret) as caught:
        apps.ask("drive", "Drive", way(), [], Told("", *typed))
    assert caught.value.help_url == "https://example.com/apps"
    assert caught.value.hint == "arcrun app add drive"


# -- a downloaded client file --------------------------------------------------------------


def client(**fields) -> str:
    return json.dumps(
        {"installed": {"client_id": "id-9", "client_secret": canary.fresh()} | fields}
    )


def test_a_path_instead_of_an_id_is_read(tmp_path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "client.json").write_text(client())
    app = apps.ask("drive", "Drive", way(), [], Told("", str(given / "client.json")))
    assert app.client_id == "id-9"
    assert app.client_secret is not None


def test_so_is_its_content() -> None:
    assert read_client(client(), "drive").client_id == "id-9"
    bare = read_client('{"client_id": "id-8"}', "drive")
    assert (bare.client_id, bare.client_secret) == ("id-8", None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps({"web": {"client_id": "x"}}), "Web client"),
        (json.dumps({"type": "service_account"}), "service account"),
        ("{not json", "no JSON"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "no JSON"),
        ("{}", "no client_id"),
        (json.dumps({"installed": []}), "no client_id"),
    ],
)
def test_a_wrong_file_is_told_apart(content, said) -> None:
    with pytest.raises(AuthError, match=said):
        read_client(content, "drive")


def test_a_list_holds_no_client(tmp_path) -> None:
    path = tmp_path / "client.json"
    path.write_text("[1]")
    with pytest.raises(AuthError, match="holds no client"):
        apps.from_file(str(path), "drive", way())


def test_a_missing_or_binary_file_is_named(tmp_path) -> None:
    with pytest.raises(AuthError, match="cannot be read: No such file"):
        apps.from_file(str(tmp_path / "no.json"), "drive", way())
    (tmp_path / "raw.json").write_bytes(b"\xff\xfe")
    with pytest.raises(AuthError, match="not text"):
        apps.from_file(str(tmp_path / "raw.json"), "drive", way())


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path) -> None:
    (tmp_path / "big.json").write_text(" " * (64 * 1024 + 1))
    with pytest.raises(AuthError, match="larger than 64 KiB"):
        apps.from_file(str(tmp_path / "big.json"), "drive", way())


def test_a_path_with_a_nul_is_no_file(tmp_path) -> None:
    with pytest.raises(AuthError, match="cannot be read: Invalid argument"):
        apps.from_file(f"{tmp_path}/\0.json", "drive", way())


WEB = {
    "client_id": "id-7",
    "redirect_uris": ["https://site.example", "http://127.0.0.1:8424/callback"],
}


def test_a_web_client_serves_where_one_of_our_redirect_uris_is_registered() -> None:
    assert apps.from_file(json.dumps({"web": WEB}), "drive", way()).client_id == "id-7"


@pytest.mark.parametrize("policy", ["fixed_port", "any_port"])
def test_another_web_client_is_refused_with_what_it_lacks(policy) -> None:
    base = way()
    assert base.oauth2 is not None
    redirect = Redirect(policy=policy, ports=(8423,))
    asked = msgspec.structs.replace(
        base, oauth2=msgspec.structs.replace(base.oauth2, redirect=redirect)
    )
    web = WEB | {"redirect_uris": ["https://site.example", 7]}
    with pytest.raises(AuthError, match=r"Web client.*https://site\.example") as caught:
        apps.from_file(json.dumps({"web": web}), "drive", asked)
    assert ("http://127.0.0.1:8423/callback" in str(caught.value)) is (policy == "fixed_port")
    assert "Desktop app" in (caught.value.hint or "")


# -- what proves an app --------------------------------------------------------------------

PEM = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"


@pytest.mark.parametrize("key", [PEM, '{"kty": "EC", "d": "x"}', '{"kty": "oct", "k": "x"}'])
def test_a_private_key_is_a_pem_or_a_jwk(key) -> None:
    check_key(key, "drive")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "passphrase"),
        ("-----BEGIN PUBLIC KEY-----", "public half"),
        (CERTIFICATE, "a certificate, not its private key"),
        ("words", "neither a PEM nor a JWK"),
        ("{", "neither a PEM nor a JWK"),
        ('{"kty": "EC", "x": "x"}', "public half"),
        ('{"a": 1}', "no JWK"),
        ('{"type": "service_account"}', "service account"),
    ],
)
def test_what_is_no_private_key_is_told_apart(text, said) -> None:
    with pytest.raises(AuthError, match=said):
        check_key(text, "drive")


def test_a_certificate_is_a_pem() -> None:
    check_certificate(CERTIFICATE, "drive")
    with pytest.raises(AuthError, match="no certificate"):
        check_certificate(PEM, "drive")


@pytest.mark.parametrize(
    ("auth", "parts", "absent"),
    [
        ("none", {}, ""),
        ("basic", {}, "client_secret"),
        ("client_secret_jwt", {}, "client_secret"),
        ("private_key_jwt", {}, "private_key"),
        ("private_key_jwt", {"private_key": PEM}, ""),
        ("tls_client_auth", {}, "certificate"),
        ("tls_client_auth", {"certificate": CERTIFICATE}, "private_key"),
        ("tls_client_auth", {"certificate": CERTIFICATE, "private_key": PEM}, ""),
    ],
)
def test_an_app_is_there_when_it_has_what_its_provider_demands(auth, parts, absent) -> None:
    store, asked = Memory(), way(auth=auth)
    app = apps.App("id-1", key_id="k1", **{name: Secret(text) for name, text in parts.items()})
    apps.keep(store, "drive", asked, app, ends=7.0)
    assert apps.lacking(app, asked) == absent
    assert (apps.stored(store, "drive", asked) is None) is bool(absent)
    record = store.get(Key("app", "drive"))
    assert record is not None
    assert (record.ends, record.secrets["key_id"]) == (7.0, Secret("k1"))


def test_an_app_is_forgotten_once() -> None:
    store, key = Memory(), Key("app", "drive")
    apps.keep(store, "drive", way(), apps.App("id-1"))
    assert [apps.forget(store, key), apps.forget(store, key)] == [True, False]


class Contested(Memory):
    """Somebody else writes between the first reading and the first writing."""

    raced = False

    def _race(self) -> None:
        if not self.raced:
            self.raced = True
            held = self.get(Key("app", "drive"))
            assert held is not None
            super().put(held.replace(secrets={}), expect=held.generation)

    def put(self, record, *, expect):
        if expect:
            self._race()
        return super().put(record, expect=expect)

    def delete(self, key, *, expect):
        self._race()
        super().delete(key, expect=expect)


def test_an_app_that_changes_while_it_is_removed_is_removed() -> None:
    store = Contested()
    apps.keep(store, "drive", way(), apps.App("id-1"))
    assert apps.forget(store, Key("app", "drive"))
    assert store.get(Key("app", "drive")) is None


def test_of_two_who_keep_an_app_at_once_the_later_word_counts() -> None:
    store = Contested()
    for client_id in ("one", "two"):
        apps.keep(store, "drive", way(secret_required=False), apps.App(client_id))
    assert store.raced
    found = apps.stored(store, "drive", way(secret_required=False))
    assert found is not None
    assert found.client_id == "two"


def test_a_strangers_recipe_does_not_lead_to_the_console_of_a_known_app(tmp_path) -> None:
    """It may share the app, if that is agreed to, but not be the one whose steps are followed."""
    recipe = """\
service: aaa
primitive: oauth2
base_url: https://api.aaa.example.com
oauth2:
  authorization_endpoint: https://id.aaa.example.com/authorize
  token_endpoint: https://id.aaa.example.com/token
  client: {app: google}
app_guide:
  - {text: Open this page., url: "https://console.aaa.example.com"}
"""
    with Provider() as provider:
        broker = Broker(home=home_with(tmp_path, provider, aaa=recipe), store=Memory(), environ={})
    known = apps.uses(broker.recipes)["google"]
    assert "aaa" in [use.service for use in known]
    assert known[0].service != "aaa"
    assert apps.find(broker.recipes, "google")[1][0].service != "aaa"
