"""The one place that reaches the OS keyring.

Backends come from an allow-list: a library that picks for itself picks, on a machine
without a desktop, whatever plain-text file is installed. `PYTHON_KEYRING_BACKEND` and the
keyring library's own configuration are not looked at. Whatever does not answer within the
time limit is taken for absent, once per process.
"""

from __future__ import annotations

import os
import sys

from arcrun_auth import forks
from arcrun_auth.errors import StoreError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol, TypeVar

    T = TypeVar("T")

    class Backend(Protocol):
        """The three calls of the `keyring` library that we use."""

        def get_password(self, service: str, username: str) -> str | None: ...
        def set_password(self, service: str, username: str, password: str) -> None: ...
        def delete_password(self, service: str, username: str) -> None: ...


SERVICE = "arcrun-auth"
"""Under which service name do our items lie?"""
TIME_LIMIT = 5.0
"""After how many seconds is a keyring taken for absent? A locked D-Bus never answers."""
PROMPT_LIMIT = 60.0
"""How long may a person take over the keyring's own unlock dialogue, in seconds?"""
WINDOWS_BYTES = 2560
"""How many bytes does an item of the Windows Credential Manager hold? UTF-16, two a letter."""

_ALLOWED = {
    "darwin": (("keyring.backends.macOS", "Keyring"),),
    "win32": (("keyring.backends.Windows", "WinVaultKeyring"),),
    "linux": (
        ("arcrun_auth.stores.secret_service", "SecretService"),
        ("keyring.backends.kwallet", "DBusKeyring"),
    ),
}


class Unavailable(StoreError):
    """The OS keyring cannot serve. Its message is the reason, in words."""


class OSKeyring:
    """The keyring of this operating system, or the reason why there is none.

    `make` gives the backend; it is called once, inside the time limit.
    """

    def __init__(
        self, make: Callable[[], Backend] | None = None, *, time_limit: float = TIME_LIMIT
    ) -> None:
        self._make = make or _allowed_backend
        self._time_limit = time_limit
        self._backend: Backend | None = None
        self._verdict: str | None = None
        self._probed: tuple[str | None] | None = None

    def why_not(self) -> str | None:
        """None if a backend answers; else why not. Nothing is written, nobody is asked."""
        try:
            self._ready()
        except Unavailable as error:
            return error.message
        return None

    def probe(self) -> str | None:
        """As `why_not`, after writing, reading and deleting an item. Once per process."""
        if self._probed is None:
            self._probed = (self._try_out(),)
        return self._probed[0]

    def get(self, user: str, *, service: str = SERVICE, prompt: bool = False) -> str | None:
        """The item of that name, or None. Unavailable where it cannot be read.

        `service` is another program's for items that are not ours. With `prompt` the keyring
        may show its own dialogue to unlock itself.
        """
        backend = self._ready()
        unlock = getattr(backend, "unlock", None)
        if prompt and unlock is not None and _graphical():
            self._call(unlock, limit=PROMPT_LIMIT)
        return self._call(lambda: backend.get_password(service, user))

    def set(self, user: str, value: str) -> None:
        backend = self._ready()
        self._call(lambda: backend.set_password(SERVICE, user, value))

    def delete(self, user: str) -> None:
        """Remove the item; nothing happens if there is none."""
        backend = self._ready()
        if self._call(lambda: backend.get_password(SERVICE, user)) is not None:
            self._call(lambda: backend.delete_password(SERVICE, user))

    def _ready(self) -> Backend:
        if self._verdict is not None:
            raise Unavailable(self._verdict, hint="arcrun doctor")
        if self._backend is None:
            try:
                self._backend = self._call(self._make)
            except Unavailable as error:
                self._verdict = error.message
                raise
        return self._backend

    def _try_out(self) -> str | None:
        user, value = f"probe-{os.urandom(8).hex()}", os.urandom(33).hex()
        try:
            self.set(user, value)
            came_back = self.get(user)
            self.delete(user)
            gone = self.get(user) is None
        except Unavailable as error:
            return error.message
        if came_back != value:
            return "it did not give back what was written to it"
        return None if gone else "it does not delete what it is told to"

    def _call(self, work: Callable[[], T], *, limit: float | None = None) -> T:
        limit = self._time_limit if limit is None else limit
        try:
            return within(limit, work)
        except TimeoutError:
            self._verdict = f"the OS keyring did not answer within {limit:g} seconds"
            raise Unavailable(self._verdict, hint="arcrun doctor") from None
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - backends raise whatever D-Bus and ctypes do
            # Its text may quote what was written; its type and our words may not.
            raise Unavailable(_reason(error), hint="arcrun doctor") from None


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of `work`, run in a daemon thread; TimeoutError after `seconds`."""
    from threading import Thread

    outcome: list[tuple[T | None, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - handed over to the caller
            outcome.append((None, error))

    thread = Thread(target=run, name="arcrun-keyring", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    result, error = outcome[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _reason(error: Exception) -> str:
    name = type(error).__name__
    words = {
        "KeyringLocked": "the OS keyring is locked",
        "LockedException": "the OS keyring is locked",
        "PromptDismissedException": "the OS keyring stayed locked",
        "InitError": "the OS keyring could not be opened",
        "NoKeyringError": "no OS keyring is installed",
        "ModuleNotFoundError": "the library for this OS keyring is not installed",
        "SecretServiceNotAvailableException": "no Secret Service answers on D-Bus",
    }
    return words.get(name, f"the OS keyring failed ({printable(name, 60)})")


def _graphical() -> bool:
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def _allowed_backend() -> Backend:
    from importlib import import_module

    reasons: list[str] = []
    for module, name in _ALLOWED.get(sys.platform, ()):
        try:
            backend: Any = getattr(import_module(module), name)
            return _made(backend)
        except StoreError as error:
            reasons.append(error.message)
        except Exception as error:  # noqa: BLE001 - a backend may fail in any way
            if name == "DBusKeyring":
                continue  # KWallet is second best: the reason of the first is the one to tell
            reasons.append(_reason(error))
    raise Unavailable(reasons[0] if reasons else "this system has no keyring that we know")


def _made(backend: Any) -> Backend:
    _ = backend.priority  # where a backend says that it cannot serve, by raising
    made: Backend = backend()
    return made


_systems: dict[int, OSKeyring] = {}


def system(environ: Mapping[str, str] | None = None) -> OSKeyring | None:
    """This process's keyring; None where `ARCRUN_KEYRING=off`. D-Bus does not survive a fork."""
    word = (os.environ if environ is None else environ).get("ARCRUN_KEYRING", "")
    if word.strip().lower() in ("off", "0", "false", "no"):
        return None
    return _systems.setdefault(forks.generation, OSKeyring())
