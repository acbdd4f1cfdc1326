"""What comes back to the callback: only our own answer is believed, and only its issuer's."""

from __future__ import annotations

from itertools import product
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import LoginFailed
from arcrun_auth.oauth.callback import MAX_KEPT, is_answer, read_callback
from arcrun_auth.recipe import Callback

ISSUER = "https://id.example.com"


def test_gives_the_code_from_a_url_and_from_its_query():
    for callback in (
        "http://127.0.0.1:5/callback?code=c%2F1&state=st",
        "code=c%2F1&state=st",
        "?code=c%2F1&state=st",
        "https://localhost/callback?state=st&code=c%2F1#_=_",
    ):
        assert read_callback(callback, state="st")[0].reveal() == "c/1"


@pytest.mark.parametrize(
    "query",
    ["", "code=c", "code=c&state=", "code=c&state=ST", "code=c&state=st&state=st",
     "code=c&state=st&state=x", "code=c&state=%ed%a0%80", "error=access_denied",
     "state=st&" + "&".join(f"a{n}=1" for n in range(60))],
)  # fmt: skip
def test_without_our_state_it_is_not_our_answer(query):
    assert not is_answer(query, state="st")
    with pytest.raises(LoginFailed, match="state differs") as caught:
        read_callback(query, state="st", service="demo")
    assert caught.value.hint == "arcrun setup demo"


@pytest.mark.parametrize("query", ["state=st", "state=st&code=", "state=st&code=a&code=b"])
def test_with_our_state_but_no_single_code_the_login_has_failed(query):
    with pytest.raises(LoginFailed, match="neither a code nor an error"):
        read_callback(query, state="st")


@pytest.mark.parametrize(
    ("known", "answer"),
    list(
        product(
            [ISSUER, ""],
            [None, ISSUER, ISSUER + "/", ISSUER.upper(), "https://evil.example", "", "twice"],
        )
    ),
)
@pytest.mark.parametrize("outcome", ["code=c", "error=access_denied&error_description=LIES"])
def test_the_issuer_is_compared_as_plain_text_on_errors_too(known, answer, outcome):
    # RFC 9207 §2.4; what the recipe does not know cannot be compared, and a server that
    # sends no issuer cannot be told from one that does not know the parameter.
    iss = {None: "", "twice": f"&iss={ISSUER}&iss={ISSUER}"}.get(answer, f"&iss={answer}")
    matches = not known or answer in (None, ISSUER)
    if matches and outcome == "code=c":
        code, _ = read_callback(f"state=st&{outcome}{iss}", state="st", issuer=known)
        assert code.reveal() == "c"
        return
    with pytest.raises(LoginFailed) as caught:
        read_callback(f"state=st&{outcome}{iss}", state="st", issuer=known)
    error = caught.value
    assert error.error == ("access_denied" if matches else "issuer_mismatch")
    assert ("LIES" in str(error)) is matches
    assert error.description == ("LIES" if matches else None)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("access_denied", "was cancelled, or access was refused: why"),
        ("server_error", "could not do it now .* in a few minutes"),
        ("temporarily_unavailable", "could not do it now .* in a few minutes"),
        ("invalid_scope", r"refused the login \(invalid_scope\): why"),
    ],
)
def test_an_error_is_told_with_its_evidence_and_what_to_do(error, text):
    query = urlencode(
        {"state": "st", "error": error, "error_description": "why\x1b[2J", "error_uri": "u"}
    )
    with pytest.raises(LoginFailed, match=text) as caught:
        read_callback(query, state="st", service="demo")
    assert caught.value.error == error
    assert (caught.value.description, caught.value.uri) == ("why[2J", "u")
    assert "\x1b" not in str(caught.value)
    assert caught.value.hint == "arcrun setup demo"
    with pytest.raises(LoginFailed) as caught:
        read_callback(f"state=st&error={error}", state="st")
    assert caught.value.hint == "Log in again."


@given(st.text(max_size=300))
def test_no_text_but_the_state_itself_passes_for_it(text):
    assert not is_answer(text, state="0123456789" * 5)


@given(st.text(max_size=100), st.text(min_size=1, max_size=100))
def test_any_code_comes_through_as_it_was_sent(state, code):
    query = urlencode({"code": code, "state": state}, errors="replace")
    code = code.encode(errors="replace").decode()
    state = state.encode(errors="replace").decode()
    assert read_callback(query, state=state)[0].reveal() == code


def test_malformed_callbacks_are_refused_without_ado():
    for text in ("http://[::1/?state=x", "a" * 1_000_000, "&" * 100_000, "%" * 99_999, "\x00"):
        with pytest.raises(LoginFailed):
            read_callback(text, state="st")


@pytest.mark.parametrize("outcome", ["code=c", "error=access_denied&error_description=LIES"])
@pytest.mark.parametrize("answer", ["", f"&iss={ISSUER}", "&iss=https://evil.example", "&iss="])
def test_an_issuer_that_names_itself_in_every_answer_must_do_so(outcome, answer):
    # RFC 9207 §2.4: its metadata have said that it does.
    query = f"state=st&{outcome}{answer}"
    matches = answer == f"&iss={ISSUER}"
    if matches and outcome == "code=c":
        assert read_callback(query, state="st", issuer=ISSUER, iss_required=True)[0].reveal() == "c"
        return
    with pytest.raises(LoginFailed) as caught:
        read_callback(query, state="st", issuer=ISSUER, iss_required=True)
    assert caught.value.error == ("access_denied" if matches else "issuer_mismatch")
    assert ("LIES" in str(caught.value)) is matches


def test_the_code_may_have_another_name():
    named = Callback(code="auth_code")
    code, _ = read_callback("state=st&auth_code=c&code=other", state="st", parameters=named)
    assert code.reveal() == "c"
    with pytest.raises(LoginFailed, match="neither a code"):
        read_callback("state=st&code=c", state="st", parameters=named)


def test_only_what_the_recipe_names_is_kept_and_no_more_of_it_than_is_useful():
    keep = Callback(keep=("realmId", "server", "twice", "absent", "empty"))
    query = urlencode(
        [("state", "st"), ("code", "c"), ("realmId", "7"), ("server", "x" * 5000), ("empty", ""),
         ("twice", "a"), ("twice", "b"), ("other", "y")]
    )  # fmt: skip
    _, kept = read_callback(query, state="st", parameters=keep)
    assert kept == {"realmId": "7", "server": "x" * MAX_KEPT, "empty": ""}
    assert read_callback(query, state="st")[1] == {}


def test_an_error_that_stands_there_twice_is_none_and_never_a_success():
    with pytest.raises(LoginFailed, match="neither a code nor an error"):
        read_callback("state=st&error=a&error=b", state="st")
    # A code beside an error is no code.
    with pytest.raises(LoginFailed, match="refused the login"):
        read_callback("state=st&error=a&code=c", state="st")
