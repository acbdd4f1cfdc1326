"""Whether what came as a record is one: each field of the kind that it must be. Pure.

A member signs what it writes, and may mean harm, or be of a version that errs: what it sent must
not lie in the store of every other device, where each start would fail of it. Fields that are
not known here stay as they are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.tokens import Key

    Check = Callable[[Any], bool]

LONGEST_NAME = 300


def check(key: Key, body: Mapping[str, Any]) -> None:
    """ValueError where the body is none of a record, or the key names none for people to read."""
    if any(not part or printable(part, LONGEST_NAME) != part for part in key.parts):
        raise ValueError("its name is none")
    if not _fits(_RECORD, body) or body.keys() & {"key", "extra"}:
        raise ValueError("it is no record")


def _fits(shape: Mapping[str, Check], data: Any) -> bool:
    return isinstance(data, dict) and all(
        fits(data[name]) for name, fits in shape.items() if name in data
    )


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _time(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value)


def _bool(value: Any) -> bool:
    return isinstance(value, bool)


def _consents(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _fits(_CONSENT, each) and each.keys() >= _CONSENT.keys() for each in value.values()
    )


def _grant(value: Any) -> bool:
    return _fits(_GRANT, value)


_CONSENT: dict[str, Check] = {
    "digest": _text, "projection": lambda value: isinstance(value, dict), "hosts": _words,
    "tier": _text, "release": _text,
}  # fmt: skip
_GRANT: dict[str, Check] = {
    "access_token": _text, "refresh_token": _text, "relay": _text, "token_type": _text,
    "client": _text, "dead": _text, "issued": _time, "since": _time, "expires": _time,
    "refresh_expires": _time, "scopes": _words, "requested": _words, "kept": _texts,
    "secrets": _texts, "intent": lambda _: False,
}  # fmt: skip
_RECORD: dict[str, Check] = {
    "method": _text, "identity": _text, "secrets": _texts, "params": _texts, "endpoints": _texts,
    "ends": _time, "incomplete": _bool, "shared": _bool, "untested": _bool, "grant": _grant,
    "consents": _consents,
}  # fmt: skip
