"""The key that signs a JWT: read from what the user pasted, and found fit, or not. Pure.

The algorithm is given and never guessed from the key: a key of another kind is an error
that says what is wrong with it. No error shows a character of a key, which is why none of
a library's own goes on.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

from arcrun_auth.errors import AuthError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from joserfc.jwk import Key

    from arcrun_auth.tokens import Secret

RSA_BITS: Final = 2048
"""How long must an RSA key be (RFC 7518 §3.3)?"""
OCTETS: Final = 14
"""How long must a shared secret be? 112 bits (NIST SP 800-131A): less is a piece of one."""

READY: Final = 8
"""How many keys that were checked stay ready to sign? The first signature of one takes twice
the time of those after it; and a key that a setup has just checked signs its first request."""

_WANTS: Final = {
    "RS256": "an RSA key",
    "PS256": "an RSA key",
    "ES256": "an EC key on the curve P-256",
    "EdDSA": "an Ed25519 key",
    "HS256": "a shared secret",
}
_LABEL: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")


def read_key(alg: str, key: Secret, encoding: str = "pem", *, checked: bool = False) -> Key:
    """The key, found fit for `alg`: a PEM or a JWK, or with hex, base64 and utf8 its octets.

    `checked` says that this very key was read once without: an RSA key is then not
    checked again, which takes far longer than to sign.
    """
    if alg not in _WANTS:
        raise ValueError(f"alg is one of {', '.join(_WANTS)}, not {alg!r}")
    return _ready(alg, key, encoding) if checked else _fit(alg, key, encoding)


@lru_cache(maxsize=READY)
def _ready(alg: str, key: Secret, encoding: str) -> Key:
    return _read(alg, key, encoding, checked=True)


@lru_cache(maxsize=READY)
def _fit(alg: str, key: Secret, encoding: str) -> Key:
    return _read(alg, key, encoding, checked=False)


def forget() -> None:
    """Lets go of the keys that are ready."""
    _ready.cache_clear()
    _fit.cache_clear()


def _read(alg: str, key: Secret, encoding: str, *, checked: bool) -> Key:
    from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

    raw = _raw(alg, key.reveal(), encoding, checked=checked)
    _check_kind(alg, raw)
    kind: Any = {"ES256": ECKey, "EdDSA": OKPKey, "HS256": OctKey}.get(alg, RSAKey)
    try:
        found: Key = kind.import_key(raw)
    except ValueError:  # what a library takes for a public key must not be a shared secret
        raise _unfit("It is a public key, which anybody may know.") from None
    return found


def read_private(key: Secret, passphrase: Secret | None = None) -> Any:
    """The native private key in a PEM or a JWK, whatever it signs with.

    `passphrase` unlocks a PEM that is locked, and AuthError where it is none.
    """
    jwk = _jwk(key.reveal())
    if jwk is not None:
        return _import_jwk(jwk).private_key
    return _private(octets_of(key.reveal(), "pem"), checked=False, passphrase=passphrase)


def fingerprint(key: Secret) -> str:
    """The SHA-256 of the public half of a private key (DER, SubjectPublicKeyInfo), in base64."""
    import base64
    import hashlib

    from cryptography.hazmat.primitives import serialization

    private = read_private(key)
    if isinstance(private, bytes):
        raise _unfit("It is a shared secret, and has no public half.")
    der = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def own_id(key: Secret) -> dict[str, str]:
    """The `kid` that a JWK brings along (RFC 7517 §4.5), as a header."""
    own = (_jwk(key.reveal()) or {}).get("kid")
    return {"kid": own} if own and isinstance(own, str) else {}


def _raw(alg: str, text: str, encoding: str, *, checked: bool) -> Any:
    jwk = _jwk(text)
    if jwk is not None:
        return _from_jwk(alg, jwk)
    octets = octets_of(text, encoding)
    return _shared(octets, encoding) if alg == "HS256" else _private(octets, checked=checked)


def _jwk(text: str) -> dict[str, Any] | None:
    """The members of a JWK; None where `text` is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "kty" in found else None


def _unfit(what: str, hint: str | None = None) -> AuthError:
    return AuthError(f"The key cannot sign. {what}", hint=hint)


def octets_of(text: str, encoding: str) -> bytes:
    """The key as bytes. Whoever pastes a PEM into a variable writes its line ends as \\n."""
    import base64
    import binascii

    try:
        if encoding == "hex":
            return bytes.fromhex(text)
        if encoding == "base64":
            plain = "".join(text.split()).translate({ord("-"): "+", ord("_"): "/"}).rstrip("=")
            return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise _unfit(f"It is not written in {encoding}.") from None
    if "-----BEGIN" in text and "\n" not in text.strip():
        text = text.replace("\\r", "").replace("\\n", "\n")
    return text.encode("utf-8", "surrogatepass")


