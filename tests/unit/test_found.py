"""Params that nobody types: where they are found, who chooses, and what does not fit."""

from __future__ import annotations

import json

import httpx
import msgspec
import pytest
import yaml

from arcrun_auth import errors, found
from arcrun_auth.catalog import Catalog
from arcrun_auth.recipe.model import Method
from arcrun_auth.signing import Signer
from arcrun_auth.sources import FixedSource
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider, Quirks
from arcrun_auth.tokens import Credential, Grant, Key, Secret, Token
from tests import canary
from tests.servers import Reply, recorder
from tests.unit.test_quirky_logins import DEMO, desk, works
from tests.world import Told

KEY = Key("credential", "thing")
HOST = {"from": "discover"}


@pytest.fixture
def api():
    with recorder() as server:
        yield server


def says(api, data, *, status=200, headers=None) -> None:
    api.answer = lambda _: Reply(status, dict(headers or {}), json.dumps(data).encode())


def find(
    api, *, params, discover=(), kept=None, secrets=None, before=None, person=None, **fields
) -> dict[str, str]:
    way = msgspec.convert(
        {
            "primitive": "oauth2",
            "base_url": "https://api.example",
            "inject": {"header": {"Authorization": "Bearer {{token.access_token}}"}},
            "oauth2": {"token_endpoint": "https://id.example/token"},
            "params": params,
            "discover": discover,
            **fields,
        },
        Method,
    )
    grant = Grant(access_token=Secret(canary.fresh("at")), issued=1.0, kept=kept or {})
    held = {name: Secret(text) for name, text in (secrets or {}).items()}
    record = Credential(KEY, params=before or {}, secrets=held, grant=grant)
    came = found.of_login(way, record, service="thing")
    return came | found.discovered(
        way,
        record.replace(params={**record.params, **came}),
        before=before or {},
        service="thing",
        source=FixedSource(Token(grant.access_token.reveal())),
        person=person or Told(),
        allow=[api.origin],
    )


def step(api, path="/sites", **fields):
    return {"url": f"{api.origin}{path}", **fields}


# -- what came with the login --------------------------------------------------------------


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ({"from": "callback"}, "r-7"),
        ({"from": "callback", "key": "realmId"}, "x"),
        ({"from": "token", "pattern": "[a-z0-9-]+"}, "r-7"),
        ({"from": "token", "key": "none", "default": "d"}, None),
        ({"from": "secret", "key": "api_key", "take": "-([a-z]+)$"}, "us"),
    ],
)
def test_what_came_along_is_taken(api, param, expected) -> None:
    brought = find(
        api, params={"p": param}, kept={"p": "r-7", "realmId": "x"}, secrets={"api_key": "0123-us"}
    )
    assert brought == ({} if expected is None else {"p": expected})
    assert api.seen == []


@pytest.mark.parametrize(
    "param",
    [
        {"from": "callback", "key": "nothing"},
        {"from": "callback", "enum": ["eu", "us"]},
        {"from": "token", "pattern": "[a-z]+"},
        {"from": "secret", "key": "api_key", "take": "-([a-z]+)$", "pattern": "[a-z]+"},
        {"from": "secret", "key": "not_given", "take": "(.)"},
    ],
)
def test_what_is_missing_or_does_not_fit_ends_the_login_and_shows_no_value(api, param) -> None:
    secret = canary.fresh() + "-7"
    with pytest.raises(errors.LoginFailed, match="did not bring") as caught:
        find(api, params={"p": param}, kept={"p": secret}, secrets={"api_key": secret})
    assert (caught.value.service, caught.value.hint) == ("thing", "arcrun setup thing")
    assert canary.hits(str(caught.value)) == []


def test_what_the_user_types_is_not_found(api) -> None:
    assert find(api, params={"p": {}}, kept={"p": "x"}) == {}


# -- asking the service --------------------------------------------------------------------


def test_a_step_finds_its_params_in_body_and_headers(api) -> None:
    says(api, {"dc": "us6", "id": 7, "more": [1]}, headers={"x-tenant": "acme"})
    brought = find(
        api,
        params={"dc": HOST, "id": HOST, "tenant": HOST, "more": {**HOST, "default": "d"}},
        discover=[
            step(api, save={"dc": "dc", "id": "id", "tenant": "header:X-Tenant", "more": "more"})
        ],
    )
    assert brought == {"dc": "us6", "id": "7", "tenant": "acme"}
    (seen,) = api.seen
    assert (seen.method, seen.target) == ("GET", "/sites")
    assert seen.headers["authorization"].startswith(f"Bearer {canary.WORD}")


