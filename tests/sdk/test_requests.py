"""`auth.requests_auth`, with the real requests: signed, fenced, renewed once, safe on redirects."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest

import arcrun_auth as auth
from arcrun_auth import errors
from tests import canary
from tests.sdk.desk import PLACES, sdk, token_in
from tests.servers import Reply, recorder


@pytest.fixture
def requests():
    return sdk("requests")


@pytest.fixture(params=PLACES)
def place(request) -> str:
    return request.param


def url(desk, path: str = "/x", place: str = "bearer") -> str:
    return desk.api.origin + ("/bot{key}" if place == "path" else "") + path


def to(where: str, status: int = 307) -> Reply:
    return Reply(status, {"location": where})


def test_a_request_is_signed_and_a_refused_token_renewed_once(desk, requests, place) -> None:
    signs = auth.requests_auth("demo", broker=desk.with_place(place))
    desk.api.answers["/x"] = {"ok": True}
    for _ in range(2):
        got = requests.post(url(desk, place=place), json={"n": 1}, auth=signs, timeout=20)
        assert got.json() == {"ok": True}
    desk.refuse()
    got = requests.post(url(desk, place=place), json={"n": 1}, auth=signs, timeout=20)
    assert (got.status_code, got.json()) == (200, {"ok": True})
    assert [each.status_code for each in got.history] == [401]
    assert desk.renewals == 1
    assert len(desk.api.seen) == 4
    assert b'"n"' in desk.api.seen[-1].body


def test_an_expired_token_is_renewed_before_it_is_sent(desk, requests) -> None:
    signs = auth.requests_auth("demo", broker=desk.broker)
    desk.expire()
    assert requests.get(url(desk), auth=signs, timeout=20).status_code == 200
    assert (desk.renewals, len(desk.api.seen)) == (1, 1)


def test_many_threads_with_one_dead_token_cause_one_renewal(desk, requests) -> None:
    signs = auth.requests_auth("demo", broker=desk.broker)
    desk.refuse()
    with ThreadPoolExecutor(8) as pool:
        got = pool.map(lambda _: requests.get(url(desk), auth=signs, timeout=20), range(16))
        assert {each.status_code for each in got} == {200}
    assert desk.renewals == 1


def test_a_refusal_that_no_renewal_mends_is_handed_on(desk, requests) -> None:
    broker = desk.broker
    broker.setup("keyed", key=desk.provider.static_key)
    signs = auth.requests_auth("keyed", broker=broker)
    got = requests.get(f"{desk.provider.issuer}/api/me", auth=signs, timeout=20)
    assert got.status_code == 401
    assert desk.provider.requests["/api/me"] == 2  # the login's own, and one
    signs = auth.requests_auth("demo", broker=broker)
    desk.api.find = lambda _: ""
    assert requests.get(url(desk), auth=signs, timeout=20).status_code == 401
    assert (desk.renewals, len(desk.api.seen)) == (1, 2)


def test_a_session_signs_all_and_a_netrc_of_the_user_does_not_stand_in_its_way(
    desk, requests, tmp_path, monkeypatch
) -> None:
    word = canary.fresh("netrc")
    given = tmp_path / "given"
    given.mkdir()
    (given / "netrc").write_text(f"machine 127.0.0.1 login ada password {word}\n")
    monkeypatch.setenv("NETRC", str(given / "netrc"))
    desk.api.answers |= {"/a": to("/b", 302), "/b": {"ok": True}}
    with requests.Session() as session:
        session.auth = auth.requests_auth("demo", broker=desk.broker)
        assert session.get(url(desk)).status_code == 200
        assert desk.api.seen[-1].headers["authorization"].startswith("Bearer ")
        # requests itself puts the netrc's in on a redirect: it is refused, and we sign again.
        assert session.get(url(desk, "/a")).json() == {"ok": True}
    assert desk.renewals == 0


# -- where it must not go ------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda api, other: f"{other}/x",
        lambda api, other: f"http://{api}@{other.removeprefix('http://')}/x",
        lambda api, other: f"https://{api}/x",
        lambda api, other: "http://localhost/x",
        lambda api, other: f"http://127.0.0.1.evil.example:{api.partition(':')[2]}/x",
    ],
)
def test_another_host_is_refused_and_nothing_is_sent(desk, requests, make) -> None:
    with recorder() as other, requests.Session() as session:
        session.auth = auth.requests_auth("demo", broker=desk.broker)
        with pytest.raises(errors.HostNotAllowed):
            session.get(make(desk.api.host, other.origin))
        assert other.seen == desk.api.seen == []


def test_a_backslash_leads_nowhere_else(desk, requests) -> None:
    with recorder() as other:
        address = rf"{desk.api.origin}\@{other.origin.removeprefix('http://')}/x"
        signs = auth.requests_auth("demo", broker=desk.broker)
        requests.get(address, auth=signs, timeout=20)
        assert other.seen == []


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_to_another_host_goes_without_the_secret(desk, requests, place, status) -> None:
    with recorder() as other:
        broker = desk.with_place(place)
        desk.api.answers["/a"] = to(f"{other.origin}/download", status)
        got = requests.post(
            url(desk, "/a", place), json={"n": 1}, timeout=20,
            auth=auth.requests_auth("demo", broker=broker),
        )  # fmt: skip
        assert got.status_code == 200
        assert len(desk.api.seen) == len(other.seen) == 1
        assert canary.hits(desk.api.server.raw)
        assert not canary.hits(other.raw)
        if status == 307:
            assert other.seen[0].body == b'{"n": 1}'
        shown = [str(got.url), str(got.request.headers), repr(got.request.body)]
        shown += [str(each.url) + str(each.request.headers) for each in got.history]
        assert not canary.hits("".join(shown))


def test_a_location_that_echoes_the_secret_does_not_carry_it_away(desk, requests) -> None:
    with recorder() as other:
        broker = desk.with_place("query")
        token = broker.get_token("demo").access_token
        desk.api.answers["/a"] = to(f"{other.origin}/download?key={token}&n=1")
        signs = auth.requests_auth("demo", broker=broker)
        assert requests.get(url(desk, "/a"), auth=signs, timeout=20).status_code == 200
        assert [seen.target for seen in other.seen] == ["/download?n=1"]


def test_a_redirect_within_the_consented_hosts_arrives_signed(desk, requests, place) -> None:
    broker = desk.with_place(place)
    desk.api.answers |= {"/a": to(url(desk, "/b", place)), "/b": {"ok": True}}
    got = requests.post(
        url(desk, "/a", place), json={"n": 1}, timeout=20,
        auth=auth.requests_auth("demo", broker=broker),
    )  # fmt: skip
    assert got.json() == {"ok": True}
    assert token_in(place, desk.api.seen[-1]) != "Bearer "
    assert desk.renewals == 0


def test_a_hop_with_a_dead_token_renews_once(desk, requests) -> None:
    desk.api.answers |= {"/a": to("/b"), "/b": {"ok": True}}
    signs = auth.requests_auth("demo", broker=desk.broker)
    found = desk.api.find

    def once(seen) -> str:
        if "/b" in seen.target and desk.renewals == 0:
            desk.refuse()
        return found(seen)

    desk.api.find = once
    got = requests.get(url(desk, "/a"), auth=signs, timeout=20)
    assert got.json() == {"ok": True}
    assert (desk.renewals, len(desk.api.seen)) == (1, 3)


def test_a_signed_hop_s_own_refusal_is_handed_on(desk, requests) -> None:
    desk.api.answers |= {"/a": to("/b"), "/b": Reply(404)}
    signs = auth.requests_auth("demo", broker=desk.broker)
    assert requests.get(url(desk, "/a"), auth=signs, timeout=20).status_code == 404
    assert (desk.renewals, len(desk.api.seen)) == (0, 2)


# -- bodies, and what is left behind -------------------------------------------------------


def test_a_file_is_sent_again_from_its_start_and_a_stream_is_not(desk, requests) -> None:
    signs = auth.requests_auth("demo", broker=desk.broker)
    desk.refuse()
    got = requests.post(url(desk), data=io.BytesIO(b"all of it"), auth=signs, timeout=20)
    assert got.status_code == 200
    assert [seen.body for seen in desk.api.seen] == [b"all of it"] * 2
    desk.refuse()
    got = requests.post(url(desk), data=iter([b"once"]), auth=signs, timeout=20)
    assert got.status_code == 401
    assert desk.renewals == 1


def test_a_stream_cannot_take_a_secret_into_its_body(desk, requests) -> None:
    signs = auth.requests_auth("demo", broker=desk.with_place("body"))
    with pytest.raises(errors.AuthError, match="a stream cannot"):
        requests.post(url(desk), data=iter([b"x"]), auth=signs, timeout=20)
    assert desk.api.seen == []
    got = requests.post(
        url(desk), data='{"n": 1}', headers={"content-type": "application/json"}, auth=signs,
        timeout=20,
    )  # fmt: skip
    assert got.status_code == 200


def test_what_comes_back_holds_no_secret(desk, requests, place, caplog) -> None:
    caplog.set_level("DEBUG")
    signs = auth.requests_auth("demo", broker=desk.with_place(place))
    desk.refuse()
    with requests.Session() as session:
        got = session.post(url(desk, place=place), json={"n": 1}, auth=signs)
        assert canary.hits(desk.api.server.raw)
        for each in (got, *got.history):
            each.status_code = 403
            with pytest.raises(requests.HTTPError) as caught:
                each.raise_for_status()
            shown = [str(caught.value), each.url, each.request.url, repr(each.request.body)]
            assert not canary.hits("".join(shown) + str(each.request.headers))
        again = session.send(got.request)
        assert again.status_code == 200
    assert not canary.hits(caplog.text)
    assert repr(signs) == "RequestsAuth('demo')"
