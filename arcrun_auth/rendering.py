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


def endpoints(way: Method, params: Mapping[str, str], service: str) -> OAuth2:
    """The authorization server of `way`, its URLs rendered, up to the app that one may name."""
    assert way.oauth2 is not None
    values = values_of(way, params, service)
    oauth2 = way.oauth2
    refresh = msgspec.structs.replace(oauth2.refresh, url=render(oauth2.refresh.url, values))
    urls = {
        name: render(getattr(oauth2, name), values)
        for name in oauth2.__struct_fields__
        if name == "issuer" or (name.endswith("_endpoint") and name != "revocation_endpoint")
    }
    # It may name the app, which is not known here: that one placeholder stays.
    known = {"param": values, "client": {"id": "{{client.id}}"}}
    urls["revocation_endpoint"] = Template.parse(oauth2.revocation_endpoint, strict=True).render(
        known
    )
    return msgspec.structs.replace(oauth2, refresh=refresh, **urls)
