"""A grant of an authorization server. How it is asked for and renewed: `authority.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.primitives.base import Primitive
from arcrun_auth.recipe.parameters import ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place


class OAuth2(Primitive):
    """An OAuth 2 grant, by a login or to the app itself."""

    label = "log in with the browser (OAuth 2)"
    method_id = "oauth"
    source = "grant"
    has_server = True

    def servers(self, way: Method) -> Iterable[tuple[Place, str]]:
        """Its endpoints, but for those that only the eyes of a person go to."""
        oauth2 = way.oauth2
        if oauth2 is None:
            return
        for_eyes = {"authorization_endpoint"} | (set() if oauth2.discovery else {"issuer"})
        for name in ENDPOINTS:
            if name not in for_eyes and (url := getattr(oauth2, name)):
                yield ("oauth2", name), url
        for name, swap in oauth2.swaps:
            if swap.url:
                yield ("oauth2", name, "url"), swap.url