def test_a_step_may_name_what_was_typed_or_found_before_it(api) -> None:
    says(api, {"id": "s1"})
    team = {"x-team": "{{param.team}}"}
    find(
        api,
        params={"team": {}, "site": HOST, "page": HOST},
        before={"team": "blue"},
        discover=[
            step(api, "/t/{{param.team}}", headers=team, save={"site": "id"}),
            step(api, "/s/{{param.site}}", save={"page": "id"}),
        ],
        static_headers={"x-api": "{{param.team}}2"},
    )  # fmt: skip
    assert [seen.target for seen in api.seen] == ["/t/blue", "/s/s1"]
    assert api.seen[0].headers["x-team"] == "blue"
    assert api.seen[1].headers["x-api"] == "blue2"


def test_a_step_that_names_what_nobody_knows_is_not_sent(api) -> None:
    with pytest.raises(errors.LoginFailed, match="did not bring"):
        find(
            api,
            params={"site": HOST, "page": HOST},
            discover=[step(api, "/s/{{param.site}}", save={"page": "id"})],
        )
    assert api.seen == []


@pytest.mark.parametrize("value", ["127.0.0.1/", "evil.example/", "evil.example?", "*.", "a b"])
def test_a_param_does_not_become_the_host_of_a_step(api, value) -> None:
    """Not by a pattern that lets too much through, nor by what another step was told."""
    fields = {
        "base_url": "https://{{param.region}}.api.example",
        "allowed_hosts": ["{{param.region}}.api.example", api.origin.partition("//")[2]],
    }
    second = {"url": "https://{{param.region}}.api.example/sites", "save": {"site": "id"}}
    for source in ("user", "discover"):
        param = {"from": source, "pattern": ".*"}
        says(api, {"region": value})
        with pytest.raises(errors.LoginFailed, match="did not bring"):
            find(
                api,
                params={"region": param, "site": HOST},
                before={"region": value} if source == "user" else {},
                discover=[step(api, save={"region": "region"}), second][source == "user" :],
                **fields,
            )


def test_what_names_a_param_that_is_not_found_yet_is_left_out(api) -> None:
    """Many services refuse an empty tenant, and the request that lists them needs none."""
    says(api, {"id": "t-1"})
    find(
        api,
        params={"tenant": HOST, "page": {**HOST, "default": "x"}},
        discover=[step(api, save={"tenant": "id"}), step(api, "/{{param.tenant}}", save={})],
        inject={
            "header": {"Authorization": "Bearer {{token.access_token}}", "X-T": "{{param.tenant}}"},
            "query": {"t": "{{param.tenant}}", "p": "{{param.page}}"},
        },
        static_headers={"X-S": "s-{{param.tenant}}"},
    )
    first, second = api.seen
    assert first.target == "/sites?p=x"
    assert {"x-t", "x-s"} & set(first.headers) == set()
    assert second.target == "/t-1?t=t-1&p=x"
    assert (second.headers["x-t"], second.headers["x-s"]) == ("t-1", "s-t-1")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.TokenRefused),
        (403, errors.TokenRefused),
        (404, errors.LoginFailed),
        (429, errors.ProviderUnavailable),
        (500, errors.ProviderUnavailable),
        (503, errors.ProviderUnavailable),
    ],
)
def test_a_service_that_does_not_say_it_has_its_own_error(api, status, kind) -> None:
    says(api, {}, status=status)
    with pytest.raises(kind) as caught:
        find(api, params={"s": HOST}, discover=[step(api, save={"s": "id"})])
    assert type(caught.value) is kind
    assert (caught.value.service, caught.value.hint) == ("thing", "arcrun setup thing")


def test_a_service_that_cannot_be_reached_is_unavailable() -> None:
    with recorder() as gone:
        pass
    with pytest.raises(errors.ProviderUnavailable, match="cannot be reached"):
        find(gone, params={"s": HOST}, discover=[step(gone, save={"s": "id"})])


def test_what_is_no_json_finds_nothing(api) -> None:
    api.answer = lambda _: Reply(body=b"<html>")
    with pytest.raises(errors.LoginFailed, match="did not bring"):
        find(api, params={"s": HOST}, discover=[step(api, save={"s": "id"})])


# -- one of several ------------------------------------------------------------------------


