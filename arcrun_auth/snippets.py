"""The programs that `arcrun snippet` prints: fixed templates, filled from a recipe.

A recipe's own words get in as Python literals, or as identifiers that were checked when the
recipe was read. The result holds no secret.
"""

from __future__ import annotations

import json
import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.recipe.model import Method, Recipe
    from arcrun_auth.recipe.sdk import Sdk

SYNC = """\
# pip install arcrun-auth
from arcrun import auth

with auth.bind({bound}) as {name}:
    answer = {name}.{call}
    answer.raise_for_status()
    print({read})"""

ASYNC = """\
# pip install arcrun-auth
import asyncio

from arcrun import auth


async def main():
    async with auth.bind_async({bound}) as {name}:
        answer = await {name}.{call}
        answer.raise_for_status()
        print({read})


asyncio.run(main())"""

REQUESTS = """\
# pip install arcrun-auth requests
import requests
from arcrun import auth

answer = requests.{method}(
    {url},
    auth=auth.requests_auth({bound}),{options}
    timeout=30,
)
answer.raise_for_status()
print({read})"""

HTTPX = """\
# pip install arcrun-auth {library}
import {library}
from arcrun import auth

with {library}.Client(auth=auth.httpx_auth({bound})) as client:
    answer = client.{method}(
        {url},{options}
    )
    answer.raise_for_status()
    print({read})"""

AIOHTTP = """\
# pip install arcrun-auth aiohttp
import asyncio

import aiohttp
from arcrun import auth


async def main():
    signs = auth.aiohttp_middleware({bound})
    async with aiohttp.ClientSession(middlewares=(signs,)) as session:
        async with session.{method}(
            {url},{options}
        ) as answer:
            answer.raise_for_status()
            print(await {read})


asyncio.run(main())"""

SDK = """\
# pip install arcrun-auth {package}
from arcrun import auth{imported}

{name} = {made}{shown}"""

ANYWHERE = {"requests": REQUESTS, "httpx": HTTPX, "httpx2": HTTPX, "aiohttp": AIOHTTP}
"""The libraries that serve every service."""

_INDENT = {REQUESTS: 4, HTTPX: 8, AIOHTTP: 12}


@dataclass(frozen=True)
class Snippet:
    """What to print a program for: a recipe, and an instance or none."""

    recipe: Recipe
    instance: str = ""
    trusted: bool = True

    @property
    def sdk(self) -> Sdk | None:
        """The recipe's SDK. Of one that somebody else wrote nothing is to be installed."""
        return self.recipe.sdk if self.trusted else None

    @property
    def names(self) -> dict[str, str]:
        """By what `--sdk` may be called here, the package that it is."""
        own = dict.fromkeys(self.sdk.names, self.sdk.package) if self.sdk is not None else {}
        return own | {name: name for name in ANYWHERE}

    def client(self, *, asynchronous: bool) -> str:
        """With a client of ours."""
        return (ASYNC if asynchronous else SYNC).format(
            bound=self._bound("instance="),
            name=_variable(self.recipe.service),
            call=_call(self.recipe.way(), 12 if asynchronous else 8),
            read="answer.text" if _says_xml(self.recipe.way()) else "answer.json()",
        )

    def with_sdk(self, name: str) -> str:
        """With the SDK or library of that name, one of `names`."""
        if self.sdk is not None and name in self.sdk.names:
            return self._own(self.sdk)
        way, template = self.recipe.way(), ANYWHERE[name]
        between = f"\n{'':{_INDENT[template]}}"
        options = "".join(
            between + each.replace("\n", between) + "," for each in _options(way, _content(name))
        )
        text = "answer.text()" if template is AIOHTTP else "answer.text"
        return template.format(
            library=name,
            read=text if _says_xml(way) else "answer.json()",
            method=way.test.method.lower() if way.test is not None else "get",
            url=json.dumps(_url(way), ensure_ascii=False),
            bound=self._bound(),
            options=options,
        )

    def _own(self, sdk: Sdk) -> str:
        made = f"auth.{sdk.adapter}({self._bound()})"
        if sdk.adapter == "get_token":
            made += ".access_token"
        texts = [json.dumps(text) for text in sdk.arguments]
        if sdk.module:
            given = f"{sdk.argument}={made}" if sdk.argument else made
            made = f"{sdk.function}({', '.join([*texts, given])})"
        elif sdk.function:
            made += f".{sdk.function}({', '.join(texts)})"
        name = _variable(self.recipe.service)
        return SDK.format(
            package=sdk.package,
            imported=f"\nfrom {sdk.module} import {sdk.function}" if sdk.module else "",
            name=name,
            made=made,
            shown=f"\nprint({name}.{sdk.call})" if sdk.call else "",
        )

    def _bound(self, named: str = "") -> str:
        service = json.dumps(self.recipe.service)
        return f"{service}, {named}{json.dumps(self.instance)}" if self.instance else service


