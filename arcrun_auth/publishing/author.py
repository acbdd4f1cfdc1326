"""What an author of the community runs: a signature beside the recipe, and the public key."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import TYPE_CHECKING

from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import reader
from arcrun_auth.remote.community import NAME, PURPOSE, fingerprint
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC = "key.pub"


def sign(path: str, key: Ed25519PrivateKey) -> str:
    """Write `PATH.sig` and `key.pub` beside the recipe at `path`; gives the key's fingerprint.

    RecipeError where the file does not lie as `AUTHOR/SERVICE.yaml`, of a service of that name,
    and where `key.pub` is another key: what it has signed would fit no more.
    """
    text = _read(path)
    folder, file = os.path.split(os.path.abspath(path))
    name = f"{os.path.basename(folder)}/{file.removesuffix('.yaml')}"
    service = reader.parse(text, path).data.get("service")
    if service != name or not NAME.fullmatch(name):
        raise RecipeError(
            f"A recipe of the community lies in AUTHOR/SERVICE.yaml and says so: service: {name}.",
            path=path,
            field="service",
        )
    public, pem = os.path.join(folder, PUBLIC), _pem(key)
    if os.path.lexists(public) and _read(public).split() != pem.split():
        raise RecipeError(
            "The author's key.pub is another key: whoever trusts it would refuse this one.",
            path=public,
            hint=f"sign with the key of before; to change it, mv {public} {public}.old and sign "
            "every recipe of the folder",
        )
    for place, data in (
        (public, pem),
        (f"{path}.sig", b64encode(key.sign(PURPOSE + text)) + b"\n"),
    ):
        private.write_atomically(place, data, mode=private.FOR_ALL)
    return fingerprint(b64encode(key.public_key().public_bytes_raw()).decode())


def _pem(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(reader.MAX_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"This file cannot be read: {error.strerror}.", path=path) from None
