"""Each credential as its own item of the OS keyring: `store = "keyring"`.

For people who want to see them in Keychain Access or Seahorse. An item's name is the
record's (`credential/notion@default`), its value JSON; one too long for the backend is
split over `…#1`, `…#2`. The item `index` lists the names, since keyrings cannot.

Keyrings have no compare-and-swap: a file lock stands in for it, so it holds between
processes of one home, and not against somebody who edits an item by hand.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time

from arcrun_auth.errors import NoStore, PolicyRefused, StoreCorrupt
from arcrun_auth.locks import CredentialLock
from arcrun_auth.stores import keyring_backend
from arcrun_auth.stores.base import Store
from arcrun_auth.stores.memory import conflict, stamped
from arcrun_auth.tokens import Credential, Key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from arcrun_auth.stores.keys import Keyring

_INDEX = Key("policy", "keyring-index")
_CHUNK = keyring_backend.WINDOWS_BYTES // 2 - 80
"""How many characters go into one item where it is limited? UTF-16, and room for its head."""
LOCK_SECONDS = 10.0
"""How long do we wait for another process's write? Each takes some 50 ms."""


class KeyringItems(Store):
    """Credentials as items of the OS keyring. `folder` is where its lock file lies.

    `limit` is how many characters an item takes, None without a limit; by default that of
    this operating system. Raises NoStore where there is no keyring.
    """

    name = "keyring"

    def __init__(
        self,
        folder: str,
        *,
        keyring: Callable[[], Keyring | None] = keyring_backend.system,
        limit: int | None = _CHUNK if sys.platform == "win32" else None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make = keyring
        self._lock = CredentialLock(folder, _INDEX)
        self._limit = limit
        self._clock = clock

    def why_not(self) -> str | None:
        keyring = self._make()
        return "it is switched off (ARCRUN_KEYRING)" if keyring is None else keyring.why_not()

    def get(self, key: Key) -> Credential | None:
        text = self._read(_item(key))
        return None if text is None else _load(text, key)

    def put(self, record: Credential, *, expect: int) -> Credential:
        with self._lock.acquire(LOCK_SECONDS):
            self._check(record.key, expect)
            stored = stamped(record, expect=expect, now=self._clock())
            text = json.dumps(stored.dump(), separators=(",", ":"))
            self._refuse_split_grant(stored, text)
            # The index first: killed in between, it names an item that is not there.
            self._index(add=[record.key])
            self._write(_item(record.key), text)
            return stored

    def delete(self, key: Key, *, expect: int) -> None:
        with self._lock.acquire(LOCK_SECONDS):
            self._check(key, expect)
            if expect:
                self._remove(_item(key))
                self._index(remove=[key])

    def keys(self) -> Iterator[Key]:
        return (key for key in self._listed() if self._read_or_none(key))

    def _read_or_none(self, key: Key) -> Credential | None:
        try:
            return self.get(key)
        except StoreCorrupt:
            return None

    def _check(self, key: Key, expect: int) -> None:
        held = self.get(key)
        found = held.generation if held else 0
        if found != expect:
            raise conflict(key, expected=expect, found=found)

    def _refuse_split_grant(self, record: Credential, text: str) -> None:
        # Two items cannot be replaced at once: torn, a rotated refresh token is lost.
        grant = record.grant
        if self._limit and len(text) > self._limit and grant and grant.refresh_token:
            raise PolicyRefused(
                f"{record.key} does not fit into one keyring item, and its refresh token may "
                "rotate: split over two it could be torn.",
                rule="no rotating grant in split keyring items",
                service=record.key.account,
                hint="keep it in the vault: ARCRUN_STORE=vault",
            )

    def _keyring(self) -> Keyring:
        keyring = self._make()
        if keyring is None:
            raise NoStore(
                "The credentials are to lie in the OS keyring, and it is switched off.",
                hint="unset ARCRUN_KEYRING, or set ARCRUN_STORE=vault",
            )
        why = keyring.why_not()
        if why is not None:
            raise NoStore(
                f"The credentials are to lie in the OS keyring: {why}.",
                hint="arcrun doctor; or set ARCRUN_STORE=vault",
            )
        return keyring

    # -- Items: `{"n": parts, "sum": sha256 of all}` in front of a text that was split -----

    def _read(self, item: str) -> str | None:
        keyring = self._keyring()
        text = keyring.get(item)
        if text is None or not text.startswith("#"):
            return text
        try:
            count, digest = text[1:].split(":")
            parts = [keyring.get(f"{item}#{number}") for number in range(1, int(count) + 1)]
            whole = "".join(part for part in parts if part is not None)
        except ValueError:
            whole = digest = ""
        if not digest or hashlib.sha256(whole.encode()).hexdigest() != digest:
            raise StoreCorrupt(
                f"The keyring item {item} is torn: a part of it is missing or older.",
                hint=f"arcrun setup {item.partition('/')[2].partition('@')[0]}",
            )
        return whole

    def _write(self, item: str, text: str) -> None:
        keyring = self._keyring()
        before = _parts(keyring.get(item))
        count = 0
        if self._limit is not None and len(text) > self._limit:
            pieces = [text[at : at + self._limit] for at in range(0, len(text), self._limit)]
            count = len(pieces)
            for number, piece in enumerate(pieces, 1):
                keyring.set(f"{item}#{number}", piece)
            text = f"#{count}:{hashlib.sha256(text.encode()).hexdigest()}"
        keyring.set(item, text)
        for number in range(count + 1, before + 1):
            keyring.delete(f"{item}#{number}")

    def _remove(self, item: str) -> None:
        keyring = self._keyring()
        parts = _parts(keyring.get(item))
        keyring.delete(item)
        for number in range(1, parts + 1):
            keyring.delete(f"{item}#{number}")

    def _listed(self) -> list[Key]:
        text = self._read("index")
        try:
            return [Key(*parts) for parts in json.loads(text)] if text else []
        except (ValueError, TypeError):
            raise StoreCorrupt(
                "The keyring item 'index' of arcrun-auth is no list of names any more.",
                hint="delete that item; each arcrun setup puts its name back",
            ) from None

    def _index(self, *, add: Iterable[Key] = (), remove: Iterable[Key] = ()) -> None:
        listed = set(self._listed())
        changed = listed.union(add).difference(remove)
        if changed != listed:
            names = sorted(key.parts for key in changed)
            self._write("index", json.dumps(names, separators=(",", ":")))


def _item(key: Key) -> str:
    return f"{key.kind}/{key}"


def _parts(text: str | None) -> int:
    if not text or not text.startswith("#"):
        return 0
    count = text[1:].partition(":")[0]
    return int(count) if count.isdigit() else 0


def _load(text: str, key: Key) -> Credential:
    try:
        record: Credential | None = Credential.load(json.loads(text))
    except (KeyError, TypeError, ValueError):
        record = None
    if record is None or record.key != key:
        raise StoreCorrupt(
            f"The keyring item of {key} is not what arcrun-auth wrote there; it was left alone.",
            service=key.account,
            hint=f"delete the item {_item(key)}, then: arcrun setup {key.account}",
        )
    return record
