"""A recipe from an OpenAPI document: 2.0 (Swagger), 3.0 or 3.1. Pure.

>>> document = {
...     "openapi": "3.1.0",
...     "info": {"title": "Shop API"},
...     "servers": [{"url": "https://api.shop.example/v1"}],
...     "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
... }
>>> name, address = service_name(document), address_of(document)
>>> draft(document, name, address).recipe().inject.header
{'Authorization': 'Bearer {{secret.shop_token}}'}
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting import servers, texts
from arcrun_auth.drafting.document import as_map, as_text
from arcrun_auth.drafting.draft import Draft, Way
from arcrun_auth.drafting.requests import proof
from arcrun_auth.drafting.schemes import Schemes
from arcrun_auth.errors import RecipeError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.drafting.draft import Address

__all__ = ["address_of", "draft", "is_openapi", "service_name", "title_of"]

address_of = servers.address

_LINK = re.compile(r"https://[A-Za-z0-9.-]+(?:[/?#][!-~]*)?")
_KEYS = {"static_key": "key", "oauth2": "oauth", "digest": "digest"}


def is_openapi(document: Mapping[str, Any]) -> bool:
    """Whether this is an OpenAPI document of any version."""
    return "openapi" in document or "swagger" in document


def title_of(document: Mapping[str, Any]) -> str:
    """What people call the service; empty where the document does not say."""
    return texts.title(as_text(as_map(document.get("info")).get("title")))


def service_name(document: Mapping[str, Any]) -> str:
    """The name it would have in commands; empty where none can be made of the title."""
    return texts.slug(title_of(document))


def check_version(document: Mapping[str, Any]) -> None:
    """RecipeError for a version of OpenAPI that nobody here can read."""
    version = str(document.get("swagger") or document.get("openapi"))
    if not re.match(r"2\.0\b|3\.\d", version):
        raise RecipeError(f"This is version {printable(version, 20)!r} of OpenAPI, not 2.0 or 3.x.")


def draft(
    document: Mapping[str, Any], service: str, address: Address, ways: Iterable[Way] = ()
) -> Draft:
    """The recipe that follows from `document`; `ways` stand in for what it says of logging in.

    RecipeError where it names no way in that can be used, with the reason for each.
    """
    check_version(document)
    found = proof(document)
    draft_ = Draft(
        {
            "service": service, **_about(document), "base_url": address.base_url,
            **({"params": address.params} if address.params else {}),
            **_docs(document), **({"test": found.test} if found else {}),
        },
        (),
        {("base_url",): address.note} if address.note else {},
    )  # fmt: skip
    given = tuple(ways)
    if given:
        return Draft(draft_.fields, given, draft_.notes)
    schemes = Schemes(document, service, address.base_url)
    usable = []
    for way in schemes.ways(found):
        why = draft_.fits(way)
        if why is None:
            usable.append(way)
        else:
            schemes.left.append(why)
    if not usable:
        raise _nothing(schemes.left, service)
    notes = dict(draft_.notes)
    if schemes.left:
        told = [f"- {texts.clean(why)}" for why in schemes.left]
        notes["primitive",] = "\n".join(["Of the document's ways in these are left out:", *told])
    return Draft(draft_.fields, tuple(_named(usable)), notes)


def _about(document: Mapping[str, Any]) -> dict[str, str]:
    info = as_map(document.get("info"))
    about = texts.sentence(as_text(info.get("summary")) or as_text(info.get("description")))
    found = {"display_name": title_of(document), "description": about}
    return {name: text for name, text in found.items() if text}


def _docs(document: Mapping[str, Any]) -> dict[str, str]:
    url = as_text(as_map(document.get("externalDocs")).get("url"))
    return {"docs_url": url} if _LINK.fullmatch(url) else {}


def _named(usable: list[Way]) -> Iterable[Way]:
    """With ids where two would have the same one."""
    used: set[str] = set()
    for way in usable:
        name = usual = str(way.fields.get("id") or _KEYS[way.fields["primitive"]])
        number = 1
        while name in used:
            number += 1
            name = f"{usual}{number}"
        used.add(name)
        fields = way.fields if name == usual else {"id": name} | way.fields | {"id": name}
        yield Way(fields, way.notes)


def _nothing(left: Iterable[str], service: str) -> RecipeError:
    reasons = "; ".join(why.rstrip(".") for why in left) or "it has no security schemes"
    return RecipeError(
        f"This document names no way in that can be used: {printable(reasons, 1000)}.",
        service=service,
        hint="say it yourself: --auth bearer, and its siblings",
    )
