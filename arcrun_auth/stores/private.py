"""Files and folders that only their owner can read, whatever the umask says.

POSIX modes are kept at 0700 and 0600; on Windows the ACL of the user's profile stands for
them. A symbolic link where a file of ours belongs is refused: somebody planted it.
"""

from __future__ import annotations

import os
import stat

from arcrun_auth.errors import StoreError

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_GROUP_AND_OTHERS = 0o077
FOR_ALL = 0o644
"""Which mode has a file with nothing secret in it, that is given out?"""


def _mine(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def _refuse_owner(path: str, status: os.stat_result) -> None:
    if not _mine(status):
        raise StoreError(
            f"{path} belongs to another user (uid {status.st_uid}).",
            hint=f"sudo chown -R $(id -u) {os.path.dirname(path) or path}",
        )


def ensure_folder(path: str) -> None:
    """Make the folder with mode 0700, or give it that mode. StoreError if it is not ours."""
    try:
        _make_folders(path)
        check_folder(path)
    except OSError as error:
        raise StoreError(
            f"The folder {path} cannot be used: {error.strerror}.",
            hint="set ARCRUN_HOME to a folder of yours that can be written to",
        ) from None


def _make_folders(path: str) -> None:
    # os.makedirs gives its mode to the last one only.
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent and parent != path:
        _make_folders(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def check_folder(path: str) -> None:
    """Repair a looser mode; StoreError for somebody else's folder, and for one like /tmp."""
    status = os.stat(path)
    _refuse_owner(path, status)
    if status.st_mode & stat.S_ISVTX:
        raise StoreError(
            f"{path} is a folder that many users share; nothing secret is put there.",
            hint="set ARCRUN_HOME to a folder of your own",
        )
    if hasattr(os, "getuid") and status.st_mode & _GROUP_AND_OTHERS:
        os.chmod(path, 0o700)


def check_file(path: str) -> os.stat_result | None:
    """The state of our file, its mode repaired; None if absent. StoreError for a link."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(
            f"{path} is no regular file (a symbolic link?); it was not opened.",
            hint=f"look at it: ls -l {path}",
        )
    _refuse_owner(path, status)
    if hasattr(os, "getuid") and status.st_mode & _GROUP_AND_OTHERS:
        _tighten(path)
    return status


def _tighten(path: str) -> None:
    # Closing an ordinary descriptor would end this process's locks on the file, those of an
    # open vault included (fcntl(2)); one of O_PATH leaves them alone.
    if not hasattr(os, "O_PATH"):
        os.chmod(path, 0o600, follow_symlinks=False)
        return
    handle = os.open(path, os.O_PATH | _NOFOLLOW)
    try:
        status = os.fstat(handle)
        _refuse_owner(path, status)
        if stat.S_ISREG(status.st_mode):  # of a link this is the link itself
            os.chmod(f"/proc/self/fd/{handle}", 0o600)
    finally:
        os.close(handle)


def create(path: str) -> int:
    """A new empty file, 0600, as a descriptor. FileExistsError if anything has that name."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(handle, 0o600)
    return handle


def sync_folder(path: str) -> None:
    """Make a rename in it durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: str, data: bytes) -> None:
    """A new file, 0600, that is over nothing. FileExistsError if anything has that name."""
    handle = create(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(os.path.dirname(path) or ".")
    except OSError as error:
        os.unlink(path)
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from None


def write_atomically(
    path: str, data: bytes, *, like: os.stat_result | None = None, mode: int | None = None
) -> None:
    """Replace the file: temporary file, fsync, rename, fsync of the folder.

    Readable by its owner alone, with `mode`, or with the mode and the group of `like`.
    """
    folder = os.path.dirname(path) or "."
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        with os.fdopen(create(temporary), "wb") as file:
            file.write(data)
            file.flush()
            if like is not None and hasattr(os, "fchmod"):
                _make_like(file.fileno(), like)
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(folder)
    except OSError as error:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from None


def _make_like(handle: int, like: os.stat_result) -> None:
    if os.fstat(handle).st_gid != like.st_gid:
        try:
            os.fchown(handle, -1, like.st_gid)
        except OSError:  # a group that we are not in: then nobody but the owner reads it
            return
    os.fchmod(handle, stat.S_IMODE(like.st_mode))
