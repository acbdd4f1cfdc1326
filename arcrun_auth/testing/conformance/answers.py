"""Answers as a recipe says that its service words them: from the recipe's paths to JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.oauth2 import TokenResponse

_STEP = re.compile(r"([A-Za-z0-9_@$-]+)|\[([0-9]+)\]")


class Answer:
    """An answer that grows: `put` sets what stands at a path, in the body or in a header.

    >>> answer = Answer()
    >>> answer.put("data[0].id || id", "7")
    >>> answer.data
    {'data': [{'id': '7'}]}
    """

    def __init__(self) -> None:
        self.data: Any = {}
        self.headers: dict[str, str] = {}

    def put(self, path: str, value: object) -> None:
        """The first of several paths is the one that counts; an empty path is no place."""
        first = path.partition("||")[0].strip()
        if first.startswith("header:"):
            self.headers[first.removeprefix("header:")] = str(value)
        elif first:
            steps = [name or int(index) for name, index in _STEP.findall(first)]
            self.data = _with(self.data, steps, value)


def _with(data: Any, steps: list[str | int], value: object) -> Any:
    if not steps:
        return value
    first, *rest = steps
    if isinstance(first, int):
        items = data if isinstance(data, list) else []
        items += [{} for _ in range(first + 1 - len(items))]
        items[first] = _with(items[first], rest, value)
        return items
    found = data if isinstance(data, dict) else {}
    found[first] = _with(found.get(first), rest, value)
    return found


def token(given: Mapping[str, Any], how: TokenResponse, *, now: float, **kept: str) -> Answer:
    """A token answer of RFC 6749 §5.1 (`given`) as `how` says that it is worded."""
    answer = Answer()
    below = f"{how.root.partition('||')[0].strip()}." if how.root else ""

    def put(path: str, value: object) -> None:
        in_header = path.startswith("header:")
        answer.put(path if in_header or not path else below + path, value)

    put(how.access_token, given["access_token"])
    for name in ("refresh_token", "scope"):
        if name in given:
            put(getattr(how, name), given[name])
    put("token_type", "Bearer")
    seconds, factor = given["expires_in"], 1000 if how.expires_unit == "ms" else 1
    if how.expires_at:
        date = datetime.fromtimestamp(now + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        put(how.expires_at, int((now + seconds) * factor) if factor > 1 else date)
    elif how.default_expires_in is None:
        put(how.expires_in, int(seconds * factor))
    for name, path in how.keep.items():
        answer.put(path, kept[name])
    if how.ok is not None:
        answer.put(how.ok.path, how.ok.equals)
    return answer


def refusal(error: str, words: str, how: TokenResponse) -> Answer:
    """An error answer of RFC 6749 §5.2."""
    answer = Answer()
    answer.put(how.error, error)
    answer.put(how.error_description, words)
    if how.ok is not None:
        failed = {True: False, False: True}.get(how.ok.equals, "no")  # type: ignore[call-overload]
        answer.put(how.ok.path, failed)
    return answer
