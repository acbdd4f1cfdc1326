"""Which ways in a login offers: by who is there, where the browser is, and what is wished."""

from __future__ import annotations

import pytest

from arcrun_auth.errors import AuthError, LoginFailed
from arcrun_auth.login import LoginPlan, Ways, choose
from arcrun_auth.oauth.app import App
from arcrun_auth.recipe import OAuth2, Redirect

CODE, DEVICE, BOTH = (
    ("authorization_code",),
    ("device_code",),
    ("authorization_code", "device_code"),
)


def plan(grants=BOTH, *, policy="any_port", **fields) -> LoginPlan:
    endpoints = {
        "token_endpoint": "https://id.example/token",
        "authorization_endpoint": "https://id.example/authorize",
        "device_authorization_endpoint": "https://id.example/device",
    }
    oauth2 = OAuth2(grants=grants, redirect=Redirect(policy=policy), **(endpoints | fields))
    return LoginPlan("demo", "Demo", oauth2, App("cid"))


def chosen(plan_, *, paste=True, opens=True, elsewhere=False, wish=None) -> set[str]:
    ways = choose(plan_, can_paste=paste, can_open=opens, elsewhere=elsewhere, wish=wish)
    return {name for name in ("browser", "loopback", "paste", "device") if getattr(ways, name)}


ALL = {"loopback", "paste", "device"}


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        # A desktop: the browser, and nothing that crowds it.
        ({}, {}, {"browser", "loopback", "paste"}),
        ({}, {"paste": False}, {"browser", "loopback"}),
        ({"grants": CODE}, {}, {"browser", "loopback", "paste"}),
        # No browser here, or one on another machine: the device as well. What is opened from
        # afar ($BROWSER of an editor) may reach the person, or may not.
        ({}, {"opens": False}, ALL),
        ({}, {"elsewhere": True}, ALL | {"browser"}),
        ({}, {"elsewhere": True, "opens": False}, ALL),
        ({}, {"opens": False, "paste": False}, {"loopback", "device"}),
        ({"grants": CODE}, {"elsewhere": True, "opens": False}, {"loopback", "paste"}),
        # A provider that knows devices alone, or an address alone.
        ({"grants": DEVICE}, {}, {"device"}),
        ({"grants": DEVICE}, {"paste": False, "opens": False}, {"device"}),
        ({"device_authorization_endpoint": ""}, {"opens": False}, {"loopback", "paste"}),
        ({"authorization_endpoint": ""}, {}, {"device"}),
        # https only: nothing can listen.
        ({"policy": "https_only"}, {}, {"browser", "paste"}),
        ({"policy": "https_only"}, {"elsewhere": True}, {"browser", "paste", "device"}),
        ({"policy": "https_only"}, {"paste": False, "elsewhere": True}, {"device"}),
        # What the person asked for goes first.
        ({}, {"wish": "no_browser"}, ALL),
        ({}, {"wish": "paste"}, {"paste"}),
        ({}, {"wish": "device"}, {"device"}),
        ({"grants": CODE}, {"wish": "no_browser"}, {"loopback", "paste"}),
        ({"policy": "https_only"}, {"wish": "no_browser"}, {"paste", "device"}),
    ],
)  # fmt: skip
def test_what_is_offered(fields, options, expected) -> None:
    assert chosen(plan(**fields), **options) == expected


def test_where_the_browser_can_do_nothing_the_device_is_offered_at_a_desktop_too() -> None:
    assert "device" in chosen(plan(policy="https_only"), paste=False)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_tunnel_is_offered_to_a_browser_on_another_machine_only(elsewhere) -> None:
    ways = choose(
        plan(),
        can_paste=True,
        can_open=True,
        elsewhere=elsewhere,
        tunnel=lambda port: f"ssh {port}",
    )
    assert (ways.tunnel is not None) is elsewhere


@pytest.mark.parametrize(
    ("fields", "options", "text"),
    [
        ({"grants": CODE, "policy": "https_only"}, {"paste": False}, "nobody can paste here"),
        ({"grants": DEVICE, "device_authorization_endpoint": ""}, {}, "no login that works here"),
        ({"grants": ("refresh_token",)}, {}, "no login that works here"),
        ({"grants": DEVICE}, {"wish": "paste"}, "no login that works here"),
        ({}, {"wish": "paste", "paste": False}, "no login that works here"),
        ({"grants": CODE, "authorization_endpoint": ""}, {}, "no login that works here"),
    ],
)
def test_where_nothing_can_work_that_is_said(fields, options, text) -> None:
    with pytest.raises(LoginFailed, match=text) as caught:
        chosen(plan(**fields), **options)
    assert (caught.value.service, caught.value.hint) == ("demo", "arcrun setup demo")


@pytest.mark.parametrize("fields", [{"grants": CODE}, {"device_authorization_endpoint": ""}])
def test_a_device_that_the_provider_does_not_know_is_a_mistake(fields) -> None:
    with pytest.raises(AuthError, match="no login by a code") as caught:
        chosen(plan(**fields), wish="device")
    assert type(caught.value) is AuthError
    assert caught.value.hint == "arcrun setup demo --no-browser"


def test_the_code_is_a_way_in_where_its_answer_can_arrive() -> None:
    assert Ways(loopback=False).code
    assert Ways(paste=False).code
    assert not Ways(loopback=False, paste=False).code
