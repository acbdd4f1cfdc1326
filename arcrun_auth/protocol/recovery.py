"""A recovery code of a synced vault: 128 bits from which a member's keys are derived. Pure.

    code ─┬─ HKDF "arcrun/v1/recovery/sign" ── Ed25519: signs who comes in by the code
          └─ HKDF "arcrun/v1/recovery/box" ── X25519: what the vault's keys are wrapped for
                 its public half ─┬─ HKDF "row" ── the names of its two rows
                                  └─ HKDF "seal" ── AES-256-GCM of each

One row holds the vault's keys, wrapped anew at each epoch; the other says which vault it is,
signed by the code itself.

The public half is known to the members and to whoever has the code, and to no server: every
member can wrap a new epoch's keys for the code, and nobody without either finds the row.
"""

from __future__ import annotations

from typing import Final, Literal

from arcrun_auth.protocol.keys import NAME_DIGITS, PREFIX, Sealed
from arcrun_auth.seal import decrypt, encode, encrypt, hkdf, pad, unpad

Row = Literal["keys", "vault"]
ROWS: Final[tuple[Row, ...]] = ("keys", "vault")

CODE_BYTES = 16
BLOCK = 256


def seeds(code: bytes) -> tuple[bytes, bytes]:
    """The raw private keys (Ed25519, X25519) of the member that a code of 16 bytes is."""
    if len(code) != CODE_BYTES:
        raise ValueError("a recovery code has 16 bytes")
    return hkdf(code, b"arcrun/v1/recovery/sign"), hkdf(code, b"arcrun/v1/recovery/box")


def row(box: bytes, what: Row) -> str:
    """The name of a row for the code whose raw public X25519 key is `box`."""
    return PREFIX + hkdf(box, _info(b"row", what)).hex()[:NAME_DIGITS]


def sealed(box: bytes, what: Row, plain: bytes) -> Sealed:
    """The content of such a row."""
    return Sealed(*encrypt(hkdf(box, _info(b"seal", what)), pad(plain, BLOCK), b""))


def opened(box: bytes, what: Row, content: Sealed) -> bytes:
    """The inverse of `sealed`. ValueError for other bytes, or another code."""
    return unpad(decrypt(hkdf(box, _info(b"seal", what)), content.iv, content.data, b""))


def vouched(vault: str) -> bytes:
    """What the code's own key signs once, when it is made: which vault it is for.

    Everything else in its rows can be written by any member, and by one that was revoked.
    """
    return encode(b"arcrun/v1/recovery/vault", vault.encode())


def _info(what: bytes, row: Row) -> bytes:
    return encode(b"arcrun/v1/recovery", what, row.encode())
