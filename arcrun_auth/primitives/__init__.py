"""What the primitives of recipes do: one small class each, loaded when it is asked for.

A recipe's `primitive` is the name of one of ours, or of one that an installed package brings
by the entry point group `arcrun_auth.primitives`.
"""

from __future__ import annotations

from arcrun_auth.errors import RecipeError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from arcrun_auth.primitives.base import Primitive

GROUP: Final = "arcrun_auth.primitives"
"""Under which entry point group does a package bring primitives of its own?"""

BUILT_IN: Final = {
    "static_key": "static_key:StaticKey",
    "oauth2": "oauth2:OAuth2",
    "service_account": "service_account:ServiceAccount",
    "signed_jwt": "signed_jwt:SignedJwt",
    "token_exchange": "token_exchange:TokenExchange",
    "oauth1": "oauth1:OAuth1",
    "digest": "digest:Digest",
    "mtls": "mtls:Mtls",
    "aws_sigv4": "aws_sigv4:AwsSigV4",
    "aws_assume_role": "aws_assume_role:AwsAssumeRole",
}
"""Where is each of ours? Module and class of this package."""

_loaded: dict[str, Primitive] = {}


def load(name: str) -> Primitive:
    """The primitive of that name. RecipeError where neither we nor a package here have it."""
    if name not in _loaded:
        _loaded[name] = _ours(BUILT_IN[name])() if name in BUILT_IN else _theirs(name)
    return _loaded[name]


def find(name: str) -> Primitive | None:
    """As `load`; None where nobody here has it."""
    try:
        return load(name)
    except RecipeError:
        return None


def _ours(place: str) -> type[Primitive]:
    from importlib import import_module

    module, _, name = place.partition(":")
    kind: type[Primitive] = getattr(import_module(f"{__name__}.{module}"), name)
    return kind


def _theirs(name: str) -> Primitive:
    from importlib.metadata import entry_points

    from arcrun_auth.primitives.base import Primitive

    for point in entry_points(group=GROUP, name=name):
        try:
            kind = point.load()
            is_one = isinstance(kind, type) and issubclass(kind, Primitive)
            made = kind() if is_one else None
        except Exception as error:  # noqa: BLE001 - a package of somebody else's may raise anything
            raise RecipeError(
                f"The package that brings the primitive {name!r} cannot be loaded: "
                f"{printable(point.value, 120)} raises {type(error).__name__}.",
                hint=f"python -c 'import {printable(point.module, 80)}' shows what is wrong",
            ) from None
        if isinstance(made, Primitive):
            return made
        raise RecipeError(
            f"What {printable(point.value, 120)} brings as the primitive {name!r} is no subclass "
            "of arcrun_auth.primitives.base.Primitive."
        )
    raise RecipeError(
        f"No package that is installed here brings the primitive {printable(name, 80)!r}.",
        hint="install the package that the recipe's documentation names, beside arcrun-auth",
    )
