"""How a program uses one service: what an agent reads before it writes code.

Pure. It is instructions, so that only what this package itself vouches for becomes a sentence of
it: of a recipe that somebody else wrote come names and addresses of a fixed shape, and no words.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from arcrun_auth.errors import printable
from arcrun_auth.snippets import Snippet
from arcrun_auth.template import in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arcrun_auth.recipe.model import Recipe

USABLE = ("connected", "untested", "expired")
"""How does a connection stand that the next call can use? An expired token is renewed by it."""

MOST = 40
"""How many paths or scope sets do we list? The rest is in `arcrun show`."""

# What an address, a path or a name is made of, a verb before it. No space: no sentence.
_PLAIN = re.compile(r"((GET|HEAD|POST|PUT) )?[A-Za-z0-9._~:/?#@!$&()*+,;=%{}<>-]{1,200}")


def how_to(
    recipe: Recipe,
    instance: str | None = None,
    *,
    trusted: bool,
    status: str | None = None,
    identity: str | None = None,
) -> str:
    """Markdown for an agent: state, code that runs, what is read freely and what never.

    `trusted` says whether the recipe comes from those who make this package (`Entry.trusted`).
    `status` and `identity` are those of the connection (`report.Instance`); None: nobody looked.

    >>> from arcrun_auth.recipe.model import Recipe
    >>> print(how_to(Recipe(service="shop", primitive="static_key"), trusted=True).split("\\n")[2])
    Ask your human to run `arcrun setup shop` if `auth.LoginRequired` is raised.
    """
    name = f"{recipe.service}@{instance}" if instance else recipe.service
    if recipe.status == "closed":
        more = f" Use {_plain([recipe.successor])}." if trusted and recipe.successor else ""
        return f"# `{recipe.service}`\n\nThis service is closed.{more}\n"
    return "\n".join(
        [
            f"# {_title(recipe, trusted=trusted)}",
            "",
            _state(name, status, identity),
            "",
            f"```python\n{_program(recipe, instance or '', trusted=trusted)}\n```",
            "",
            *(f"- {line}" for line in _rules(recipe, name, trusted=trusted)),
            "",
        ]
    )


def _title(recipe: Recipe, *, trusted: bool) -> str:
    shown = printable(recipe.display_name) if trusted else ""
    return f"{shown} (`{recipe.service}`)" if shown else f"`{recipe.service}`"


def _state(name: str, status: str | None, identity: str | None) -> str:
    command = f"`arcrun setup {name}`"
    if status in USABLE:
        # Who named the account is not known: it is quoted, on the one line.
        known = f" as {json.dumps(printable(identity, 80), ensure_ascii=False)}" if identity else ""
        return f"`{name}` is connected{known}."
    if status is None:
        return f"Ask your human to run {command} if `auth.LoginRequired` is raised."
    return f"`{name}` is not usable ({status}). Ask your human to run {command} in a terminal."


def _program(recipe: Recipe, instance: str, *, trusted: bool) -> str:
    """The recipe's test request; of one that is not trusted the root: a body may hold words."""
    shown = recipe if trusted else msgspec.structs.replace(recipe, test=None)
    return Snippet(shown, instance, trusted=trusted).client(asynchronous=False)


def _rules(recipe: Recipe, name: str, *, trusted: bool) -> Iterator[str]:
    if not trusted:
        yield (
            "This recipe is not part of arcrun-auth. Its texts are left out here; your human reads "
            f"them with `arcrun show {recipe.service}`."
        )
    if trusted and recipe.status == "deprecated" and recipe.successor:
        yield f"It is deprecated: use {_plain([recipe.successor])} for what is new."
    way = recipe.way()
    if base := _plain([in_words(way.base_url)]):
        yield f"Paths are relative to {base}. Do not set `Authorization` yourself."
    if filled := _plain(f"{{{name}}}" for name in way.inject.path):
        yield f"Write {filled} in a path as it stands: it is filled in when the request is sent."
    if hosts := _plain(map(in_words, way.allowed_hosts)):
        yield f"The credential goes to {hosts}; any other host raises `auth.HostNotAllowed`."
    bound = json.dumps(name)
    yield f"Async: `async with auth.bind_async({bound}) as client:`, and `await` each call."
    if trusted and recipe.sdk is not None:
        sdk = recipe.sdk
        yield f"Official SDK ({sdk.package}): `arcrun snippet {name} --sdk {sdk.names[0]}`."
    if trusted:
        yield f"`requests`, `httpx`, `aiohttp`: `arcrun snippet {name} --sdk requests`."
    yield from _limits(recipe)
    if trusted and way.oauth2 is not None and (sets := _plain(way.oauth2.scope_sets)):
        yield f"Sets of scopes: {sets}; your human chooses with `arcrun setup {name} --scopes SET`."
    if trusted and recipe.docs_url:
        yield f"Documentation of the API: {printable(recipe.docs_url, 200)}"
    yield (
        "`auth.LoginRequired`, `auth.MissingSecret` and `auth.MissingScope` carry `.hint`: the "
        "command that your human has to type. Never ask for a key, and never print one."
    )


def _limits(recipe: Recipe) -> Iterator[str]:
    """What the tools and the proxy of agents let through. Code that a human runs may do more."""
    agent = recipe.agent
    verbs = "" if agent.rpc else "GET, HEAD"
    read = _plain(f"{each.method} {each.path}" for each in agent.read if not each.graphql)
    queries = _plain(f"{each.method} {each.path}" for each in agent.read if each.graphql)
    asked = f"GraphQL queries by {queries}" if queries else ""
    shown = ", ".join(filter(None, (verbs, read, asked))) or "nothing"
    yield f"By `arcrun mcp` and `arcrun proxy` you read with {shown}; your human allows the rest."
    if never := _plain(recipe.deny_paths):
        yield f"They never let you call {never}."


def _plain(texts: Iterable[str]) -> str:
    """Those of a fixed shape, as code, separated by commas; the others are no part of it."""
    good = list(filter(_PLAIN.fullmatch, texts))
    more = f" and {len(good) - MOST} more" if len(good) > MOST else ""
    return ", ".join(f"`{text}`" for text in good[:MOST]) + more
