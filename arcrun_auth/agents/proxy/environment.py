"""The variables of a program that uses the proxy: addresses and the bearer, under the names that
SDKs read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.programs import is_own

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.catalog.entry import Entry

URL = "ARCRUN_PROXY_URL"
TOKEN = "ARCRUN_PROXY_TOKEN"  # noqa: S105 - a variable's name
SOCKET = "ARCRUN_PROXY_SOCKET"


def variables(entry: Entry, base_url: str) -> dict[str, str | None]:
    """The names for one service, each with its address, or None where the bearer goes.

    Whatever holds a secret of the service by its recipe gets the bearer: what stands there
    already, in the environment of whoever starts the program, is the real one.
    """
    prefix = entry.service.rpartition("/")[2].upper()
    named = [
        name
        for way in entry.methods
        for _, _, names in way.secrets
        for name in names
        if not is_own(name)
    ]
    return {f"{prefix}_BASE_URL": base_url, **dict.fromkeys(named or [f"{prefix}_API_KEY"])}


def filled(names: Mapping[str, str | None], bearer: str) -> dict[str, str]:
    """With the bearer where it goes."""
    return {name: bearer if value is None else value for name, value in names.items()}
