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
from arcrun_auth.publishing.site import Site
from arcrun_auth.remote.bundle import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._site = Site(folder)
        self._keys = keys
        self._now = now

    # -- the verbs ---------------------------------------------------------------------

    def init(self) -> str:
        """Make the five keys and the first root; gives the path of `1.root.json`.

        That file is what clients trust from the start: the package ships it.
        """
        if self._site.latest(Root) is not None:
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
        return self._site.write("1.root.json", signed.to_bytes())

    def release(self, recipes: str) -> int:
        """Sign the recipes of a folder; gives their version, which has to be a higher one."""
        root = self._root()
        version, data = pack(recipes)
        old = self._site.latest(Targets)
        before = _bundle_version(old)
        if version <= before:
            raise RecipeError(
                f"Version {before} is published, and this is {version}.",
                path=os.path.join(recipes, "version"),
                hint=f"echo {before + 1} > {os.path.join(recipes, 'version')}",
            )
        digest = sha256(data).hexdigest()
        target = TargetFile(len(data), {"sha256": digest}, NAME, {"custom": {"version": version}})
        self._site.write(f"{digest}.{NAME}", data)
        self._sign_targets(root, {NAME: target}, old)
        return version

    def refresh(self) -> datetime:
        """Sign the timestamp anew; gives the end of the new one. Needs that key alone."""
        root, snapshot = self._root(), self._site.latest(Snapshot)
        if snapshot is None:
            raise AuthError(
                f"Nothing is published in {self.folder}.",
                hint="leave --timestamp out to sign a release",
            )
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
        # Whatever has to sign is opened and compared before anything changes.
        for role, other in [("root", n) for n in kept] + self._others(name):
            if self._id(other) not in before.signed.roles[role].keyids:
                raise self._foreign(role)
        signers = [CryptoSigner(self._keys.get(n)) for n in kept]
        root = self._with_key(before.signed, name)
        signed = Metadata(root)
        for signer in signers:
            signed.sign(signer, append=True)
        self._check(root, "root", signed)
        self._site.write(f"{root.version}.root.json", signed.to_bytes())
        self._sign_again(signed, name)
        return root.version

    # -- signing -----------------------------------------------------------------------

    def _with_key(self, old: Root, name: str) -> Root:
        """The next root, with a new key in the place of the one of that name."""
        root = Metadata[Root].from_bytes(Metadata(old).to_bytes()).signed
        roles = ["root"] if name in ROOTS else [r for r, n in _SIGNERS.items() if n == name]
        kept = {self._id(n) for n in ROOTS if n != name} if name in ROOTS else set()
        gone = set(old.roles[roles[0]].keyids) - kept
        fresh = CryptoSigner(self._keys.replace(name)).public_key
        for role in roles:
            for key_id in gone:
                root.revoke_key(key_id, role)
            root.add_key(fresh, role)
        root.version += 1
        root.expires = self._until("root")
        return root

    def _others(self, name: str) -> list[tuple[str, str]]:
        """What signs anew after another key than a root's was replaced: the roles, their keys."""
        if name in ROOTS:
            return []
        return [(role, signer) for role, signer in _SIGNERS.items() if signer != name]

    def _id(self, name: str) -> str:
        return str(CryptoSigner(self._keys.get(name)).public_key.keyid)

    def _sign_again(self, root: Metadata[Root], name: str) -> None:
        targets, snapshot = self._site.latest(Targets), self._site.latest(Snapshot)
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
        self._site.write(f"{version}.targets.json", data)
        last = self._site.latest(Snapshot)
        number = last.signed.version + 1 if last is not None else 1
        snapshot = Snapshot(
            version=number,
            expires=self._until("snapshot"),
            meta={"targets.json": MetaFile(version, len(data), _hashes(data))},
        )
        self._site.write(f"{number}.snapshot.json", self._signed(root, "snapshot", snapshot))
        self._sign_timestamp(root, number)

    def _sign_timestamp(self, root: Metadata[Root], snapshot: int) -> datetime:
        data = self._site.read(f"{snapshot}.snapshot.json")
        old = self._site.latest(Timestamp)
        signed = Timestamp(
            version=old.signed.version + 1 if old is not None else 1,
            expires=self._until("timestamp"),
            snapshot_meta=MetaFile(snapshot, len(data), _hashes(data)),
        )
        self._site.write("timestamp.json", self._signed(root, "timestamp", signed))
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
            raise self._foreign(role) from None

    def _foreign(self, role: str) -> StoreError:
        return StoreError(
            f"The keys in {self._keys.folder} are not those that sign {role} of {self.folder}.",
            hint="name their folder with --keys",
        )

    def _until(self, role: str) -> datetime:
        # The specification knows no fractions of a second.
        return self._now().replace(microsecond=0) + timedelta(days=DAYS[role])

    def _root(self) -> Metadata[Root]:
        found = self._site.latest(Root)
        if found is None:
            raise AuthError(
                f"{self.folder} is no repository: it has no root.",
                hint=f"arcrun recipes publish {self.folder} --keys FOLDER --init",
            )
        return found


def _hashes(data: bytes) -> dict[str, str]:
    return {"sha256": sha256(data).hexdigest()}


def _bundle_version(targets: Metadata[Targets] | None) -> int:
    if targets is None:
        return 0
    custom = targets.signed.targets[NAME].unrecognized_fields.get("custom", {})
    return int(custom.get("version", 0))
