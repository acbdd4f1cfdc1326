"""Digest access authentication (RFC 7616): a server's challenge, and the answers to it. Pure.

Only `qop=auth` is spoken, and RFC 2069, which has none: `auth-int` would have to hold the
whole body before the first byte of it is sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from arcrun_auth.tokens import Secret

HASHES: Final = {"SHA-256": "sha256", "MD5": "md5"}
"""Which algorithms are there, the stronger one first, and what is each one's hash?"""
CNONCE_BYTES: Final = 16

# RFC 9110 §5.6.2, §5.6.4, §11.2: token (here a word), quoted-string, token68.
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAM: Final = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))\s*(?:,|$)')
_SCHEME: Final = re.compile(rf"({_WORD})(?:\s+([A-Za-z0-9._~+/-]+=*))?\s*(?:,|$)|({_WORD})\s+")
_GAP: Final = frozenset(" \t,")
_SAFE_NAME: Final = re.compile(r"[ !#-\[\]-~]*")
"""A user's name that is the same inside and outside of a quoted-string."""


class Challenge(NamedTuple):
    """What the server wants to see hashed. Texts are as between its quotes: `unq` of §3.4."""

    realm: str
    nonce: str
    algorithm: str = ""
    """As the server wrote it; empty stands for MD5."""
    qop: str = "auth"
    """`auth`, or empty for a server that knows only RFC 2069."""
    opaque: str | None = None
    stale: bool = False
    """The answer was right and its nonce too old: to try again needs nobody's password."""
    userhash: bool = False

    @property
    def hash(self) -> str:
        """The name of its hash, as `hashlib` knows it; empty for one that we do not speak."""
        return HASHES.get(self.algorithm.upper().removesuffix("-SESS") or "MD5", "")

    @property
    def session(self) -> bool:
        return self.algorithm.lower().endswith("-sess")


def read(headers: Iterable[str]) -> Challenge | None:
    """The strongest Digest challenge in the `WWW-Authenticate` headers; None if there is none
    that we can answer.

    >>> read(['Basic realm="a"', 'Digest realm="a", nonce="n1", qop="auth", algorithm=SHA-256'])
    Challenge(realm='a', nonce='n1', algorithm='SHA-256', qop='auth', ...)
    """
    found = [
        challenge
        for header in headers
        for scheme, params in _challenges(header)
        if scheme.lower() == "digest" and (challenge := _challenge(params))
    ]
    strongest = list(HASHES.values())
    # The first of those that are equally strong: the server lists them as it likes them (§3.7).
    return min(found, key=lambda each: strongest.index(each.hash), default=None)


class Session:
    """One challenge, and the answers to it. Safe to share between threads."""

    def __init__(self, challenge: Challenge, cnonce: str | None = None) -> None:
        """`cnonce` is made here if it is not given.

        It stays the same for a nonce, whose counter keeps the answers apart: then both
        readings of the session key (§3.4.2: of the first cnonce, or of each) are one.
        """
        import secrets
        import threading

        self.challenge = challenge
        self._cnonce = cnonce or secrets.token_hex(CNONCE_BYTES)
        self._count = 0
        self._lock = threading.Lock()

    def authorization(self, *, method: str, uri: str, username: str, password: Secret) -> str:
        """The value of the `Authorization` header (§3.4) for one request.

        `uri` is the request target as it is sent: path and query.
        """
        challenge, nc = self.challenge, self._next()
        ours = f"{nc}:{self._cnonce}:{challenge.qop}:" if challenge.qop else ""
        key = self._key(username, password)
        response = self._hash(f"{key}:{challenge.nonce}:{ours}{self._hash(f'{method}:{uri}')}")
        fields = [
            self._username(username),
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f'uri="{uri}"',
            f'response="{response}"',
        ]
        if challenge.algorithm:
            fields.append(f"algorithm={challenge.algorithm}")
        if challenge.opaque is not None:
            fields.append(f'opaque="{challenge.opaque}"')
        if challenge.qop:
            fields += [f"qop={challenge.qop}", f"nc={nc}"]
        if challenge.qop or challenge.session:
            fields.append(f'cnonce="{self._cnonce}"')
        if challenge.userhash:
            fields.append("userhash=true")
        return "Digest " + ", ".join(fields)

    def _next(self) -> str:
        with self._lock:
            self._count += 1
            return f"{self._count:08x}"

    def _key(self, username: str, password: Secret) -> str:
        """H(A1) of §3.4.2."""
        challenge = self.challenge
        key = self._hash(f"{username}:{challenge.realm}:{password.reveal()}")
        if challenge.session:
            return self._hash(f"{key}:{challenge.nonce}:{self._cnonce}")
        return key

    def _username(self, username: str) -> str:
        from urllib.parse import quote

        if self.challenge.userhash:  # §3.4.4
            return f'username="{self._hash(f"{username}:{self.challenge.realm}")}"'
        if _SAFE_NAME.fullmatch(username):
            return f'username="{username}"'
        return f"username*=UTF-8''{quote(username, safe='')}"  # RFC 8187 §3.2

    def _hash(self, text: str) -> str:
        import hashlib

        # MD5 is the server's choice, and also to be had where it is forbidden for security.
        return hashlib.new(self.challenge.hash, text.encode(), usedforsecurity=False).hexdigest()


def _challenges(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Scheme and parameters of each challenge in a header (RFC 9110 §11.6.1), names in small
    letters. What follows something that is no challenge is not read."""
    scheme, params, position = "", dict[str, str](), _after_gap(header, 0)
    while position < len(header):
        found = _PARAM.match(header, position) if scheme else None
        if found:
            name, quoted, token = found.groups()
            params.setdefault(name.lower(), token if quoted is None else quoted)
        else:
            if scheme:
                yield scheme, params
            found = _SCHEME.match(header, position)
            if found is None:
                return
            scheme, params = found[1] or found[3], {}
        position = _after_gap(header, found.end())
    if scheme:
        yield scheme, params


def _after_gap(header: str, position: int) -> int:
    while header[position : position + 1] in _GAP:
        position += 1
    return position


def _challenge(params: dict[str, str]) -> Challenge | None:
    if "realm" not in params or not params.get("nonce"):
        return None
    offered = {each.strip().lower() for each in params.get("qop", "").split(",")} - {""}
    if offered and "auth" not in offered:
        return None
    found = Challenge(
        realm=params["realm"],
        nonce=params["nonce"],
        algorithm=params.get("algorithm", ""),
        qop="auth" if offered else "",
        opaque=params.get("opaque"),
        stale=params.get("stale", "").lower() == "true",
        userhash=params.get("userhash", "").lower() == "true",
    )
    return found if found.hash else None
