"""Logins on both databases, over https as far as cookies are concerned."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from arcrun_auth.server import ci, keys, state
from arcrun_auth.server.config import Config
from arcrun_auth.server.login_shapes import NewCiVault
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.visits import Site
from tests.surfer import Page
from tests.unit.test_platform_login import ASKED, BACK, VERIFIER


def form_of(page, button):
    return next(form for form in Page(page.text).forms if form.button == button)


def press(web, page, button, **typed):
    """Press a button; go where it leads within the server."""
    form = form_of(page, button)
    answer = web("POST", form.action, data={**form.fields, **typed})
    if answer.status_code == 303:
        answer = web("GET", answer.headers["location"])
    return answer


def signed_in(web, start):
    return press(web, web("GET", start), "Sign in with the key", key=web.keys["anna"])


def test_a_device_logs_in_with_cookies_that_only_this_host_can_have_set(web, database) -> None:
    page = signed_in(web, f"/auth/start?{urlencode(ASKED)}")
    names = {cookie.name for cookie in web.client.cookies.jar}
    assert names == {"__Host-csrf", "__Host-arcrun_session"}
    assert all(cookie.secure and cookie.path == "/" for cookie in web.client.cookies.jar)
    onward = Page(press(web, page, "Log in").text).onward
    code = parse_qs(urlsplit(onward).query)["code"][0]
    form = {
        "grant_type": "authorization_code", "client_id": "arcrun", "redirect_uri": BACK,
        "code": code, "code_verifier": VERIFIER,
    }  # fmt: skip
    answer = web("POST", "/auth/token", data=form)
    assert answer.status_code == 200
    key = answer.json()["access_token"]
    assert database.read(lambda tx: keys.authenticate(tx, key)).kind == "device"
    assert web("POST", "/auth/token", data=form).status_code == 400  # taken once


def test_a_code_for_a_device_is_agreed_to_and_redeemed_once(web, clock) -> None:
    began = web("POST", "/auth/device", data={"client_id": "arcrun"}).json()
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "arcrun",
        "device_code": began["device_code"],
    }  # fmt: skip
    assert web("POST", "/auth/token", data=form).json()["error"] == "slow_down"
    clock.now += 11
    assert web("POST", "/auth/token", data=form).json()["error"] == "authorization_pending"
    page = signed_in(web, f"/device?{urlencode({'user_code': began['user_code']})}")
    assert "logged in" in press(web, page, "Log in").text
    assert web("POST", "/auth/token", data=form).json()["access_token"].startswith("ak_")
    assert web("POST", "/auth/token", data=form).json()["error"] == "expired_token"


def test_all_processes_of_a_server_know_what_one_has_sealed_and_what_is_spent(database) -> None:
    one, two = (Site(database, Config()) for _ in range(2))
    text = one.sealer.seal("flow", {"port": 5555}, ends=one.now() + 60)
    assert two.sealed("flow", text) == {"port": 5555}
    assert one.spend("code", "x", 60)
    assert not two.spend("code", "x", 60)
    assert two.spend("code", "y", 60)
    assert two.spend("oauth", "x", 60)


def test_what_is_spent_is_forgotten_when_it_would_have_ended(database, clock) -> None:
    ends = clock.now + 60
    assert database.write(lambda tx: state.spend(tx, "code", "x", ends=ends))
    clock.now += 61
    assert database.write(lambda tx: state.spend(tx, "code", "y", ends=ends + 60))
    assert database.read(lambda tx: tx.one("SELECT count(*) FROM spent")) == (1,)


def test_a_vault_of_jobs_belongs_to_its_account(database, anna, bob) -> None:
    new = NewCiVault(label="site", rows=["s_1"], issuer="https://id.test", subject="repo:a/b:*")
    made = database.write(lambda tx: ci.create(tx, anna, new, ()))
    assert [each.id for each in database.read(lambda tx: ci.listed(tx, anna))] == [made.id]
    assert database.read(lambda tx: ci.listed(tx, bob)) == []
    with pytest.raises(Problem):
        database.write(lambda tx: ci.remove(tx, bob, made.id))
    job = database.write(lambda tx: ci._minted(tx, anna.account, made.id, ["s_1"]))
    who = database.read(lambda tx: keys.authenticate(tx, job.api_key))
    assert (who.account, who.kind, who.rows) == (anna.account, "ci", frozenset({"s_1"}))
    database.write(lambda tx: ci.remove(tx, anna, made.id))
    assert database.read(lambda tx: ci.listed(tx, anna)) == []