def _shared(octets: bytes, encoding: str) -> bytes:
    if b"-----BEGIN" in octets:
        raise _unfit("HS256 wants a shared secret, and it is a PEM.")
    if encoding == "pem":
        raise _unfit("HS256 wants a shared secret: its `key_encoding` is hex, base64 or utf8.")
    return octets


def _private(octets: bytes, *, checked: bool, passphrase: Secret | None = None) -> Any:
    """The private key in a PEM (PKCS#8, PKCS#1, SEC 1), or in DER where it was hex or base64."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    labels = _LABEL.findall(octets.decode("ascii", "replace"))
    _check_labels(labels)
    read = serialization.load_pem_private_key if labels else serialization.load_der_private_key
    password = passphrase.reveal().encode() if passphrase else None
    try:
        return read(octets, password, unsafe_skip_rsa_key_validation=checked)
    except TypeError:
        if password is not None:
            raise _unfit(
                "It is not locked with a passphrase.", "leave the passphrase out"
            ) from None
        raise _unfit(
            "It is locked with a passphrase.", "openssl pkey -in locked.pem -out key.pem"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if password is not None:
            raise _unfit("This is not its passphrase, or its PEM is damaged.") from None
        what = "Its PEM is damaged or cut off." if labels else "It is neither a PEM nor a JWK."
        raise _unfit(what, "paste all of it, with the lines BEGIN and END") from None


def _check_labels(labels: list[str]) -> None:
    """AuthError where a PEM holds no private key at all (RFC 7468)."""
    if "OPENSSH PRIVATE KEY" in labels:
        raise _unfit("It is in OpenSSH's format.", "ssh-keygen -p -m PKCS8 -f copy_of_the_key")
    if not labels or any(label.endswith("PRIVATE KEY") for label in labels):
        return
    it = "a public key" if any(label.endswith("PUBLIC KEY") for label in labels) else None
    it = it or ("a certificate" if "CERTIFICATE" in labels else "another PEM")
    raise _unfit(f"It is {it}, no private key.", "give the key that begins with BEGIN PRIVATE KEY")


def _from_jwk(alg: str, jwk: dict[str, Any]) -> Any:
    """The native key in a JWK that may say what it is for (RFC 7517 §4.2 to §4.4)."""
    from joserfc.errors import JoseError

    # The fully specified name of RFC 9864 for the same algorithm.
    if jwk.get("alg") == "Ed25519":
        jwk = jwk | {"alg": "EdDSA"}
    key = _import_jwk(jwk)
    try:
        key.check_use("sig")
        key.check_alg(alg)
        key.check_key_op("sign")
    except JoseError:
        raise _unfit(f"This JWK says that it is not for signing with {alg}.") from None
    return key.private_key


def _import_jwk(jwk: dict[str, Any]) -> Key:
    """The private key in a JWK."""
    from joserfc.jwk import JWKRegistry

    try:
        _check_size(jwk)
        key: Key = JWKRegistry.import_key(jwk)
    except AuthError:
        raise
    except Exception:  # noqa: BLE001 - a JWK is any JSON, and the library's errors are any too
        raise _unfit("It is no valid JWK.") from None
    if not key.is_private:
        raise _unfit("It is a public key, no private key.", "give the JWK that has a member `d`")
    return key


def _check_size(jwk: dict[str, Any]) -> None:
    """Before the library reads it, which only warns."""
    from base64 import urlsafe_b64decode

    if jwk.get("kty") == "RSA":
        _check_bits(int.from_bytes(urlsafe_b64decode(jwk["n"] + "=="), "big").bit_length())
    elif jwk.get("kty") == "oct":
        _check_length(len(urlsafe_b64decode(jwk["k"] + "==")))


def _check_bits(bits: int) -> None:
    if bits < RSA_BITS:
        raise _unfit(
            f"An RSA key of {bits} bits is too short.", f"make one of {RSA_BITS} bits or more"
        )


def _check_length(octets: int) -> None:
    if octets < OCTETS:
        raise _unfit(f"A shared secret of {octets} bytes is too short.", "paste all of it")


def _check_kind(alg: str, raw: Any) -> None:
    """AuthError unless `raw` is of the kind that `alg` signs with (RFC 7518 §3.1)."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(raw, rsa.RSAPrivateKey):
        kind, fits = "an RSA key", alg in {"RS256", "PS256"}
        _check_bits(raw.key_size)
    elif isinstance(raw, ec.EllipticCurvePrivateKey):
        kind = f"an EC key on the curve {raw.curve.name}"
        fits = alg == "ES256" and isinstance(raw.curve, ec.SECP256R1)
    elif isinstance(raw, ed25519.Ed25519PrivateKey):
        kind, fits = "an Ed25519 key", alg == "EdDSA"
    elif isinstance(raw, bytes):
        kind, fits = "a shared secret", alg == "HS256"
        _check_length(len(raw))
    else:
        kind, fits = "a key of another kind", False
    if not fits:
        raise _unfit(f"{alg} wants {_WANTS[alg]}, and it is {kind}.")
