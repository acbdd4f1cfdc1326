"""What the server hands out and wants back unchanged: sealed, for one purpose, for a time. Pure.

A server process keeps no state of its own: what it has to remember of a login under way goes
along with the browser. It is encrypted and authenticated (AES-256-GCM) under a key of its
purpose, so that a cookie can never pass for a `state`, nor anybody read what is in either.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from arcrun_auth.seal import NONCE_BYTES, SealBroken, decrypt, encode, encrypt, hkdf

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SEALED = 8192
"""How long may a sealed text be that we open, in characters?"""

_LABEL = b"arcrun/v1/server/"


class Unsealed(ValueError):
    """It is none of ours, for another purpose, changed, or over. Says nothing else."""


class Sealer:
    """Seals by one key of 32 bytes, which all processes of a server share. Shows nothing."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "Sealer()"

    def seal(self, purpose: str, data: Mapping[str, Any], *, ends: float) -> str:
        """`data`, which JSON can write, as a text for a URL or a cookie, good until `ends`.

        >>> sealer = Sealer(bytes(32))
        >>> sealer.open("flow", sealer.seal("flow", {"port": 8000}, ends=10.0), now=9.0)
        {'port': 8000}
        """
        plain = json.dumps({"ends": ends, "data": dict(data)}, separators=(",", ":")).encode()
        nonce, sealed = encrypt(self._of(purpose), plain, purpose.encode())
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, text: str, *, now: float) -> dict[str, Any]:
        """The inverse. Unsealed where anything at all differs, or its time is over."""
        if len(text) > MAX_SEALED or not text.isascii():
            raise Unsealed("too long, or no text of ours")
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            plain = decrypt(
                self._of(purpose), raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode()
            )
        except (ValueError, SealBroken):
            raise Unsealed("not ours") from None
        found = json.loads(plain)
        if found["ends"] <= now:
            raise Unsealed("over")
        data: dict[str, Any] = found["data"]
        return data

    def mark(self, purpose: str, *parts: bytes) -> str:
        """What proves that we have seen these `parts` together: a MAC, as a text."""
        tag = hmac.digest(self._of(purpose), encode(*parts), "sha256")
        return urlsafe_b64encode(tag).rstrip(b"=").decode()

    def marked(self, purpose: str, mark: str, *parts: bytes) -> bool:
        """Whether `mark` is that of these parts."""
        return hmac.compare_digest(mark.encode(), self.mark(purpose, *parts).encode())

    def _of(self, purpose: str) -> bytes:
        return hkdf(self._key, _LABEL + purpose.encode())
