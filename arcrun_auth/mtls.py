"""Mutual TLS (RFC 8705): the client's certificate, checked and presented.

Python's `ssl` reads a key from a file only. So that it lies nowhere in clear, it is locked
with a password of one use, and the file is one in memory where the system has such files.
"""

from __future__ import annotations

import contextlib
import os
import re

from arcrun_auth.errors import AuthError
from arcrun_auth.signing_key import octets_of, read_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import Any, Final

    from arcrun_auth.tokens import Secret

PASSWORD_BYTES: Final = 32
_DESCRIPTORS: Final = "/proc/self/fd"

# RFC 8446 §6.2: what a server says that does not like the client's certificate.
_REFUSED: Final = re.compile(
    "ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)"
)


def check_certificate(
    chain: Secret, key: Secret, passphrase: Secret | None = None, *, now: float
) -> float:
    """When the certificate ends; AuthError that says why unless it and its key can be used.

    `chain` is a PEM whose first certificate is the client's; what else it holds is let be.
    `passphrase` unlocks a key that is locked.
    """
    certificates, _ = _read(chain, key, passphrase, now)
    end: float = certificates[0].not_valid_after_utc.timestamp()
    return end


def present(
    context: ssl.SSLContext, chain: Secret, key: Secret, passphrase: Secret | None = None
) -> None:
    """Let `context` prove itself by this certificate to whoever asks. AuthError if it cannot."""
    import secrets
    import ssl
    import time

    from cryptography.hazmat.primitives import serialization

    certificates, private = _read(chain, key, passphrase, time.time())
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    pem = serialization.Encoding.PEM
    locked = private.private_bytes(
        pem,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    )
    content = b"".join([*(one.public_bytes(pem) for one in certificates), locked])
    with _file(content) as path:
        try:
            context.load_cert_chain(path, password=password)
        except ssl.SSLError as error:
            reason = error.reason
        else:
            return
    raise _unfit(f"The TLS library refuses it ({reason}).")


def was_refused(error: BaseException) -> bool:
    """Whether `error` came about because the server refused the client's certificate."""
    cause: BaseException | None = error
    while cause is not None:
        if _REFUSED.search(str(getattr(cause, "reason", ""))):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _unfit(what: str, hint: str | None = None) -> AuthError:
    return AuthError(f"The client certificate cannot be used. {what}", hint=hint)


def _read(
    chain: Secret, key: Secret, passphrase: Secret | None, now: float
) -> tuple[list[Any], Any]:
    """The certificates, the client's first, and the private key that belongs to it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificates = load_pem_x509_certificates(octets_of(chain.reveal(), "pem"))
        public = certificates[0].public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _unfit(
            "It is no PEM of a certificate, or it is damaged.",
            "paste all of it, with the lines BEGIN and END",
        ) from None
    private = read_private(key, passphrase)
    if isinstance(private, bytes) or private.public_key() != public:
        raise _unfit("The key does not belong to the first certificate.")
    _check_times(certificates[0], now)
    return certificates, private


def _check_times(certificate: Any, now: float) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end.timestamp():
        raise _unfit(f"It ended on {end:%Y-%m-%d}.", "ask its issuer for a new one")
    if now < begin.timestamp():
        raise _unfit(f"It begins on {begin:%Y-%m-%d}.", "check the clock of this machine")


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    """The path of a file that holds `content` as long as it is needed, and only for us."""
    if hasattr(os, "memfd_create") and os.path.isdir(_DESCRIPTORS):
        with os.fdopen(os.memfd_create("arcrun"), "wb", buffering=0) as file:
            file.write(content)
            yield f"{_DESCRIPTORS}/{file.fileno()}"
        return
    import tempfile

    descriptor, path = tempfile.mkstemp(prefix="arcrun-")  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        yield path
    finally:
        os.unlink(path)
