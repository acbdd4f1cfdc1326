"""The keys that sign: Ed25519, each in a file of its own, under a passphrase."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

from arcrun_auth.errors import StoreError, StoreLocked
from arcrun_auth.publishing import pkcs8
from arcrun_auth.stores import private
from arcrun_auth.stores.create import check_passphrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from arcrun_auth.tokens import Secret

    Passphrase = Callable[[str], Secret]
    """Gives the passphrase of the key of that name, whoever is asked for it."""


def make(path: str, passphrase: Secret) -> Ed25519PrivateKey:
    """A new key, kept at `path` as encrypted PKCS #8 in PEM, readable by its owner alone.

    Raises StoreError for a short passphrase, and where something has that name: a key is
    never written over. A folder that is there keeps its mode.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    check_passphrase(passphrase.reveal())
    key = Ed25519PrivateKey.generate()
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        private.ensure_folder(folder)
    data = pkcs8.encrypted(key, passphrase)
    try:
        private.write_new(path, data)
    except FileExistsError:
        raise StoreError(
            f"{path} is there already: it was not replaced.", hint=f"ls -l {path}"
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from None
    return key


def load(path: str, passphrase: Callable[[], Secret]) -> Ed25519PrivateKey:
    """The key at `path`. StoreError where there is none, StoreLocked for another passphrase.

    A key that lies there without one is refused: whoever finds the file could sign.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if private.check_file(path) is None:
        raise StoreError(f"There is no key {path}.", hint="name the folder or file of your keys")
    with open(path, "rb") as file:
        data = file.read()
    if f"BEGIN {pkcs8.LABEL}".encode() not in data:
        raise StoreError(
            f"{path} is no key under a passphrase.",
            hint=f"openssl pkcs8 -topk8 -scrypt -in {path} -out KEY puts one on it",
        )
    secret = passphrase()
    try:
        key = load_pem_private_key(data, secret.reveal().encode())
    except ValueError:
        raise StoreLocked(
            f"The passphrase does not open {path}, or the file is damaged.",
            hint="type the passphrase that it was made with",
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreError(f"{path} is no Ed25519 key.", hint="openssl genpkey -algorithm ed25519")
    return key


class Keyring:
    """The maintainer's keys, `NAME.pem` in a folder; each is opened once."""

    def __init__(self, folder: str, passphrase: Passphrase) -> None:
        self.folder = folder
        self._passphrase = passphrase
        self._opened: dict[str, Ed25519PrivateKey] = {}

    def path(self, name: str) -> str:
        """Where a key lies."""
        return os.path.join(self.folder, f"{name}.pem")

    @property
    def root(self) -> str:
        """Where the newest root that was used is kept: what of a repository is believed."""
        return os.path.join(self.folder, "root.json")

    def has(self, name: str) -> bool:
        """Whether the key is here: the root keys had better be elsewhere."""
        return os.path.lexists(self.path(name))

    def make(self, name: str) -> Ed25519PrivateKey:
        """A new key of that name."""
        key = self._opened[name] = make(self.path(name), self._passphrase(name))
        return key

    def replace(self, name: str) -> Ed25519PrivateKey:
        """A new key in the place of one that is set aside; it may be lost."""
        check_passphrase(self._passphrase(name).reveal())  # before anything moves
        if self.has(name):
            self.set_aside(name)
        return self.make(name)

    def get(self, name: str) -> Ed25519PrivateKey:
        """The key of that name. Raises as `load` does."""
        if name not in self._opened:
            self._opened[name] = load(self.path(name), lambda: self._passphrase(name))
        return self._opened[name]

    def set_aside(self, name: str) -> str:
        """Rename a key that is to be replaced; gives its new path. It is never deleted."""
        free = (path for path in self._old(name) if not os.path.lexists(path))
        target = next(free)
        os.rename(self.path(name), target)
        self._opened.pop(name, None)
        return target

    def _old(self, name: str) -> Iterator[str]:
        return (os.path.join(self.folder, f"{name}.old-{number}.pem") for number in count(1))
