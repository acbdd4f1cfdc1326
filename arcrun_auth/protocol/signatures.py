"""Ed25519 (RFC 8032), by its raw keys. Imports the library when it is used."""

from __future__ import annotations


def fits(key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `signature` over `data` is that of the raw public `key`; false for no key at all."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def signed(key: bytes, data: bytes) -> bytes:
    """The 64 bytes of a signature over `data` with the raw private `key`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(key).sign(data)
