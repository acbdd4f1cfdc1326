"""Services that share one account: setting one up takes nothing from another."""

from __future__ import annotations

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.unit.test_quirky_logins import desk, works
from tests.world import Told

FAMILY = Key("credential", "family")

KEYED = """\
service: {name}
account: family
primitive: static_key
base_url: "https://{{{{param.{name}_region}}}}.example.com"
params: {{{name}_region: {{pattern: "[a-z]+"}}}}
required_secrets: [{{key: family_id}}, {{key: {name}_key}}]
inject: {{header: {{X-Key: "{{{{secret.{name}_key}}}}"}}}}
"""


@pytest.fixture
def keyed(tmp_path):
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    for name in ("one", "two"):
        (recipes / f"{name}.yaml").write_text(KEYED.format(name=name))
    return Broker(home=str(tmp_path / "home"), store=Memory(), person=Told(), environ={})


def keys(name: str, shared: str) -> dict[str, str]:
    return {"family_id": shared, f"{name}_key": canary.fresh(name)}


def test_the_key_and_the_address_of_the_other_stay(keyed) -> None:
    keyed.setup("one", params={"one_region": "eu"}, **keys("one", canary.fresh()))
    shared = canary.fresh()
    keyed.setup("two", params={"two_region": "us"}, **keys("two", shared))
    record = keyed.store.get(FAMILY)
    assert set(record.secrets) == {"family_id", "one_key", "two_key"}
    assert record.secrets["family_id"].reveal() == shared
    assert record.params == {"one_region": "eu", "two_region": "us"}
    for name in ("one", "two"):
        assert keyed.why(name).status == "connected"
        keyed.bind(name, interactive=False).close()


def test_what_only_one_service_had_goes_with_its_old_way_in(keyed) -> None:
    keyed.setup("one", params={"one_region": "eu"}, **keys("one", canary.fresh()))
    record = keyed.store.get(FAMILY)
    stale = record.replace(secrets={**record.secrets, "gone": Secret(canary.fresh())})
    keyed.store.put(stale, expect=record.generation)
    keyed.setup("one", params={"one_region": "us"}, replace=True, **keys("one", canary.fresh()))
    assert set(keyed.store.get(FAMILY).secrets) == {"family_id", "one_key"}


@pytest.fixture
def family(tmp_path):
    """Two services by one login; `demo` reads, `two` writes."""
    with Provider() as provider:
        broker = desk(tmp_path, provider)
        recipes = tmp_path / "home" / "recipes"
        for name, scope in (("demo", "read"), ("two", "write")):
            other = "write" if scope == "read" else "read"
            text = provider.recipe_yaml(name).replace(f"  - {other}\n", "")
            (recipes / f"{name}.yaml").write_text(f"account: family\n{text}")
        app = Credential(Key("app", "two"), secrets={"client_id": Secret("demo")})
        broker.store.put(app, expect=0)
        yield broker


def test_a_login_for_the_second_asks_for_what_both_need(family) -> None:
    family.setup("demo")
    family.setup("two")
    grant = family.store.get(FAMILY).grant
    assert (grant.requested, grant.scopes) == (("read", "write"), ("read", "write"))
    assert works(family)
    family.setup("demo", replace=True)
    assert family.store.get(FAMILY).grant.requested == ("read", "write")


def test_the_second_does_not_go_on_with_a_login_that_the_first_has_begun(family) -> None:
    family.setup("demo")
    record = family.store.get(FAMILY)
    family.store.put(record.replace(incomplete=True), expect=record.generation)
    family.setup("two")
    assert family.store.get(FAMILY).grant.requested == ("read", "write")


def test_what_is_named_for_the_second_is_added_too(family) -> None:
    family.setup("demo")
    family.setup("two", scopes=["write"])
    assert family.store.get(FAMILY).grant.requested == ("read", "write")


def test_one_who_names_scopes_for_what_is_set_up_gets_just_these(family) -> None:
    family.setup("demo")
    family.setup("two")
    family.setup("two", scopes=["write"], replace=True)
    assert family.store.get(FAMILY).grant.requested == ("write",)
