"""A private key under a passphrase that is dear to guess: PKCS #8, PBES2 with scrypt.

`cryptography` reads such files and writes them with 2048 rounds of PBKDF2 alone, so that the
few bytes of the envelope are put together here: RFC 5958 §3, RFC 8018 appendix A.4, RFC 7914 §7.
"""

from __future__ import annotations

import os
from base64 import b64encode
from hashlib import scrypt
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from arcrun_auth.tokens import Secret

COST = (1 << 14, 8, 5)
"""What does one guess cost: N, r and p of scrypt? As much as 128 MiB at once would, in rounds of
16 MiB: OpenSSL reads nothing that takes 32."""
LABEL = "ENCRYPTED PRIVATE KEY"

_SALT_BYTES = _BLOCK = 16
_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30
_SHORT = 0x80
_PBES2 = bytes.fromhex("2a864886f70d01050d")  # 1.2.840.113549.1.5.13
_SCRYPT = bytes.fromhex("2b06010401da47040b")  # 1.3.6.1.4.1.11591.4.11
_AES_256_CBC = bytes.fromhex("60864801650304012a")  # 2.16.840.1.101.3.4.1.42


def encrypted(key: Ed25519PrivateKey, passphrase: Secret) -> bytes:
    """The key as PEM, for `openssl pkey` and `load_pem_private_key` to read."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    cost, salt, iv = COST, os.urandom(_SALT_BYTES), os.urandom(_BLOCK)
    number, size, lanes = cost
    kek = scrypt(
        passphrase.reveal().encode(), salt=salt, n=number, r=size, p=lanes,
        maxmem=256 * size * (number + lanes + 2), dklen=32,
    )  # fmt: skip
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    kdf = _sequence(_der(_OID, _SCRYPT), _sequence(_der(_OCTETS, salt), *map(_integer, cost)))
    cipher = _sequence(_der(_OID, _AES_256_CBC), _der(_OCTETS, iv))
    algorithm = _sequence(_der(_OID, _PBES2), _sequence(kdf, cipher))
    return _pem(_sequence(algorithm, _der(_OCTETS, _aes(kek, iv, plain))))


def _aes(kek: bytes, iv: bytes, plain: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    padder = PKCS7(_BLOCK * 8).padder()
    encryptor = Cipher(algorithms.AES(kek), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _integer(value: int) -> bytes:
    # One bit more than it has: the first of all is the sign, X.690 §8.3.
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    """Tag, length, content: X.690 §8.1. In one byte more of length: an Ed25519 key is small."""
    size = len(content)
    length = bytes((size,)) if size < _SHORT else bytes((_SHORT | 1, size))
    return bytes((tag,)) + length + content


def _pem(data: bytes) -> bytes:
    lines = wrap(b64encode(data).decode(), 64)
    return "\n".join((f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", "")).encode()
