"""Secrets from the environment, and their place in front of a store."""

from __future__ import annotations

import os

import pytest

from arcrun_auth.errors import StoreError
from arcrun_auth.stores.env import MAX_FILE, EnvStore
from arcrun_auth.stores.given import Given
from arcrun_auth.stores.layers import Layers
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret
from tests.unit.stores_kit import NOTION, record


def names(key):
    if key != NOTION:
        return []
    return [("token", ["ARCRUN_NOTION_TOKEN", "NOTION_KEY"])]


def env(environ, **more):
    more.setdefault("run_secrets", "/nonexistent")
    more.setdefault("folder", environ.get("ARCRUN_SECRETS_DIR"))
    return EnvStore(environ, names, **more)


def value(store, key=NOTION):
    found = store.get(key)
    return found and found.secrets["token"].reveal()


def test_each_place_wins_over_the_next(tmp_path):
    places = {}
    for folder in ("creds", "dir", "run"):
        (tmp_path / folder).mkdir()
        places[folder] = tmp_path / folder / "arcrun_notion_token"
        places[folder].write_text(folder)
    named = tmp_path / "named"
    named.write_text("named")
    environ = {
        "ARCRUN_NOTION_TOKEN": "variable",
        "NOTION_KEY": "second",
        "ARCRUN_NOTION_TOKEN_FILE": str(named),
        "CREDENTIALS_DIRECTORY": str(tmp_path / "creds"),
        "ARCRUN_SECRETS_DIR": str(tmp_path / "dir"),
    }
    store = env(environ, run_secrets=str(tmp_path / "run"))
    seen = []
    for remove in ("ARCRUN_NOTION_TOKEN", "NOTION_KEY", "ARCRUN_NOTION_TOKEN_FILE"):
        seen.append((value(store), store.origin(NOTION)["token"]))
        del environ[remove]
    for folder in ("creds", "dir", "run"):
        seen.append((value(store), store.origin(NOTION)["token"]))
        places[folder].unlink()
    assert seen == [
        ("variable", "ARCRUN_NOTION_TOKEN"),
        ("second", "NOTION_KEY"),
        ("named", "ARCRUN_NOTION_TOKEN_FILE"),
        ("creds", "$CREDENTIALS_DIRECTORY/arcrun_notion_token"),
        ("dir", "the setting secrets_dir/arcrun_notion_token"),
        ("run", f"{tmp_path / 'run'}/arcrun_notion_token"),
    ]
    assert store.get(NOTION) is None
    assert store.origin(NOTION) == {}


def test_only_credentials_come_from_the_environment():
    store = env({"ARCRUN_NOTION_TOKEN": "x"}, known=lambda _: [NOTION, Key("credential", "other")])
    assert store.get(Key("app", "notion")) is None
    assert list(store.keys()) == [NOTION]


def test_what_is_set_is_said_by_its_variable_however_it_is_set(tmp_path):
    asked = []
    (tmp_path / "arcrun_c").write_text("x")
    store = env(
        {"ARCRUN_A": "x", "ARCRUN_B_FILE": "/nowhere"}, folder=str(tmp_path),
        known=lambda names: asked.extend(names) or [],
    )  # fmt: skip
    assert list(store.keys()) == []
    assert {"ARCRUN_A", "ARCRUN_B", "arcrun_c"} <= set(asked)


