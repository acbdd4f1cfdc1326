"""What is told of a service, from its recipe alone."""

from __future__ import annotations

import pytest

from arcrun_auth import profile
from arcrun_auth.catalog import Catalog
from arcrun_auth.recipe import read

RECIPE = """
service: orders
display_name: Orders
aliases: [shop_orders]
tags: [shop]
category: commerce
primitive: static_key
base_url: https://{{param.region}}.orders.example/v1
params:
  region: {label: Region, help: "As in the address.", type: enum, enum: [eu, us], default: eu}
required_secrets:
  - {key: orders_key, label: API key, help: "Under Settings.", help_url: "https://orders.example/keys"}
  - {key: orders_extra, optional: true}
inject: {header: {X-Key: "{{secret.orders_key}}", X-More: "{{secret.orders_extra}}"}}
methods:
  - id: oauth
    primitive: oauth2
    app_register_url: https://orders.example/apps
    oauth2:
      authorization_endpoint: https://id.orders.example/authorize
      token_endpoint: https://id.orders.example/token
      scopes: [read]
      scope_sets: {readonly: [read], full: [read, write]}
  - {id: custom, primitive: nobodys}
test: {path: /me}
agent: {read: [{path: /search}, {path: /graphql, graphql: true}]}
deny_paths: ["/keys/**"]
diagnose:
  - {when: {status: 401}, say: "The key is wrong.", do: "Copy it again."}
  - {when: {error: "a|b"}, say: "It is busy."}
verified: {date: 2026-01-02, method: doc, sources: ["https://orders.example/docs"]}
"""


def drawn(recipe):
    return {
        (section.kind, section.title): {line.label: line.texts for line in section.lines}
        for section in profile.sections(recipe)
    }


@pytest.fixture(scope="module")
def told():
    return drawn(read(RECIPE))


def test_what_it_is_found_by(told):
    assert told["names", ""] == {
        "category": ("commerce",),
        "also named": ("shop_orders",),
        "tags": ("shop",),
        "base URL": ("https://<region>.orders.example/v1",),
    }


def test_a_way_in_says_what_it_needs_and_where_that_goes(told):
    way = told["way", "A key that you paste"]

    assert way["--param region"] == ("Region: eu, us (default: eu)", "As in the address.")
    assert way["goes to"] == ("<region>.orders.example",)
    assert way["test"] == ("GET /me",)


def test_every_secret_is_named_with_the_place_where_it_is_found():
    lines = profile.sections(read(RECIPE))[1].lines

    assert [line.texts for line in lines if line.label == "needs"] == [
        ("API key (orders_key)", "Under Settings.", "https://orders.example/keys"),
        ("orders_extra (orders_extra, optional)",),
    ]


def test_a_further_way_says_only_what_is_not_the_same(told):
    way = told["way", "Log in with the browser (OAuth 2)"]

    assert way["your app"] == ("https://orders.example/apps",)
    assert way["token from"] == ("id.orders.example",)
    assert way["--scopes full"] == ("read, write",)
    assert "goes to" not in way
    assert "test" not in way
    assert told["way", "nobodys, which nothing here brings"] == {}


def test_each_way_has_the_command_that_takes_it():
    commands = [s.command for s in profile.sections(read(RECIPE)) if s.kind == "way"]

    assert commands == [
        "arcrun setup orders",
        "arcrun setup orders --method oauth",
        "arcrun setup orders --method custom",
    ]


def test_what_agents_may_and_may_not_do(told):
    assert told["agents", "AI agents"] == {
        "reads by": ("GET, HEAD", "POST /search", "POST /graphql, a GraphQL query"),
        "never": ("/keys/**",),
    }
    rpc = RECIPE.replace("agent: {read: [{path: /search}, {path: /graphql, graphql: true}]}",
                         "agent: {rpc: true}")  # fmt: skip
    assert drawn(read(rpc))["agents", "AI agents"]["reads by"] == ("nothing: GET acts here, too",)


def test_the_errors_and_where_the_facts_are_from(told):
    assert told["errors", "Known errors"] == {
        "401": ("The key is wrong.", "Copy it again."),
        "·": ("It is busy.",),
    }
    assert told["sources", "Sources"] == {
        "verified": ("2026-01-02: two sources agree",),
        "seen at": ("https://orders.example/docs",),
    }
    unsure = drawn(read(RECIPE[: RECIPE.index("verified:")]))
    assert unsure["sources", "Sources"] == {"verified": ("never",)}


def test_every_bundled_service_can_be_told_and_a_closed_one_has_no_way_in(tmp_path):
    catalog = Catalog(tmp_path)
    for entry in catalog.entries():
        found = profile.sections(catalog.recipe(entry.service))
        ways = [section for section in found if section.kind == "way"]
        assert bool(ways) == (entry.status != "closed"), entry.service
        texts = [text for section in found for line in section.lines for text in line.texts]
        assert all(texts)
        assert [text for text in texts if "{{param." in text] == []
