"""A vault's keys, wrapped for one device: HPKE (RFC 9180), and signed by whoever wrapped.

HPKE in its base mode says nothing of the sender, hence the signature over all of it. The
place it belongs to (vault, epoch, device) is bound in twice: by HPKE's `info`, and by what
is signed.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from arcrun_auth.protocol import signatures
from arcrun_auth.seal import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.protocol.membership import Device

VERSION = 1


class BadWrap(ValueError):
    """It is for somebody else, by nobody known, or damaged. Repeats nothing of it."""


def wrap(
    plain: bytes,
    *,
    vault: str,
    epoch: int,
    to: Device,
    by: str,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """`plain` so that only the device `to` opens it, signed by the device `by`."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    key = X25519PublicKey.from_public_bytes(to.box)
    sealed: bytes = _suite().encrypt(plain, key, info=_info(vault, epoch, to.id))
    data = {
        "v": VERSION,
        "vault": vault,
        "epoch": epoch,
        "to": to.id,
        "by": by,
        "sealed": b64encode(sealed).decode(),
        "sig": b64encode(sign(_signed(vault, epoch, to.id, by, sealed))).decode(),
    }
    return json.dumps(data, separators=(",", ":")).encode()


def can_be_for(box: bytes) -> bool:
    """Whether anything can be wrapped for a raw public X25519 key: false for one of the few
    points with which every exchange ends in zeros (RFC 7748 §6.1)."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(box))
    except ValueError:
        return False
    return True


def unwrap(
    data: bytes, *, vault: str, to: str, box: bytes, signers: Mapping[str, bytes]
) -> tuple[int, bytes]:
    """The epoch and what was wrapped for the device `to`, whose raw private key is `box`.

    `signers` are the signing keys that are believed, by device. Raises BadWrap.
    """
    epoch, by, sealed, sig = _read(data, vault, to)
    key = signers.get(by)
    if key is None or not signatures.fits(key, sig, _signed(vault, epoch, to, by, sealed)):
        raise BadWrap("the wrapped keys are signed by none of the members")
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    private = X25519PrivateKey.from_private_bytes(box)
    try:
        return epoch, _suite().decrypt(sealed, private, info=_info(vault, epoch, to))
    except (InvalidTag, ValueError):
        raise BadWrap("the wrapped keys do not open with this device's key") from None


def _read(data: bytes, vault: str, to: str) -> tuple[int, str, bytes, bytes]:
    try:
        read = json.loads(data)
        version, epoch, by = read["v"], read["epoch"], read["by"]
        place = (read["vault"], read["to"])
        sealed, sig = (b64decode(read[name], validate=True) for name in ("sealed", "sig"))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise BadWrap("the wrapped keys have another shape") from None
    if version != VERSION:
        raise BadWrap("the wrapped keys are of a version that is not known here")
    if type(epoch) is not int or type(by) is not str:
        raise BadWrap("the wrapped keys have another shape")
    if place != (vault, to):
        raise BadWrap("the wrapped keys are for another vault or device")
    return epoch, by, sealed, sig


def _suite() -> Any:
    # RFC 9180 §7: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _info(vault: str, epoch: int, to: str) -> bytes:
    return encode(b"arcrun/v1/wrap", vault.encode(), b"%d" % epoch, to.encode())


def _signed(vault: str, epoch: int, to: str, by: str, sealed: bytes) -> bytes:
    return encode(
        b"arcrun/v1/wrapped", vault.encode(), b"%d" % epoch, to.encode(), by.encode(), sealed
    )
