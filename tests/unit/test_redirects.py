"""R6: whatever a caller or a service names as the next URL, a second host sees no secret."""

from __future__ import annotations

import ssl
from collections import Counter

import pytest

from arcrun_auth._http import library
from arcrun_auth.client import bound_client
from arcrun_auth.errors import HostNotAllowed
from arcrun_auth.hosts import Fence
from arcrun_auth.sources import FixedSource
from tests import bound, canary, servers

API, EVIL = "api.example.com", "evil.test"

TRICKS = {
    "another host": f"https://{EVIL}/x",
    "userinfo": f"https://{API}@{EVIL}/x",
    "backslash before the at sign": f"https://{API}\\@{EVIL}/x",
    "the other way round": f"https://{EVIL}\\@{API}/x",
    "userinfo on our own host": f"https://user:pass@{API}/x",
    "trailing dot": f"https://{API}./x",
    "look-alike (punycode)": "https://аpi.example.com/x",  # noqa: RUF001 - a Cyrillic a
    "another port": f"https://{API}:8443/x",
    "plain http": f"http://{API}/x",
    "plain http on 443": f"http://{API}:443/x",
    "IPv4 as one number": "https://2130706433/x",
    "IPv4 in hex": "https://0x7f000001/x",
    "IPv4 in short": "https://127.1/x",
    "IPv4-mapped IPv6": "https://[::ffff:127.0.0.1]/x",
    "ours as a prefix": f"https://{API}.{EVIL}/x",
    "percent-encoded dot": f"https://{API}%2e{EVIL}/x",
}
CODES = (301, 302, 303, 307, 308)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return servers.authority(tmp_path_factory.mktemp("given"), API)[1]


@pytest.fixture
def world(tls, monkeypatch):
    """The API, and one evil server that answers for every other host, by http and https."""

    def answer(seen):
        if seen.target.startswith("/hop/"):
            code, trick = seen.target.split("?")[0].split("/")[2:4]
            return servers.Reply(int(code), {"location": targets[int(trick)]})
        return servers.Reply()

    targets = [url.replace("аpi", "xn--pi-6kc") for url in TRICKS.values()]  # noqa: RUF001
    with (
        servers.recorder(answer, tls) as api,
        servers.recorder(None, tls) as evil,
        servers.recorder() as plain,
    ):

        def route(authority: str, tunnel: bool) -> int:
            if authority == API and tunnel:
                return api.port
            return evil.port if tunnel else plain.port

        with servers.proxy(route) as proxy:
            for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            yield api, evil, plain, proxy


def trusting() -> ssl.SSLContext:
    """TLS that fits every name: a leak must show, not fail on a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def client_for(place: str, key: str, http: str):
    bind = bound.binding(f"https://{API}", place, fence=Fence([API]))
    source = FixedSource(bound.static(key))
    return bound_client(bind, source, http=http, verify=trusting(), follow_redirects=True)


@pytest.mark.parametrize("place", bound.PLACES)
@pytest.mark.parametrize("http", ["httpx", "httpx2"])
def test_no_trick_and_no_redirect_takes_a_secret_to_another_host(
    world, place, http, capsys
) -> None:
    api, evil, plain, proxy = world
    key, outcomes, told = canary.fresh(), Counter(), []
    path = "/{key}" if place == "path" else ""
    with client_for(place, key, http) as client:
        assert client.post(f"https://{API}/ok{path}", json={}).status_code == 200
        assert key in api.raw, "the API itself must get the secret, or this proves nothing"
        for number, url in enumerate(TRICKS.values()):
            before = len(proxy.lines), len(evil.seen), len(plain.seen)
            with pytest.raises((HostNotAllowed, library(http).InvalidURL)):
                client.post(url + path, json={})
            assert (len(proxy.lines), len(evil.seen), len(plain.seen)) == before
            outcomes["refused"] += 1
            for code in CODES:
                try:
                    response = client.post(f"https://{API}/hop/{code}/{number}{path}", json={})
                except (HostNotAllowed, library(http).RequestError) as error:
                    outcomes[type(error).__name__] += 1
                    told.append(str(error))
                else:
                    outcomes["followed, unsigned"] += 1
                    assert response.history, response
    seen = evil.raw + plain.raw + "\n".join(proxy.lines)
    assert outcomes["followed, unsigned"] > 0 or place == "body"
    assert len(evil.seen) > 0, "nothing went there at all: the test would not see a leak"
    assert canary.hits(seen + "".join(told)) == []
    assert not plain.seen, "nothing follows to plain http"
    with capsys.disabled():
        print(
            f"\n{http} {place}: {sum(outcomes.values())} tries, canary seen 0 times; {dict(outcomes)}"  # noqa: E501
        )


def test_a_body_that_carries_the_secret_is_not_sent_again_elsewhere(world) -> None:
    _, evil, _, _ = world
    with client_for("body", canary.fresh(), "httpx") as client:
        for code in (307, 308):
            with pytest.raises(HostNotAllowed, match="body"):
                client.post(f"https://{API}/hop/{code}/0", json={"a": 1})
        assert evil.seen == []
        assert client.post(f"https://{API}/hop/303/0", json={"a": 1}).status_code == 200
    assert [each.method for each in evil.seen] == ["GET"]


def test_a_hop_on_our_own_host_is_signed_anew() -> None:
    key = canary.fresh()

    def answer(seen):
        if seen.target.startswith("/a"):
            return servers.Reply(307, {"location": "/b?page=2"})
        return servers.Reply()

    with servers.recorder(answer) as api:
        bind = bound.binding(api.origin, *bound.PLACES)
        with bound_client(bind, FixedSource(bound.static(key)), follow_redirects=True) as client:
            response = client.post("/a/{key}", json={"n": 1})
    first, second = api.seen
    assert second.target == f"/b?page=2&key={key}"
    for seen in (first, second):
        assert seen.headers["x-api-key"] == key
        assert seen.headers["cookie"] == f"sid={key}"
        assert seen.body == b'{"n":1,"auth":{"key":"%s"}}' % key.encode()
    assert not canary.hits(repr(vars(response.request)) + repr(response.history))


@pytest.mark.parametrize("encode", [str, lambda text: text.replace("-", "%2D")])
def test_a_location_that_echoes_the_secret_is_cleansed_and_still_leads_there(encode) -> None:
    key = canary.fresh()

    def answer(seen):
        if seen.target.startswith("/start"):
            echo = encode(key)
            where = f"{api.origin}/bot{echo}/next?key={echo}&upload_id=7&other={echo}#{echo}"
            links = (
                ("link", f'<{where}>; rel="next", </plain>; rel="prev"'),
                ("refresh", f"5; url={where}"),
                ("set-cookie", f"sid={echo}; Path=/"),
                ("set-cookie", "mine=1; Path=/"),
            )
            return servers.Reply(302, {"location": where, "content-location": where}, links=links)
        return servers.Reply()

    with servers.recorder(answer) as api:
        bind = bound.binding(api.origin, "query", "path", "cookie")
        with bound_client(bind, FixedSource(bound.static(key))) as client:
            response = client.get("/start")
            assert not canary.hits(str(response.headers.raw))
            assert response.headers["location"].endswith("/bot{key}/next?upload_id=7#***")
            assert '</plain>; rel="prev"' in response.headers["link"]
            assert dict(client.cookies) == {"mine": "1"}
            client.send(response.next_request)
    assert api.seen[-1].target == f"/bot{key}/next?upload_id=7&key={key}"
