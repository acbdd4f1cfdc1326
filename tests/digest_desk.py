"""A server that asks for Digest authentication and checks every field of the answer."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.servers import Reply, Seen

REALM = r"vault \"7\" \\ north"
"""As it stands between the quotes: `unq` of RFC 7616 §3.4 keeps the backslashes."""


@dataclass
class Desk:
    """Answers as `Recorder.answer`. Written from the RFC, by the other end of it."""

    username: str
    password: str
    algorithm: str = "SHA-256"
    """As it stands in the challenge; empty for none."""
    qop: str = "auth"
    userhash: bool = False
    realm: str = REALM
    uses: int = 1000
    """How many answers may one nonce get?"""
    says_stale: bool = True
    others: tuple[tuple[str, str], ...] = ()
    """Further challenges, in front of ours."""
    counts: list[int] = field(default_factory=list)
    """The counter of each answer that was right, in order."""
    nonces: int = 0

    def __call__(self, seen: Seen) -> Reply:
        given = seen.headers.get("authorization", "")
        if not given.startswith("Digest "):
            return self._ask()
        fields = parse(given)
        if not self._right(seen, fields):
            return self._ask()
        if fields["nonce"] != f"nonce-{self.nonces}" or self._count(fields) > self.uses:
            return self._ask(stale=self.says_stale)
        self.counts.append(self._count(fields))
        return Reply()

    @staticmethod
    def _count(fields: dict[str, str]) -> int:
        return int(fields.get("nc", "1"), 16)

    def _ask(self, *, stale: bool = False) -> Reply:
        self.nonces += 1
        asked = [f'realm="{self.realm}"', f'nonce="nonce-{self.nonces}"', 'opaque="op,aque"']
        asked += [f"algorithm={self.algorithm}"] * bool(self.algorithm)
        asked += [f'qop="{self.qop}"'] * bool(self.qop)
        asked += ["userhash=true"] * self.userhash + ["stale=TRUE"] * stale
        ours = ("WWW-Authenticate", "Digest " + ", ".join(asked))
        return Reply(401, links=(*self.others, ours))

    def _right(self, seen: Seen, fields: dict[str, str]) -> bool:
        def hashed(text: str) -> str:
            return hashlib.new(name, text.encode()).hexdigest()

        name = "sha256" if self.algorithm.startswith("SHA-256") else "md5"
        key = hashed(f"{self.username}:{self.realm}:{self.password}")
        if self.algorithm.endswith("-sess"):
            key = hashed(f"{key}:{fields['nonce']}:{fields['cnonce']}")
        middle = f"{fields['nc']}:{fields['cnonce']}:{fields['qop']}:" if self.qop else ""
        request = hashed(f"{seen.method}:{seen.target}")
        username = fields.get("username") or unquote(fields["username*"].removeprefix("UTF-8''"))
        known = hashed(f"{self.username}:{self.realm}") if self.userhash else self.username
        return (
            fields["response"] == hashed(f"{key}:{fields['nonce']}:{middle}{request}")
            and username == known
            and fields["uri"] == seen.target
            and fields["realm"] == self.realm
            and fields["opaque"] == "op,aque"
            and fields.get("algorithm", "") == self.algorithm
            and fields.get("qop", "") == ("auth" if self.qop else "")
        )


def parse(header: str) -> dict[str, str]:
    """The fields of an answer, their texts as they stand between the quotes."""
    scheme, _, rest = header.partition(" ")
    assert scheme == "Digest"
    found = re.findall(r'([a-z*]+)=(?:"((?:\\.|[^"\\])*)"|([^",]+))(?:, |$)', rest)
    return {name: quoted or plain for name, quoted, plain in found}
