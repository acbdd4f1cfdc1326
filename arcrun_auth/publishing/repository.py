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
from arcrun_auth.publishing.trust import Trust, verifies
from arcrun_auth.remote.bundle import NAME
from arcrun_auth.stores import private

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
        os.makedirs(self.folder, exist_ok=True)
        with self._site.alone():
            return self._init()

    def _init(self) -> str:
        if self._site.latest(Root) is not None:
            raise AuthError(
                f"{self.folder} has a root already.", hint="leave --init out to sign a release"
            )
        files = [*map(self._keys.path, KEYS), self._keys.root]
        here = [os.path.basename(path) for path in files if os.path.lexists(path)]
        if here:
            raise StoreError(
                f"{self._keys.folder} holds {here[0]} already: nothing was replaced.",
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
        private.write_atomically(self._keys.root, signed.to_bytes())
        return self._site.write("1.root.json", signed.to_bytes())

    def release(self, recipes: str) -> int:
        """Sign the recipes of a folder; gives their version, which has to be a higher one."""
        with self._site.alone():
            trust = self._trust()
            trust.check()
            version, data = pack(recipes)
            before = _bundle_version(trust.published(Targets))
            if version <= before:
                raise _too_low(version, before, recipes)
            self._sign_set(trust, trust.root, version, data)
            trust.keep()
        return version

    def refresh(self) -> datetime:
        """Sign the timestamp anew; gives the end of the new one. Needs that key alone."""
        with self._site.alone():
            trust = self._trust()
            snapshot = trust.published(Snapshot)
            if snapshot is None:
                raise AuthError(
                    f"Nothing is published in {self.folder}.",
                    hint="leave --timestamp out to sign a release",
                )
            until = self._sign_timestamp(trust, trust.root, snapshot)
            trust.keep()
        return until

    def signers(self) -> dict[str, list[str]]:
        """The ids of the keys of each role, by the newest root."""
        return {role: list(found.keyids) for role, found in self._trust().root.roles.items()}

    def rotate(self, name: KeyName, recipes: str | None = None) -> int:
        """Replace a key, and sign anew what it signed; gives the version of the new root.

        The old key is set aside, not deleted. Two root keys sign, of those before and of
        those after; the one that is replaced may be lost. With `release` the set in the
        folder `recipes` is packed anew: whoever stole the key may have signed another one.
        """
        with self._site.alone():
            return self._rotate(name, recipes)

    def _rotate(self, name: KeyName, recipes: str | None) -> int:
        trust = self._trust()
        kept = [n for n in ROOTS if n != name and self._keys.has(n)]
        if len(kept) < THRESHOLD:
            raise StoreError(
                f"{THRESHOLD} root keys beside the new one have to sign, and {len(kept)} are in "
                f"{self._keys.folder}.",
                hint="bring the folder of the root keys",
            )
        # Whatever has to sign or is built upon is opened and checked before anything changes.
        for role, other in [("root", n) for n in kept] + self._others(name):
            if self._id(other) not in trust.root.roles[role].keyids:
                raise self._foreign(role)
        trust.check()
        targets, snapshot = trust.published(Targets), trust.published(Snapshot)
        packed = self._packed(recipes, targets) if name == "release" and targets else None
        signers = [CryptoSigner(self._keys.get(n)) for n in kept]
        root = self._with_key(trust.root, name)
        signed = Metadata(root)
        for signer in signers:
            signed.sign(signer, append=True)
        self._check(root, signed)
        self._site.write(f"{root.version}.root.json", signed.to_bytes())
        if packed is not None:
            self._sign_set(trust, root, *packed)
        elif name == "timestamp" and snapshot is not None:
            self._sign_timestamp(trust, root, snapshot)
        trust.keep(signed)
        return root.version

    def _packed(self, recipes: str | None, old: Metadata[Targets]) -> tuple[int, bytes]:
        """The set anew. The number of before is enough: the same set is nothing newer."""
        if recipes is None:
            raise AuthError(
                "The set is packed anew where its key is replaced: its folder was not named.",
                hint=f"arcrun recipes publish {self.folder} --keys {self._keys.folder} "
                "--rotate release --recipes FOLDER",
            )
        version, data = pack(recipes)
        if version < _bundle_version(old):
            raise _too_low(version, _bundle_version(old), recipes)
        return version, data

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

    def _sign_set(self, trust: Trust, root: Root, version: int, data: bytes) -> None:
        digest = sha256(data).hexdigest()
        target = TargetFile(len(data), {"sha256": digest}, NAME, {"custom": {"version": version}})
        number, snapshot = _next(trust.published(Targets)), _next(trust.published(Snapshot))
        self._site.write(f"{digest}.{NAME}", data)
        targets = self._signed(
            root, Targets(version=number, expires=self._until("targets"), targets={NAME: target})
        )
        meta = {"targets.json": MetaFile(number, len(targets), _hashes(targets))}
        signed = Snapshot(version=snapshot, expires=self._until("snapshot"), meta=meta)
        self._signed(root, signed)
        self._sign_timestamp(trust, root, Metadata(signed))

    def _sign_timestamp(self, trust: Trust, root: Root, snapshot: Metadata[Snapshot]) -> datetime:
        name = Site.name_of(snapshot)
        data = self._site.read(name)
        if not verifies(root, Metadata[Snapshot].from_bytes(data)):
            raise AuthError(
                f"{name} is signed by a key that was replaced since.",
                hint=f"arcrun recipes publish {self.folder} --keys FOLDER signs a release anew",
            )
        # Elsewhere others may have been signed since ours: a server does it every day. Counted
        # in milliseconds, several in a row do not run ahead of the clock.
        version = max(_next(trust.published(Timestamp)), int(self._now().timestamp() * 1000))
        signed = Timestamp(
            version=version,
            expires=self._until("timestamp"),
            snapshot_meta=MetaFile(snapshot.signed.version, len(data), _hashes(data)),
        )
        self._signed(root, signed)
        return signed.expires

    def _signed(self, root: Root, content: T) -> bytes:
        """Sign a file and write it; gives what is in it."""
        metadata = Metadata(content)
        metadata.sign(CryptoSigner(self._keys.get(_SIGNERS[content.type])))
        self._check(root, metadata)
        data = bytes(metadata.to_bytes())
        self._site.write(Site.name_of(metadata), data)
        return data

    def _check(self, root: Root, metadata: Metadata[T]) -> None:
        """Whether clients will take it: a key of another repository signs as well as any."""
        if not verifies(root, metadata):
            raise self._foreign(metadata.signed.type)

    def _foreign(self, role: str) -> StoreError:
        return StoreError(
            f"The keys in {self._keys.folder} are not those that sign {role} of {self.folder}.",
            hint="name their folder with --keys",
        )

    def _until(self, role: str) -> datetime:
        # The specification knows no fractions of a second.
        return self._now().replace(microsecond=0) + timedelta(days=DAYS[role])

    def _trust(self) -> Trust:
        return Trust(self._site, self._keys.root)


def _hashes(data: bytes) -> dict[str, str]:
    return {"sha256": sha256(data).hexdigest()}


def _next(old: Metadata[T] | None) -> int:
    return int(old.signed.version) + 1 if old is not None else 1


def _too_low(version: int, before: int, recipes: str) -> RecipeError:
    path = os.path.join(recipes, "version")
    return RecipeError(
        f"Version {before} is published, and this is {version}.",
        path=path,
        hint=f"echo {before + 1} > {path}",
    )


def _bundle_version(targets: Metadata[Targets] | None) -> int:
    """The number of the set; 0 where there is none, as whoever stole a key may have signed."""
    target = targets.signed.targets.get(NAME) if targets is not None else None
    custom = target.unrecognized_fields.get("custom") if target is not None else None
    version = custom.get("version") if isinstance(custom, dict) else None
    return version if isinstance(version, int) else 0
