"""The lock per credential that every thread and process renewing it goes through.

In-process lock first, then the operating system's lock on `locks/<id>.lock`: the kernel
lets go of it when its holder dies, so nobody waits for a dead one. The file is kept for
ever, since removing it would split waiters over two files.
"""

from __future__ import annotations

import os
import time
from hashlib import sha256
from threading import Lock

from arcrun_auth import forks
from arcrun_auth.errors import RefreshBusy, StoreError
from arcrun_auth.seal import encode
from arcrun_auth.stores import private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from filelock import BaseFileLock

    from arcrun_auth.tokens import Key

LOCK_WAIT = 45.0
"""How many seconds do we wait? Longer than the holder's token request may take."""
POLL = 0.02
"""How many seconds between two looks at another process's lock?"""

_threads: dict[tuple[int, str], Lock] = {}
"""One lock per generation of fork and path: a child must not wait for a parent's thread."""

_NETWORK = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "ncpfs", "fuse.sshfs", "ceph", "glusterfs",
    "fuse.glusterfs", "lustre", "gfs2",
}  # fmt: skip
"""Where locks or shared memory cannot be trusted between machines."""


class CredentialLock:
    """The lock of one credential, its file in `folder`. Re-entrant nowhere: take it once.

    >>> from arcrun_auth.tokens import Key
    >>> with CredentialLock(folder, Key("credential", "notion")).acquire():
    ...     pass
    """

    def __init__(self, folder: str, key: Key) -> None:
        self.folder = os.path.abspath(folder)
        self._key = key
        # A hash, for names may hold a slash; it hides the service from nobody who can look.
        name = sha256(encode(*(part.encode() for part in key.parts))).hexdigest()[:32]
        self.path = os.path.join(self.folder, f"{name}.lock")

    def acquire(self, timeout: float = LOCK_WAIT) -> AbstractContextManager[None]:
        """Holds the lock inside `with`. RefreshBusy after `timeout` seconds of waiting."""
        from contextlib import contextmanager

        return contextmanager(self._held)(timeout)

    def _held(self, timeout: float) -> Iterator[None]:
        deadline = time.monotonic() + timeout
        mutex = _threads.setdefault((forks.generation, self.path), Lock())
        if not mutex.acquire(timeout=max(timeout, 0)):
            raise self._busy(timeout)
        try:
            lock = self._file_lock()
            self._acquire_file(lock, max(deadline - time.monotonic(), 0), timeout)
            try:
                yield
            finally:
                lock.release()
        finally:
            mutex.release()

    def _file_lock(self) -> BaseFileLock:
        from filelock import FileLock

        if os.path.islink(self.folder):
            raise StoreError(
                f"{self.folder} is a symbolic link; it was not followed.",
                hint=f"look at it: ls -l {self.folder}",
            )
        private.ensure_folder(self.folder)
        private.check_file(self.path)  # a planted link: refused before it is opened
        return FileLock(self.path, mode=0o600, poll_interval=POLL)

    def _acquire_file(self, lock: BaseFileLock, left: float, timeout: float) -> None:
        from filelock import Timeout

        try:
            lock.acquire(timeout=left)
        except Timeout:
            raise self._busy(timeout) from None
        except OSError as error:
            raise StoreError(f"The lock {self.path} cannot be taken: {error.strerror}.") from None

    def _busy(self, timeout: float) -> RefreshBusy:
        return RefreshBusy(
            f"Another process has been renewing {self._key} for more than {timeout:g} seconds.",
            service=self._key.account,
            hint="try again; arcrun doctor names the process that holds it",
        )


def network_filesystem(path: str, mounts: str = "/proc/mounts") -> str | None:
    """The type of the network file system that `path` lies on (`nfs4`), else None.

    Linux only; elsewhere, and where `mounts` cannot be read, nothing is known: None.
    """
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return None
    place = os.path.realpath(path)
    found, length = None, -1
    for fields in lines:
        if len(fields) < 3:  # noqa: PLR2004 - device, place, type: fstab(5)
            continue
        where = fields[1].replace("\\040", " ")
        inside = place == where or place.startswith(where.rstrip("/") + "/")
        if inside and len(where) >= length:
            found, length = fields[2], len(where)
    return found if found in _NETWORK else None
