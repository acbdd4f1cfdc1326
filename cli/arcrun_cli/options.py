"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from arcrun_cli.failures import UsageFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.broker import Broker

    ParamType = click.ParamType[str]
else:  # generic only since click 8.4
    ParamType = click.ParamType

F = TypeVar("F", bound="Callable[..., Any]")

_LONGEST_NAME = 24
"""How long may a word be that we repeat in an error? Keys are longer, names are not."""


class Service(ParamType):
    """`service`, completed from the index."""

    name = "service"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        del ctx, param
        from click.shell_completion import CompletionItem

        from arcrun_auth.broker import Broker
        from arcrun_auth.errors import AuthError

        try:
            entries = Broker().recipes.entries()
        except AuthError:
            return []
        return [
            CompletionItem(entry.service, help=entry.display_name)
            for entry in entries
            if entry.service.startswith(incomplete)
        ]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param
        from arcrun_auth.tokens import split_name

        name = str(value)
        try:
            split_name(name)
        except ValueError as error:
            # What was typed is not repeated: a key pasted into the wrong place looks like this.
            path = ctx.command_path if ctx is not None else "arcrun"
            raise UsageFault(f"This is no name of a service: {error}.", f"{path} --help") from None
        if len(name.partition("@")[0]) > _LONGEST_NAME:
            known(name)
        return name


def known(name: str) -> None:
    """Raises UsageFault where a long word is no service: it may be a key, and is not repeated."""
    from arcrun_auth.errors import UnknownService

    try:
        broker().recipes.entry(name.partition("@")[0])
    except UnknownService:
        raise UsageFault(
            "This long word is no service. If it is a key: it belongs on no command line.",
            "arcrun list --all",
        ) from None


def broker(*, interactive: bool | None = None) -> Broker:
    """The user's broker, with the person at this terminal."""
    from arcrun_auth.broker import Broker
    from arcrun_auth.settings import Settings
    from arcrun_cli.talk import Terminal

    settings = Settings()
    wanted = settings.flag("interactive") if interactive is None else interactive
    return Broker(person=Terminal(interactive=wanted))


def service_argument(
    *, required: bool = True, label: str = "SERVICE[@INSTANCE]"
) -> Callable[[F], F]:
    """The name of a connection."""
    return click.argument(
        "name", type=Service(), metavar=label if required else f"[{label}]", required=required
    )


def json_option(command: F) -> F:
    """`--json`, for every command that reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(command)


def no_input_option(command: F) -> F:
    """`--no-input`, for every command that may ask."""
    return click.option("--no-input", is_flag=True, help="Ask nothing: fail instead.")(command)
