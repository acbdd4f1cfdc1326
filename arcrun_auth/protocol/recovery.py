"""A recovery code of a synced vault: 128 bits from which a member's keys are derived. Pure.

    code ─┬─ HKDF "arcrun/v1/recovery/sign" ── Ed25519: signs who comes in by the code
          └─ HKDF "arcrun/v1/recovery/box" ── X25519: what the vault's keys are wrapped for
                 its public half ─┬─ HKDF ".../row" ── the name of the row that holds the wrap
                                  └─ HKDF ".../seal" ── AES-256-GCM of that row

The public half is known to the members and to whoever has the code, and to no server: every
member can wrap a new epoch's keys for the code, and nobody without either finds the row.
"""

from __future__ import annotations

from arcrun_auth.protocol.keys import NAME_DIGITS, PREFIX, Sealed
from arcrun_auth.seal import decrypt, encode, encrypt, hkdf, pad, unpad

CODE_BYTES = 16
BLOCK = 256


def seeds(code: bytes) -> tuple[bytes, bytes]:
    """The raw private keys (Ed25519, X25519) of the member that a code of 16 bytes is."""
    if len(code) != CODE_BYTES:
        raise ValueError("a recovery code has 16 bytes")
    return hkdf(code, b"arcrun/v1/recovery/sign"), hkdf(code, b"arcrun/v1/recovery/box")


def row(box: bytes) -> str:
    """The name of the row for the code whose raw public X25519 key is `box`."""
    return PREFIX + hkdf(box, b"arcrun/v1/recovery/row").hex()[:NAME_DIGITS]


def sealed(box: bytes, plain: bytes) -> Sealed:
    """The content of that row. `plain` is a vault's id and a wrap."""
    return Sealed(*encrypt(_key(box), pad(plain, BLOCK), b""))


def opened(box: bytes, content: Sealed) -> bytes:
    """The inverse of `sealed`. ValueError for other bytes, or another code."""
    return unpad(decrypt(_key(box), content.iv, content.data, b""))


def _key(box: bytes) -> bytes:
    return hkdf(box, encode(b"arcrun/v1/recovery/seal", row(box).encode()))
