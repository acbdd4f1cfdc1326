"""What a recipe asks for, as fields of a page. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.landing import Field

if TYPE_CHECKING:
    from arcrun_auth.recipe.model import Param, RequiredSecret


def of_param(name: str, param: Param) -> Field:
    """A param's field, which shows what is typed and takes only what fits."""

    def check(value: str) -> str | None:
        try:
            param.check(name, value)
        except ValueError as error:
            return f"Sorry, {error}."
        return None

    return Field(
        name,
        param.label or name,
        help=param.help,
        hidden=False,
        choices=param.enum,
        check=check,
    )


def of_secret(secret: RequiredSecret) -> Field:
    """A secret's field. One that only looks odd is taken, as at the terminal."""
    return Field(
        secret.key,
        secret.label or secret.key,
        help=secret.help,
        help_url=secret.help_url,
        optional=secret.optional,
        lines=secret.type in ("json_blob", "pem", "file"),
    )
