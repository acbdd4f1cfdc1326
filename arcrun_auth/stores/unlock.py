"""`arcrun vault unlock --for 8h`: the passphrase's key, kept by the Linux kernel for a while.

What is kept is the key-encryption key of the passphrase slot, not the passphrase and not
the master key: changing the passphrase makes it worthless. It lies in the user keyring
(user-keyring(7)), so other shells of the same user find it; it never reaches a disk, and
the kernel drops it when its time is over. Other systems have no such thing, and say so.
"""

from __future__ import annotations

import os
import sys

from arcrun_auth.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from arcrun_auth.stores.vault import Vault

LONGEST = 7 * 24 * 3600
"""For how many seconds may a vault stay unlocked at most?"""

_PREFIX = b"arcrun-auth:vault:"
_USER_KEYRING = -4  # KEY_SPEC_USER_KEYRING, keyctl(2)
_SETPERM, _UNLINK, _SEARCH, _READ, _SET_TIMEOUT = 5, 9, 10, 11, 15
# The owner may view, read, write, search, link and set attributes, whether or not its
# process possesses the user keyring (another login session does not); nobody else may.
_OWNER_ONLY = 0x3F3F0000
# add_key(2) and keyctl(2) by machine; the newer architectures share one table.
_NUMBERS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219)}


def why_not() -> str | None:
    """None if this system can keep a key for a while, else why not."""
    if sys.platform != "linux":
        return f"keeping the vault unlocked needs the Linux kernel keyring, not {sys.platform}"
    if os.uname().machine not in _NUMBERS:
        return f"keeping the vault unlocked is not supported on {os.uname().machine}"
    return None


def remember(vault_id: str, kek: bytes, *, seconds: int) -> None:
    """Keep `kek` for so long. StoreError where the system cannot, or for a silly time."""
    reason = why_not()
    if reason is not None:
        raise StoreError(f"Unsupported here: {reason}.", hint="use ARCRUN_MASTER_KEY_FILE")
    if not 0 < seconds <= LONGEST:
        raise StoreError("A vault stays unlocked for 1 second to 7 days.", hint="--for 8h")
    try:
        key = _add(_PREFIX + vault_id.encode(), kek)
        # The time first: killed in between, the key must not stay for ever.
        _keyctl(_SET_TIMEOUT, key, seconds)
        _keyctl(_SETPERM, key, _OWNER_ONLY)
    except OSError as error:
        raise StoreError(
            f"The kernel keyring refused ({error.strerror}); containers often have none.",
            hint="use ARCRUN_MASTER_KEY_FILE",
        ) from None


def recall(vault_id: str) -> bytes | None:
    """What `remember` kept, or None once its time is over, and wherever it cannot serve."""
    if why_not() is not None:
        return None
    try:
        return _read(_find(vault_id))
    except OSError:
        return None


def lock(vault_id: str) -> bool:
    """Forget it now; whether there was anything to forget."""
    if why_not() is not None:
        return False
    try:
        _keyctl(_UNLINK, _find(vault_id), _USER_KEYRING)
    except OSError:
        return False
    return True


def unlock(vault: Vault, passphrase: str, *, seconds: int) -> None:
    """Keep the vault open for `seconds`. StoreLocked if the passphrase is wrong."""
    from arcrun_auth.stores.upkeep import verify_passphrase

    vault_id, kek = verify_passphrase(vault, passphrase)
    remember(vault_id, kek, seconds=seconds)


def _syscall(number: int, *arguments: Any) -> int:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result: int = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _keyctl(command: int, *arguments: Any) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _syscall(_NUMBERS[os.uname().machine][1], command, *padded)


def _add(description: bytes, payload: bytes) -> int:
    number = _NUMBERS[os.uname().machine][0]
    return _syscall(number, b"user", description, payload, len(payload), _USER_KEYRING)


def _find(vault_id: str) -> int:
    return _keyctl(_SEARCH, _USER_KEYRING, b"user", _PREFIX + vault_id.encode(), 0)


def _read(key: int) -> bytes:
    import ctypes

    buffer = ctypes.create_string_buffer(32)
    length = _keyctl(_READ, key, buffer, len(buffer))
    if length != len(buffer):
        raise OSError("the key has another length")
    return buffer.raw
