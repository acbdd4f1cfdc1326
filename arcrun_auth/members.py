"""The members of secrets that are JSON texts, under names of their own. Pure.

>>> of("key_file", Secret('{"client_email": "bot@example.com", "n": 7}'))["key_file.client_email"]
Secret('***')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from arcrun_auth.recipe.model import Method


def flattened(way: Method, secrets: Mapping[str, Secret]) -> dict[str, Secret]:
    """`secrets`, and beside each JSON text its members: `key_file.client_email`."""
    found = dict(secrets)
    for secret in way.required_secrets:
        if secret.type == "json_blob" and secret.key in secrets:
            found |= of(secret.key, secrets[secret.key])
    return found


def of(key: str, text: Secret) -> dict[str, Secret]:
    """The texts and numbers in a JSON object, by `key.member`; nothing where it is none."""
    return {
        f"{key}.{name}": Secret(str(value))
        for name, value in (parsed(text.reveal()) or {}).items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    }


def parsed(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; None where there is none."""
    import json

    try:
        data = json.loads(text)
        json.dumps(data, ensure_ascii=False).encode()  # half a character can be sent nowhere
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
