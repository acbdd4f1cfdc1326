"""The SDKs themselves: imported when they are used, and missed with the cure."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from arcrun_auth.errors import AuthError


def load(module: str, package: str) -> Any:
    """The module of an SDK, imported now. AuthError with the command where it is missing.

    >>> load("json", "json").dumps([])
    '[]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # something that the SDK itself needs: its own error says more
        raise AuthError(f"{package} is not installed.", hint=f"pip install {package}") from None
