"""What ends when, and what is done before: the rules, on a clock of their own."""

from __future__ import annotations

import pytest

from arcrun_auth import lifetimes
from arcrun_auth.lifetimes import DAY
from arcrun_auth.recipe.oauth2 import Refresh
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary

START = 1_700_000_000.0
KEY = Key("credential", "demo")
QUARTER = Refresh(idle_s=int(80 * DAY), rotates="no")


def grant(**fields) -> Grant:
    given = {"refresh_token": Secret(canary.fresh("rt")), "issued": START, **fields}
    return Grant(access_token=Secret(canary.fresh("at")), **given)


def at(days: float) -> float:
    return START + days * DAY


# -- when it is due ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refresh", "fields", "days", "due"),
    [
        # idle: a quarter of the limit
        (QUARTER, {}, 19, False),
        (QUARTER, {}, 20, True),
        (QUARTER, {"refresh_expires": at(80)}, 19, False),
        (QUARTER, {"refresh_expires": at(21)}, 19, True),  # and the end that is near
        # an end that a renewal puts off: three days or a fifth of the life, whichever is more
        (Refresh(rotates="yes"), {"refresh_expires": at(100)}, 79, False),
        (Refresh(rotates="yes"), {"refresh_expires": at(100)}, 81, True),
        (Refresh(rotates="maybe"), {"refresh_expires": at(5)}, 1, False),
        (Refresh(rotates="maybe"), {"refresh_expires": at(5)}, 2.5, True),
        # an end that nothing puts off
        (Refresh(rotates="no"), {"refresh_expires": at(100)}, 99, False),
        # nothing known: a week
        (Refresh(), {}, 7, False),
        (Refresh(), {}, 7.1, True),
        # what cannot be renewed, or has nothing that could end unused
        (Refresh(), {"refresh_token": None}, 99, False),
        (Refresh(), {"dead": "revoked"}, 99, False),
        (QUARTER, {"refresh_expires": at(80)}, 81, False),
        (Refresh(mode="no"), {}, 99, False),
        (Refresh(mode="reissue"), {"refresh_token": None}, 99, False),
        # the live token itself is what renews
        (Refresh(mode="exchange"), {"refresh_token": None, "expires": at(60)}, 47, False),
        (Refresh(mode="exchange"), {"refresh_token": None, "expires": at(60)}, 49, True),
        (Refresh(mode="exchange"), {"refresh_token": None, "expires": at(60)}, 61, False),
        (Refresh(mode="exchange"), {"refresh_token": None}, 99, False),
    ],
)  # fmt: skip
def test_a_grant_is_due_when_it_would_end_unused_and_a_renewal_helps(
    refresh, fields, days, due
) -> None:
    assert lifetimes.due(grant(**fields), refresh, at(days)) is due


@pytest.mark.parametrize(
    ("refresh", "extends"),
    [
        (Refresh(rotates="yes"), True),
        (Refresh(rotates="maybe"), True),
        (Refresh(rotates="no"), False),
        (QUARTER, True),
        (Refresh(mode="exchange", rotates="no"), True),
        (Refresh(mode="no"), False),
    ],
)
def test_use_or_a_new_refresh_token_puts_the_end_off(refresh, extends) -> None:
    assert lifetimes.can_extend(grant(), refresh, START) is extends


# -- what is warned of ---------------------------------------------------------------------


def warned(record: Credential, days: float, refresh: Refresh | None = None, app=None):
    return lifetimes.warnings(record, refresh, app, name="demo@work", now=at(days))


def test_a_key_is_warned_of_two_weeks_before_its_end_and_after_it() -> None:
    key = Credential(KEY, ends=at(20))
    assert warned(key, 6) == ()
    assert warned(key, 7.5) == ("the key ends in 12 days → arcrun setup demo@work",)
    assert warned(key, 19.5) == ("the key ends in 12 hours → arcrun setup demo@work",)
    assert warned(key, 21.1) == ("the key ended 1 day ago → arcrun setup demo@work",)
    assert warned(Credential(KEY), 999) == ()


