"""The fence for libraries that parse URLs themselves: whatever it lets through, all read alike."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arcrun_auth.adapters.gate import Gate
from arcrun_auth.errors import HostNotAllowed
from arcrun_auth.hosts import Fence
from arcrun_auth.recipe import Inject
from arcrun_auth.signing import Binding
from tests.sdk.desk import sdk

HOST = "api.example.com"
GATE = Gate(Binding("demo", f"https://{HOST}", Fence([HOST]), Inject(header={"X": "y"})))

PIECES = st.sampled_from(
    ["https", "http", ":", "/", "//", "\\", "@", "#", "?", "%", "%40", "%2f", "%5c", ".", "\t",
     "\n", "\r", " ", "\0", "[", "]", ":443", ":8443", ":0443", "evil.example", HOST, HOST.upper(),
     "user", "\uff41", "\u3002", "\u2100", "\ufeff", "xn--"]
)  # fmt: skip
URLS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.lists(PIECES, max_size=6).map(lambda parts: f"https://{HOST}" + "".join(parts)),
    st.lists(PIECES, max_size=6).map(lambda parts: "https://" + "".join(parts) + HOST),
)


def readings(url: str) -> dict[str, tuple[str | None, str | None]]:
    """Scheme and host, by each library that would send the request."""
    found = {"stdlib": (urlsplit(url).scheme, urlsplit(url).hostname)}
    requests, yarl, urllib3 = sdk("requests"), sdk("yarl", "aiohttp"), sdk("urllib3", "requests")
    try:
        prepared = requests.Request("GET", url).prepare().url
        read = urllib3.util.parse_url(prepared)
        found["requests"] = (read.scheme, read.host)
    except (requests.RequestException, ValueError):
        pass  # refuses it: nothing is sent
    try:
        read = yarl.URL(url)
        found["aiohttp"] = (read.scheme, read.raw_host)
    except ValueError:
        pass
    return found


@settings(deadline=None)  # the first one imports the libraries
@given(URLS)
@example(f"https://{HOST}\\@evil.example/")
@example(f"https://{HOST}#@evil.example/")
@example(f"https://evil.example\t@{HOST}/")
@example(f"https://{HOST}/v1/me?x=https://evil.example")
def test_what_it_permits_leads_to_the_consented_host_by_every_reading(url) -> None:
    if GATE.permits(url):
        for library, (scheme, host) in readings(url).items():
            assert (scheme, (host or "").lower()) == ("https", HOST), library


@pytest.mark.parametrize(
    "url", [f"https://{HOST}", f"https://{HOST}/a", f"https://{HOST}:443/a?b#c", f"HTTPS://{HOST}/"]
)
def test_it_permits_what_is_plain(url) -> None:
    GATE.check(url)


@pytest.mark.parametrize(
    "url",
    ["", "/path", "https://", f"http://{HOST}/", f"https://{HOST}:8443/", f"https://{HOST}./",
     f"https://u@{HOST}/", f"https://{HOST}:99999/", f"https://[{HOST}]/", "https://[::1]/", "//x"],
)  # fmt: skip
def test_it_refuses_the_rest_and_says_where_the_credential_goes(url) -> None:
    with pytest.raises(HostNotAllowed, match=HOST):
        GATE.check(url)


@pytest.mark.parametrize("url", ["http://evil.example/", "https://127.0.0.1/", "https://nas/", ""])
def test_a_redirect_to_no_public_https_is_not_followed(url) -> None:
    GATE.leave("https://downloads.example/x", body=True)
    with pytest.raises(HostNotAllowed, match="no public https"):
        GATE.leave(url, body=False)
