"""Where the vault's key comes from: the order in which slots are tried, and nothing else.

    given by the caller > ARCRUN_MASTER_KEY_FILE > ARCRUN_MASTER_KEY > a mounted secret
    > the OS keyring > `arcrun vault unlock` > somebody who can be asked

A key that was given and does not fit is an error: falling through to the next would hide it.
"""

from __future__ import annotations

import os
import re

from arcrun_auth import seal
from arcrun_auth.errors import StoreCorrupt, StoreError, StoreLocked
from arcrun_auth.stores import slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Protocol

    class Ask(Protocol):
        """Asks a person for something hidden; with `confirm`, twice. None: given up."""

        def __call__(self, question: str, *, confirm: bool) -> str | None: ...

    class Keyring(Protocol):
        """What the vault needs of an OS keyring: `keyring_backend.OSKeyring`."""

        def why_not(self) -> str | None: ...
        def probe(self) -> str | None: ...
        def get(self, user: str, *, prompt: bool = False) -> str | None: ...
        def set(self, user: str, value: str) -> None: ...
        def delete(self, user: str) -> None: ...


MOUNTED = "arcrun_master_key"
"""How is the vault's key called among mounted secrets (docker, Kubernetes, systemd)?"""
RUN_SECRETS = "/run/secrets"

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")
_MAKE_ONE = "make one: openssl rand -base64 32"


def parse_key(text: str, origin: str) -> bytes:
    """32 bytes from base64 or hex; StoreError for anything else, a passphrase included."""
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if _BASE64.fullmatch(text):
        from binascii import a2b_base64

        return a2b_base64(text.translate(str.maketrans("-_", "+/")).rstrip("=") + "=")
    raise StoreError(
        f"{origin} is no key: it must be 32 random bytes as base64 or hex, "
        "and a passphrase is not taken for one.",
        hint=_MAKE_ONE,
    )


def read_key_file(path: str, origin: str) -> bytes:
    """The key in a file: base64, hex or 32 raw bytes. StoreError with what to do otherwise."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(handle, "rb") as file:
            _refuse_readable_by_others(path, os.fstat(handle))
            data = file.read(4096)
    except OSError as error:
        raise StoreError(
            f"The vault's key file {path} ({origin}) cannot be read: {error.strerror}.",
            hint=f"ls -l {path}",
        ) from None
    try:
        return parse_key(data.decode("ascii"), f"The file {path} ({origin})")
    except UnicodeDecodeError:
        # 32 characters of text are somebody's password; 32 random bytes are hardly ever ASCII.
        if len(data) == seal.KEY_BYTES:
            return data
        raise StoreError(
            f"The file {path} ({origin}) is no key: it must be 32 bytes.", hint=_MAKE_ONE
        ) from None


def _refuse_readable_by_others(path: str, status: os.stat_result) -> None:
    # A mounted secret is 0444 on a file system that nobody can write; only what its owner
    # could have closed and did not is refused.
    if not hasattr(os, "getuid") or not status.st_mode & 0o077 or status.st_uid != os.getuid():
        return
    if path.startswith("/run/") or not os.access(path, os.W_OK):
        return
    raise StoreError(
        f"The vault's key file {path} can be read by other users.", hint=f"chmod 600 {path}"
    )


class Keys:
    """The ways to a vault's key, in their order.

    `key` (32 bytes), `key_file` and `recovery_code` are given by the caller and come first.
    `ask` asks a person; None means that nobody can be asked. `keyring` is the OS keyring,
    None where it must not be used; `unlocked(vault_id)` gives what `arcrun vault unlock`
    left for a while, or None.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        key: bytes | None = None,
        key_file: str | None = None,
        recovery_code: str | None = None,
        keyring: Callable[[], Keyring | None] | None = None,
        unlocked: Callable[[str], bytes | None] | None = None,
        ask: Ask | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._key = key
        self._key_file = key_file
        self._recovery_code = recovery_code
        self._keyring = keyring or (lambda: _system_keyring(self._environ))
        self._unlocked = unlocked or _kernel_keyring
        self.ask = ask

    def given(self) -> tuple[bytes, str] | None:
        """The 32 bytes from the caller, a file or the environment, and where they come from."""
        if self._key is not None:
            return self._key, "the key given by the caller"
        if self._key_file is not None:
            return read_key_file(self._key_file, "given by the caller"), self._key_file
        path = self._environ.get("ARCRUN_MASTER_KEY_FILE")
        if path:
            return read_key_file(path, "ARCRUN_MASTER_KEY_FILE"), f"ARCRUN_MASTER_KEY_FILE, {path}"
        text = self._environ.get("ARCRUN_MASTER_KEY")
        if text:
            return parse_key(text, "ARCRUN_MASTER_KEY"), "ARCRUN_MASTER_KEY"
        for folder in (self._environ.get("CREDENTIALS_DIRECTORY"), RUN_SECRETS):
            path = folder and f"{folder}/{MOUNTED}"
            if path and os.path.exists(path):
                return read_key_file(path, "a mounted secret"), path
        return None

    def keyring(self) -> Keyring | None:
        return self._keyring()

    def open(self, header: slots.Header) -> tuple[seal.MasterKey, str]:
        """The master key and which way it came. StoreLocked where no way leads to it."""
        if self._recovery_code is not None:
            return self._by_recovery_code(header, self._recovery_code), "recovery code"
        given = self.given()
        if given is not None:
            return self._by_key(header, *given), f"key: {given[1]}"
        reasons: list[str] = []
        for way in (self._by_keyring, self._by_unlock, self._by_asking):
            found = way(header, reasons)
            if found is not None:
                return found
        raise self._locked(header, reasons)

    def _by_key(self, header: slots.Header, key: bytes, origin: str) -> seal.MasterKey:
        return self._by_id(header, "key", key, origin)

    def _by_recovery_code(self, header: slots.Header, text: str) -> seal.MasterKey:
        from arcrun_auth.stores import kdf

        try:
            code = kdf.parse_recovery(text)
        except ValueError as error:
            raise StoreLocked(f"The vault stays locked: {error}.", hint="type it again") from None
        return self._by_id(header, "recovery", code, "the recovery code")

    def _by_id(
        self, header: slots.Header, kind: slots.SlotKind, key: bytes, origin: str
    ) -> seal.MasterKey:
        kek = slots.kek_of(key, header.vault_id, kind)
        wanted = slots.key_id(kek)
        for slot in header.of_kind(kind):
            if slot.params.get("key") == wanted:
                try:
                    return slots.unwrap(header, slot, kek)
                except seal.SealBroken:  # the id says it is the right key
                    raise StoreCorrupt(
                        f"The vault's slot {slot.number} for {origin} is damaged.",
                        hint="open it with another key: arcrun vault status",
                    ) from None
        raise wrong_key(header, origin)

    def _by_keyring(
        self, header: slots.Header, reasons: list[str]
    ) -> tuple[seal.MasterKey, str] | None:
        for slot in header.of_kind("keyring"):
            keyring = self._keyring()
            if keyring is None:
                reasons.append("the OS keyring is switched off (ARCRUN_KEYRING)")
                return None
            try:
                text = keyring.get(str(slot.params.get("item")), prompt=self.ask is not None)
            except StoreError as error:
                reasons.append(error.message)
                continue
            if text is None:
                reasons.append("the OS keyring has no item of this vault any more")
                continue
            key = parse_key(text, "The item in the OS keyring")
            kek = slots.kek_of(key, header.vault_id, "keyring")
            return unwrap(header, slot, kek, "the item in the OS keyring"), "keyring"
        return None

    def _by_unlock(
        self, header: slots.Header, reasons: list[str]
    ) -> tuple[seal.MasterKey, str] | None:
        del reasons
        for slot in header.of_kind("passphrase"):
            kek = self._unlocked(header.vault_id)
            if kek is None:
                return None
            try:
                return slots.unwrap(header, slot, kek), "unlocked (arcrun vault unlock)"
            except seal.SealBroken:  # unlocked before the passphrase changed
                return None
        return None

    def _by_asking(
        self, header: slots.Header, reasons: list[str]
    ) -> tuple[seal.MasterKey, str] | None:
        passphrases, codes = header.of_kind("passphrase"), header.of_kind("recovery")
        if self.ask is None or not (passphrases or codes):
            return None
        why = f" ({'; '.join(reasons)})" if reasons else ""
        what = " or ".join(
            name for name, there in (("passphrase", passphrases), ("recovery code", codes)) if there
        )
        typed = self.ask(f"The vault's {what}{why}: ", confirm=False)
        if not typed:
            raise self._locked(header, [*reasons, "nothing was typed"])
        if codes and (not passphrases or _looks_like_code(typed)):
            return self._by_recovery_code(header, typed), "recovery code"
        kek = passphrase_kek(passphrases[0], typed)
        return unwrap(header, passphrases[0], kek, "the passphrase"), "passphrase"

    def _locked(self, header: slots.Header, reasons: list[str]) -> StoreLocked:
        kinds = ", ".join(sorted({slot.kind for slot in header.slots})) or "none"
        why = f" {'; '.join(reasons)}." if reasons else ""
        return StoreLocked(
            f"The vault is locked: its key is not at hand (slots: {kinds}).{why}",
            hint=how_to_open({slot.kind for slot in header.slots}),
        )


