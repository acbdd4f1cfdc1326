"""The identity token of a CI job: by a request, from a variable, from a file."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.ci_identity import (
    REQUEST_TOKEN,
    REQUEST_URL,
    identity_token,
    read_token,
)
from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable
from tests import canary
from tests.servers import Reply, recorder

NOW = 1_764_000_000.0


def jwt(**claims) -> str:
    def part(data) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    body = json.dumps({"aud": "vault", "exp": NOW + 300, **claims}).encode()
    return f"{part(b'{}')}.{part(body)}.{part(canary.fresh('signature').encode())}"


def ask(environ, audience="vault", **how):
    return identity_token(audience, environ=environ, clock=lambda: NOW, **how)


# -- by a request --------------------------------------------------------------------------


class Actions:
    """A CI system that answers such a request."""

    def __init__(self, server) -> None:
        self.server = server
        self.bearer = canary.fresh("bearer")
        self.reply = Reply(body=json.dumps({"count": 1, "value": jwt()}).encode())

    def environ(self, path="/token?api-version=2.0") -> dict[str, str]:
        return {REQUEST_URL: self.server.origin + path, REQUEST_TOKEN: self.bearer}

    def ask(self, audience="vault", **how):
        return ask(self.environ(**how), audience, allow=[self.server.origin])


@pytest.fixture
def actions():
    with recorder() as server:
        made = Actions(server)
        server.answer = lambda _: made.reply
        yield made


def test_it_is_asked_for_as_the_ci_system_wants_it(actions):
    token = actions.ask()
    (seen,) = actions.server.seen
    assert (seen.method, seen.target) == ("GET", "/token?api-version=2.0&audience=vault")
    assert seen.headers["authorization"] == f"bearer {actions.bearer}"
    assert token.access_token == json.loads(actions.reply.body)["value"]
    assert token.expires == NOW + 300


def test_an_audience_is_one_parameter_whatever_stands_in_it(actions):
    name = "https://a.example/?b=c&audience=d #é"
    actions.reply = Reply(body=json.dumps({"value": jwt(aud=name)}).encode())
    actions.ask(name, path="/token")
    (seen,) = actions.server.seen
    wanted = "https%3A%2F%2Fa.example%2F%3Fb%3Dc%26audience%3Dd%20%23%C3%A9"
    assert seen.target == f"/token?audience={wanted}"


def test_nothing_is_sent_to_a_host_that_is_not_public_and_was_not_allowed(actions):
    with pytest.raises(HostNotAllowed):
        ask(actions.environ())
    assert actions.server.seen == []


def test_a_redirect_is_not_followed(actions):
    with recorder() as elsewhere:
        actions.reply = Reply(302, {"location": elsewhere.origin})
        with pytest.raises(AuthError, match="302"):
            actions.ask()
        assert elsewhere.seen == []


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refusal_says_what_the_job_may_lack(actions, status):
    actions.reply = Reply(status, body=canary.fresh("answer").encode())
    with pytest.raises(AuthError, match=str(status)) as caught:
        actions.ask()
    assert "id-token: write" in caught.value.hint
    assert canary.hits(str(caught.value)) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_bad_day_is_worth_another_try(actions, status):
    actions.reply = Reply(status)
    with pytest.raises(ProviderUnavailable):
        actions.ask()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"value": 1}', b'{"value": "no jwt"}', b"[" * 100_000, b"\xff"]
)
def test_an_answer_without_a_token_is_none(actions, body):
    actions.reply = Reply(body=body)
    with pytest.raises(AuthError) as caught:
        actions.ask()
    assert "id-token: write" in caught.value.hint


@pytest.mark.parametrize("missing", [REQUEST_URL, REQUEST_TOKEN])
def test_who_is_no_ci_job_is_told_how_to_become_one(missing):
    environ = {REQUEST_URL: "https://ci.example", REQUEST_TOKEN: "t"}
    del environ[missing]
    with pytest.raises(AuthError, match="no CI job") as caught:
        ask(environ)
    assert "id-token: write" in caught.value.hint


@pytest.mark.parametrize("url", ["ci.example", "https://me@ci.example", "https:///x", "file:///x"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(AuthError):
        ask({REQUEST_URL: url, REQUEST_TOKEN: "t"})


# -- from a variable or a file -------------------------------------------------------------


def test_a_variable_and_a_file_are_taken_as_they_are(tmp_path):
    text = jwt()
    file = tmp_path / "given"
    file.write_text(text + "\n")
    assert ask({"ID_TOKEN": text}, variable="ID_TOKEN").access_token == text
    assert ask({}, file=str(file)).access_token == text


def test_of_several_audiences_one_has_to_be_meant():
    assert ask({"T": jwt(aud=["a", "vault"])}, variable="T").access_token
    for aud in ("other", ["a", "b"], None, ["vaul", "t"], 1):
        with pytest.raises(AuthError, match="another audience"):
            ask({"T": jwt(aud=aud)}, variable="T")


def test_one_that_has_ended_is_said_to_have():
    with pytest.raises(AuthError, match="has ended"):
        ask({"T": jwt(exp=NOW)}, variable="T")
    assert ask({"T": jwt(exp="soon")}, variable="T").expires is None


@pytest.mark.parametrize("end", [10**400, float("nan"), float("inf"), "soon", True, None])
def test_an_end_that_is_no_date_is_none(end):
    assert read_token(jwt(exp=end), "vault", where="here", now=NOW).expires is None


def test_a_variable_that_is_not_set_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AuthError, match="the variable ID_TOKEN"):
        ask({}, variable="ID_TOKEN")
    with pytest.raises(AuthError, match="no identity token"):
        ask({}, file=str(tmp_path / "none"))
    with pytest.raises(AuthError, match="cannot be read"):
        ask({}, file=str(tmp_path))


@pytest.mark.parametrize("body", ["e30", "W10", "e", "bm8", "_w"])
def test_a_body_that_is_no_object_with_an_audience_is_no_token(body):
    with pytest.raises(AuthError):
        read_token(f"e30.{body}.c2ln", "vault", where="T", now=NOW)


@given(st.text(max_size=80))
def test_whatever_stands_there_is_a_token_of_one_line_or_an_error(text):
    with pytest.raises(AuthError):
        read_token(text, "vault", where="T", now=NOW)


@given(st.sampled_from("\r\n\0 ,;\u2028"), st.integers(0, 200))
def test_a_token_never_has_a_break_in_it(char, at):
    text = jwt()
    at = min(at, len(text) - 1)
    with pytest.raises(AuthError, match="no identity token"):
        read_token(text[:at] + char + text[at:], "vault", where="T", now=NOW)
