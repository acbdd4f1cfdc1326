"""The helper in Docker's configuration: one entry of `credHelpers` for each registry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, printable
from arcrun_cli.helpers import json_config
from arcrun_cli.helpers.wire import docker_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arcrun_cli.helpers.edits import Edit

HELPER = "arcrun"
"""What docker puts after `docker-credential-` to find the program, on the PATH."""

PROGRAM = f"docker-credential-{HELPER}"
_HELPERS = "credHelpers"


def file(environ: Mapping[str, str]) -> str:
    """The file that docker reads."""
    folder = environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return os.path.join(folder, "config.json")


def install(path: str, registries: Iterable[str]) -> Edit:
    """The file with our helper for `registries`. AuthError where another one serves them."""

    def change(held: dict[str, Any]) -> list[str]:
        lines = []
        for registry in map(docker_name, registries):
            other = held.get(registry)
            if other not in (None, HELPER):
                raise AuthError(
                    f"{registry} has another credential helper: {printable(str(other), 80)}.",
                    hint=f"take it out of {path} first, if you want that",
                )
            if other is None:
                held[registry] = HELPER
                lines.append(f'+     "{registry}": "{HELPER}"')
        return lines

    return _edited(path, change)


def remove(path: str, registries: Iterable[str] = ()) -> Edit:
    """The file without our helper, for these registries or for all."""
    wanted = set(map(docker_name, registries))

    def change(held: dict[str, Any]) -> list[str]:
        gone = [r for r, helper in held.items() if helper == HELPER and r in (wanted or held)]
        for registry in gone:
            del held[registry]
        return [f'-     "{registry}": "{HELPER}"' for registry in gone]

    return _edited(path, change)


def _edited(path: str, change: Callable[[dict[str, Any]], list[str]]) -> Edit:
    def within(data: dict[str, Any]) -> list[str]:
        held = json_config.section(data, _HELPERS, path)
        lines = change(held)
        if not lines:
            return []
        data[_HELPERS] = held
        if not held:
            del data[_HELPERS]
        return [f'  "{_HELPERS}"', *lines]

    # docker itself writes tabs.
    return json_config.edited(path, within, indent="\t")
