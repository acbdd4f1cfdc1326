"""The recipes of a platform: nobody signed them, so they stand below all others.

Anybody may have written them, on a platform that lets anybody write. They are read as the
platform means them, unknown fields ignored, and what cannot be read is left out by itself.
No key is ever sent along: the list is public.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from arcrun_auth import lint
from arcrun_auth.errors import AuthError, RecipeError, printable
from arcrun_auth.platform_api import understood
from arcrun_auth.recipe import load, reader
from arcrun_auth.remote.download import base, download, host_of
from arcrun_auth.remote.lockfile import Held
from arcrun_auth.remote.source import Fetched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.remote.download import Budget
    from arcrun_auth.remote.source import Wish

# Names that differ in case alone collide there: lower case is the one that counts.
_SERVICE = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
MAX_RECIPES = 1000
"""How many items of a list do we read, usable or not? Each costs some milliseconds."""
_NOT_MODIFIED, _NOT_FOUND = 304, 404


def fetch(wish: Wish) -> Fetched | None:
    """All recipes of the platform at `server`, or None where they are those that are held.

    AuthError for anything but a list, ProviderUnavailable where it may pass.
    """
    url = base("server", wish.settings.get("server"))
    mark = wish.mark if wish.held is not None and wish.held.source == url else ""
    answer = _ask(wish, f"{url}auth-recipes", mark)
    if answer.status == _NOT_MODIFIED:
        return None
    listed = understood(answer, host_of(url), time.time()).get("recipes")
    if not isinstance(listed, list):
        raise AuthError(f"{host_of(url)} answered without a list of recipes.")
    texts, unusable = _texts(listed, wish.budget, host_of(url))
    return Fetched(Held("", {}, source=url), texts, answer.headers.get("etag", ""), unusable)


def fetch_one(service: str, wish: Wish) -> Fetched | None:
    """What is held and the recipe of one more service, None where the platform has no usable
    one of that name. Raises as `fetch` does."""
    url = base("server", wish.settings.get("server"))
    if not _SERVICE.fullmatch(service):
        return None
    answer = _ask(wish, f"{url}auth-recipes/{service}", "")
    if answer.status == _NOT_FOUND:
        return None
    host = host_of(url)
    texts, _ = _texts([understood(answer, host, time.time()).get("recipe")], wish.budget, host)
    name = f"{service}.yaml"
    if name not in texts:  # it gave another one than it was asked for, or none that is usable
        return None
    held = wish.texts if wish.held is not None and wish.held.source == url else {}
    return Fetched(Held("", {}, source=url), {**held, name: texts[name]}, mark="")


def _ask(wish: Wish, url: str, mark: str) -> Answer:
    headers = {"accept": "application/json"}
    if mark:
        headers["if-none-match"] = mark
    return download(url, wish.budget, allow=wish.settings.allow_hosts, headers=headers, hops=0)


def _texts(
    listed: Sequence[object], budget: Budget, host: str
) -> tuple[dict[str, str], dict[str, str]]:
    """The usable ones of what is listed, by file name; and the others, with the reason.

    ProviderUnavailable where `budget` ends before the list."""
    texts: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for index, item in enumerate(listed):
        budget.left(host, "gave no list that could be read")
        service = item.get("service") if isinstance(item, dict) else None
        name = printable(str(service), 80)
        if index == MAX_RECIPES:
            unusable[name] = f"there are more than {MAX_RECIPES}"
            break
        if not isinstance(service, str) or not _SERVICE.fullmatch(service):
            unusable[name] = "this is no name of a service"
            continue
        try:
            text = json.dumps(item, ensure_ascii=False, indent=1)
            _check(reader.parse(text))
        except RecipeError as error:
            unusable[service] = error.message
        except RecursionError:
            unusable[service] = "it is nested too deeply"
        else:
            texts.setdefault(f"{service}.yaml", text)
    return texts, unusable


def _check(document: reader.Document) -> None:
    """RecipeError for what is no recipe even there, and for a name that would make a variable
    of ours (the vault's key, a setting) look like its secret."""
    recipe = load(document, tolerant=True)
    subject = lint.Subject(document, recipe, document.data, "platform")
    for finding in lint.errors(lint.between([subject])):
        raise RecipeError(finding.message, service=recipe.service, field=finding.field)
