"""`arcrun snippet`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import catalog, service_argument

if TYPE_CHECKING:
    from arcrun_auth.recipe import Method

SYNC = """\
# pip install arcrun-auth
from arcrun import auth

with auth.bind({bound}) as {name}:
    answer = {name}.{call}
    answer.raise_for_status()
    print(answer.json())"""

ASYNC = """\
# pip install arcrun-auth
import asyncio

from arcrun import auth


async def main():
    async with auth.bind_async({bound}) as {name}:
        answer = await {name}.{call}
        answer.raise_for_status()
        print(answer.json())


asyncio.run(main())"""


@click.command(
    cls=Command,
    short_help="Print code that uses a service.",
    examples=(
        "arcrun snippet notion",
        "arcrun snippet github@work --async > github.py",
    ),
)
@service_argument()
@click.option("--async", "asynchronous", is_flag=True, help="For asyncio and trio.")
def command(name: str, *, asynchronous: bool) -> int:
    """Print a short program that uses SERVICE. It runs as it is, and holds no secret."""
    service, _, instance = name.partition("@")
    recipe = catalog().recipe(service)
    bound = f'"{recipe.service}"' + (f', instance="{instance}"' if instance else "")
    text = (ASYNC if asynchronous else SYNC).format(
        bound=bound, name=_variable(recipe.service), call=_call(recipe.way())
    )
    ui.put(text)
    return 0


def _variable(service: str) -> str:
    """A name for the client: the service's own, where that is one."""
    import keyword

    name = service.rpartition("/")[2]
    return name if name.isidentifier() and not keyword.iskeyword(name) else "client"


def _call(way: Method) -> str:
    """The recipe's harmless test request, or the root of the API."""
    test = way.test
    if test is None:
        return 'get("/")'
    arguments = [json.dumps(test.url or test.path)]
    if test.body:
        arguments.append(_body(test.body))
    elif test.headers:
        arguments.append(f"headers={json.dumps(dict(test.headers))}")
    return f"{test.method.lower()}({', '.join(arguments)})"


def _body(text: str) -> str:
    try:
        data = json.loads(text)
    except ValueError:
        return f"content={json.dumps(text)}"
    spelled = json.dumps(data)
    return f"json={spelled}" if _is_python(spelled, data) else f"json={data!r}"


def _is_python(text: str, data: Any) -> bool:
    """Whether JSON reads the same as Python: not so with true, false and null."""
    import ast

    try:
        return bool(ast.literal_eval(text) == data)
    except ValueError:
        return False
