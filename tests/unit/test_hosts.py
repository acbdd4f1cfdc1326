"""Hosts are compared as they go onto the wire, and addresses by where they lead."""

from __future__ import annotations

import ipaddress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.hosts import Fence, address_fault, is_public_name, parse_origin

API = Fence(["api.notion.com", "*.zendesk.com", "api.odd.com:8443"])


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("https", "api.notion.com", None), ("https", b"api.notion.com", 443),
        ("https", "acme.zendesk.com", None), ("https", "a.b.zendesk.com", None),
        ("https", "api.odd.com", 8443),
    ],
)  # fmt: skip
def test_consented_origins_are_permitted(scheme, host, port) -> None:
    assert API.permits(scheme, host, port)


@pytest.mark.parametrize(
    ("scheme", "host", "port"),
    [
        ("http", "api.notion.com", None), ("http", "api.notion.com", 443),
        ("https", "api.notion.com", 80), ("https", "api.notion.com", 8443),
        ("https", "api.notion.com.", None), ("https", ".api.notion.com", None),
        ("https", "api.notion.com.evil.org", None), ("https", "evilapi.notion.com", None),
        ("https", "xn--pi-6kc.notion.com", None), ("https", "API.NOTION.COM\x00", None),
        ("https", "zendesk.com", None), ("https", ".zendesk.com", None),
        ("https", "evilzendesk.com", None), ("https", "acme.zendesk.com.", None),
        ("https", "a..zendesk.com", None), ("https", "a\\b.zendesk.com", None),
        ("https", "api.odd.com", None), ("https", "", None), ("", "api.notion.com", None),
        ("ftp", "api.notion.com", None), ("ws", "api.notion.com", 443),
    ],
)  # fmt: skip
def test_all_else_is_not(scheme, host, port) -> None:
    assert not API.permits(scheme, host, port)


def test_only_the_user_opens_the_way_to_http_and_private_hosts() -> None:
    hosts = ["127.0.0.1:8080", "localhost:9000", "10.0.0.5", "intranet", "api.example.com"]
    bare = Fence(hosts)
    for origin in ("http://127.0.0.1:8080", "http://localhost:9000", "https://10.0.0.5",
                   "https://intranet", "http://api.example.com"):  # fmt: skip
        scheme, host, port = parse_origin(origin)
        assert not bare.permits(scheme, host, port)
        assert Fence(hosts, [origin]).permits(scheme, host, port)
        assert not Fence(["other.example.com"], [origin]).permits(scheme, host, port), (
            "allowing an origin is no consent to send it this service's secret"
        )
        assert not Fence(hosts, [origin]).permits(scheme, host, port + 1)


def test_an_allowed_origin_may_resolve_to_a_private_address() -> None:
    fence = Fence(["git.corp.example"], ["https://git.corp.example"])
    assert fence.check_address("10.1.2.3", "https", "git.corp.example", None) is None
    assert fence.check_address("10.1.2.3", "https", b"api.example.com", None) == "private"
    assert fence.check_address("10.1.2.3") == "private"


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"), ("::1", "loopback"),
        ("0.0.0.0", "unspecified"), ("::", "unspecified"), ("0.1.2.3", "private"),
        ("10.0.0.1", "private"), ("172.16.0.1", "private"), ("172.31.255.255", "private"),
        ("192.168.0.1", "private"), ("100.64.0.1", "private"), ("100.127.255.254", "private"),
        ("169.254.169.254", "link-local"), ("fe80::1", "link-local"), ("fe80::1%eth0", "link-local"),  # noqa: E501
        ("224.0.0.1", "multicast"), ("239.255.255.250", "multicast"), ("ff02::1", "multicast"),
        ("255.255.255.255", "private"), ("240.0.0.1", "private"), ("192.0.0.8", "private"),
        ("198.18.0.1", "private"), ("192.0.2.1", "private"), ("fc00::1", "private"),
        ("fd00:ec2::254", "private"), ("fec0::1", "reserved"), ("2001:db8::1", "private"),
        ("::ffff:127.0.0.1", "loopback"), ("::ffff:a9fe:a9fe", "link-local"),
        ("64:ff9b::10.0.0.1", "private"), ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:0001::", "loopback"), ("2002:a00:1::1", "private"), ("::127.0.0.1", "reserved"),
        ("2001:0:53aa:64c::1", "private"),
        ("0x7f000001", "not an IP address"), ("2130706433", "not an IP address"),
        ("127.1", "not an IP address"), ("0177.0.0.1", "not an IP address"),
        ("", "not an IP address"), ("localhost", "not an IP address"),
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_say_why(address, fault) -> None:
    assert address_fault(address) == fault


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "104.16.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"],  # noqa: E501
)  # fmt: skip
def test_public_addresses_pass(address) -> None:
    assert address_fault(address) is None


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Git.Example.com", ("https", "git.example.com", 443)),
        ("http://127.0.0.1:8080/", ("http", "127.0.0.1", 8080)),
        (" http://[::1]:80 ", ("http", "::1", 80)),
        ("https://[0:0::1]", ("https", "::1", 443)),
    ],
)
def test_origins_are_read(text, origin) -> None:
    assert parse_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "ftp://example.com", "https://", "https://a/b", "https://u@a", "https://a?b",
        "https://*.a.com", "https://a:0", "https://a:65536", "https://a:b", "https://a b", "https://127.1",
        "https://0x7f.1", "https://[1::2::3]", "https://[::1", "https://\u0430pi.com", "https://a..b",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused_with_a_reason(text) -> None:
    with pytest.raises(ValueError, match=r"origin|IP address|host name|port"):
        parse_origin(text)