def test_a_folder_that_went_away_holds_nothing(tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    store = env({}, folder=str(folder), known=lambda _: [NOTION])
    folder.rmdir()
    assert list(store.keys()) == []


def test_an_empty_variable_is_none():
    assert env({"ARCRUN_NOTION_TOKEN": ""}).get(NOTION) is None


def test_a_swapped_file_is_read_again_and_an_unchanged_one_is_not(tmp_path, monkeypatch):
    path = tmp_path / "t"
    path.write_text("one\n")
    store = env({"ARCRUN_NOTION_TOKEN_FILE": str(path)})
    assert value(store) == "one"
    fresh = tmp_path / "u"
    fresh.write_text("two\r\n")
    os.replace(fresh, path)
    assert value(store) == "two"
    monkeypatch.setattr("builtins.open", None)
    assert value(store) == "two"


def test_a_pem_keeps_its_lines(tmp_path):
    path = tmp_path / "t"
    path.write_text("-----BEGIN-----\nabc\n-----END-----\n")
    assert value(env({"ARCRUN_NOTION_TOKEN_FILE": str(path)})).count("\n") == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), (b"\xff\xfe", "UTF-8"), (b"x" * (MAX_FILE + 1), "1 MiB")],
)
def test_a_named_file_that_is_unusable_is_an_error(tmp_path, content, words):
    path = tmp_path / "t"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=words):
        env({"ARCRUN_NOTION_TOKEN_FILE": str(path)}).get(NOTION)


def test_a_folder_in_place_of_a_secret_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="cannot be read"):
        env({"ARCRUN_NOTION_TOKEN_FILE": str(tmp_path)}).get(NOTION)


# -- Layers -------------------------------------------------------------------------------------


def layered(environ, held=None):
    primary = Memory()
    if held is not None:
        primary.put(held, expect=0)
    return primary, Layers(primary, [env(environ, known=lambda _: [NOTION])])


def test_the_environment_overrides_single_secrets_of_a_record():
    held = record(identity="ann").replace(
        secrets={"token": Secret("stored"), "other": Secret("kept")}
    )
    _, layers = layered({"ARCRUN_NOTION_TOKEN": "given"}, held)
    found = layers.get(NOTION)
    assert {n: v.reveal() for n, v in found.secrets.items()} == {"token": "given", "other": "kept"}
    assert (found.identity, found.generation) == ("ann", 1)


def test_what_only_the_environment_has_is_a_record_too():
    _, layers = layered({"ARCRUN_NOTION_TOKEN": "given"})
    assert value(layers) == "given"
    assert layers.get(NOTION).generation == 0
    assert list(layers.keys()) == [NOTION]
    assert layers.get(Key("credential", "other")) is None


def test_the_first_overlay_wins():
    one, two = Given(record(secret="one")), Given(record(secret="two"))
    assert value(Layers(Memory(), [one, two])) == "one"


@pytest.mark.parametrize("stored", [None, "stored"])
def test_what_the_environment_gave_is_never_written_down(stored):
    held = None if stored is None else record(secret=stored)
    primary, layers = layered({"ARCRUN_NOTION_TOKEN": "given"}, held)
    found = layers.get(NOTION)
    back = layers.put(found.replace(identity="ann"), expect=found.generation)
    assert back.secrets["token"].reveal() == "given"
    kept = primary.get(NOTION)
    assert kept.identity == "ann"
    assert {n: v.reveal() for n, v in kept.secrets.items()} == (
        {} if stored is None else {"token": stored}
    )


def test_a_new_value_is_written_down_all_the_same():
    primary, layers = layered({"ARCRUN_NOTION_TOKEN": "given"}, record(secret="stored"))
    layers.put(record(secret="typed anew"), expect=1)
    assert value(primary) == "typed anew"
    assert value(layers) == "given"
    layers.delete(NOTION, expect=2)
    assert primary.get(NOTION) is None
    layers.close()


def test_the_trace_names_every_layer_and_no_value():
    _, layers = layered({"ARCRUN_NOTION_TOKEN": "given"}, record(secret="stored"))
    layers = Layers(layers.primary, [*layers.overlays, Given(Credential(Key("app", "x")))])
    assert layers.trace(NOTION) == [
        ("environment", {"token": "ARCRUN_NOTION_TOKEN"}),
        ("environment", {}),
        ("memory", {"token": "memory"}),
    ]
    assert (layers.name, layers.writable, layers.why_not()) == ("memory", True, None)
