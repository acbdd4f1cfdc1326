"""One's own OAuth app."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import apps
from arcrun_auth.errors import AuthError, MissingSecret
from arcrun_auth.recipe.model import ClientAuth, GuideStep, Method, OAuth2, Redirect
from arcrun_auth.stores.memory import Memory
from tests import canary
from tests.world import Told


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
    app = apps.App("id-1", apps.Secret(secret))
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
    person = Told("id-1", canary.fresh())
    app = apps.ask("drive", "Drive", way(), ["read"], person)
    assert app.client_id == "id-1"
    shown = "\n".join(person.said)
    assert "http://127.0.0.1:8423/callback http://127.0.0.1:8424/callback for read" in shown
    assert "https://example.com/apps" in shown
    assert person.hidden == ["Client secret"]


def test_a_public_client_is_asked_for_no_secret() -> None:
    person = Told("id-1")
    app = apps.ask("drive", "Drive", way(auth="none", secret_required=False), [], person)
    assert app.client_secret is None
    assert person.hidden == []


def test_an_optional_secret_may_be_left_out() -> None:
    app = apps.ask("drive", "Drive", way(secret_required=False), [], Told("id-1", ""))
    assert app.client_secret is None


@pytest.mark.parametrize("typed", [(None,), ("",), ("id-1", ""), ("id-1", None)])
def test_an_unanswered_question_says_what_is_missing(typed) -> None:
    with pytest.raises(MissingSecret) as caught:
        apps.ask("drive", "Drive", way(), [], Told(*typed))
    assert caught.value.help_url == "https://example.com/apps"
    assert caught.value.hint == "arcrun setup drive"


# -- a downloaded client file --------------------------------------------------------------


def client(**fields) -> str:
    return json.dumps(
        {"installed": {"client_id": "id-9", "client_secret": canary.fresh()} | fields}
    )


def test_a_path_instead_of_an_id_is_read(tmp_path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "client.json").write_text(client())
    app = apps.ask("drive", "Drive", way(), [], Told(str(given / "client.json")))
    assert app.client_id == "id-9"
    assert app.client_secret is not None


def test_so_is_its_content() -> None:
    assert apps.read_client_file(client(), "drive").client_id == "id-9"
    bare = apps.read_client_file('{"client_id": "id-8"}', "drive")
    assert (bare.client_id, bare.client_secret) == ("id-8", None)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps({"web": {"client_id": "x"}}), "Web client"),
        (json.dumps({"type": "service_account"}), "service account"),
        ("{not json", "no JSON"),
        ("{}", "no client_id"),
        (json.dumps({"installed": []}), "no client_id"),
    ],
)
def test_a_wrong_file_is_told_apart(content, said) -> None:
    with pytest.raises(AuthError, match=said):
        apps.read_client_file(content, "drive")


def test_a_list_holds_no_client(tmp_path) -> None:
    path = tmp_path / "client.json"
    path.write_text("[1]")
    with pytest.raises(AuthError, match="holds no client"):
        apps.read_client_file(str(path), "drive")


def test_a_missing_or_binary_file_is_named(tmp_path) -> None:
    with pytest.raises(AuthError, match="cannot be read: No such file"):
        apps.read_client_file(str(tmp_path / "no.json"), "drive")
    (tmp_path / "raw.json").write_bytes(b"\xff\xfe")
    with pytest.raises(AuthError, match="not text"):
        apps.read_client_file(str(tmp_path / "raw.json"), "drive")