def how_to_open(kinds: Collection[str]) -> str:
    """What somebody can do who has keys of these kinds, and none at hand.

    >>> how_to_open(["key"])
    "set ARCRUN_MASTER_KEY_FILE to the key's file"
    """
    ways = {
        "passphrase": "arcrun vault unlock",
        "key": "set ARCRUN_MASTER_KEY_FILE to the key's file",
        "recovery": "arcrun vault unlock, and type the recovery code",
        "keyring": "unlock the OS keyring, or log in to the desktop session that holds it",
    }
    hints = [way for kind, way in ways.items() if kind in kinds]
    return "; or ".join(hints) or "restore the vault from an export: arcrun vault import"


def passphrase_kek(slot: slots.Slot, passphrase: str) -> bytes:
    from arcrun_auth.stores import kdf

    return kdf.derive(passphrase, slot.params)


def unwrap(header: slots.Header, slot: slots.Slot, kek: bytes, origin: str) -> seal.MasterKey:
    """The master key, or StoreLocked: the header is sound, so the key must be wrong."""
    try:
        return slots.unwrap(header, slot, kek)
    except seal.SealBroken:
        raise wrong_key(header, origin) from None


def wrong_key(header: slots.Header, origin: str) -> StoreLocked:
    """The vault is sound, the key is another one. (A damaged header was refused before.)"""
    kinds = ", ".join(sorted({slot.kind for slot in header.slots}))
    return StoreLocked(
        f"The vault does not open with {origin}: that is not its key (slots: {kinds}).",
        hint="arcrun vault status shows what opens it; arcrun vault key add takes a further key",
    )


def _looks_like_code(typed: str) -> bool:
    from arcrun_auth.stores import kdf

    try:
        kdf.parse_recovery(typed)
    except ValueError:
        return False
    return True


def _system_keyring(environ: Mapping[str, str]) -> Keyring | None:
    from arcrun_auth.stores import keyring_backend

    return keyring_backend.system(environ)


def _kernel_keyring(vault_id: str) -> bytes | None:
    from arcrun_auth.stores import unlock

    return unlock.recall(vault_id)
