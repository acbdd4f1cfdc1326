"""Certificates of an authority that lives as long as the process: for TLS that shows one."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTHORITY = "conformance authority"
_PEM = serialization.Encoding.PEM


@cache
def _key(name: str) -> ec.EllipticCurvePrivateKey:
    del name
    return ec.generate_private_key(ec.SECP256R1())


@cache
def _certificate(name: str, host: str = "") -> x509.Certificate:
    """One that the authority has issued; its own for its own name."""
    now = dt.datetime.now(dt.UTC)
    is_ca = name == AUTHORITY
    key, signer = _key(name).public_key(), _key(AUTHORITY)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, AUTHORITY)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=3650))
    )
    # Python 3.13 verifies by the letter of RFC 5280 §4.2.1.
    for extension, critical in (
        (x509.BasicConstraints(ca=is_ca, path_length=None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
        (_usage(signs=is_ca), True),
        *([(x509.SubjectAlternativeName([x509.DNSName(host)]), False)] if host else []),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, signs: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "encipher_only", "decipher_only")  # fmt: skip
    named: Any = dict.fromkeys(others, False)
    return x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, **named)


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(each.public_bytes(_PEM).decode() for each in certificates)


def trusted() -> str:
    """The authority's own certificate, as PEM."""
    return _pem([_certificate(AUTHORITY)])


def identity(name: str = "client") -> tuple[str, str]:
    """A client's chain and its key, both PEM."""
    return _pem([_certificate(name), _certificate(AUTHORITY)]), _private(name)


def shown(name: str = "client") -> bytes:
    """The client's certificate as TLS shows it."""
    return _certificate(name).public_bytes(serialization.Encoding.DER)


def _private(name: str) -> str:
    form = serialization.PrivateFormat.PKCS8
    return _key(name).private_bytes(_PEM, form, serialization.NoEncryption()).decode()


@cache
def server_context(host: str) -> ssl.SSLContext:
    """What a server of that name shows; it takes a client's certificate where one is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=trusted())
    context.verify_mode = ssl.CERT_OPTIONAL
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # what OpenSSL reads
        file.write(_private("server") + _pem([_certificate("server", host)]))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def any_server() -> ssl.SSLContext:
    """The same for whichever name is asked for."""
    context = server_context("localhost")

    def choose(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            sock.context = server_context(name)

    context.sni_callback = choose
    return context
