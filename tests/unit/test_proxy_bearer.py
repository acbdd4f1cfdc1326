"""The proxy's bearer, and the address it is asked at."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.agents.proxy import address, bearer, environment
from arcrun_auth.agents.proxy.bearer import Places, Sent
from arcrun_auth.agents.proxy.session import BEARER, new_session
from arcrun_auth.catalog import Catalog
from arcrun_auth.recipe import Inject, Recipe

SESSION, SECRET = new_session("test", (), ends=2e9)
KEY = SECRET.reveal()


def sent(path: str = "/", query: str = "", **headers: str) -> Sent:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Sent(path, query, pairs)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


SECRET_KEY = "{{secret.k}}"


def recipe(**inject: dict[str, str]) -> Recipe:
    return Recipe(service="demo", primitive="static_key", id="key", inject=Inject(**inject))


KEYED = Places.of(recipe(header={"X-Api-Key": SECRET_KEY, "Version": "{{param.v}}"}))
ASKED = Places.of(recipe(query={"key": "k", "token": "t"}))
PATHED = Places.of(recipe(path={"bot": "k"}))
BAKED = Places.of(recipe(cookie={"sid": "k"}))


def test_a_bearer_has_256_bits_and_is_known_by_its_digest_only():
    other, another = new_session("test", (), ends=2e9)

    assert BEARER.fullmatch(KEY)
    assert another.reveal() != KEY
    assert SESSION.holds(KEY)
    assert not other.holds(KEY)
    assert not SESSION.holds(KEY[:-1])
    assert not SESSION.holds("\udcff")
    assert KEY not in repr(SESSION)
    assert KEY.removeprefix("arcrun_proxy_") not in repr(SESSION)


@pytest.mark.parametrize(
    ("request_", "places"),
    [
        (sent(authorization=f"Bearer {KEY}"), Places()),
        (sent(authorization=KEY), Places()),
        (sent(authorization=f"token {KEY}"), Places()),
        (sent(authorization=basic(f"{KEY}:")), Places()),
        (sent(authorization=basic(f"api:{KEY}")), Places()),
        (sent(x_api_key=KEY), KEYED),
        (sent(query=f"a=1&key={KEY}&b=2"), ASKED),
        (sent(query=f"k%65y={KEY}&token={KEY}"), ASKED),
        (sent(path=f"/bot{KEY}/getMe"), PATHED),
        (sent(cookie=f"a=b; sid={KEY}"), BAKED),
    ],
    ids=lambda given: "" if isinstance(given, Sent) else "places",
)
def test_the_bearer_is_found_wherever_an_sdk_puts_its_key_and_taken_out(request_, places):
    assert bearer.find(request_, places) == {KEY}

    clean = bearer.take(request_, places)

    assert KEY not in clean.path + clean.query
    assert "authorization" not in dict(clean.headers)
    assert KEY not in str(clean.headers)


@pytest.mark.parametrize(
    ("request_", "places"),
    [
        (sent(x_api_key=KEY), Places()),
        (sent(query=f"key={KEY}"), KEYED),
        (sent(path=f"/bot{KEY}"), KEYED),
        (sent(cookie=f"sid={KEY}"), KEYED),
        (sent(authorization="Basic !!!"), KEYED),
        (sent(authorization="Bearer sk-something"), KEYED),
    ],
    ids=["header", "query", "path", "cookie", "no base64", "another"],
)
def test_elsewhere_it_is_no_bearer(request_, places):
    assert bearer.find(request_, places) == frozenset()


def test_what_is_not_the_bearer_stays_as_it_was_sent():
    clean = bearer.take(
        sent(
            "/a%20b", f"q=%20x&key={KEY}&&flag",
            authorization=f"Bearer {KEY}", accept="*/*", cookie="a=b",
        ),
        ASKED,
    )  # fmt: skip

    assert clean == sent("/a%20b", "q=%20x&flag", accept="*/*", cookie="a=b")


def test_an_sdk_s_own_value_in_a_place_that_the_recipe_fills_goes_with_it():
    clean = bearer.take(sent(x_api_key=KEY, version="2023"), KEYED)

    assert clean.headers == ()


def test_somebody_s_own_key_is_left_to_be_refused():
    clean = bearer.take(sent(x_api_key=KEY, authorization="Bearer sk-mine"), KEYED)
    assert clean.headers == (("authorization", "Bearer sk-mine"),)

    own = sent("/", "key=mine&a=b", authorization=f"Bearer {KEY}", cookie="sid=mine")
    assert bearer.take(own, ASKED).query == "key=mine&a=b"
    assert bearer.take(own, BAKED).headers == (("cookie", "sid=mine"),)


def test_in_the_path_its_name_takes_its_place():
    assert bearer.take(sent(f"/bot{KEY}/getMe"), PATHED).path == "/bot{bot}/getMe"
    two = Places.of(recipe(path={"a": "k", "b": "k"}))
    assert KEY in bearer.take(sent(f"/bot{KEY}/getMe"), two).path


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30)


@given(TEXT, TEXT, st.sampled_from(["{}", "Bearer {}", "x{}y", "key={}"]))
def test_no_bearer_stays_in_a_place_where_one_is_found(before, after, shape):
    value = shape.format(before + " " + KEY + " " + after)
    request = sent(query=f"key={quote(value)}", authorization=value, x_api_key=value)
    places = Places(header=frozenset({"x-api-key"}), query=frozenset({"key"}))

    assert KEY in bearer.find(request, places)
    clean = bearer.take(request, places)
    assert bearer.find(clean, places) == frozenset()
    assert KEY not in clean.query + str(clean.headers)


# -- addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("/notion", ("notion", None, "/", "")),
        ("/notion/", ("notion", None, "/", "")),
        ("/notion@work/v1/x?q=%20&q=2?3", ("notion", "work", "/v1/x", "q=%20&q=2?3")),
        ("/notion%40work/x", ("notion", "work", "/x", "")),
        ("/acme%2Fwiki/x", ("acme/wiki", None, "/x", "")),
        ("/notion//evil/../%2e%2e/", ("notion", None, "//evil/../%2e%2e/", "")),
    ],
)
def test_an_address_names_a_connection_and_the_rest_is_as_it_was_sent(target, found):
    assert address.parse(target) == address.Address(*found)


@pytest.mark.parametrize(
    "target",
    ["/", "//notion/x", "/?x", "*", "http://127.0.0.1/notion/x", "notion:443", "/Notion/x",
     "/notion/x#y", "/%ff/x", "/notion@/x", "/a/../notion/x/", "/%00/", "/.%2e/x"],
)  # fmt: skip
def test_what_names_no_connection_is_told_so(target):
    if target == "/a/../notion/x/":  # names `a`, and nothing is resolved
        assert address.parse(target).service == "a"
        return
    with pytest.raises(ValueError, match=r"."):
        address.parse(target)


@given(
    st.from_regex(r"([a-z0-9-]+/)?[a-z0-9]{1,9}", fullmatch=True),
    st.none() | st.from_regex(r"[a-z0-9][a-z0-9._+-]{0,9}", fullmatch=True),
)
def test_the_base_of_a_connection_leads_back_to_it(service, instance):
    base = address.base("", service, instance)

    assert address.parse(base + "/x?y") == address.Address(service, instance, "/x", "y")


# -- what programs are given ---------------------------------------------------------------


def test_the_names_are_those_that_sdks_read_and_the_bearer_stands_for_every_secret():
    catalog = Catalog("nowhere")
    try:
        found = {
            name: environment.variables(catalog.entry(name), "URL")
            for name in ("openai", "trello", "google_drive")
        }
    finally:
        catalog.close()

    assert found["openai"] == {"OPENAI_BASE_URL": "URL", "OPENAI_API_KEY": None}
    assert {"TRELLO_BASE_URL", "TRELLO_API_KEY", "TRELLO_TOKEN"} <= found["trello"].keys()
    assert found["google_drive"]["GOOGLE_DRIVE_BASE_URL"] == "URL"
    assert environment.filled(found["openai"], "b")["OPENAI_API_KEY"] == "b"
    assert not [name for names in found.values() for name in names if name.startswith("ARCRUN_")]
