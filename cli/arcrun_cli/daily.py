"""Jobs that run `arcrun keepalive` once a day: printed, and installed by whoever wants one."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from arcrun_cli import ui
from arcrun_cli.programs import check_lines, executable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.broker import Broker

KINDS = ("systemd", "cron", "launchd")

HOUR, MINUTE = 9, 17
"""When does it run? By day, when a laptop is on, and not when everybody's jobs begin."""

LABEL = "com.arcrun.keepalive"
UNIT = "arcrun-keepalive"

VARIABLES = ("ARCRUN_HOME", "ARCRUN_MASTER_KEY_FILE")
"""Which variables does the job get as they are here? Paths: none of them is a secret."""

_THEN = {
    "systemd": "Put the two files at these places, then:\n"
    "  systemctl --user daemon-reload\n"
    f"  systemctl --user enable --now {UNIT}.timer\n"
    "For a machine where you are not always logged in: loginctl enable-linger",
    "cron": "Add the line with: crontab -e",
    "launchd": f"Save it as ~/Library/LaunchAgents/{LABEL}.plist, then:\n"
    f"  launchctl bootstrap gui/$UID ~/Library/LaunchAgents/{LABEL}.plist",
}


def show(kind: str, here: Broker) -> None:
    """Prints the job, how to install it, and what would keep it from working."""
    environ = here.settings.environ
    command = [*executable(), "keepalive", "--no-input"]
    passed = {name: os.path.abspath(environ[name]) for name in VARIABLES if environ.get(name)}
    check_lines([*command, *passed.values()], "job")
    make = {"systemd": systemd, "cron": cron, "launchd": launchd}[kind]
    ui.put(make(command, passed).rstrip("\n"))
    ui.tell(_THEN[kind])
    problem = why_locked(kind, here)
    if problem is not None:
        ui.tell(f"{ui.mark('warn', ui.err)} {problem}")
        ui.tell(
            "  → arcrun vault key add FILE, export ARCRUN_MASTER_KEY_FILE=FILE, then print it anew"
        )


def systemd(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """A service and its timer: systemd.service(5), systemd.timer(5)."""
    variables = "".join(
        f"Environment={_unit_word(f'{name}={value}')}\n" for name, value in environ.items()
    )
    line = unit_line(command)
    folder = "~/.config/systemd/user"
    return (
        f"# {folder}/{UNIT}.service\n"
        "[Unit]\nDescription=Keep logins alive that nobody uses\n\n"
        f"[Service]\nType=oneshot\n{variables}ExecStart={line}\n\n"
        f"# {folder}/{UNIT}.timer\n"
        "[Unit]\nDescription=Once a day\n\n"
        f"[Timer]\nOnCalendar=*-*-* {HOUR:02}:{MINUTE:02}\n"
        "RandomizedDelaySec=1h\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def unit_line(command: Sequence[str]) -> str:
    """A command as `ExecStart=` wants it."""
    return " ".join(_unit_word(word).replace("$", "$$") for word in command)


def _unit_word(word: str) -> str:
    """Quoted as systemd.syntax(7) wants it, where it has to be."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if any(char in text for char in " \t'\"\\;") else text


def cron(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """A line of crontab(5), where `%` would begin the standard input."""
    words = [f"{name}={shlex.quote(value)}" for name, value in environ.items()]
    words += [shlex.quote(word) for word in command]
    line = " ".join(words).replace("%", "\\%")
    return f"{MINUTE} {HOUR} * * * {line}\n"


def launchd(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """A property list: launchd.plist(5)."""
    import plistlib

    job: dict[str, object] = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "StartCalendarInterval": {"Hour": HOUR, "Minute": MINUTE},
    }
    if environ:
        job["EnvironmentVariables"] = dict(environ)
    return plistlib.dumps(job, sort_keys=False).decode()


def why_locked(kind: str, here: Broker) -> str | None:
    """Why the vault would not open in the job; None if it does, or another store is used."""
    from arcrun_auth.stores.vault import Vault

    vault = getattr(here.store, "primary", here.store)
    if not isinstance(vault, Vault):
        return None
    kinds = {slot["kind"] for slot in vault.status().get("slots", ())}
    environ = here.settings.environ
    if environ.get("ARCRUN_MASTER_KEY_FILE") and (not kinds or "key" in kinds):
        return None
    off = here.settings.flag("keyring") is False
    if not off and (not kinds or "keyring" in kinds):
        if kind == "cron" and sys.platform == "linux":
            return "Cron runs outside your session: the OS keyring may be locked there."
        return None
    return "Such a job has no key in a variable and nobody types: the vault would not open there."
