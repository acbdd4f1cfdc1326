"""The words that all parts of a recipe are made of."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Python's `$` also matches before a last line break; `(?!\n)` ends that, in any dialect.
ServiceId = Annotated[
    str, Meta(pattern=r"^([a-z0-9-]+/)?_?[a-z0-9]+(_[a-z0-9]+)*$(?!\n)", max_length=128)
]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$(?!\n)")]
Text = Annotated[str, Meta(max_length=300)]
Url = Annotated[str, Meta(max_length=2048)]
Host = Annotated[str, Meta(max_length=253)]
# RFC 6749 §3.3
Scope = Annotated[str, Meta(pattern=r"^[!#-\[\]-~]+$(?!\n)", max_length=300)]
Strings = dict[str, str]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What all parts of a recipe share: frozen, strict, defaults left out when written."""


class Ok(Model, frozen=True):
    """An answer counts as good only if the value at `path` equals this one."""

    path: str
    """Where to look in the answer."""
    equals: bool | int | str = True
    """What has to stand there."""


class Verified(Model, frozen=True):
    """Where the facts of this recipe come from."""

    date: str
    """When they were last checked: YYYY-MM-DD."""
    method: Literal["live", "doc", "code"]
    """`live`: tried; `doc`: two sources agree; `code`: unconfirmed."""
    sources: tuple[str, ...] = ()
    """The pages and files they were taken from."""