def several(api, count=3, **options):
    says(api, {"sites": [{"id": f"s{n}", "name": f"Site {n}"} for n in range(1, count + 1)]})
    return find(
        api,
        params={"site": HOST},
        discover=[
            step(api, save={"site": "id"}, choose={"items": "sites", "label": "name"})
        ],
        **options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "expected"), [("2", "s2"), (" Site 3 ", "s3"), ("1", "s1"), ("03", "s3")]
)
def test_one_of_several_is_chosen_by_number_or_name(api, typed, expected) -> None:
    person = Told(typed)
    assert several(api, person=person) == {"site": expected}
    assert person.said == ["  1. Site 1", "  2. Site 2", "  3. Site 3"]


@pytest.mark.parametrize("typed", [None, "", "0", "4", "Site", "²", "9" * 5000])
def test_whatever_is_none_of_them_is_told_with_all_of_them(api, typed) -> None:
    with pytest.raises(errors.AuthError, match="Site 1, Site 2, Site 3") as caught:
        several(api, person=Told(typed))
    assert caught.value.hint == "arcrun setup thing"


def test_the_one_of_before_is_taken_without_a_word(api) -> None:
    person = Told()
    assert several(api, before={"site": "s2"}, person=person) == {"site": "s2"}
    assert person.said == person.asked == []


def test_where_the_one_of_before_is_gone_one_is_chosen_again(api) -> None:
    assert several(api, before={"site": "s9"}, person=Told("1")) == {"site": "s1"}


def test_of_one_nobody_is_asked(api) -> None:
    assert several(api, 1, person=Told()) == {"site": "s1"}


def test_whoever_has_very_many_names_one_of_them_all(api) -> None:
    person = Told("Site 77")
    assert several(api, 90, person=person) == {"site": "s77"}
    assert len(person.said) == found.MAX_CHOICES
    assert several(api, 90, before={"site": "s88"}, person=Told()) == {"site": "s88"}


def test_two_of_one_name_are_told_apart_by_their_number(api) -> None:
    says(api, [{"id": "a", "name": "Same"}, {"id": "b", "name": "Same"}])

    def choose(typed):
        return find(
            api, params={"s": HOST}, person=Told(typed),
            discover=[step(api, save={"s": "id"}, choose={"label": "name"})],
        )  # fmt: skip

    assert choose("2") == {"s": "b"}
    with pytest.raises(errors.AuthError, match="none was chosen"):
        choose("Same")


@pytest.mark.parametrize("data", [{"sites": []}, {"sites": {}}, {}, [], None])
def test_an_account_without_any_has_nothing_to_connect_to(api, data) -> None:
    says(api, data)
    with pytest.raises(errors.LoginFailed, match="nothing to connect to") as caught:
        find(
            api, params={"s": HOST},
            discover=[step(api, save={"s": "id"}, choose={"items": "sites"})],
        )  # fmt: skip
    assert caught.value.hint == "arcrun setup thing"


def test_a_name_moves_no_cursor(api) -> None:
    says(api, [{"id": "a", "name": "x\x1b[2Jy"}, {"id": "b"}])
    person = Told("1")
    find(
        api, params={"s": HOST}, person=person,
        discover=[step(api, save={"s": "id"}, choose={"label": "name"})],
    )  # fmt: skip
    assert person.said == ["  1. x[2Jy", "  2. None"]


# -- a whole login -------------------------------------------------------------------------


def test_a_site_that_was_chosen_stays_chosen_at_the_next_login(tmp_path) -> None:
    with Provider(quirks=Quirks(sites={"s-1": "First", "s-2": "Second"})) as provider:
        broker = desk(tmp_path, provider, "2")
        broker.setup("demo")
        assert broker.store.get(DEMO).params == {"site": "s-2"}
        again = desk(tmp_path, provider, app=None, store=broker.store)  # who types nothing
        again.setup("demo", replace=True)
        assert again.store.get(DEMO).params == {"site": "s-2"}
        assert works(again)


def test_the_sites_of_a_region_are_found_on_its_host_and_named_in_a_header(tmp_path) -> None:
    """The host is the user's word; and which site, the request that lists them cannot say."""
    quirks = Quirks(sites={"s-1": "First", "s-2": "Second"}, api_host="user", site_header="Org-Id")
    with Provider(quirks=quirks) as provider:
        broker = desk(tmp_path, provider, "localhost", "Second")
        broker.setup("demo")
        assert broker.store.get(DEMO).params == {"region": "localhost", "site": "s-2"}
        assert works(broker)
        with pytest.raises(errors.LoginFailed, match="nothing to connect to"):  # none there
            broker.setup("demo", params={"region": "127.0.0.1"}, replace=True)