@pytest.mark.parametrize(
    "pattern",
    ["", "*", "*.", "*.com.", "a.*.com", "*.*.com", "https://a.com", "a.com/b", "a@b.com", "a.com:0",  # noqa: E501
     "a.com:x", "127.1", "0x7f000001", "2130706433", "\u0430pi.com", "a.com\n.b", "a:1:2", "*.127.0.0.1",  # noqa: E501
     "*.localhost", "-a.com", "a.com."],
)  # fmt: skip
def test_a_pattern_that_is_no_host_is_refused(pattern) -> None:
    with pytest.raises(ValueError, match=r"host|IP address|port"):
        Fence([pattern])


def test_patterns_of_ipv6_and_ports_are_read() -> None:
    for pattern in ("[::1]:8080", "*.example.com:8443"):
        host = "::1" if "::1" in pattern else "a.example.com"
        port = int(pattern.rpartition(":")[2])
        scheme = "http" if host == "::1" else "https"
        allow = ["http://[::1]:8080"] if host == "::1" else []
        assert Fence([pattern], allow).permits(scheme, host, port)
        assert not Fence([pattern], allow).permits(scheme, host, port + 1)
    assert Fence(["::1"], ["http://[::1]"]).permits("http", "::1", None)
    assert repr(API) == "Fence(['api.notion.com', '*.zendesk.com', 'api.odd.com:8443'])"


labels = st.from_regex(r"[a-z0-9.\-_\\@:%ⓐa。]{0,30}", fullmatch=True)


@given(st.one_of(labels, st.text(max_size=30)), st.sampled_from(["https", "http", "ftp", ""]))
def test_no_url_is_accepted_whose_raw_host_is_not_literally_in_the_set(junk, scheme) -> None:
    exact = Fence(["api.notion.com"])
    for text in (
        f"{scheme}://{junk}",
        f"{scheme}://api.notion.com{junk}",
        f"{scheme}://{junk}api.notion.com",
    ):
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, TypeError):
            continue
        if exact.permits(url.scheme, url.raw_host, url.port):
            assert (url.scheme, url.raw_host, url.port) == ("https", b"api.notion.com", None)


def test_port_zero_is_no_other_name_of_the_usual_port() -> None:
    assert not API.permits("https", "api.notion.com", 0)
    assert not Fence([], ["https://a.example"]).allows("https", "a.example", 0)


@given(st.ip_addresses())
def test_every_address_that_passes_is_global(address) -> None:
    if address_fault(str(address)) is None:
        embedded = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
        assert ipaddress.ip_address(embedded or address).is_global


@given(st.ip_addresses())
def test_no_ip_literal_is_a_public_name(address) -> None:
    assert not is_public_name(str(address))
