"""`arcrun remove`."""

from __future__ import annotations

import click

from arcrun_auth.errors import AuthError
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import broker, full_name, no_input_option, service_argument


@click.command(
    cls=Command,
    short_help="Forget a connection.",
    examples=("arcrun remove notion", "arcrun remove google_drive@work --yes"),
)
@service_argument()
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def command(name: str, *, yes: bool, no_input: bool) -> int:
    """Forget the credential of SERVICE on this machine.

    The provider is not told: what it gave stays valid there until you end it.
    """
    here = broker(interactive=False if no_input else None)
    why = here.why(name)
    if why.status == "not connected":
        ui.tell(f"{name} is not connected: there is nothing to remove.")
        return 0
    name = full_name(here, why.service, why.instance)
    whose = f" ({why.identity})" if why.identity else ""
    if not yes:
        if here.person.reach is None:
            raise UsageFault("Nobody can be asked here.", f"arcrun remove {name} --yes")
        if not here.person.confirm(f"Forget {name}{whose}?"):
            ui.tell("It was left as it is.")
            return 1
    if not here.remove(name):
        raise AuthError(
            f"{name} comes from the environment: there is nothing stored to remove.",
            hint=f"arcrun why {name} says from which variable or file",
        )
    ui.tell(f"{ui.mark('ok', ui.err)} {name} is forgotten here.")
    recipe = here.recipes.recipe(why.service)
    way = recipe.way(why.method)
    pages = [secret.help_url for secret in way.required_secrets if secret.help_url]
    page = next(iter([*pages, way.setup_url, way.app_register_url, recipe.docs_url]), "")
    ui.tell(
        f"It may still work at {recipe.display_name or recipe.service}: end it there as well"
        + (f", at {page}" if page else ".")
    )
    return 0