@pytest.mark.parametrize("quirks", [{"api_host": "token"}, {"api_host": "redirect"}])
def test_a_host_of_the_user_s_own_gets_the_token_and_no_other_does(tmp_path, quirks) -> None:
    with Provider(quirks=Quirks(**quirks)) as provider:
        broker = desk(tmp_path, provider)
        broker.setup("demo")
        assert broker.store.get(DEMO).consents["demo"].hosts == (provider.api_host,)
        with broker.bind("demo") as client:
            assert client.get("me").status_code == 200
            with pytest.raises(errors.HostNotAllowed):
                client.get(f"http://127.0.0.2:{provider.api_host.rpartition(':')[2]}/api/me")


def test_a_login_that_brought_no_host_is_not_kept(tmp_path) -> None:
    with Provider(quirks=Quirks(redirect_params={"realmId": "r-7"})) as provider:
        broker = desk(tmp_path, provider, store=Memory())
        path = tmp_path / "home" / "recipes" / "demo.yaml"
        path.write_text(path.read_text().replace("[A-Za-z0-9_-]+", "[0-9]+"))
        with pytest.raises(errors.LoginFailed, match="did not bring"):
            broker.setup("demo")
        assert broker.store.get(DEMO) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_request_after_the_login_follows_no_redirect(api, status) -> None:
    """The token that it carries is for the host that was agreed to."""
    with recorder() as evil:
        says(api, {}, status=status, headers={"location": f"{evil.origin}/x"})
        with pytest.raises(errors.LoginFailed, match="did not bring"):
            find(api, params={"p": HOST}, discover=[step(api, save={"p": "id"})])
        assert evil.seen == []
    assert len(api.seen) == 1


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "\u202e", "\ud800", "x" * 70_000])
def test_a_value_that_no_address_can_hold_ends_the_login_and_not_the_program(
    tmp_path, value
) -> None:
    """What the service answers would be stored, and break every later use with it."""
    with Provider() as provider, recorder() as api:
        recipe = yaml.safe_load(provider.recipe_yaml("demo")) | {
            "base_url": f"{api.origin}/{{{{param.site}}}}/v1",
            "params": {"site": HOST},
            "discover": [{"url": f"{api.origin}/sites", "save": {"site": "id"}}],
        }
        recipe["allowed_hosts"] = [api.origin.partition("//")[2]]
        broker = desk(tmp_path, provider)
        (tmp_path / "home" / "recipes" / "demo.yaml").write_text(yaml.safe_dump(recipe))
        broker._connections.resolver.allow += (api.origin,)
        says(api, {"id": value})
        with pytest.raises(errors.LoginFailed, match="did not bring"):
            broker.setup("demo")
        assert broker.store.get(DEMO).params == {}
        assert broker.why("demo").status == "incomplete"


@pytest.mark.parametrize("value", ["..", ".", "a/../b", "x?y=1", "x#", "a%2fb", "a\\b", "//evil"])
def test_whoever_made_the_redirect_does_not_choose_the_path(api, value) -> None:
    with pytest.raises(errors.LoginFailed, match="another address"):
        find(api, params={"p": {"from": "callback"}}, kept={"p": value})
    known = {"from": "callback", "pattern": ".*"}  # a recipe that says what it takes has the word
    assert find(api, params={"p": known}, kept={"p": value}) == {"p": value}


def test_every_request_that_a_shipped_recipe_finds_something_by_can_be_sent(tmp_path) -> None:
    """Its host is fenced as it is rendered, and nothing in it waits for what it is to find."""
    built = set()
    catalog = Catalog(tmp_path)
    for entry in catalog.entries():
        for way in catalog.recipe(entry.service).ways if entry.tier == "bundled" else ():
            typed = {
                name: param.default or (*param.enum, "0" * 36)[0]  # an id, where one is typed
                for name, param in way.params.items()
                if param.source == "user"
            }
            for step in way.discover:
                binding = found._binding(step, way, typed, entry.service, ())
                url = httpx.URL(binding.base_url)
                assert binding.fence.permits(url.scheme, url.host, url.port), entry.service
                signer = Signer(binding)
                token = Token(canary.fresh())
                signed = signer.sign(
                    method="GET", url=str(url), headers={}, body=None, token=token
                )  # fmt: skip
                assert any(canary.WORD in value for _, value in signed.headers)
                built.add(entry.service)
    assert built >= {"confluence", "docusign", "jira", "xero", "zoho_desk"}
