"""Which addresses may receive a secret: pure rules on scheme, host, port and IP address.

Two things are needed, and neither stands in for the other: the host was *consented* to
(it comes from the recipe), and it is a public https host, or the *user* allowed exactly
this origin (`allow_hosts`). Hosts are compared as the raw ASCII that goes onto the wire,
never as a person would read them: `xn--pi-6kc.notion.com` is not `api.notion.com`, and
neither is `api.notion.com.`.
"""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv6Address
    from typing import Final

    Origin = tuple[str, str, int]
    """Scheme, host (lower-case ASCII, an IPv6 address without brackets), port."""

DEFAULT_PORTS: Final = {"https": 443, "http": 80}

# RFC 952 and RFC 1123 §2.1, and the underscore that some providers put into a tenant's name.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A URL whose host ends in a number is an IPv4 address in one of its odd forms
# (WHATWG URL §3.5, "ends in a number"): 127.1, 0x7f000001, 2130706433, 0177.0.0.1
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?/?")


def parse_origin(text: str) -> Origin:
    """`scheme://host[:port]` as the three parts. ValueError says what is wrong with it.

    >>> parse_origin("http://127.0.0.1:8080")
    ('http', '127.0.0.1', 8080)
    """
    match = _ORIGIN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(
            f"{text[:100]!r} is no origin: write http:// or https://, the host, and the port "
            "if it is not the usual one; no path, no user, no wildcard"
        )
    scheme, host, port = match.groups()
    return scheme, _host(host), _port(port, text) if port else DEFAULT_PORTS[scheme]


def address_fault(address: str) -> str | None:
    """Why this resolved address is not on the public Internet, in words; None where it is.

    Addresses that carry another one inside (IPv4-mapped, NAT64, 6to4) are judged by
    what they lead to. Anything that is no plain IP address is refused as such.

    >>> address_fault("::ffff:169.254.169.254")
    'link-local'
    """
    from ipaddress import ip_address

    try:
        # A scope (fe80::1%eth0) says only through which interface the address is reached.
        return _fault(ip_address(address.partition("%")[0]))
    except ValueError:
        return "not an IP address"


class Fence:
    """The origins that may receive a secret of one credential.

    `hosts` are those consented to: exact (`api.notion.com`), or one leading `*.` for
    any name below; with `:port` for another port than 443. `allow` are the origins the
    user allows by himself: only by these may a host be private, loopback or plain http.

    >>> fence = Fence(["api.notion.com"])
    >>> fence.permits("https", "api.notion.com", None)
    True
    >>> fence.permits("https", "api.notion.com.evil.org", None)
    False
    """

    __slots__ = ("_allowed", "_exact", "_suffixes", "hosts")

    def __init__(self, hosts: Iterable[str], allow: Iterable[str] = ()) -> None:
        """ValueError where a pattern is no host, or an origin no origin."""
        self.hosts = tuple(hosts)
        self._allowed = frozenset(parse_origin(text) for text in allow)
        self._exact: set[tuple[str, int | None]] = set()
        self._suffixes: list[tuple[str, int | None]] = []
        for pattern in self.hosts:
            host, port = parse_pattern(pattern)
            if host.startswith("*."):
                self._suffixes.append((host[1:], port))
            else:
                self._exact.add((host, port))

    def permits(self, scheme: str, host: str | bytes, port: int | None) -> bool:
        """Whether a secret may go there. `host` is the raw one of the URL, as sent."""
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        number = _number(scheme, port)
        if number is None:
            return False
        if (scheme, name, number) in self._allowed:
            # The user named scheme, host and port: a pattern without a port covers it.
            return self._consented(name, number) or self._consented(name, None)
        if scheme != "https" or not is_public_name(name):
            return False
        return self._consented(name, number) or (number == 443 and self._consented(name, None))  # noqa: PLR2004

    def allows(self, scheme: str, host: str | bytes, port: int | None) -> bool:
        """Whether the user allowed exactly this origin, whoever may be sent a secret."""
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        return (scheme, name, _number(scheme, port)) in self._allowed

    def check_address(
        self, address: str, scheme: str = "https", host: str | bytes = "", port: int | None = None
    ) -> str | None:
        """Why `address`, to which the origin resolved, must not be talked to; None if it may."""
        return None if self.allows(scheme, host, port) else address_fault(address)

    def _consented(self, name: str, port: int | None) -> bool:
        if (name, port) in self._exact:
            return True
        return any(
            port == wanted and name.endswith(suffix) and _NAME.fullmatch(name) is not None
            for suffix, wanted in self._suffixes
        )

    def __repr__(self) -> str:
        return f"Fence({list(self.hosts)!r})"