def test_an_app_is_warned_of_a_month_before_its_secret_ends() -> None:
    record = Credential(KEY, grant=grant())
    assert warned(record, 0, Refresh(), at(31)) == ()
    (warning,) = warned(record, 0, Refresh(), at(29))
    assert warning == (
        "the client secret of your OAuth app ends in 29 days"
        " → arcrun setup demo@work --client-file FILE"
    )


def test_a_login_is_warned_of_a_week_before_an_end_that_nothing_puts_off() -> None:
    record = Credential(KEY, grant=grant(refresh_expires=at(30)))
    fixed = Refresh(rotates="no")
    assert warned(record, 22, fixed) == ()
    assert warned(record, 24, fixed) == ("the login ends in 6 days → arcrun setup demo@work",)
    assert warned(record, 29, Refresh(rotates="yes")) == ()
    assert warned(record, 31, Refresh(rotates="yes")) == (
        "the login ended 1 day ago → arcrun setup demo@work",
    )


def test_a_login_is_warned_of_when_half_its_idle_time_is_over() -> None:
    record = Credential(KEY, grant=grant(refresh_expires=at(80)))
    assert warned(record, 40, QUARTER) == ()
    assert warned(record, 41, QUARTER) == (
        "the login was not used for 41 days, and ends unused after 80 days → arcrun keepalive",
    )


def test_a_dead_login_is_no_warning_but_a_state() -> None:
    record = Credential(KEY, grant=grant(dead="revoked", refresh_expires=at(1)))
    assert warned(record, 2, Refresh()) == ()


@pytest.mark.parametrize("days", [0, 10, 30, 41, 55, 72, 74, 79, 81])
@pytest.mark.parametrize("refresh", [QUARTER, Refresh(rotates="no"), Refresh()])
@pytest.mark.parametrize(
    "record",
    [
        Credential(KEY, ends=at(80)),
        Credential(KEY, grant=Grant(access_token=Secret(""), issued=START)),
        Credential(
            KEY,
            grant=Grant(
                access_token=Secret(""),
                refresh_token=Secret("x"),
                issued=START,
                refresh_expires=at(80),
            ),
        ),
    ],
    ids=["key", "nothing known", "login"],
)
def test_the_cheap_look_misses_no_warning(record, refresh, days) -> None:
    if warned(record, days, refresh):
        assert lifetimes.soon(record, at(days))


def test_an_access_token_that_has_ended_is_worth_a_look() -> None:
    record = Credential(KEY, grant=grant(expires=at(1), refresh_expires=at(900)))
    assert not lifetimes.soon(record, at(0.5))
    assert lifetimes.soon(record, at(2))


def test_a_dead_login_says_why_it_is():
    assert lifetimes.end_of("revoked") == "the provider has ended this login"
    assert "copy" in lifetimes.end_of(lifetimes.COPIED)


# -- keys without an end -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "days", "told"),
    [
        ({}, 364, False),
        ({}, 366, True),
        ({"ends": at(9999)}, 366, False),  # its end is what counts
        ({"grant": grant()}, 366, False),  # a login is no key
        ({"generation": 0}, 366, False),  # the environment's
        ({"secrets": {}}, 366, False),
        ({"updated": 0.0}, 366, False),  # nobody knows since when
    ],
)
def test_a_key_that_was_not_changed_for_a_year_is_worth_a_word(fields, days, told):
    secrets = {"token": Secret(canary.fresh("key"))}
    given = {"secrets": secrets, "generation": 3, "updated": START, "created": START, **fields}
    record = Credential(KEY, **given)
    found = lifetimes.warnings(record, None, None, name="demo", now=at(days))
    expected = ("the key has been the same for 366 days → arcrun setup demo",)
    assert found == (expected if told else ())
    assert not lifetimes.soon(record, at(days)), "no script is bothered with it"
