"""Secrets from standard input: one as it is, several as JSON or as KEY=VALUE lines."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 1 << 20
"""How much do we read? The largest secret, a service's key file, has some kilobytes."""


def read_secrets(keys: Sequence[str], service: str) -> dict[str, str]:
    """The secrets of `service` from standard input, by name. UsageFault where it does not fit."""
    return parse(read(f"arcrun setup {service} asks for it hidden"), keys, service)


def read(hint: str) -> bytes:
    """Standard input, as it is. UsageFault with `hint` where that is the terminal."""
    if sys.stdin.isatty():
        raise UsageFault(
            "--stdin reads a pipe or a file, and standard input is the terminal.", hint
        )
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    _back_to_the_terminal()
    return data


def _back_to_the_terminal() -> None:
    """The pipe is read: whoever sits at the terminal can be asked again, for consent say."""
    if sys.stderr.isatty():
        with suppress(OSError):  # no terminal of our own: nobody is asked
            sys.stdin = open("/dev/tty", encoding=sys.stdin.encoding)  # noqa: SIM115 - stays open


def parse(
    data: bytes, keys: Sequence[str], service: str, command: str = "arcrun setup"
) -> dict[str, str]:
    """The same, from bytes. Nothing of them is repeated in an error.

    >>> parse(b"hunter2", ["notion_token"], "notion")
    {'notion_token': 'hunter2'}
    """
    hint = f"{command} {service} --help"
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise UsageFault("Standard input is not UTF-8 text.", hint) from None
    if not text:
        raise UsageFault("Standard input is empty: there is no secret in it.", hint)
    if len(data) > MAX_BYTES:
        raise UsageFault("Standard input has more than 1 MiB: that is no secret.", hint)
    named = _object(text, keys)
    if named is not None:
        return named
    if len(keys) == 1:
        return {keys[0]: text}
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    if all(equals and name.strip() for name, equals, _ in pairs):
        return {name.strip(): value.strip() for name, _, value in pairs}
    raise UsageFault(
        f"{service} has several secrets: {', '.join(keys)}.",
        "give them as a JSON object, or as lines of KEY=VALUE",
    )


def _object(text: str, keys: Sequence[str]) -> dict[str, str] | None:
    """A JSON object of texts; None for anything else: a secret may itself be JSON."""
    try:
        data = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        return None
    fits = all(any(key == name or key.endswith(f"_{name}") for key in keys) for name in data)
    return data if fits or len(keys) > 1 else None