def _variable(service: str) -> str:
    """A name for the client: the service's own, where that is one."""
    name = service.rpartition("/")[2]
    return name if name.isidentifier() and not keyword.iskeyword(name) else "client"


def _call(way: Method, indent: int = 8) -> str:
    """The recipe's harmless test request, or the root of the API; broken where it is long."""
    test = way.test
    if test is None:
        return 'get("/")'
    arguments = [json.dumps(_filled(test.url or test.path, way))]
    if test.body:
        arguments.append(_body(test.body))
    if test.headers:
        arguments.append(_headers(test.headers, way))
    told = ", ".join(arguments)
    if len(told) > 64 or "\n" in told:  # noqa: PLR2004 - as much as fits beside the call
        between = f"\n{'':{indent}}"
        lines = "".join(between + each.replace("\n", between) + "," for each in arguments)
        told = f"{lines}\n{'':{indent - 4}}"
    return f"{test.method.lower()}({told})"


def _says_xml(way: Method) -> bool:
    """Whether its API answers in XML: one does that refuses in it."""
    return way.test is not None and way.test.denied.startswith("<")


def _body(text: str, content: str = "content") -> str:
    try:
        data = json.loads(text)
    except ValueError:
        return f"{content}={json.dumps(text)}"
    spelled = json.dumps(data)
    spelled = spelled if _is_python(spelled, data) else repr(data)
    if len(spelled) > 80 and isinstance(data, dict):  # noqa: PLR2004 - as much as fits
        import pprint

        spelled = pprint.pformat(data, width=80, sort_dicts=False).replace("\n", "\n     ")
    return f"json={spelled}"


def _is_python(text: str, data: Any) -> bool:
    """Whether JSON reads the same as Python: not so with true, false and null."""
    import ast

    try:
        return bool(ast.literal_eval(text) == data)
    except ValueError:
        return False


def _content(library: str) -> str:
    """How a library calls a body that is text."""
    return "content" if library.startswith("httpx") else "data"


def _url(way: Method) -> str:
    """The whole address of the test request."""
    test = way.test
    base, path = way.base_url, test.path if test is not None else "/"
    if test is not None and test.url:
        found = test.url
    elif any(path.startswith(root) for root in way.root_paths):
        found = urljoin(base, path)
    else:
        found = base.rstrip("/") + "/" + path.lstrip("/")
    return _filled(found, way)


def _filled(text: str, way: Method) -> str:
    """What the user has to fill in stands in capitals."""

    def value(match: re.Match[str]) -> str:
        param = way.params.get(match[1])
        default = param.default if param is not None else None
        return default or f"YOUR_{match[1].upper()}"

    return re.sub(r"\{\{param\.([^{}|]+)[^{}]*\}\}", value, text)


def _headers(fields: Mapping[str, str], way: Method) -> str:
    """As an argument; broken into lines where it is long."""
    headers = {name: _filled(text, way) for name, text in fields.items()}
    text = json.dumps(headers, ensure_ascii=False)
    if len(text) > 60:  # noqa: PLR2004 - as much as fits beside the indentation
        pairs = ((json.dumps(n), json.dumps(v, ensure_ascii=False)) for n, v in headers.items())
        lines = (f"    {name}: {value}," for name, value in pairs)
        text = "\n".join(["{", *lines, "}"])
    return f"headers={text}"


def _options(way: Method, content: str) -> list[str]:
    """Headers and body, which a bound client would have brought along."""
    test = way.test
    headers = {**way.static_headers, **(test.headers if test is not None else {})}
    lines = [_headers(headers, way)] if headers else []
    if test is not None and test.body:
        lines.append(_body(test.body, content))
    return lines
