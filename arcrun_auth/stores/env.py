"""Secrets that the environment gives: variables, files that variables name, mounted secrets.

    ARCRUN_NOTION_TOKEN > ARCRUN_NOTION_TOKEN_FILE > $CREDENTIALS_DIRECTORY/arcrun_notion_token
    > arcrun_notion_token in the folder that the setting `secrets_dir` names
    > /run/secrets/arcrun_notion_token

They override single secrets of a record, never a whole one: see `layers.py`.
"""

from __future__ import annotations

import os

from arcrun_auth.errors import StoreError
from arcrun_auth.references import SCHEME
from arcrun_auth.stores.base import ReadOnly
from arcrun_auth.tokens import Credential, Key, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Known = Callable[[Iterable[str]], Iterable[Key]]
    """For the names of variables: the records that one of them may hold a secret of."""
    Names = Callable[[Key], Iterable[tuple[str, Sequence[str]]]]
    """For the key of a record: each secret's key, and its variables in their order."""

RUN_SECRETS = "/run/secrets"
MAX_FILE = 1 << 20
"""How large may a mounted secret be, in bytes?"""


class EnvStore(ReadOnly):
    """The secrets of `environ` and of the files mounted for this process.

    `names(key)` says which variables hold which secret of a record, `known(variables)` which
    records are worth a look where these are set. `folder` holds further mounted secrets, if it
    is set. A file is read again when it changes: Kubernetes swaps them.
    """

    name = "environment"

    def __init__(
        self,
        environ: Mapping[str, str],
        names: Names,
        *,
        known: Known = lambda _: (),
        folder: str | None = None,
        run_secrets: str = RUN_SECRETS,
    ) -> None:
        self._environ = environ
        self._names = names
        self._known = known
        folders = (
            (environ.get("CREDENTIALS_DIRECTORY"), "$CREDENTIALS_DIRECTORY"),
            (folder, "the setting secrets_dir"),
            (run_secrets, run_secrets),
        )
        # The folders exist when the process starts, or never: one look, not one per secret.
        self._folders = [(path, shown) for path, shown in folders if path and os.path.isdir(path)]
        self._files: dict[str, tuple[tuple[int, int, int], Secret]] = {}

    def get(self, key: Key) -> Credential | None:
        """A record of just the secrets found; StoreError for a named file that is unreadable."""
        found = {name: value for name, (value, _) in self._found(key)}
        return Credential(key, secrets=found) if found else None

    def origin(self, key: Key) -> dict[str, str]:
        """For each secret found, where it came from. Names only, for `arcrun why`."""
        return {name: where for name, (_, where) in self._found(key)}

    def keys(self) -> Iterator[Key]:
        """The keys for which the environment has something."""
        return (key for key in self._known(self._set()) if any(True for _ in self._found(key)))

    def _set(self) -> list[str]:
        """The variables that are set, by themselves, by a file they name, or as mounted files."""
        mounted = (name for folder, _ in self._folders for name in _listed(folder))
        named = (name.removesuffix("_FILE") for name in self._environ if name.endswith("_FILE"))
        return list(dict.fromkeys((*self._environ, *named, *mounted)))

    def _found(self, key: Key) -> Iterator[tuple[str, tuple[Secret, str]]]:
        for secret, variables in self._names(key):
            found = self._first(variables)
            if found is not None:
                yield secret, found

    def _first(self, variables: Sequence[str]) -> tuple[Secret, str] | None:
        for variable in variables:
            value = self._environ.get(variable)
            if value and SCHEME not in value:  # a reference may be to this very secret
                return Secret(value), variable
        for variable in variables:
            path = self._environ.get(f"{variable}_FILE")
            if path:
                value_of_file = self._read(path)
                if value_of_file is None:
                    raise StoreError(
                        f"The file that {variable}_FILE names does not exist: {path}.",
                        hint=f"ls -l {path}",
                    )
                return value_of_file, f"{variable}_FILE"
        for folder, shown in self._folders:
            for variable in variables:
                mounted = self._read(os.path.join(folder, variable.lower()))
                if mounted is not None:
                    return mounted, f"{shown}/{variable.lower()}"
        return None

    def _read(self, path: str) -> Secret | None:
        try:
            status = os.stat(path)
            state = (status.st_mtime_ns, status.st_ino, status.st_size)
            kept = self._files.get(path)
            if kept is not None and kept[0] == state:
                return kept[1]
            with open(path, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(
                f"The secret's file {path} cannot be read: {error.strerror}.", hint=f"ls -l {path}"
            ) from None
        if len(data) > MAX_FILE:
            raise StoreError(f"The secret's file {path} is larger than 1 MiB.")
        try:
            # Editors and `echo` end a file with one newline; a PEM key may keep its others.
            value = Secret(data.decode().removesuffix("\n").removesuffix("\r"))
        except UnicodeDecodeError:
            raise StoreError(f"The secret's file {path} is not UTF-8 text.") from None
        self._files[path] = (state, value)
        return value


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # it went away: what is read of it then says so
        return []
