"""The part of a recipe about the service's official SDK.

It ends in code that people run (`arcrun snippet SERVICE --sdk NAME`), so it is names, not code:
fixed templates put them together.
"""

from __future__ import annotations

import keyword
from typing import Annotated

import msgspec
from msgspec import Meta

from arcrun_auth.recipe.types import Model, Name

# PEP 508: the name of a distribution. Identifiers are ASCII here, and none is private.
Package = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$(?!\n)", max_length=64)
]
Identifier = Annotated[str, Meta(pattern=r"^([A-Za-z][A-Za-z0-9_]{0,63})?$(?!\n)", max_length=64)]
Module = Annotated[
    str,
    Meta(pattern=r"^([A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*)?$(?!\n)", max_length=128),
]
Call = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z][A-Za-z0-9_]*(\(\))?(\.[A-Za-z][A-Za-z0-9_]*(\(\))?)*)?$(?!\n)",
        max_length=128,
    ),
]


class Sdk(Model, frozen=True):
    """An SDK and how it takes a credential. Honoured in bundled recipes only."""

    package: Package
    """What is installed with pip."""
    module: Module = msgspec.field(default="", name="import")
    """The module that the class is imported from."""
    function: Identifier = msgspec.field(default="", name="class")
    """What makes the client: a class that is imported, else a method of what `adapter` gives,
    else `adapter` itself."""
    arguments: tuple[Name, ...] = ()
    """Texts that it takes first: `[drive, v3]`."""
    argument: Identifier = ""
    """The keyword that takes the credential; the next argument in order if not given."""
    adapter: Identifier = "get_token"
    """What of `auth` is passed: `token_provider`, `bind`, …; the text of a token by `get_token`."""
    call: Call = ""
    """A harmless call of the client, without arguments: `models.list()`."""

    def __post_init__(self) -> None:
        """ValueError for a word that Python keeps for itself."""
        for text in (self.module, self.function, self.argument, self.adapter, self.call):
            for word in text.replace("()", "").split("."):
                if keyword.iskeyword(word):
                    raise ValueError(f"{word!r} is a keyword of Python")
        if self.module and not self.function:
            raise ValueError("an import needs the class")
        if not self.adapter:
            raise ValueError("an adapter is needed")

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be called by: its package, and the module at its root."""
        root = self.module.partition(".")[0]
        return tuple(dict.fromkeys(name for name in (self.package, root) if name))
