"""For tests of code that uses this library, of recipes and of stores."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from arcrun_auth.testing._quirks import Quirks
    from arcrun_auth.testing.conformance import Conformance, conform
    from arcrun_auth.testing.provider import Provider
    from arcrun_auth.testing.somebody import Somebody
    from arcrun_auth.testing.store_contract import StoreContract, StoreReadContract

__all__ = [
    "Conformance", "Provider", "Quirks", "Somebody", "StoreContract", "StoreReadContract",
    "conform",
]  # fmt: skip

_HOMES = {
    "Conformance": "conformance",
    "Provider": "provider",
    "Quirks": "_quirks",
    "Somebody": "somebody",
    "StoreContract": "store_contract",
    "StoreReadContract": "store_contract",
    "conform": "conformance",
}
"""In which module does each name live? It is loaded when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
