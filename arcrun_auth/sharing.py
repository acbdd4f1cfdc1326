"""What of a recipe a platform takes, what it drops without a word, and what came back. Pure.

>>> dropped({"service": "shop", "oauth2": {}, "required_secrets": [{"key": "k", "env": []}]})
['oauth2', 'required_secrets[0].env']
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import printable
from arcrun_auth.recipe import derived, merge
from arcrun_auth.recipe.reader import spell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arcrun_auth.recipe.reader import Document, Place

# Which fields does the platform know? A map: these of its fields; a list: these of each item;
# True: all of it. Whatever else is posted is accepted there, and is gone.
KEPT: Mapping[str, Any] = {
    **dict.fromkeys((
        "kind", "service", "version", "primitive", "base_url", "display_name", "description",
        "service_account_kind",
    ), True),
    "token_exchange": {"endpoint": True, "scopes": True},
    "required_secrets": [
        dict.fromkeys(("key", "label", "help", "help_url", "type", "optional"), True)
    ],
    "inject": dict.fromkeys(("header", "query", "body", "path"), True),
}  # fmt: skip
NEEDED = ("service", "primitive", "base_url", "required_secrets", "inject")
"""Without which fields does it refuse one?"""

_PAGE = re.compile(r"https?://[^\s]+")


def payload(document: Document, bases: Mapping[str, Document]) -> dict[str, Any]:
    """What is posted of a recipe: all that its file and its bases state, and what follows from
    that of the fields the platform wants."""
    stated = merge(document, bases)
    stated.pop("extends", None)
    wanted: dict[str, Any] = {"primitive": derived.primitive_of(stated)}
    if (wanted["primitive"] or stated.get("primitive")) == "static_key":
        wanted["inject"] = derived.bearer(stated)
    if isinstance(service := stated.get("service"), str):
        wanted["display_name"] = derived.title(service)
    return stated | {name: value for name, value in wanted.items() if value and name not in stated}


def unfit(data: Mapping[str, Any]) -> list[str]:
    """Why a platform would refuse it, in words; nothing where it would not."""
    found = [f"There is no {name}." for name in NEEDED if not data.get(name)]
    for index, secret in enumerate(data.get("required_secrets") or ()):
        if not _PAGE.fullmatch(str(secret.get("help_url", ""))):
            where = f"required_secrets[{index}].help_url"
            found.append(f"{where}: the page where {secret.get('key')} is found is missing.")
    return found


def dropped(data: Mapping[str, Any]) -> list[str]:
    """The fields that the platform does not know, as people write their places."""
    return [spell(place) for place in _unknown(data, KEPT, ())]


def _unknown(data: Any, known: Any, at: Place) -> Iterator[Place]:
    if isinstance(known, dict) and isinstance(data, dict):
        for name, value in data.items():
            if name in known:
                yield from _unknown(value, known[name], (*at, name))
            else:
                yield (*at, name)
    elif isinstance(known, list) and isinstance(data, list):
        for index, item in enumerate(data):
            yield from _unknown(item, known[0], (*at, index))


def lost(sent: Mapping[str, Any], received: Mapping[str, Any]) -> list[str]:
    """What of `sent` is not in `received` any more, or is another value there, in words.

    What a platform adds of its own is no loss.

    >>> lost({"a": 1, "b": {"c": "x"}}, {"a": 1, "b": {"c": "y"}, "created_at": 0})
    ["b.c is 'y' there, not 'x'"]
    """
    return list(_lost(sent, received, ()))


def _lost(sent: Any, received: Any, at: Place) -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(received, dict):
        for name, value in sent.items():
            if name in received:
                yield from _lost(value, received[name], (*at, name))
            else:
                yield f"{spell((*at, name))} is gone"
    elif isinstance(sent, list) and isinstance(received, list) and len(sent) == len(received):
        for index, item in enumerate(sent):
            yield from _lost(item, received[index], (*at, index))
    elif sent != received or type(sent) is not type(received):
        yield f"{spell(at)} is {_shown(received)} there, not {_shown(sent)}"


def _shown(value: object) -> str:
    return printable(repr(value), 80)
