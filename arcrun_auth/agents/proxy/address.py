"""The address of a request: which connection it names, and what of it is for the service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from arcrun_auth.tokens import split_name

# RFC 9112 §3.2.1, origin-form; what RFC 3986 §3.3 does not allow in a path is for the gateway.
_TARGET = re.compile(r"/([^/?#]+)(/[^?#]*)?(?:\?([^#]*))?")


@dataclass(frozen=True, slots=True)
class Address:
    """`path` and `query` are as they were sent: nothing is decoded, nothing put right."""

    service: str
    instance: str | None
    path: str
    query: str


def parse(target: str) -> Address:
    """The address that a request line names. ValueError for one that names no connection.

    A name with a slash is written with `%2F`: it is one segment.

    >>> parse("/notion@work/pages/1?a=b")
    Address(service='notion', instance='work', path='/pages/1', query='a=b')
    """
    found = _TARGET.fullmatch(target)
    if found is None:
        raise ValueError("an address here is /SERVICE/ and the path of the service")
    name, path, query = found.groups()
    service, instance = split_name(unquote(name, errors="strict"))
    named = "@" in unquote(name)
    return Address(service, instance if named else None, path or "/", query or "")


def base(origin: str, service: str, instance: str | None) -> str:
    """What stands for the service's base URL.

    >>> base("http://127.0.0.1:8402", "acme/wiki", "work")
    'http://127.0.0.1:8402/acme%2Fwiki@work'
    """
    name = service if instance is None else f"{service}@{instance}"
    return f"{origin}/{quote(name, safe='@+')}"
