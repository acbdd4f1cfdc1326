"""`arcrun ci`: what is given to jobs, printed once, listed, brought up to date and ended."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import Broker
from arcrun_auth.sync import account
from tests.platform_desk import desk


@pytest.fixture
def here(connected, tmp_path):
    """A home that is logged in to a platform."""
    (tmp_path / "server").mkdir()
    with desk(tmp_path / "server") as server, server.account() as cloud:
        broker = Broker(home=str(connected.home), environ=connected.env)
        store = broker.store.primary
        account.keep(store, server.url, cloud.key, account="a", email="ada@example.com")
        broker.close()
        connected.env["ARCRUN_ALLOW_HOSTS"] += f",{server.origin}"
        yield connected


def variables(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def test_what_is_printed_is_all_that_a_job_needs(here, provider):
    done = here("ci", "create", "deploy", "--services", "demo_static")
    assert done.code == 0, done.err
    given = variables(done.out)
    assert "secret and not shown again" in done.err
    assert given["ARCRUN_ENCRYPTION_KEY"] not in done.err
    alone = dict.fromkeys(("ARCRUN_MASTER_KEY_FILE",), "")
    job = here("token", "demo_static", **given, **alone, ARCRUN_HOME=f"{here.folder}/runner")
    assert job.code == 2, "the recipe is the home's own: a runner has those of the package"
    (here.folder / "runner" / "recipes").mkdir(parents=True, mode=0o700)
    (here.folder / "runner").chmod(0o700)
    recipe = (here.home / "recipes" / "demo_static.yaml").read_text()
    (here.folder / "runner" / "recipes" / "demo_static.yaml").write_text(recipe)
    job = here("token", "demo_static", **given, **alone, ARCRUN_HOME=f"{here.folder}/runner")
    assert (job.code, job.out.strip()) == (0, provider.static_key)


def test_what_was_made_is_listed_and_ended(here):
    assert "no CI vault yet" in here("ci", "list").err
    made = json.loads(here("ci", "create", "a", "--services", "demo_static", "--json").out)
    assert (made["name"], made["services"]) == ("a", ["demo_static"])
    assert sorted(made["secret"]) == ["ARCRUN_API_KEY", "ARCRUN_ENCRYPTION_KEY"]
    (listed,) = json.loads(here("ci", "list", "--json").out)["vaults"]
    assert (listed["name"], listed["services"]) == ("a", ["demo_static"])
    assert made["variables"]["ARCRUN_ENCRYPTION_KEY"] not in here("ci", "list").both
    assert "an API key" in here("ci", "list").out
    assert "Nothing has changed" in here("ci", "update").err
    assert here("ci", "remove", "a").code == 2, "nobody can be asked"
    ended = here("ci", "remove", "a", "--yes")
    assert (ended.code, "demo_static" in ended.err) == (0, True)
    assert json.loads(here("ci", "list", "--json").out)["vaults"] == []


def test_a_login_that_rotates_is_refused(here):
    done = here("ci", "create", "a", "--services", "demo")
    assert (done.code, done.out) == (1, "")
    assert "ends the one before" in done.err


def test_who_may_not_and_what_makes_no_sense(here):
    assert here("ci", "create", "a", "--services", "demo_static", CLAUDECODE="1").code == 7
    assert here("ci", "create", "a", "--services", "demo_static", "--subject", "x").code == 2
    assert here("ci", "create", "a", "--services", " , ").code == 2
    assert here("ci", "create", "a", "--services", "No Name").code == 2


def test_without_a_login_it_says_so(connected):
    done = connected("ci", "create", "a", "--services", "demo_static")
    assert (done.code, "arcrun login" in done.err) == (4, True)


def test_what_changed_is_sealed_anew(here, provider):
    here("ci", "create", "a", "--services", "demo_static")
    broker = Broker(home=str(here.home), environ=here.env)
    broker.setup("demo_static", key=provider.static_key, expires="2030-01-01")
    broker.close()
    assert "a: brought up to date" in here("ci", "update").err
    assert "Nothing has changed" in here("ci", "update", "a").err


def test_sync_leaves_its_row_alone_and_brings_it_up_to_date(here, provider):
    here("ci", "create", "a", "--services", "demo_static")
    first = here("sync")
    assert first.code == 0, first.err
    broker = Broker(home=str(here.home), environ=here.env)
    broker.setup("demo_static", key=provider.static_key, expires="2030-01-01")
    broker.close()
    assert here("sync").code == 0
    assert here("sync", "verify").code == 0
    assert "Nothing has changed" in here("ci", "update").err
    here("remove", "demo_static", "--yes")
    told = here("sync")
    assert (told.code, "arcrun ci update" in told.err) == (0, True)
