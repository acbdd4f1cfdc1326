"""From a passphrase to a key, and the recovery code. Imported only where somebody types one."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import StoreCorrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY_KIB, PASSES, LANES = 64 * 1024, 3, 4
"""What does one guess cost at least? RFC 9106 §4, second recommended option."""
AIM = 0.5
"""Up to how many seconds may deriving the key take? More passes fill it."""

FLOOR_KIB, FLOOR_PASSES = 19 * 1024, 2
"""What is too cheap to be ours? Below it somebody has weakened the header."""
CAP_KIB, CAP_PASSES, CAP_LANES = 1024 * 1024, 20, 16
"""What is too dear to be ours? Above it somebody wants us busy."""

SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P = 17, 8, 1
"""The cost where OpenSSL has no Argon2id: 128 MiB."""

_SALT_BYTES = 16


def fresh_params() -> dict[str, Any]:
    """A new salt, and costs calibrated on this machine. Takes up to a second."""
    salt = os.urandom(_SALT_BYTES).hex()
    params: dict[str, Any] = {
        "kdf": "argon2id", "salt": salt, "m": MEMORY_KIB, "t": PASSES, "p": LANES,
    }  # fmt: skip
    started = time.perf_counter()
    try:
        derive("calibration", params)
    except NotImplementedError:
        return {"kdf": "scrypt", "salt": salt, "n": SCRYPT_LOG_N, "r": SCRYPT_R, "p": SCRYPT_P}
    passes = int(PASSES * AIM / max(time.perf_counter() - started, 1e-6))
    params["t"] = min(max(passes, PASSES), CAP_PASSES)
    return params


def derive(passphrase: str, params: Mapping[str, Any]) -> bytes:
    """32 bytes. StoreCorrupt for costs outside floor and cap, before any work is done."""
    from unicodedata import normalize

    # The same text typed on another system may come decomposed; RFC 8265 §4.2 takes NFC.
    typed = normalize("NFC", passphrase).encode()
    match params.get("kdf"):
        case "argon2id":
            return _argon2id(typed, params)
        case "scrypt":
            return _scrypt(typed, params)
        case _:
            raise _refused("it names a key derivation that is not known here")


def _refused(why: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"The passphrase slot of the vault was refused: {why}.",
        hint="use another key (arcrun vault status), then arcrun vault passphrase",
    )


def _salt(params: Mapping[str, Any]) -> bytes:
    try:
        salt = bytes.fromhex(params["salt"])
    except (KeyError, TypeError, ValueError):
        salt = b""
    if len(salt) != _SALT_BYTES:
        raise _refused("its salt is not 16 bytes")
    return salt


def _cost(params: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = params.get(name)
    if type(value) is not int or not low <= value <= high:
        raise _refused(f"its cost {name} is not within {low} and {high}")
    return value


def _argon2id(typed: bytes, params: Mapping[str, Any]) -> bytes:
    salt = _salt(params)
    memory = _cost(params, "m", FLOOR_KIB, CAP_KIB)
    passes = _cost(params, "t", FLOOR_PASSES, CAP_PASSES)
    lanes = _cost(params, "p", 1, CAP_LANES)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    except UnsupportedAlgorithm:
        raise NotImplementedError("OpenSSL has no Argon2id here") from None
    return kdf.derive(typed)


def _scrypt(typed: bytes, params: Mapping[str, Any]) -> bytes:
    from hashlib import scrypt

    salt = _salt(params)
    log_n = _cost(params, "n", 16, 20)
    r, p = _cost(params, "r", 8, 8), _cost(params, "p", 1, 4)
    memory = 128 * r * (2**log_n + p + 2)
    return scrypt(typed, salt=salt, n=2**log_n, r=r, p=p, maxmem=memory + 2**20, dklen=32)


# -- The recovery code: 128 random bits and 12 of checksum, Crockford's base32, 7 x 4 letters.

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans("OIL", "011", "- \t\r\n")
_CODE_LETTERS = 28
_CHECK_BITS = 12


def _check_bits(code: bytes) -> int:
    from hashlib import sha256

    return int.from_bytes(sha256(b"arcrun recovery code" + code).digest()[:2], "big") >> 4


def format_recovery(code: bytes) -> str:
    """`code`, 16 bytes, for a person to write down: `7QZK-...`."""
    number = int.from_bytes(code, "big") << _CHECK_BITS | _check_bits(code)
    letters = "".join(
        _ALPHABET[number >> 5 * place & 31] for place in reversed(range(_CODE_LETTERS))
    )
    return "-".join(letters[at : at + 4] for at in range(0, _CODE_LETTERS, 4))


def parse_recovery(text: str) -> bytes:
    """What `format_recovery` printed, in any case and grouping; ValueError for a typing slip."""
    letters = text.upper().translate(_LOOKALIKES)
    if len(letters) != _CODE_LETTERS or any(letter not in _ALPHABET for letter in letters):
        raise ValueError("a recovery code has 28 letters and digits, in 7 groups of 4")
    number = 0
    for letter in letters:
        number = number << 5 | _ALPHABET.index(letter)
    code = (number >> _CHECK_BITS).to_bytes(16, "big")
    if number & (1 << _CHECK_BITS) - 1 != _check_bits(code):
        raise ValueError("the recovery code does not add up: a letter is wrong")
    return code
