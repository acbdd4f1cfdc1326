"""Scopes: what is asked for, what was granted, what is missing."""

from __future__ import annotations

import pytest

from arcrun_auth import scopes
from arcrun_auth.recipe import OAuth2
from arcrun_auth.tokens import Grant, Secret

AUTH = "https://api.example/auth"
SERVER = OAuth2(
    token_endpoint="https://x.example/token",
    scopes=("read", "write"),
    scope_sets={
        "readonly": ("read",),
        "all": ("read", "write", "admin"),
        "calendar": (f"{AUTH}/calendar.events", f"{AUTH}/calendar"),
    },
    scope_aliases={"email": f"{AUTH}/email", "offline_access": ""},
)
HELD = Grant(access_token=Secret("x"), issued=0.0, requested=("mail",))


def wanted(names, held=None, *, widen=False):
    return scopes.wanted(SERVER, names, held=held, widen=widen)


@pytest.mark.parametrize(
    ("names", "held", "widen", "expected"),
    [
        (None, None, False, ("read", "write")),
        (["readonly"], None, False, ("read",)),
        (["all", "extra"], None, False, ("read", "write", "admin", "extra")),
        (None, HELD, False, ("mail",)),
        (["readonly"], HELD, False, ("read",)),  # a set-up anew may ask for less
        (["readonly"], HELD, True, ("mail", "read")),
        (["readonly"], None, True, ("read",)),
        (["+admin"], HELD, False, ("mail", "admin")),
        (["+admin"], None, False, ("read", "write", "admin")),
        (["+all", "+mail"], HELD, False, ("mail", "read", "write", "admin")),
        (["readonly", "+admin"], HELD, False, ("read", "admin")),  # not an addition alone
    ],
)
def test_what_is_asked_for(names, held, widen, expected):
    assert wanted(names, held, widen=widen) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("calendar.events", (f"{AUTH}/calendar.events",)),
        ("calendar", (f"{AUTH}/calendar.events", f"{AUTH}/calendar")),  # a set goes first
        (f"{AUTH}/calendar", (f"{AUTH}/calendar",)),
        ("unknown", ("unknown",)),
    ],
)
def test_a_short_name_is_the_scope_that_ends_in_it(name, expected):
    assert scopes.spelled(SERVER, [name]) == expected


def test_a_short_name_of_two_scopes_stays_as_it_is():
    server = OAuth2(scopes=("https://a.example/mail", "https://b.example/mail"))
    assert scopes.spelled(server, ["mail"]) == ("mail",)


def test_what_was_not_granted_is_missing():
    asked = ("read", "email", "offline_access", "write")
    assert scopes.missing(SERVER, asked, ("read", f"{AUTH}/email")) == ("write",)
    assert scopes.missing(SERVER, asked, ()) == ("read", "email", "write")


@pytest.mark.parametrize("name", ["readonyl", "+calender", "al"])
def test_a_set_that_is_mistyped_is_noticed(name):
    found = scopes.slip(SERVER, ["write", name])
    assert found is not None
    assert found[0] == name.removeprefix("+")
    assert found[1] in SERVER.scope_sets


@pytest.mark.parametrize("name", ["readonly", "read", "calendar.events", "https://x.example/all"])
def test_a_scope_is_no_slip(name):
    assert scopes.slip(SERVER, [name]) is None
