"""Answers of token endpoints: grants, refusals, and what is worth another try."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError, ProviderUnavailable, TokenRefused
from arcrun_auth.recipe import Diagnosis, OAuth2, Ok, Refresh, TokenResponse, When
from arcrun_auth.token_answer import (
    MAX_KEPT,
    MAX_LIFETIME,
    PASSING,
    error_in,
    read_token,
    says_ok,
)
from arcrun_auth.tokens import Grant, Secret

NOW = 1_800_000_000.0
JSON = {"content-type": "application/json"}


def server(**fields):
    return OAuth2(token_endpoint="https://id.example.com/token", **fields)


def read(answer, *, status=200, headers=JSON, oauth2=None, **more):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return read_token(oauth2 or server(), status, headers, body, now=NOW, **more)


def old_grant(**fields):
    defaults = {
        "access_token": Secret("old-at"),
        "refresh_token": Secret("old-rt"),
        "issued": NOW - 4000,
        "scopes": ("a", "b"),
        "requested": ("a", "b", "c"),
        "kept": {"realm": "7"},
        "refresh_expires": NOW + 50,
    }
    return Grant(**(defaults | fields))


class TestGrants:
    def test_by_the_book(self):
        grant = read(
            {
                "access_token": "at",
                "token_type": "bearer",
                "expires_in": 3600,
                "refresh_token": "rt",
                "scope": "a b",
            },
            requested=("a", "b", "c"),
        )
        assert grant.access_token.reveal() == "at"
        assert grant.refresh_token.reveal() == "rt"
        assert (grant.token_type, grant.issued, grant.expires) == ("Bearer", NOW, NOW + 3600)
        assert (grant.scopes, grant.requested) == (("a", "b"), ("a", "b", "c"))
        assert (grant.dead, grant.intent, grant.refresh_expires) == (None, None, None)

    @pytest.mark.parametrize("status", [200, 201])
    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded; charset=utf-8", "text/plain", ""]
    )
    def test_a_form_is_understood_and_so_is_201(self, kind, status):
        body = urlencode({"access_token": "at", "scope": "a,b", "expires_in": "60"}).encode()
        grant = read(body, status=status, headers={"content-type": kind})
        assert (grant.access_token.reveal(), grant.scopes, grant.expires) == (
            "at", ("a", "b"), NOW + 60,
        )  # fmt: skip

    def test_json_is_understood_under_any_content_type_and_with_a_byte_order_mark(self):
        body = b"\xef\xbb\xbf" + json.dumps({"access_token": "at"}).encode()
        assert read(body, headers={"content-type": "text/html"}).access_token == Secret("at")

    def test_a_nested_answer_is_read_by_the_recipes_paths(self):
        oauth2 = server(
            token_response=TokenResponse(
                root="data.user",
                access_token="token.value || header:X-Token",
                expires_in="ttl",
                scope="scopes",
                ok=Ok(path="ok"),
                keep={"team": "team.id", "n": "data.n", "gone": "x.y", "list": "data.list"},
            )
        )
        answer = {
            "ok": True,
            "team": {"id": "T" * 5000},
            "data": {
                "n": 5,
                "list": [1],
                "user": {"token": {"value": "at"}, "ttl": "60", "scopes": ["a", "b", 3, "a"]},
            },
        }
        grant = read(answer, oauth2=oauth2)
        assert (grant.access_token.reveal(), grant.expires) == ("at", NOW + 60)
        assert grant.scopes == ("a", "b")
        assert grant.kept == {"team": "T" * MAX_KEPT, "n": "5"}
        del answer["data"]["user"]["token"]
        assert read(answer, oauth2=oauth2, headers=JSON | {"x-token": "h"}).access_token == Secret(
            "h"
        )

    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            (60, 60), ("60", 60), (" 60 ", 60), (59.5, 59.5), ("59.5", 59.5), (1e5, 1e5),
            (None, None), (0, None), ("0", None), (-1, None), ("-60", None), ("soon", None),
            (True, None), ([], None), ({}, None), ("", None), (10**400, None), ("1e400", None),
            ("nan", None), (MAX_LIFETIME * 2, None),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("default", [None, 7200])
    def test_the_lifetime_is_read_in_whatever_way_it_is_written(self, given, seconds, default):
        oauth2 = server(token_response=TokenResponse(default_expires_in=default))
        grant = read({"access_token": "at", "expires_in": given}, oauth2=oauth2)
        expected = seconds or default
        assert grant.expires == (None if expected is None else NOW + expected)

    def test_nan_and_infinity_in_json_are_no_lifetime(self):
        for literal in (b"NaN", b"Infinity", b"-Infinity"):
            assert read(b'{"access_token":"at","expires_in":' + literal + b"}").expires is None

    @pytest.mark.parametrize(
        ("scope", "separator", "expected"),
        [
            ("a b", " ", ("a", "b")), ("a,b", " ", ("a", "b")), ("a, b", ",", ("a", "b")),
            ("a+b", "+", ("a", "b")), ("a+b", " ", ("a+b",)), (["a", "b"], " ", ("a", "b")),
            (" a  a ", " ", ("a",)), (None, " ", ("r",)), (7, " ", ("r",)), ("", " ", ("r",)),
        ],
    )  # fmt: skip
    def test_the_granted_scopes(self, scope, separator, expected):
        grant = read(
            {"access_token": "at", "scope": scope},
            oauth2=server(scope_separator=separator),
            requested=("r",),
        )
        assert grant.scopes == expected

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [(None, "Bearer"), ("BEARER", "Bearer"), ("", "Bearer"), (3, "Bearer"), ("mac", "mac"),
         ("x\x1b" * 50, "x" * 39 + "…")],
    )  # fmt: skip
    def test_the_type_of_token(self, kind, expected):
        assert read({"access_token": "at", "token_type": kind}).token_type == expected


class TestRenewals:
    def test_what_the_answer_leaves_out_is_kept(self):
        grant = read({"access_token": "new"}, previous=old_grant(dead="revoked"))
        assert grant.access_token.reveal() == "new"
        assert grant.refresh_token.reveal() == "old-rt"
        assert (grant.scopes, grant.requested) == (("a", "b"), ("a", "b", "c"))
        assert grant.kept == {"realm": "7"}
        assert grant.dead is None

    def test_what_it_brings_replaces_the_old(self):
        oauth2 = server(token_response=TokenResponse(keep={"realm": "realm", "x": "x"}))
        grant = read(
            {"access_token": "n", "refresh_token": "n-rt", "scope": "a", "realm": "8"},
            oauth2=oauth2,
            previous=old_grant(),
        )
        assert grant.refresh_token.reveal() == "n-rt"
        assert (grant.scopes, grant.kept) == (("a",), {"realm": "8"})

    def test_a_refresh_token_may_have_blanks(self):
        """RFC 6749 Appendix A.17. The old one in its place would end a login that rotates."""
        grant = read({"access_token": "n", "refresh_token": "a b=~"}, previous=old_grant())
        assert grant.refresh_token.reveal() == "a b=~"

    @pytest.mark.parametrize("given", ["", None, 5, "two\nlines", " ", "\x00"])
    def test_a_refresh_token_that_is_none_does_not_replace_the_old(self, given):
        grant = read({"access_token": "n", "refresh_token": given}, previous=old_grant())
        assert grant.refresh_token.reveal() == "old-rt"

    @pytest.mark.parametrize(
        ("rules", "fresh", "expected"),
        [
            ({}, True, None),
            ({}, False, NOW + 50),  # what was told at the login still holds
            ({"lifetime_s": 100}, True, NOW + 100),
            ({"lifetime_s": 100}, False, NOW + 50),
            ({"idle_s": 30}, True, NOW + 30),
            ({"idle_s": 30}, False, NOW + 30),
            ({"idle_s": 30, "lifetime_s": 100}, True, NOW + 30),
            ({"idle_s": 30, "lifetime_s": 100}, False, NOW + 30),
            ({"idle_s": 80, "lifetime_s": 100}, False, NOW + 80),
        ],
    )
    def test_when_the_refresh_token_ends(self, rules, fresh, expected):
        answer = {"access_token": "n"} | ({"refresh_token": "n-rt"} if fresh else {})
        grant = read(answer, oauth2=server(refresh=Refresh(**rules)), previous=old_grant())
        assert grant.refresh_expires == expected


class TestRefusals:
    @pytest.mark.parametrize("status", [400, 401, 403, 200, 201])
    @pytest.mark.parametrize(
        "error",
        ["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
         "unsupported_grant_type", "invalid_scope", "bad_refresh_token"],
    )  # fmt: skip
    def test_an_error_that_the_server_names_is_final_under_any_status(self, status, error):
        answer = {"error": error, "error_description": "why\x07", "error_uri": "https://e"}
        with pytest.raises(TokenRefused, match=error) as caught:
            read(answer, status=status, service="demo")
        refusal = caught.value
        assert (refusal.error, refusal.description, refusal.uri) == (error, "why", "https://e")
        assert refusal.service == "demo"
        assert refusal.hint == "arcrun setup demo"

    def test_so_is_one_in_a_form(self):
        body = b"error=bad_verification_code&error_description=expired"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        with pytest.raises(TokenRefused, match="bad_verification_code"):
            read(body, headers=headers)

    def test_an_answer_that_is_not_ok_is_refused_by_its_own_code(self):
        oauth2 = server(token_response=TokenResponse(ok=Ok(path="ok"), error="error || code"))
        with pytest.raises(TokenRefused, match="token_revoked") as caught:
            read({"ok": False, "code": "token_revoked"}, oauth2=oauth2)
        assert caught.value.hint == "Log in again."
        # What the recipe calls success is one, whatever else stands there.
        assert read({"ok": True, "access_token": "at", "error": "none"}, oauth2=oauth2)

    def test_an_error_beside_a_token_wins_where_no_rule_says_otherwise(self):
        with pytest.raises(TokenRefused):
            read({"access_token": "at", "error": "invalid_grant"})

    @pytest.mark.parametrize("value", [{"code": 1}, ["x"], 5.5, 0, True, False, None, ""])
    def test_an_error_that_is_no_code_names_nothing(self, value):
        with pytest.raises(ProviderUnavailable, match="without saying why"):
            read({"error": value}, status=400)

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    @pytest.mark.parametrize("number", [40029, -1, 1, 400, 401, 600])
    def test_a_number_refuses_where_the_status_does(self, number, status):
        oauth2 = server(token_response=TokenResponse(error="fault.code"))
        rules = [Diagnosis(when=When(error=str(number)), say="It was withdrawn.", do="Ask.")]
        with pytest.raises(TokenRefused, match="It was withdrawn") as caught:
            read({"fault": {"code": number}}, status=status, oauth2=oauth2, rules=rules)
        assert (caught.value.error, caught.value.hint) == (str(number), "Ask.")

    @pytest.mark.parametrize(
        ("number", "status"),
        [(40029, 200), (40029, 201), (40029, 302), (40029, 503), (40029, 429),
         (429, 400), (408, 403), (500, 400), (503, 404)],
    )  # fmt: skip
    def test_a_number_alone_is_worth_another_try(self, number, status):
        """A gateway numbers what lies behind it; and under 200 nobody has blamed the request."""
        failed = server(token_response=TokenResponse(ok=Ok(path="ok")))
        for oauth2 in (server(), failed):
            with pytest.raises(ProviderUnavailable):
                read({"ok": False, "error": number}, status=status, oauth2=oauth2)

    def test_a_number_beside_a_token_refuses_nothing(self):
        assert read({"access_token": "at", "error": 0}).access_token == Secret("at")
        assert read({"access_token": "at", "error": 7}).access_token == Secret("at")


class TestWorthAnotherTry:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
    def test_statuses_that_pass_whatever_the_body_says(self, status):
        with pytest.raises(ProviderUnavailable, match=str(status)) as caught:
            read({"error": "invalid_grant"}, status=status, service="demo")
        assert (caught.value.status, caught.value.service) == (status, "demo")

    @pytest.mark.parametrize("error", [*sorted(PASSING), "Server_Error"])
    @pytest.mark.parametrize("status", [200, 400])
    def test_errors_that_pass(self, error, status):
        with pytest.raises(ProviderUnavailable):
            read({"error": error}, status=status)

    @pytest.mark.parametrize("status", [302, 307, 400, 401, 403, 404, 405, 418])
    @pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"{}", b'{"message": "no"}', b"[]"])
    def test_a_failure_without_a_named_error_is_not_the_end_of_a_grant(self, status, body):
        with pytest.raises(ProviderUnavailable, match="without saying why"):
            read(body, status=status)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<html>welcome to the hotel</html>", "text/html"),
            (b"access_token=at", "text/html"),
            (b"<html>", "text/plain"),
            (b"", "application/json"),
            (b'{"access_token": "at"', "application/json"),
            (b"[" * 100_000, "application/json"),
            (b"\xff\xfe\xfd", "application/json"),
            (b'{"a":' + b"9" * 5000 + b"}", "application/json"),
            (b"null", "application/json"),
            (b'"at"', "application/json"),
            (b"&".join(b"a=%d" % n for n in range(200)), "text/plain"),
        ],
    )
    def test_garbage_under_200(self, body, kind):
        with pytest.raises(ProviderUnavailable, match="neither JSON nor a form"):
            read(body, headers={"content-type": kind})

    @pytest.mark.parametrize("value", [None, "", 5, ["at"], "a\r\nX-Evil: 1", "a b", "é", "\x00"])
    def test_an_answer_without_a_usable_access_token(self, value):
        with pytest.raises(ProviderUnavailable, match="without an access token"):
            read({"access_token": value})

    def test_an_answer_that_says_it_failed_but_not_why(self):
        oauth2 = server(token_response=TokenResponse(ok=Ok(path="ok"), root="x"))
        with pytest.raises(ProviderUnavailable, match="not why"):
            read({"ok": False, "x": {"access_token": "at"}}, oauth2=oauth2)
        with pytest.raises(ProviderUnavailable, match="without saying why"):
            read({"ok": False}, status=400, oauth2=oauth2)

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("120", 120.0), (" 5 ", 5.0), ("0", 0.0),
            (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
            (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
            ("", None), ("soon", None), ("-5", None), ("1e3", None), ("9" * 40, None),
            ("Fri, 99 Foo 2026 00:00:00 GMT", None),
        ],
    )  # fmt: skip
    def test_how_long_to_wait(self, value, seconds):
        with pytest.raises(ProviderUnavailable) as caught:
            read(b"", status=429, headers={"retry-after": value})
        assert caught.value.retry_after == seconds
        expected = "in a while" if seconds is None else f"in {seconds:g} s"
        assert expected in caught.value.hint

    def test_the_host_is_named_and_a_broken_endpoint_is_survived(self):
        with pytest.raises(ProviderUnavailable, match=r"id\.example\.com"):
            read(b"", status=500)
        with pytest.raises(ProviderUnavailable, match="the provider"):
            read(b"", status=500, oauth2=OAuth2(token_endpoint="x"))

    def test_what_it_says_can_be_printed(self):
        with pytest.raises(TokenRefused) as caught:
            read({"error": "x\ud800", "error_description": "\x1b[2J \udc00\u202e"}, status=400)
        assert str(caught.value).encode()
        assert all(line.isprintable() for line in str(caught.value).split("\n"))


class TestNothingSecretShows:
    SECRETS = ("rt-1/+&é=", "client secret %", base64.b64encode(b"id:secret").decode())

    @pytest.mark.parametrize("encode", [str, quote_plus])
    @pytest.mark.parametrize("place", ["error", "error_description", "error_uri"])
    def test_a_server_that_echoes_the_request_is_censored(self, encode, place):
        echo = " ".join(encode(s) for s in self.SECRETS) + " and " + "x" * 400
        answer = {"error": "invalid_grant", place: echo}
        with pytest.raises(TokenRefused) as caught:
            read(answer, status=400, secrets=[Secret(s) for s in (*self.SECRETS, "")])
        error = caught.value
        shown = f"{error!s} {error!r} {error.error} {error.description} {error.uri} {error.args}"
        assert not any(encode(s) in shown for s in self.SECRETS)
        assert "***" in shown

    def test_so_is_a_passing_error(self):
        with pytest.raises(ProviderUnavailable) as caught:
            read({"error": "server_error"}, secrets=[Secret("server_error")])
        assert "server_error" not in str(caught.value)

    def test_the_body_of_garbage_never_shows(self):
        with pytest.raises(ProviderUnavailable) as caught:
            read(b"<html>canary-at</html>", headers={"content-type": "text/html"})
        assert "canary" not in f"{caught.value!s}{caught.value!r}{vars(caught.value)}"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["access_token", "expires_in", "scope", "error", "refresh_token", "ok"])
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(json_values | st.binary(max_size=60), st.integers(200, 599), st.booleans())
def test_any_answer_becomes_a_grant_or_one_of_two_errors(answer, status, form):
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    headers = {"content-type": "text/plain"} if form else {}
    try:
        grant = read_token(server(), status, headers, body, now=NOW, previous=old_grant())
    except AuthError as error:
        assert isinstance(error, ProviderUnavailable | TokenRefused)  # noqa: PT017
        return
    assert grant.access_token.reveal().isascii()
    assert grant.expires is None or grant.expires > NOW
    assert Grant.load(json.loads(json.dumps(grant.dump()))).dump().keys() == grant.dump().keys()


class TestWhenItEnds:
    @pytest.mark.parametrize("unit", ["s", "ms"])
    @pytest.mark.parametrize(
        ("told", "seconds"),
        [
            (NOW + 60, 60),
            (str(int(NOW + 60)), 60),
            ((NOW + 60) * 1000, 60),
            ("2027-01-15T08:01:00Z", 60),
            ("2027-01-15T10:01:00+02:00", 60),
            (NOW - 1, 99),  # a moment that is over is not believed: the lifetime is
            (NOW + 2 * MAX_LIFETIME, 99),
            ("soon", 99),
            (True, 99),
            (None, 99),
            ([], 99),
            (10**400, 99),
        ],
    )
    def test_the_end_itself_may_be_told(self, told, seconds, unit):
        if unit == "ms" and isinstance(told, float) and told < 1e11:
            told *= 1000
        elif unit == "ms" and isinstance(told, str) and told.isdigit():
            told += "000"
        lifetime = 99 if unit == "s" else 99_000
        paths = TokenResponse(expires_at="data.ends", expires_unit=unit)
        answer = {"access_token": "at", "expires_in": lifetime, "data": {"ends": told}}
        grant = read(answer, oauth2=server(token_response=paths))
        assert grant.expires == pytest.approx(NOW + seconds, abs=0.01)

    def test_an_end_that_nobody_tells_is_the_recipe_s_or_none(self):
        paths = TokenResponse(expires_at="ends", default_expires_in=50)
        assert read({"access_token": "at"}, oauth2=server(token_response=paths)).expires == NOW + 50
        plain = server(token_response=TokenResponse(expires_at="ends"))
        assert read({"access_token": "at", "ends": 0}, oauth2=plain).expires is None

    @pytest.mark.parametrize(
        ("given", "seconds"), [(60_000, 60), ("60000", 60), (True, None), ("x", None), ([], None)]
    )
    def test_a_lifetime_may_be_in_milliseconds(self, given, seconds):
        paths = TokenResponse(expires_unit="ms")
        grant = read(
            {"access_token": "at", "expires_in": given}, oauth2=server(token_response=paths)
        )
        assert grant.expires == (None if seconds is None else NOW + seconds)

    @pytest.mark.parametrize(
        ("answer", "unit", "expected"),
        [
            ({"refresh_token_expires_in": 70}, "s", 70),
            ({"refresh_expires_in": "70"}, "s", 70),
            ({"refresh_token_expires_in": 70_000}, "ms", 70),
            ({"refresh_expires_in": 0}, "s", 10),  # as Keycloak says "never": the recipe rules
            ({"refresh_expires_in": "x"}, "s", 10),
            ({}, "s", 10),
        ],
    )
    def test_what_the_answer_says_of_the_refresh_token_goes_before_the_recipe(
        self, answer, unit, expected
    ):
        rules = server(
            refresh=Refresh(idle_s=10, lifetime_s=20),
            token_response=TokenResponse(expires_unit=unit),
        )
        answer = {"access_token": "at", "refresh_token": "rt", **answer}
        assert read(answer, oauth2=rules).refresh_expires == NOW + expected


class TestWords:
    def test_an_error_and_its_description_stand_where_the_recipe_says(self):
        paths = TokenResponse(error="fault.code", error_description="fault.text || header:X-Why")
        oauth2 = server(token_response=paths)
        with pytest.raises(TokenRefused) as caught:
            read(
                {"fault": {"code": "invalid_grant", "text": "it is over"}},
                status=400,
                oauth2=oauth2,
            )
        assert (caught.value.error, caught.value.description) == ("invalid_grant", "it is over")
        with pytest.raises(TokenRefused) as caught:
            read({"fault": {"code": "x"}}, status=400, oauth2=oauth2, headers={"x-why": "so"})
        assert caught.value.description == "so"

    @pytest.mark.parametrize(
        ("headers", "body", "error"),
        [
            (JSON, b'{"error": "slow_down"}', "slow_down"),
            ({}, b"error=slow_down", "slow_down"),
            ({"content-type": "text/plain; charset=utf-8"}, b"error=x&a=b", "x"),
            ({"content-type": "text/html"}, b"error=x", ""),
            (JSON, b'{"error": {"code": 7}}', ""),
            (JSON, b'{"error": ""}', ""),
            (JSON, b'["error"]', ""),
            (JSON, b"{}", ""),
            (JSON, b"", ""),
            (JSON, b"\xff", ""),
        ],
    )
    def test_an_error_is_read_whatever_the_status(self, headers, body, error):
        assert error_in(server(), headers, body) == error

    @given(st.binary(max_size=300), st.sampled_from(["", "text/html", "application/json"]))
    def test_an_error_is_a_text_whatever_comes(self, body, kind):
        assert isinstance(error_in(server(), {"content-type": kind}, body), str)
        assert isinstance(says_ok(OK, {"content-type": kind}, body), bool)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda below: (
                st.lists(below) | st.dictionaries(st.sampled_from(["error", "ok"]), below)
            ),
            max_leaves=6,
        )
    )
    def test_an_error_is_a_text_whatever_json_comes(self, data):
        body = json.dumps(data).encode()
        assert isinstance(error_in(server(), JSON, body), str)
        assert isinstance(says_ok(OK, JSON, body), bool)

    @pytest.mark.parametrize(
        ("body", "good"),
        [
            (b'{"ok": true}', True),
            (b'{"ok": false}', False),
            (b'{"ok": "true"}', False),
            (b"{}", True),
            (b"", True),
            (b"<html>", True),
        ],
    )
    def test_what_says_nothing_does_not_say_that_it_failed(self, body, good):
        assert says_ok(OK, {}, body) is good
        assert says_ok(server(), {}, body)


OK = server(token_response=TokenResponse(ok=Ok(path="ok")))
