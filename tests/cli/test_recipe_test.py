"""`arcrun recipes test`: what a recipe says against what comes back from the live service."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from arcrun_auth import Broker, trial
from arcrun_auth.testing import Provider, Quirks, Somebody
from tests.cli.conftest import plain


def verified_today() -> str:
    return f"verified: {{date: {datetime.now(UTC).date().isoformat()}, method: live}}\n"


def world(tmp_path, provider, text=None, environ=None, **recipe):
    """A broker with one service `demo` at a provider, logged in."""
    folder = tmp_path / "home" / "recipes"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "demo.yaml").write_text(text or provider.recipe_yaml("demo", **recipe))
    usual = {"ARCRUN_DEMO_CLIENT_ID": "demo", "ARCRUN_MASTER_KEY": "A" * 43 + "="}
    return Broker(
        home=str(folder.parent),
        allow_hosts=[provider.issuer],
        environ={**usual, **(environ or {})},
        person=Somebody(),
        open_url=provider.follow,
    )


def steps(broker, name="demo", *, renew=True):
    found = trial.run(broker, name, lambda _: renew)
    return {step.name: step for step in found.steps}, found


def test_a_login_is_tried_and_renewed(tmp_path):
    with Provider() as provider:
        broker = world(tmp_path, provider)
        broker.setup("demo")
        found, whole = steps(broker)
        broker.close()

    assert whole.ok
    assert found["test request"].says == "GET /me: 200"
    assert (found["account"].says, found["account"].came) == ("email", "ada@example.com")
    assert "nothing was sent" in found["hosts"].came
    assert found["scopes"].came == "read write"
    assert found["end of the token"].came == "it lives 3600 s"
    # The recipe says maybe: now it can say more.
    assert (found["renewal"].state, found["renewal"].came) == (
        "warn", "each renewal brings a new refresh token; write rotates: yes",
    )  # fmt: skip
    assert found["test request again"].came == "200"
    assert provider.refreshes == 1


@pytest.mark.parametrize(
    ("rotates", "says", "state"),
    [(True, "yes", "ok"), (True, "no", "fail"), (False, "no", "ok"), (False, "yes", "fail")],
)
def test_what_the_recipe_says_of_renewals_is_held_against_one(tmp_path, rotates, says, state):
    with Provider(rotates=rotates) as provider:
        text = provider.recipe_yaml("demo").replace("rotates: maybe", f"rotates: '{says}'")
        broker = world(tmp_path, provider, text)
        broker.setup("demo")
        found, whole = steps(broker)
        broker.close()
    assert found["renewal"].state == state
    assert whole.ok is (state == "ok")


def test_nothing_is_renewed_unless_it_may_be(tmp_path):
    with Provider() as provider:
        broker = world(tmp_path, provider)
        broker.setup("demo")
        found, whole = steps(broker, renew=False)
        broker.close()
    assert (found["renewal"].state, provider.refreshes, whole.ok) == ("skip", 0, True)


def test_a_renewal_that_fails_is_a_step_that_failed(tmp_path):
    with Provider() as provider:
        broker = world(tmp_path, provider)
        broker.setup("demo")
        provider.fail_next(10, 500)
        found, whole = steps(broker)
        broker.close()
    assert found["renewal"].state == "fail"
    assert type(whole.error).__name__ == "ProviderUnavailable"


def test_what_a_login_does_not_bring_is_told(tmp_path):
    quirks = Quirks(renewal="no", expires="absent", granted=("read",))
    with Provider(quirks=quirks) as provider:
        text = provider.recipe_yaml("demo").replace("mode: 'no'", "rotates: 'yes'")
        broker = world(tmp_path, provider, re.sub(r"  token_response:\n    .*\n", "", text))
        broker.setup("demo")
        found, whole = steps(broker)
        broker.close()
    came = {name: step.came for name, step in found.items() if step.state == "warn"}
    assert came == {
        "scopes": "read; not granted: write",
        "end of the token": "nothing was told",
        "renewal": "no refresh token came with the login",
    }
    assert whole.ok


def test_a_login_that_is_never_renewed_is_not(tmp_path):
    with Provider(quirks=Quirks(renewal="no")) as provider:
        broker = world(tmp_path, provider)
        broker.setup("demo")
        found, _ = steps(broker)
        broker.close()
    assert "renewal" not in found


@pytest.mark.parametrize("renewal", ["reissue", "exchange"])
def test_other_ways_to_renew_bring_a_new_access_token(tmp_path, renewal):
    app = {"ARCRUN_DEMO_CLIENT_ID": "demo-basic"} if renewal == "reissue" else {}
    with Provider(quirks=Quirks(renewal="exchange" if not app else "yes")) as provider:
        how = {"grant": "client_credentials", "auth": "basic"} if app else {}
        secret = {"ARCRUN_DEMO_CLIENT_SECRET": provider.client_secret} if app else {}
        broker = world(tmp_path, provider, environ={**app, **secret}, **how)
        broker.setup("demo")
        found, _ = steps(broker)
        broker.close()
    assert (found["renewal"].says, found["renewal"].came) == (
        f"refresh: {renewal}", "a new access token came",
    )  # fmt: skip
    assert found["test request again"].came == "200"


def test_an_identity_that_is_not_there_fails_and_a_refused_key_too(tmp_path):
    with Provider() as provider:
        text = provider.recipe_yaml("demo", primitive="static_key")
        broker = world(tmp_path, provider, text.replace("identity: name", "identity: nick"))
        broker.setup("demo", key=provider.static_key)
        found, whole = steps(broker)
        assert (found["account"].came, whole.ok) == ("nothing stands there", False)

        provider.static_key = "another"
        found, whole = steps(broker)
        broker.close()
    assert "refused the credential" in found["test request"].came
    assert type(whole.error).__name__ == "TokenRefused"
    assert found["hosts"].state == "ok"


def test_where_nothing_can_be_sent_nothing_more_is_tried(tmp_path):
    with Provider() as provider:
        broker = world(tmp_path, provider)
        broker.setup("demo")
        file = tmp_path / "home" / "recipes" / "demo.yaml"
        file.write_text(file.read_text() + "root_paths: [/v2/]\n")
        broker.recipes.reindex()
        found, whole = steps(broker)
        broker.close()
    assert type(whole.error).__name__ == "ConsentRequired"
    assert list(found) == ["test request"]


def test_a_recipe_without_a_test_request_asks_who_it_is_where_it_can(tmp_path):
    with Provider() as provider:
        text = re.sub(r"test:\n(  .*\n)+", "", provider.recipe_yaml("demo"))
        broker = world(tmp_path, provider, text)
        broker.setup("demo")
        found, _ = steps(broker, renew=False)
        broker.close()
    assert found["test request"].says == "the userinfo endpoint"
    assert (found["account"].says, found["account"].came) == (
        "the user's claims", "ada@example.com",
    )  # fmt: skip


def test_without_any_test_request_nothing_is_proven(tmp_path):
    with Provider() as provider:
        text = re.sub(r"test:\n(  .*\n)+", "", provider.recipe_yaml("demo", primitive="static_key"))
        broker = world(tmp_path, provider, text)
        broker.setup("demo", key=provider.static_key)
        found, _ = steps(broker)
        broker.close()
    test = found["test request"]
    assert (test.says, test.came, test.state) == ("no test request", "nothing was sent", "warn")


# -- the command ---------------------------------------------------------------------------


def test_the_command_tries_every_connection_and_ends_with_the_line_to_paste(connected, provider):
    before = verified_today()
    ran = connected("recipes", "test", "demo", "--renew")

    assert ran.code == 0, ran.both
    assert "demo@default  oauth" in ran.out
    assert "        says  GET /me: 200\n        came  200\n" in ran.out
    assert ran.out.endswith((before, verified_today()))
    assert provider.refreshes == 1


def test_somebody_is_asked_before_a_login_is_renewed(connected, provider):
    child = connected.terminal("recipes", "test", "demo")
    child.expect_exact("Renew the login to demo@default now, to see what comes back? [y/N]:")
    child.sendline("n")
    shown = plain(child.read())
    child.wait()

    assert child.exitstatus == 0, shown
    assert "! skip  renewal" in shown
    assert provider.refreshes == 0


def test_a_connection_that_fails_has_no_line_to_paste(inside, connected, provider):
    provider.static_key = "another"
    ran = inside("recipes", "test", "demo_static@default", "--json", **connected.env)

    found = json.loads(ran.out)
    assert ran.code == 5
    assert found["verified"] is None
    assert found["results"][0]["error"] == "TokenRefused"
    assert found["results"][0]["steps"][0]["state"] == "fail"


def test_what_asked_the_service_nothing_proves_nothing(inside, cli):
    cli("setup", "kbdb", "--stdin", stdin="kbdb-key-of-a-test\n")
    ran = inside("recipes", "test", "kbdb", "--json", **cli.env)

    found = json.loads(ran.out)
    assert ran.code == 0, ran.err
    assert [result["ok"] for result in found["results"]] == [True]
    assert found["verified"] is None


def test_what_is_not_connected_is_not_tried(inside, served):
    ran = inside("recipes", "test", "demo", **served.env)

    assert ran.code == 2
    assert "demo is not connected" in ran.err
    assert "→ arcrun setup demo" in ran.err
