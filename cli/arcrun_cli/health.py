"""What `arcrun doctor` looks at. Nothing here sends anything, asks anybody or prints a value."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import AuthError
from arcrun_auth.lifetimes import ARROW
from arcrun_auth.locks import network_filesystem
from arcrun_cli import agents, ui
from arcrun_cli.options import broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arcrun_auth.broker import Broker
    from arcrun_auth.people import Reach
    from arcrun_auth.settings import Settings
    from arcrun_auth.surroundings import Surroundings

OLDEST_PYTHON = (3, 11)

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it stands, what to do about it."""

    name: str
    state: Literal["ok", "warn", "fail"]
    message: str
    hint: str | None = None


def examine() -> Iterator[Finding]:
    """Every check in turn. One that fails itself is a finding, and the others still run."""
    here = broker(interactive=False)
    for name, check in CHECKS.items():
        try:
            yield from check(here)
        except AuthError as error:
            yield Finding(name, "fail", error.message, error.hint)


def _python(here: Broker) -> Iterator[Finding]:
    del here
    from arcrun_auth import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("python", "fail", f"{version} is too old.", "install Python 3.11 or later")
    else:
        yield Finding("python", "ok", f"{version}, arcrun-auth {__version__}")


def _import(here: Broker) -> Iterator[Finding]:
    """The name `arcrun` on PyPI belongs to somebody else; ours is a namespace without a file."""
    del here
    from importlib.util import find_spec

    spec = find_spec("arcrun")
    if spec is not None and spec.origin is not None:
        yield Finding(
            "import",
            "warn",
            f"Another package has the name arcrun ({spec.origin}): "
            "`from arcrun import auth` fails.",
            "write `import arcrun_auth as auth`, or pip uninstall arcrun",
        )
    else:
        yield Finding("import", "ok", "`from arcrun import auth` works")


def _home(here: Broker) -> Iterator[Finding]:
    home = here.settings.home
    if not os.path.isdir(home):
        yield Finding("home", "ok", f"{home} (made at the first setup)")
        return
    status = os.stat(home)
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        yield Finding(
            "home", "fail", f"{home} belongs to another user.", f"sudo chown -R $(id -u) {home}"
        )
    elif hasattr(os, "getuid") and status.st_mode & 0o077:
        yield Finding(
            "home",
            "warn",
            f"{home} can be read by others (mode {status.st_mode:o}).",
            f"chmod 700 {home}",
        )
    else:
        yield Finding("home", "ok", home)
    kind = network_filesystem(home)
    if kind is not None:
        yield Finding(
            "home",
            "warn",
            f"It lies on a network file system ({kind}): locks are not reliable there, and "
            "logins whose refresh token rotates are refused.",
            "export ARCRUN_HOME=/a/local/folder",
        )


def _settings(here: Broker) -> Iterator[Finding]:
    from arcrun_auth.settings import KNOWN

    settings = here.settings
    given = [name for name in KNOWN if settings.get(name) is not None]
    given += [f"apps.{name}" for name in settings.apps]
    _ = settings.store, settings.login_timeout, settings.flag("interactive")
    yield Finding("settings", "ok", ", ".join(given) + " set" if given else "none set")
    yield from _app_files(settings)


def _app_files(settings: Settings) -> Iterator[Finding]:
    """Files of ours with what proves an app, and others may read them."""
    named = [
        os.path.abspath(os.path.expanduser(path))
        for name, path in settings.environ.items()
        if name.startswith("ARCRUN_") and name.endswith("_CLIENT_FILE")
    ]
    for table in settings.apps.values():
        own = [path for name, path in table.items() if name.endswith("_file")]
        named += [os.path.join(settings.home, os.path.expanduser(path)) for path in own]
    for path in dict.fromkeys(named):
        try:
            status = os.stat(path)
        except OSError:  # said where it is used
            continue
        ours = hasattr(os, "getuid") and status.st_uid == os.getuid()
        if ours and status.st_mode & 0o077:
            yield Finding(
                "settings",
                "warn",
                f"{path} can be read by others (mode {status.st_mode & 0o777:o}).",
                f"chmod 600 {shlex.quote(path)}",
            )


def _recipes(here: Broker) -> Iterator[Finding]:
    catalog = here.recipes
    entries = catalog.entries()
    local = sum(entry.tier == "local" for entry in entries)
    of_yours = f", {local} of them yours" if local else ""
    yield Finding("recipes", "ok", f"{ui.count(len(entries), 'service')}{of_yours}")
    for problem in catalog.problems:
        yield Finding("recipes", "warn", problem.message, problem.hint)
    yield from _sources(here)


