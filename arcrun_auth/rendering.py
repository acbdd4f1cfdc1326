"""A recipe's method with the user's params filled in. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.errors import RecipeError
from arcrun_auth.template import Template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.model import Method, OAuth2


def values_of(way: Method, params: Mapping[str, str], service: str) -> dict[str, str]:
    """Every param of `way`, given or default. RecipeError names the one that does not fit."""
    try:
        return way.values(params)
    except ValueError as error:
        raise RecipeError(
            f"{service}: {error}.", service=service, hint=f"arcrun setup {service}"
        ) from None


def render(text: str, values: Mapping[str, str]) -> str:
    """A URL or host with its `{{param.x}}` filled in."""
    return Template.parse(text, strict=True).render({"param": values}) if "{{" in text else text


def endpoints(
    way: Method, params: Mapping[str, str], service: str, pinned: Mapping[str, str] | None = None
) -> OAuth2:
    """The authorization server of `way`, its URLs rendered.

    `pinned` are endpoints that its issuer named at the login: they fill what the recipe
    leaves open, and never stand in for what it says.
    """
    assert way.oauth2 is not None
    try:
        found = _rendered(way.oauth2, values_of(way, params, service))
    except ValueError as error:  # a param that the login has to bring, and it has not been yet
        raise RecipeError(
            f"{service}: {error}.", service=service, hint=f"arcrun setup {service}"
        ) from None
    named = {name: url for name, url in (pinned or {}).items() if not getattr(found, name, "-")}
    return msgspec.structs.replace(found, **named)


def _rendered(oauth2: OAuth2, values: Mapping[str, str]) -> OAuth2:
    # The app is not known here: its placeholder stands for itself.
    known = {"param": values, "client": {"id": "{{client.id}}"}}

    def fill(url: str) -> str:
        return Template.parse(url, strict=True).render(known) if "{{" in url else url

    urls = {
        name: fill(getattr(oauth2, name))
        for name in oauth2.__struct_fields__
        if name in ("issuer", "resource") or name.endswith("_endpoint")
    }
    swaps = {name: msgspec.structs.replace(swap, url=fill(swap.url)) for name, swap in oauth2.swaps}
    client = msgspec.structs.replace(oauth2.client, audience=fill(oauth2.client.audience))
    return msgspec.structs.replace(oauth2, client=client, **swaps, **urls)
