"""Shows a URL to the person at this machine, or says why it cannot.

The standard library's `webbrowser` is not used: it starts text browsers that take the
terminal over, hands whatever it is given to programs that read a leading `-` as a flag
(CVE-2026-4519) and `%action` as a part of their command (CPython #148169), and passes the
whole environment on. Here the URL is checked before any program gets it, and a program
gets no `ARCRUN_*` variable and no terminal.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth import surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_URL = 8000
"""How long may the URL be? A Windows command line ends soon after."""
START_SECONDS = 3.0
"""How long do we watch a program for an early failure? One that still runs is a browser."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")

TEXT_BROWSERS = frozenset(("www-browser", "lynx", "w3m", "links", "links2", "elinks", "browsh"))
"""Which programs would take the terminal? A login's pages need more than they offer, too."""

_LINUX = (
    ("xdg-open",), ("gio", "open"), ("x-www-browser",),
    ("firefox",), ("chromium",), ("chromium-browser",),
)  # fmt: skip
_RUNDLL32 = ("url.dll,FileProtocolHandler",)
_WINDOWS_FROM_WSL = "/mnt/c/Windows/System32"

_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]+")  # RFC 3986, no quote


@dataclass(frozen=True)
class Opened:
    """A program took the URL. `how` is its name."""

    how: str


@dataclass(frozen=True)
class NotOpened:
    """No program did. `reason` is for people."""

    reason: str


@dataclass(frozen=True)
class _Way:
    """A way to show a URL. `start` gives back None, or why it failed."""

    name: str
    start: Callable[[str], str | None]


def open_url(
    url: str, *, environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Opened | NotOpened:
    """Show `url` (https, or http on this machine) in a graphical browser. Never raises.

    Takes at most a few seconds for each program that fails.
    """
    fault = why_unsafe(url)
    if fault is not None:
        return NotOpened(fault)
    failures: list[str] = []
    for way in _ways(environ, platform):
        failure = way.start(url)
        if failure is None:
            return Opened(way.name)
        failures.append(f"{way.name}: {failure}")
    return NotOpened("; ".join(failures) or "there is no graphical session")


def available(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Whether `open_url` has anything to try. Starts nothing."""
    return any(True for _ in _ways(environ, platform))


def why_unsafe(url: str) -> str | None:
    """Why no program may get this URL; None if it may."""
    if len(url) > MAX_URL:
        return "the URL is too long"
    if not _URL.fullmatch(url) or "%action" in url:
        return "the URL has characters that a program could misread"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return "the URL is malformed"
    if "@" in parts.netloc or not parts.hostname:
        return "the URL does not name a plain host"
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        return "the URL is not https"
    return None


def _ways(environ: Mapping[str, str], platform: str) -> Iterator[_Way]:
    yield from _from_variable(environ, platform)
    if platform == "win32":
        # Not os.startfile: that hands our whole environment to the browser it starts.
        if "SSH_CONNECTION" not in environ:
            system = f"{environ.get('SystemRoot', 'C:/Windows')}/System32"
            yield from _found((f"{system}/rundll32.exe", *_RUNDLL32), environ)
    elif platform == "darwin":
        # Over ssh `open` would show it to whoever sits at that screen, if anybody.
        if "SSH_CONNECTION" not in environ:
            yield _program(("/usr/bin/open",), environ)
    else:
        if surroundings.is_wsl(environ):
            yield from _from_wsl(environ)
        if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
            for argv in _LINUX:
                yield from _found(argv, environ)


def _from_variable(environ: Mapping[str, str], platform: str) -> Iterator[_Way]:
    """`$BROWSER`: commands separated as in PATH, `%s` for the URL or else at the end."""
    separator = ";" if platform == "win32" else ":"
    for command in environ.get("BROWSER", "").split(separator):
        with suppress(ValueError):  # an open quote
            argv = tuple(shlex.split(command, posix=platform != "win32"))
            argv = argv[:-1] if argv[-1:] == ("&",) else argv
            if argv and Path(argv[0]).name not in TEXT_BROWSERS:
                yield from _found(argv, environ)


def _from_wsl(environ: Mapping[str, str]) -> Iterator[_Way]:
    """The browser on the Windows side. Never through cmd.exe, which splits at `&`."""
    yield from _found(("wslview",), environ)
    powershell = ("powershell.exe", f"{_WINDOWS_FROM_WSL}/WindowsPowerShell/v1.0/powershell.exe")
    for program in powershell:
        # The URL has no quote in it, so it cannot leave the literal string.
        options = ("-NoProfile", "-NonInteractive", "-Command", "Start-Process '%s'")
        yield from _found((program, *options), environ)
    for program in ("rundll32.exe", f"{_WINDOWS_FROM_WSL}/rundll32.exe"):
        yield from _found((program, *_RUNDLL32), environ)


def _found(argv: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[_Way]:
    program = shutil.which(argv[0], path=environ.get("PATH", os.defpath))
    if program is not None:
        yield _program((program, *argv[1:]), environ)


def _program(argv: tuple[str, ...], environ: Mapping[str, str]) -> _Way:
    def start(url: str) -> str | None:
        filled = [part.replace("%s", url) for part in argv]
        return _run(filled if "%s" in "".join(argv) else [*filled, url], environ)

    return _Way(Path(argv[0]).name, start)


def _run(argv: list[str], environ: Mapping[str, str]) -> str | None:
    """Start a program on its own, away from our terminal; None if it did not fail early."""
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed program, or the user's own choice
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=surroundings.for_programs(environ),
            start_new_session=True,
        )
    except OSError as error:
        return f"could not be started ({error.strerror})"
    try:
        code = process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        # It runs on; somebody has to take its exit status one day.
        threading.Thread(target=process.wait, name="arcrun-browser-wait", daemon=True).start()
        return None
    return f"exit status {code}" if code else None