def _sources(here: Broker) -> Iterator[Finding]:
    from arcrun_cli import sources

    for tier, is_well, how in sources.updates(here.settings, here.recipes).health():
        hint = None if is_well else "arcrun recipes update"
        yield Finding("recipes", "ok" if is_well else "warn", f"the {tier} source {how}", hint)


def _loopback(here: Broker) -> Iterator[Finding]:
    del here
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as listener:
                listener.bind((host, 0))
        except OSError as error:
            if family == socket.AF_INET:
                yield Finding(
                    "loopback",
                    "fail",
                    f"{host} cannot be listened on: {error.strerror}.",
                    "a login needs it to come back from the browser",
                )
            else:
                yield Finding("loopback", "ok", f"no {host} here; 127.0.0.1 is enough")
        else:
            yield Finding("loopback", "ok", f"{host} can be listened on")


def _browser(here: Broker) -> Iterator[Finding]:
    from arcrun_auth import browser

    if browser.available(here.settings.environ):
        yield Finding("browser", "ok", "a login can open one")
    else:
        yield Finding(
            "browser",
            "warn",
            "There is no graphical browser here.",
            "a login prints its address: open it elsewhere, paste where it ends",
        )


def _place(here: Broker) -> Iterator[Finding]:
    """Where this runs, and how a login would go here."""
    from arcrun_auth.people import Here
    from arcrun_auth.surroundings import look

    settings = here.settings
    seen = look(settings.environ)
    reach = Here(interactive=settings.flag("interactive"), environ=settings.environ).reach
    where = ", ".join(seen.places) or "no special place"
    yield Finding("place", "ok", f"{where}; ways in: {', '.join(ways_in(seen, reach))}")


def ways_in(seen: Surroundings, reach: Reach | None) -> list[str]:
    """How somebody who is reached like this can log in, or give a key."""
    if reach is None:
        return ["none, since nobody can be asked here"]
    ways = ["a browser on another machine" if seen.elsewhere else "a browser"]
    if reach == "desktop":
        return [*ways, "keys on a page of it"]
    tunnel = seen.ssh_hint(8423) if seen.elsewhere else None
    if tunnel is not None:
        ways.append(f"--port 8423 and a tunnel ({tunnel})")
    return [*ways, "its last address pasted here", "keys typed here"]


def _network(here: Broker) -> Iterator[Finding]:
    environ = here.settings.environ
    proxies = [f"{name}={without_password(environ[name])}" for name in PROXIES if environ.get(name)]
    yield Finding("network", "ok", "; ".join(proxies) if proxies else "no proxy is set")
    yield from _certificates(environ)


def _certificates(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in CERTIFICATES:
        path = environ.get(name)
        if path and not os.path.exists(path):
            yield Finding(
                "network",
                "fail",
                f"{name} names {path}, which is not there.",
                f"unset {name}, or correct it",
            )
        elif path:
            yield Finding("network", "ok", f"{name}={path}")


def without_password(url: str) -> str:
    """A proxy's URL for people to see."""
    scheme, colon, rest = url.rpartition("://")
    return f"{scheme}{colon}{rest.rpartition('@')[2]}"


def _clock(here: Broker) -> Iterator[Finding]:
    del here
    import time

    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    yield Finding("clock", "ok", f"{now} (not compared: doctor sends nothing)")


def _logins(here: Broker) -> Iterator[Finding]:
    """What will end soon, key by key and login by login."""
    count = 0
    warned = False
    for service in here.list_services().values():
        for instance, found in sorted(service.instances.items()):
            count += 1
            name = service.service if instance == "default" else f"{service.service}@{instance}"
            for warning in found.warnings:
                warned = True
                text, _, command = warning.partition(ARROW)
                yield Finding("logins", "warn", f"{name}: {text}", command)
    if not warned:
        yield Finding("logins", "ok", f"{ui.count(count, 'connection')}, none ends soon")


def _agent(here: Broker) -> Iterator[Finding]:
    found = agents.marker(here.settings.environ)
    if found is None:
        yield Finding("agent", "ok", "this is nobody's but yours")
    else:
        yield Finding("agent", "ok", f"{found} is set: what reveals a secret is refused here")


def _vault(here: Broker) -> Iterator[Finding]:
    from arcrun_cli import safe

    yield from safe.examine(here)


CHECKS: Mapping[str, Callable[[Broker], Iterator[Finding]]] = {
    "python": _python,
    "import": _import,
    "settings": _settings,
    "home": _home,
    "vault": _vault,
    "recipes": _recipes,
    "loopback": _loopback,
    "browser": _browser,
    "place": _place,
    "network": _network,
    "clock": _clock,
    "logins": _logins,
    "agent": _agent,
}