def fence_of(url: str, allow: Iterable[str] = ()) -> Fence:
    """The fence around the origin of one address that somebody typed.

    ValueError where it is no address, or has a user in it, which is a password often;
    HostNotAllowed where its origin is neither public https nor one of `allow`.

    >>> fence_of("https://api.example.com/v1").hosts
    ('api.example.com',)
    """
    from urllib.parse import urlsplit

    parts = urlsplit("")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        Fence([parts.netloc])
    except ValueError:
        host, port = "", None
    if not host or "@" in parts.netloc:
        raise ValueError("this is no address of the form https://host/path")
    fence = Fence([parts.netloc], allow)
    if fence.permits(parts.scheme, host, port):
        return fence
    from shlex import quote

    from arcrun_auth.errors import HostNotAllowed, printable

    origin = quote(printable(f"{parts.scheme}://{parts.netloc}", 200))
    raise HostNotAllowed(
        f"{printable(host, 100)} is not reached by https, or is not public. Nothing was sent.",
        host=host,
        hint=f"if you want that: export ARCRUN_ALLOW_HOSTS={origin}",
    )


def bare(url: str) -> str:
    """A URL as messages name it: without the parts that secrets stand in. Whatever `url` is.

    >>> bare("https://me:word@api.example.com/v1?token=x#y"), bare("https://api.example.com")
    ('https://api.example.com/v1?…', 'https://api.example.com')
    """
    place, query, _ = url.partition("#")[0].partition("?")
    scheme, mark, rest = place.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}" + "?…" * bool(query)


def is_public_name(host: str) -> bool:
    """Whether this is a domain name that can be public: no IP address in any form, no localhost.

    >>> [is_public_name(h) for h in ("api.notion.com", "127.1", "intranet", "a.localhost")]
    [True, False, False, False]
    """
    _, dot, last = host.rpartition(".")
    if not dot or _NAME.fullmatch(host) is None or _NUMBER.fullmatch(last) is not None:
        return False
    # RFC 6761 §6.3 (localhost), RFC 6762 §3 (local), ICANN's resolution of 2024-07-29 (internal)
    return last not in {"localhost", "local", "internal"}


def _number(scheme: str, port: int | None) -> int | None:
    """The port that is meant: 0 is one, although nothing can listen there."""
    return DEFAULT_PORTS.get(scheme) if port is None else port


@lru_cache(maxsize=256)
def parse_pattern(text: str) -> tuple[str, int | None]:
    """A consented host pattern as host (or `*.suffix`) and port. ValueError where it is none.

    >>> parse_pattern("*.Example.com"), parse_pattern("api.example.com:8443")
    (('*.example.com', None), ('api.example.com', 8443))
    """
    lowered = text.strip().lower()
    host, colon, port = lowered.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = lowered, ""
    if host.startswith("*."):
        if not is_public_name(host[2:]):
            raise ValueError(f"{text[:100]!r} is no host pattern: write *.example.com")
        return host, _port(port, text) if port else None
    return _host(host), _port(port, text) if port else None


def _host(text: str) -> str:
    """A domain name or an IP address as it stands in a parsed URL; ValueError for all else."""
    if ":" in text or _NUMBER.fullmatch(text.rpartition(".")[2]):
        from ipaddress import ip_address

        try:
            return str(ip_address(text.removeprefix("[").removesuffix("]")))
        except ValueError:
            raise ValueError(f"{text[:100]!r} is no IP address in its plain form") from None
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            f"{text[:100]!r} is no host name: ASCII letters, digits, dots and hyphens only, "
            "a name of another script in its xn-- form"
        )
    return text


def _port(digits: str, text: str) -> int:
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) < 1 << 16:
        raise ValueError(f"{text[:100]!r} has no valid port")
    return int(digits)


def _fault(address: IPv4Address | IPv6Address) -> str | None:
    inner = _embedded(address)
    if inner is not None:
        return _fault(inner)
    for fault, holds in (
        ("unspecified", address.is_unspecified),
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        # RFC 6598 (carrier-grade NAT) and all of IANA's special-purpose registries; RFC 6890
        # §2.2.2 (192.0.0.0/24) is whole in newer Pythons only.
        ("private", not address.is_global or str(address).startswith("192.0.0.")),
        ("reserved", address.is_reserved or getattr(address, "is_site_local", False)),
    ):
        if holds:
            return fault
    return None


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address to which a packet for this IPv6 address is sent on, if there is one."""
    from ipaddress import IPv4Address

    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:  # RFC 4291 §2.5.5.2
        return address.ipv4_mapped
    if address.sixtofour is not None:  # RFC 3056
        return address.sixtofour
    if address.packed.startswith(bytes.fromhex("0064ff9b0000000000000000")):  # RFC 6052 §2.1
        return IPv4Address(address.packed[12:])
    return None
