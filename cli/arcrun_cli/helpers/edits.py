"""A change to somebody else's configuration file: shown first, then made as a whole."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.stores.private import sync_folder

MAX_BYTES = 1 << 20
"""How large a file do we take for one that people write?"""


@dataclass(frozen=True)
class Edit:
    """One file, as it was read and as it is to be; `lines` are what a person is shown of it.

    Only lines of ours are shown: what else stands in the file may be secret.
    """

    path: str
    before: bytes | None
    """None: there is no such file."""
    after: bytes
    lines: tuple[str, ...]
    shared: bool = False
    """Whether a new one is a project's, for all who may read that, and not its owner's alone."""

    @property
    def changes(self) -> bool:
        return self.after != (self.before or b"")

    def apply(self) -> None:
        """Writes it: to a new file, which then takes the old one's place and mode.

        A link stays a link. AuthError where the file is another one by now, where somebody
        else is writing it, or where it cannot be written; then nothing has changed.
        """
        path = os.path.realpath(self.path)
        # The name by which git, too, says that it is writing (lockfile.h).
        temporary = f"{path}.lock"
        try:
            os.makedirs(os.path.dirname(path), 0o777 if self.shared else 0o700, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            handle = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if self.shared else 0o600
            )
        except FileExistsError:
            raise AuthError(
                f"Somebody else is writing {printable(self.path)}: {temporary} is there.",
                hint="try again; if nobody is, delete that file",
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._write(handle, temporary, path)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise self._unwritable(error) from None
            raise
        sync_folder(os.path.dirname(path))

    def _write(self, handle: int, temporary: str, path: str) -> None:
        with os.fdopen(handle, "wb") as file:
            if read(path) != self.before:
                raise AuthError(
                    f"{printable(self.path)} has changed since it was read. Nothing was written.",
                    hint="type the command again",
                )
            file.write(self.after)
            file.flush()
            os.fsync(file.fileno())
        if self.before is not None:
            os.chmod(temporary, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(temporary, path)

    def _unwritable(self, error: OSError) -> AuthError:
        return AuthError(f"{printable(self.path)} cannot be written: {error.strerror}.")


def read(path: str) -> bytes | None:
    """A file of configuration; None if it is not there. AuthError where it cannot be one."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuthError(f"{printable(path)} cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise AuthError(f"{printable(path)} has more than 1 MiB: it was left alone.")
    return data
