"""Where does this process run, and can the person's browser reach it?

Read from the environment and from a few files; nothing is started, sent or asked.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arcrun_auth import markers, notebook

if TYPE_CHECKING:
    from collections.abc import Mapping

_WSL_MARKS = ("/run/WSL", "/proc/sys/fs/binfmt_misc/WSLInterop")
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
_CONTAINERS = ("docker", "podman", "oci", "lxc")
"""Which values of `container` do container managers set? systemd names itself there, too."""
_FALSE = ("", "0", "false", "no")

_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_ADDRESS = re.compile(r"[0-9A-Fa-f][0-9A-Fa-f.:]*(%[A-Za-z0-9]+)?")
_PORT = re.compile(r"[0-9]{1,5}")
_SSH_PORT = "22"


@dataclass(frozen=True)
class Surroundings:
    """Where this process runs."""

    places: tuple[str, ...] = ()
    """Of `ssh`, `wsl`, `devcontainer`, `codespaces`, `docker`, `ci`, `jupyter`, `colab`,
    `agent`, `service`, all that fit; empty on a plain desktop or server."""
    browser: bool = False
    """Whether a browser can be opened from here."""
    elsewhere: bool = False
    """Whether the person's browser cannot reach this machine's 127.0.0.1."""
    ssh_target: str = ""
    """`user@address` of this machine for whoever came by ssh; empty if nobody did."""
    ssh_port: str = _SSH_PORT
    """The port that they came to."""

    def ssh_hint(self, port: int) -> str | None:
        """What to run on the machine of the browser, so that it reaches `port` here."""
        if not self.ssh_target:
            return None
        other = "" if self.ssh_port == _SSH_PORT else f"-p {self.ssh_port} "
        return f"ssh -N -L {port}:127.0.0.1:{port} {other}{self.ssh_target}"


def look(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Surroundings:
    """Where this runs. Starts nothing, never raises."""
    from arcrun_auth.browser import available

    places = tuple(name for name, here in _places(environ, platform).items() if here)
    opens = available(environ, platform)
    target, port = _ssh_target(environ) if "ssh" in places else ("", _SSH_PORT)
    return Surroundings(places, opens, _is_elsewhere(places, environ, opens), target, port)


def unattended(environ: Mapping[str, str]) -> bool:
    """Whether the environment says that this runs by itself: CI, a service manager, cron."""
    return _is_ci(environ) or _is_service(environ)


def is_wsl(environ: Mapping[str, str]) -> bool:
    """By its variables, which sudo and services drop, or by what it puts into a system."""
    if "WSL_DISTRO_NAME" in environ or "WSL_INTEROP" in environ:
        return True
    return _any_exists(_WSL_MARKS)


def _places(environ: Mapping[str, str], platform: str) -> dict[str, bool]:
    linux = platform.startswith("linux")
    return {
        "ssh": bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")),
        "wsl": linux and is_wsl(environ),
        "devcontainer": _is_set(environ, "REMOTE_CONTAINERS", "DEVCONTAINER"),
        "codespaces": _is_set(environ, "CODESPACES"),
        "docker": linux and _is_container(environ),
        "ci": _is_ci(environ),
        "jupyter": notebook.running(),
        "colab": _is_set(environ, "COLAB_RELEASE_TAG", "COLAB_BACKEND_VERSION"),
        "agent": markers.marker(environ) is not None,
        "service": _is_service(environ),
    }


def _is_elsewhere(places: tuple[str, ...], environ: Mapping[str, str], opens: bool) -> bool:
    if {"codespaces", "colab"} & set(places) or environ.get("JUPYTERHUB_SERVICE_PREFIX"):
        return True  # the browser's 127.0.0.1 is another machine's, whatever can be opened
    # An editor that works on this machine from afar brings its ports to the browser.
    forwarded = "devcontainer" in places or (opens and "VSCODE_IPC_HOOK_CLI" in environ)
    if forwarded or (opens and _has_screen(environ)):
        return False
    if "ssh" in places or "docker" in places:
        return True  # $BROWSER alone opens none that the person sees
    return not opens and "wsl" not in places  # Windows hands its 127.0.0.1 on to WSL


def _ssh_target(environ: Mapping[str, str]) -> tuple[str, str]:
    """Who and where this is for ssh; empty where it cannot be told. It goes into a shell."""
    words = environ.get("SSH_CONNECTION", "").split()
    user = next((environ[n] for n in ("USER", "LOGNAME", "USERNAME") if environ.get(n)), "")
    fits = (
        len(words) == 4  # noqa: PLR2004 - ssh(1): client address and port, server address and port
        and _ADDRESS.fullmatch(words[2])
        and _PORT.fullmatch(words[3])
        and _USER.fullmatch(user)
    )
    return (f"{user}@{words[2]}", words[3]) if fits else ("", _SSH_PORT)


def _is_ci(environ: Mapping[str, str]) -> bool:
    return environ.get("CI", "").lower() not in ("", "0", "false")


def _is_service(environ: Mapping[str, str]) -> bool:
    if environ.get("SUPERVISOR_ENABLED") or environ.get("KUBERNETES_SERVICE_HOST"):
        return True
    # systemd.exec(5): set in every descendant of a unit, a terminal's shell included;
    # only the unit's own process, or its child, is the service itself.
    started = environ.get("SYSTEMD_EXEC_PID")
    return started is not None and started in (str(os.getpid()), str(os.getppid()))


def _is_container(environ: Mapping[str, str]) -> bool:
    return environ.get("container") in _CONTAINERS or _any_exists(_CONTAINER_MARKS)


def _has_screen(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _is_set(environ: Mapping[str, str], *names: str) -> bool:
    return any(environ.get(name, "").lower() not in _FALSE for name in names)


def _any_exists(marks: tuple[str, ...]) -> bool:
    return any(os.path.exists(mark) for mark in marks)  # False where it may not be looked at
