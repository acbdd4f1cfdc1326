"""Arguments and options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from arcrun_cli import ui
from arcrun_cli.faults import UsageFault, checked_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.broker import Broker
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.people import Person
    from arcrun_auth.project import Project
    from arcrun_cli.talk import Terminal

    ParamType = click.ParamType[str]
else:  # generic only since click 8.4
    ParamType = click.ParamType

F = TypeVar("F", bound="Callable[..., Any]")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Service(ParamType):
    """`service`, completed from the index."""

    name = "service"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        del ctx, param
        from click.shell_completion import CompletionItem

        from arcrun_auth.errors import AuthError

        try:
            entries = catalog().entries()
        except AuthError:
            return []
        return [
            CompletionItem(name, help=entry.display_name)
            for entry in entries
            for name in (entry.service, *(entry.aliases if incomplete else ()))
            if name.startswith(incomplete)
        ]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param
        return checked_name(str(value), ctx.command_path if ctx is not None else "arcrun")


class Way(ParamType):
    """A way in, completed from the recipe of the service that is named before it."""

    name = "method"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        from click.shell_completion import CompletionItem

        from arcrun_auth.errors import AuthError

        del param
        # Where the option has no value yet, click leaves the words before it unread.
        words = [ctx.params.get("name") or "", *ctx.args]
        service = next((w for w in words if w and not w.startswith("-")), "").partition("@")[0]
        try:
            ways = catalog().entry(service).methods if service else ()
        except AuthError:
            return []
        return [CompletionItem(way.id) for way in ways if way.id.startswith(incomplete)]


class AppName(Service):
    """The name of an OAuth app: a family, or a service that has one for itself."""

    name = "app"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        from click.shell_completion import CompletionItem

        from arcrun_auth import apps
        from arcrun_auth.errors import AuthError

        del ctx, param
        try:
            names = apps.uses(catalog())
        except AuthError:
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        named = super().convert(value, param, ctx)
        if "@" in named:
            path = ctx.command_path if ctx is not None else "arcrun app"
            raise UsageFault("An app has no instances.", f"{path} {named.partition('@')[0]}")
        return named


class KeptApp(AppName):
    """The name of an app that is kept; one that serves an instance alone has that name too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return Service.convert(self, value, param, ctx)


def broker(*, interactive: bool | None = None) -> Broker:
    """The user's broker, with the person at this terminal."""
    from arcrun_auth.broker import Broker

    return Broker(person=terminal(interactive=interactive))


def terminal(*, interactive: bool | None = None) -> Terminal:
    """Whoever sits here; `interactive` overrides the setting of that name."""
    from arcrun_auth.settings import Settings
    from arcrun_cli.talk import Terminal

    wanted = Settings().flag("interactive") if interactive is None else interactive
    return Terminal(interactive=wanted)


def agreed(person: Person, question: str, command: str) -> bool:
    """A yes to a question. UsageFault with the command that asks none, where nobody is there."""
    if person.reach is None:
        raise UsageFault("Nobody can be asked here.", command)
    answer = person.confirm(question)
    if not answer:
        ui.tell("It was left as it is.")
    return answer


def project_of(here: Broker) -> Project:
    """What this folder's project declares. UsageFault where it declares nothing."""
    from arcrun_auth.project import EXAMPLE, FILE

    found = here.settings.project
    if found is None or not found.needs:
        raise UsageFault(
            "No service is named, and no project here declares any.",
            f"arcrun setup SERVICE; or write into {FILE} what the project needs:\n\n{EXAMPLE}",
        )
    return found


def full_name(here: Broker, service: str, instance: str) -> str:
    """A connection as it is typed: in a project a plain name may lead to another instance."""
    from arcrun_auth.tokens import DEFAULT_INSTANCE

    if instance == DEFAULT_INSTANCE:
        project, names = here.settings.project, (service, *here.recipes.entry(service).aliases)
        chosen = project.instance_of(*names) if project is not None else None
        if chosen in (None, instance):
            return service
    return f"{service}@{instance}"


def catalog() -> Catalog:
    """The user's recipes, for whoever needs no credential."""
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.settings import Settings

    return Catalog(Settings().home)


def service_argument(
    *, required: bool = True, label: str = "SERVICE[@INSTANCE]"
) -> Callable[[F], F]:
    """The name of a connection."""
    return click.argument(
        "name", type=Service(), metavar=label if required else f"[{label}]", required=required
    )


def app_argument(command: F) -> F:
    """The name of an app."""
    return click.argument("name", type=AppName(), metavar="NAME")(command)


def kept_app_argument(command: F) -> F:
    """The name of an app that is kept: `google`, or `google@work` for that of an instance."""
    return click.argument("name", type=KeptApp(), metavar="NAME[@INSTANCE]")(command)


def seconds_in(span: str, example: str) -> int:
    """Seconds of `30m`, `8h`. UsageFault with the `example` for anything else.

    >>> seconds_in("8h", "")
    28800
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", span)
    if found is None:
        raise UsageFault("A time is a number and a unit: s, m, h or d.", example)
    return int(found[1]) * _UNITS[found[2]]


def json_option(command: F) -> F:
    """`--json`, for every command that reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")(command)


def no_input_option(command: F) -> F:
    """`--no-input`, for every command that may ask."""
    return click.option("--no-input", is_flag=True, help="Ask nothing: fail instead.")(command)
