"""Paths into answers: `a.b[0].c`, `x || y`, `header:Name`; and into bodies that are built.

>>> pick({"data": [{"id": 7}]}, "data[0].id")
7
>>> pick({"id": "u1"}, "email || id")
'u1'
>>> pick({}, "header:X-Request-Id", {"x-request-id": "r1"})
'r1'
"""

from __future__ import annotations

import re
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Steps = tuple[str | int, ...]

_HEADER = re.compile(r"header:([A-Za-z0-9!#$%&'*+.^_`|~-]+)")  # a token of RFC 9110 §5.6.2
_STEP = re.compile(r"(?:(?:\A|(?!\A)\.)([A-Za-z0-9_@$-]+)|\[([0-9]{1,4})\])")
MAX_LENGTH = 300
"""How long may a path be, in characters?"""


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that an answer is; None for any other content.

    >>> json_object(b'{"id": 7}'), json_object(b"[7]"), json_object(b"<html>")
    ({'id': 7}, None, None)
    """
    import json

    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


@lru_cache(maxsize=256)
def parse(path: str) -> tuple[str | Steps, ...]:
    """The alternatives of `path`: steps into the body, or the name of a header.

    Raises ValueError where `path` is none. The empty path is the whole answer.
    """
    if not path:
        return ((),)
    if len(path) > MAX_LENGTH:
        raise ValueError(f"a path has at most {MAX_LENGTH} characters")
    return tuple(_alternative(part.strip()) for part in path.split("||"))


def _alternative(text: str) -> str | Steps:
    header = _HEADER.fullmatch(text)
    if header:
        return header[1]
    steps: list[str | int] = []
    end = 0
    while end < len(text):
        match = _STEP.match(text, end)
        if match is None:
            break
        steps.append(match[1] if match[1] is not None else int(match[2]))
        end = match.end()
    if not steps or end < len(text):
        raise ValueError(f"{text!r} is no path: write a.b[0].c, x || y or header:Name")
    return tuple(steps)


def pick(data: Any, path: str, headers: Mapping[str, str] | None = None) -> Any | None:
    """What stands at `path` in the JSON value `data`; None where there is nothing.

    Of alternatives the first wins that is there and neither null nor an empty string.
    `headers` serves `header:Name`, whatever the case of its names. Never raises on any
    JSON; ValueError on a path that is none.
    """
    for alternative in parse(path):
        if isinstance(alternative, str):
            found = _header(alternative, headers or {})
        else:
            found = _walk(data, alternative)
        if found is not None and found != "":
            return found
    return None


def put(data: dict[str, Any], path: str, value: str) -> None:
    """Sets what stands at `path`: names with dots between them, and nothing else.

    >>> data = {"a": {"b": 1}}
    >>> put(data, "a.c", "2")
    >>> data
    {'a': {'b': 1, 'c': '2'}}
    """
    *parents, last = path.split(".")
    for name in parents:
        below = data.get(name)
        if not isinstance(below, dict):
            below = data[name] = {}
        data = below
    data[last] = value


def _walk(data: Any, steps: Steps) -> Any | None:
    for step in steps:
        if isinstance(step, str):
            data = data.get(step) if isinstance(data, dict) else None
        else:
            data = data[step] if isinstance(data, list) and step < len(data) else None
    return data


def _header(name: str, headers: Mapping[str, str]) -> str | None:
    lower = name.lower()
    return next((value for key, value in headers.items() if key.lower() == lower), None)
