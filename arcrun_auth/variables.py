"""The names of the environment variables that hold secrets: computed forward, never parsed back."""

from __future__ import annotations

GRANT = ("access_token", "refresh_token")
"""What of an OAuth grant the environment may hold."""


def env_name(service: str, instance: str, key: str) -> str:
    """The variable that holds one secret.

    >>> env_name("notion", "default", "notion_token")
    'ARCRUN_NOTION_TOKEN'
    >>> env_name("aws_s3", "work.eu", "secret_access_key")
    'ARCRUN_AWS_S3__WORK_EU__SECRET_ACCESS_KEY'
    """
    service, key = _upper(service), _upper(key)
    key = key.removeprefix(service + "_") or key
    if instance == "default":
        return f"ARCRUN_{service}_{key}"
    return f"ARCRUN_{service}__{_upper(instance)}__{key}"


def _upper(text: str) -> str:
    for char in "-.+/":  # all that a name may hold beside letters, digits and _
        text = text.replace(char, "_")
    return text.upper()
