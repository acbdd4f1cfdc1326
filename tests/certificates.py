"""Certificates of a throw-away authority, for servers and for clients that prove themselves."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests import servers

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
CLEAR = serialization.NoEncryption()
DAY = dt.timedelta(days=1)


def pem(key, lock=CLEAR) -> str:
    return key.private_bytes(PEM, PKCS8, lock).decode()


class Authority:
    """A throw-away CA that issues for servers and clients alike."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._make("test CA", self.key, ca=True)

    def _make(self, subject, key, *, ca=False, days=(-1, 1), sans=()):
        def name(text):
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test CA"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .add_extension(servers._usage(signs=ca), critical=True)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode()

    def issue(self, subject="client 7", key=None, **more) -> tuple[str, str]:
        """A certificate with the CA behind it, and its key, both as PEM."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        chain = self._make(subject, key, **more).public_bytes(PEM).decode() + self.pem
        return chain, pem(key)
