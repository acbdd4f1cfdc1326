"""The flat repository: made, released into, kept fresh, and its keys replaced.

Every step writes the files that are named anew first and `timestamp.json` last, each at
once or not at all: whoever fetches in between, or after it died there, sees the state before.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    T,
    TargetFile,
    Targets,
    Timestamp,
)

from arcrun_auth.errors import AuthError, RecipeError, StoreError
from arcrun_auth.publishing.bundle import pack
from arcrun_auth.remote.bundle import NAME
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.publishing.keys import Keyring

ROOTS = ("root-1", "root-2", "root-3")
THRESHOLD = 2
"""How many of the root keys must agree?"""
KEYS = (*ROOTS, "release", "timestamp")
_SIGNERS = {"targets": "release", "snapshot": "release", "timestamp": "timestamp"}
"""Which key signs which role?"""

DAYS = {"root": 730, "targets": 180, "snapshot": 180, "timestamp": 7}
"""For how long does each kind of file hold? A timestamp bounds how long an update can be held
back from somebody; a root is replaced by people who have to meet."""

KeyName = Literal["root-1", "root-2", "root-3", "release", "timestamp"]


class Repository:
    """One folder of signed files, and the keys to sign more.

    `now` gives the time in UTC. All verbs raise StoreError and StoreLocked for a key that is
    not there or not opened, AuthError for a repository that is not what it has to be.
    """

    def __init__(
        self, folder: str, keys: Keyring, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.folder = folder
        self._keys = keys
        self._now = now

    # -- the verbs ---------------------------------------------------------------------

    def init(self) -> str:
        """Make the five keys and the first root; gives the path of `1.root.json`.

        That file is what clients trust from the start: the package ships it.
        """
        if self._versions("root"):
            raise AuthError(
                f"{self.folder} has a root already.", hint="leave --init out to sign a release"
            )
        here = [name for name in KEYS if self._keys.has(name)]
        if here:
            raise StoreError(
                f"{self._keys.folder} holds the key {here[0]} already: none was replaced.",
                hint="name another folder with --keys",
            )
        made = {name: CryptoSigner(self._keys.make(name)) for name in KEYS}
        root = Root(
            version=1,
            expires=self._until("root"),
            roles={
                "root": Role([], THRESHOLD),
                **{role: Role([], 1) for role in _SIGNERS},
            },
            consistent_snapshot=True,
        )
        for name in ROOTS:
            root.add_key(made[name].public_key, "root")
        for role, name in _SIGNERS.items():
            root.add_key(made[name].public_key, role)
        signed = Metadata(root)
        for name in ROOTS:
            signed.sign(made[name], append=True)
        return self._write("1.root.json", signed.to_bytes())

    def release(self, recipes: str) -> int:
        """Sign the recipes of a folder; gives their version, which has to be a higher one."""
        root = self._root()
        version, data = pack(recipes)
        old = self._latest(Targets)
        before = _bundle_version(old)
        if version <= before:
            raise RecipeError(
                f"Version {before} is published, and this is {version}.",
                path=os.path.join(recipes, "version"),
                hint=f"echo {before + 1} > {os.path.join(recipes, 'version')}",
            )
        digest = sha256(data).hexdigest()
        target = TargetFile(len(data), {"sha256": digest}, NAME, {"custom": {"version": version}})
        self._write(f"{digest}.{NAME}", data)
        self._sign_targets(root, {NAME: target}, old)
        return version

    def refresh(self) -> datetime:
        """Sign the timestamp anew; gives the end of the new one. Needs that key alone."""
        root, snapshot = self._root(), self._latest(Snapshot)
        if snapshot is None:
            raise self._empty()
        return self._sign_timestamp(root, snapshot.signed.version)

    def rotate(self, name: KeyName) -> int:
        """Replace a key, and sign anew what it signed; gives the version of the new root.

        The old key is set aside, not deleted. Two root keys sign, of those before and of
        those after; the one that is replaced may be lost.
        """
        before = self._root()
        kept = [n for n in ROOTS if n != name and self._keys.has(n)]
        if len(kept) < THRESHOLD:
            raise StoreError(
                f"{THRESHOLD} root keys beside the new one have to sign, and {len(kept)} are in "
                f"{self._keys.folder}.",
                hint="bring the folder of the root keys",
            )
        signers = [CryptoSigner(self._keys.get(n)) for n in kept]
        # Whatever else has to be signed is opened before anything changes.
        for other in {*_SIGNERS.values()} - {name} if name not in ROOTS else ():
            self._keys.get(other)
        root = self._with_key(before.signed, name)
        signed = Metadata(root)
        for signer in signers:
            signed.sign(signer, append=True)
        self._check(before.signed, "root", signed)
        self._check(root, "root", signed)
        self._write(f"{root.version}.root.json", signed.to_bytes())
        self._sign_again(signed, name)
        return root.version

    # -- signing -----------------------------------------------------------------------

    def _with_key(self, old: Root, name: str) -> Root:
        """The next root, with a new key in the place of the one of that name."""
        root = Metadata[Root].from_bytes(Metadata(old).to_bytes()).signed
        roles = ["root"] if name in ROOTS else [r for r, n in _SIGNERS.items() if n == name]
        gone = self._public_ids(old, roles[0]) - (
            {self._id(n) for n in ROOTS if n != name} if name in ROOTS else set()
        )
        if self._keys.has(name):
            self._keys.set_aside(name)
        fresh = CryptoSigner(self._keys.make(name)).public_key
        for role in roles:
            for key_id in gone:
                root.revoke_key(key_id, role)
            root.add_key(fresh, role)
        root.version += 1
        root.expires = self._until("root")
        return root

    def _public_ids(self, root: Root, role: str) -> set[str]:
        return set(root.roles[role].keyids)

    def _id(self, name: str) -> str:
        return str(CryptoSigner(self._keys.get(name)).public_key.keyid)

    def _sign_again(self, root: Metadata[Root], name: str) -> None:
        targets, snapshot = self._latest(Targets), self._latest(Snapshot)
        if targets is None or snapshot is None or name in ROOTS:
            return
        if name == "timestamp":
            self._sign_timestamp(root, snapshot.signed.version)
        else:
            self._sign_targets(root, targets.signed.targets, targets)

    def _sign_targets(
        self, root: Metadata[Root], targets: dict[str, TargetFile], old: Metadata[Targets] | None
    ) -> None:
        version = old.signed.version + 1 if old is not None else 1
        signed = Targets(version=version, expires=self._until("targets"), targets=targets)
        data = self._signed(root, "targets", signed)
        self._write(f"{version}.targets.json", data)
        last = self._latest(Snapshot)
        number = last.signed.version + 1 if last is not None else 1
        snapshot = Snapshot(
            version=number,
            expires=self._until("snapshot"),
            meta={"targets.json": MetaFile(version, len(data), _hashes(data))},
        )
        self._write(f"{number}.snapshot.json", self._signed(root, "snapshot", snapshot))
        self._sign_timestamp(root, number)

    def _sign_timestamp(self, root: Metadata[Root], snapshot: int) -> datetime:
        data = self._read(f"{snapshot}.snapshot.json")
        old = self._latest(Timestamp)
        signed = Timestamp(
            version=old.signed.version + 1 if old is not None else 1,
            expires=self._until("timestamp"),
            snapshot_meta=MetaFile(snapshot, len(data), _hashes(data)),
        )
        self._write("timestamp.json", self._signed(root, "timestamp", signed))
        return signed.expires

    def _signed(self, root: Metadata[Root], role: str, content: T) -> bytes:
        metadata = Metadata(content)
        metadata.sign(CryptoSigner(self._keys.get(_SIGNERS[role])))
        self._check(root.signed, role, metadata)
        return bytes(metadata.to_bytes())

    def _check(self, root: Root, role: str, metadata: Metadata[T]) -> None:
        """Whether clients will take it: a key of another repository signs as well as any."""
        try:
            root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except (RepositoryError, ValueError):
            raise StoreError(
                f"The keys in {self._keys.folder} are not those that sign {role} of {self.folder}.",
                hint="name their folder with --keys",
            ) from None

    def _until(self, role: str) -> datetime:
        # The specification knows no fractions of a second.
        return self._now().replace(microsecond=0) + timedelta(days=DAYS[role])

    # -- files -------------------------------------------------------------------------

    def _root(self) -> Metadata[Root]:
        versions = self._versions("root")
        if not versions:
            raise AuthError(
                f"{self.folder} is no repository: it has no root.",
                hint=f"arcrun recipes publish {self.folder} --keys FOLDER --init",
            )
        return Metadata[Root].from_bytes(self._read(f"{versions[-1]}.root.json"))

    def _empty(self) -> AuthError:
        return AuthError(
            f"Nothing is published in {self.folder}.",
            hint="leave --timestamp out to sign a release",
        )

    def _latest(self, kind: type[T]) -> Metadata[T] | None:
        """The newest file of a role that is there."""
        role = kind.type
        if role == "timestamp":
            name = "timestamp.json"
            if not os.path.exists(os.path.join(self.folder, name)):
                return None
        else:
            versions = self._versions(role)
            if not versions:
                return None
            name = f"{versions[-1]}.{role}.json"
        return Metadata[T].from_bytes(self._read(name))

    def _versions(self, role: str) -> Sequence[int]:
        end = f".{role}.json"
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        numbers = [name.removesuffix(end) for name in names if name.endswith(end)]
        return sorted(int(number) for number in numbers if number.isdecimal())

    def _read(self, name: str) -> bytes:
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def _write(self, name: str, data: bytes) -> str:
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.join(self.folder, name)
        private.write_atomically(path, data)
        os.chmod(path, 0o644)  # what is in it is for everybody
        return path


def _hashes(data: bytes) -> dict[str, str]:
    return {"sha256": sha256(data).hexdigest()}


def _bundle_version(targets: Metadata[Targets] | None) -> int:
    if targets is None:
        return 0
    custom = targets.signed.targets[NAME].unrecognized_fields.get("custom", {})
    return int(custom.get("version", 0))
