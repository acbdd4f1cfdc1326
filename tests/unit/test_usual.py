"""What an error means that no rule of the recipe knows: said with what the recipe does know."""

from __future__ import annotations

import re

import pytest

from arcrun_auth import diagnosis, usual
from arcrun_auth.catalog import Catalog
from arcrun_auth.recipe import ClientAuth, Method, OAuth2, Param, Refresh, RequiredSecret

LOGIN = "https://id.acme.example/authorize"
APPS = "https://acme.example/apps"
DAY = 86400


def key(name="token", **more) -> RequiredSecret:
    return RequiredSecret(key=name, **more)


def keys(*secrets: RequiredSecret, **more) -> Method:
    return Method(primitive="static_key", required_secrets=secrets, **more)


def login(**server) -> Method:
    given = {"authorization_endpoint": LOGIN, **server}
    return Method(primitive="oauth2", oauth2=OAuth2(**given), app_register_url=APPS)


def of_api(way: Method, status: int) -> str | None:
    found = diagnosis.find(usual.of_api(way), status=status)
    return found.say if found is not None else None


def of_server(way: Method, error: str, *, begins: bool = False) -> str | None:
    found = diagnosis.find(usual.of_server(way, begins=begins), error=error)
    return found.say if found is not None else None


# -- at the API ----------------------------------------------------------------------------


def test_a_key_is_called_as_the_vendor_calls_it_and_its_page_is_named() -> None:
    way = keys(key(label="API token", help_url="https://acme.example/keys"))
    dead = "The API token is mistyped, has expired or was withdrawn."
    assert of_api(way, 401) == f"{dead} Look at https://acme.example/keys"
    assert of_api(keys(key()), 401) == dead.replace("API token", "token")


def test_of_several_keys_each_is_named_but_those_that_may_be_missing() -> None:
    way = keys(key("id", label="Key ID"), key("site", optional=True), key("s", label="Secret"))
    assert of_api(way, 401) == (
        "One of these (Key ID, Secret) is mistyped, has expired or was withdrawn."
    )


def test_what_the_user_said_of_the_place_may_be_wrong_and_what_was_found_is_not() -> None:
    params = {
        "region": Param(label="Region"), "cloud": Param(source="discover"), "site": Param(),
    }  # fmt: skip
    said = of_api(keys(key(), params=params), 401)
    assert said == (
        "The token is mistyped, has expired, was withdrawn, is not for this Region "
        "or is not for this site."
    )


def test_a_login_has_no_key_that_could_be_mistyped() -> None:
    assert of_api(login(), 401) == "The login has ended or access was withdrawn."
    beside = Method(primitive="oauth2", oauth2=OAuth2(), required_secrets=(key(),))
    assert "mistyped" not in str(of_api(beside, 401))


@pytest.mark.parametrize(
    ("status", "word"), [(402, "plan"), (403, "may lack"), (429, "too many"), (404, None)]
)
def test_a_status_is_explained_where_it_has_one_meaning(status, word) -> None:
    for way in (keys(key()), login()):
        said = of_api(way, status)
        assert said is None if word is None else word in str(said)


def test_what_cannot_be_printed_is_not_shown() -> None:
    said = of_api(keys(key(label="\x1b[2JKey", help_url="https://a.example/\x1b[1m")), 401)
    assert "\x1b" not in str(said)


# -- at the authorization server -----------------------------------------------------------


@pytest.mark.parametrize(
    ("refresh", "why"),
    [
        ({}, "The login was withdrawn."),
        ({"rotates": "yes"}, "The login was withdrawn or was renewed from another place."),
        ({"idle_s": 60 * DAY}, "The login was unused for 60 days or was withdrawn."),
        (
            {"idle_s": DAY, "lifetime_s": 365 * DAY},
            "The login was unused for 1 day, is 365 days old or was withdrawn.",
        ),
    ],
)
def test_why_a_login_ended_is_told_by_how_long_one_lives(refresh, why) -> None:
    assert of_server(login(refresh=Refresh(**refresh)), "invalid_grant") == why


def test_a_login_that_begins_has_not_ended() -> None:
    said = of_server(login(), "invalid_grant", begins=True)
    assert said == "The code of this login has expired or was used before."


def test_where_nobody_logged_in_no_login_has_ended() -> None:
    alone = login(grants=("client_credentials",), refresh=Refresh(mode="reissue"))
    assert of_server(alone, "invalid_grant") is None
    assert usual.of_server(keys(key())) == ()


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
def test_a_refused_app_is_compared_with_its_page(error) -> None:
    said = of_server(login(), error)
    assert said == f"The client ID of your own OAuth app is wrong, or the secret is. Look at {APPS}"
    for client in (ClientAuth(auth="none"), ClientAuth(secret_required=False)):
        assert "has a secret not given here" in str(of_server(login(client=client), error))
    signed = login(client=ClientAuth(auth="private_key_jwt"))
    assert "what proves it is" in str(of_server(signed, error))


def test_a_scope_is_the_apps() -> None:
    assert f"one of the scopes that were asked for. Look at {APPS}" in str(
        of_server(login(), "invalid_scope")
    )


# -- with the shipped recipes --------------------------------------------------------------


def test_shipped_recipes_leave_to_it_what_it_can_say(tmp_path) -> None:
    catalog = Catalog(tmp_path)
    box, notion = catalog.recipe("box").way(), catalog.recipe("notion").way("oauth")
    assert of_server(box, "invalid_grant") == (
        "The login was unused for 60 days, was withdrawn or was renewed from another place."
    )
    assert "renewed from another place" in str(of_server(notion, "invalid_grant"))
    stripe = str(of_api(catalog.recipe("stripe").way(), 401))
    assert stripe.startswith("The Secret or restricted key is mistyped")
    assert stripe.endswith("https://dashboard.stripe.com/apikeys")


def test_it_is_never_a_sentence_without_its_end(tmp_path) -> None:
    catalog = Catalog(tmp_path)
    for entry in catalog.entries():
        for way in catalog.recipe(entry.service).ways:
            rules = (*usual.of_api(way), *usual.of_server(way), *usual.of_server(way, begins=True))
            for rule in rules:
                assert re.fullmatch(r"[A-Z].*?\.(?: Look at https://\S+)?", rule.say), rule.say
