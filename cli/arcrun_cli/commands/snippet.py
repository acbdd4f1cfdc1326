"""`arcrun snippet`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, service_argument

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
    recipe = broker().recipes.recipe(service)
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
    url = repr((test.url or test.path) if test is not None else "/").replace("'", '"')
    if test is None or test.method == "GET":
        return f"get({url})"
    body = f", content={test.body!r}" if test.body else ""
    return f'request("{test.method}", {url}{body})'
