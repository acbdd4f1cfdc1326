"""`arcrun ci`: some connections for CI jobs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from arcrun_auth.tokens import Secret
from arcrun_cli import agents, ui
from arcrun_cli.app import Group
from arcrun_cli.faults import UsageFault, checked_name
from arcrun_cli.options import agreed, broker, json_option
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.sync.ci import CiVault, Made


@click.group(
    cls=Group,
    short_help="Give some connections to CI jobs, and to them alone.",
    examples=(
        "arcrun ci create deploy --services notion,openai",
        "arcrun ci list",
        "arcrun ci update            after a key has changed here",
        "arcrun ci remove deploy",
    ),
)
def command() -> None:
    """CI vaults: some connections, sealed under a key of their own, at your platform.

    A job fetches the ciphertext and opens it with the key that its CI system keeps for it; it
    reads nothing else of your account and keeps nothing on disk.
    """


@command.command(
    "create",
    short_help="Make one, and print what its jobs need, once.",
    examples=(
        "arcrun ci create deploy --services notion,openai",
        "arcrun ci create site --services a --oidc-issuer URL --subject 'repo:me/x:*'",
    ),
)
@click.argument("name", metavar="NAME")
@click.option(
    "--services", required=True, metavar="A,B", help="Which connections: service[@instance], …"
)
@click.option("--oidc-issuer", "issuer", metavar="URL", help="Who signs the jobs' identity tokens.")
@click.option("--subject", metavar="PATTERN", help="Which jobs those are; * is any text without :.")
@json_option
def create(
    name: str, services: str, issuer: str | None, subject: str | None, *, as_json: bool
) -> int:
    """Seal the connections of --services for the jobs of NAME, and print variables for them.

    They are shown once: put them into the secrets of your CI system. With --oidc-issuer and
    --subject the jobs need no API key: they show the identity token of their CI system. A login
    whose refresh token changes at each renewal is refused, since a job would end it here.
    """
    agents.refuse("agent-ci", "A key of a CI vault", "arcrun ci create NAME …")
    if bool(issuer) != bool(subject):
        raise UsageFault("--oidc-issuer and --subject go together.", "arcrun ci create --help")
    wanted = [part.strip() for part in services.split(",") if part.strip()]
    for each in wanted:
        checked_name(each, "arcrun ci create")
    if not wanted:
        raise UsageFault("No connection is named.", "arcrun ci create deploy --services notion")
    here = broker()
    with Waiting("Sealing"):
        made = here.ci.create(name, wanted, issuer=issuer or "", subject=subject or "")
    if as_json:
        ui.put_json(_made_data(made))
    else:
        _show(made)
    return 0


def _plain(made: Made) -> dict[str, str]:
    """The variables as they are given to a job."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in made.variables.items()
    }


def _made_data(made: Made) -> dict[str, object]:
    return {
        "name": made.vault.name,
        "services": made.vault.services,
        "secret": [name for name, value in made.variables.items() if isinstance(value, Secret)],
        "variables": _plain(made),
    }


def _show(made: Made) -> None:
    for name, value in _plain(made).items():
        ui.put(f"{name}={value}")
    secret = [name for name, value in made.variables.items() if isinstance(value, Secret)]
    ui.tell(
        f"{ui.mark('ok', ui.err)} {made.vault.name} holds {', '.join(made.vault.services)}. "
        f"{' and '.join(secret)} {'is' if len(secret) == 1 else 'are'} secret and not shown again: "
        "keep it where your CI system keeps secrets."
    )


@command.command(
    "list",
    short_help="The CI vaults that were made here.",
    examples=("arcrun ci list", "arcrun ci list --json"),
)
@json_option
def list_(*, as_json: bool) -> int:
    """What was made on this device: which connections, and who may fetch them. Sends nothing."""
    found = broker().ci.listed()
    if as_json:
        ui.put_json({"vaults": [_as_data(vault) for vault in found]})
    elif not found:
        ui.tell("There is no CI vault yet.\n  → arcrun ci create NAME --services SERVICE")
    else:
        rows = [
            (vault.name, ", ".join(vault.services), vault.subject or "an API key", _day(vault))
            for vault in found
        ]
        ui.table(rows, ("NAME", "CONNECTIONS", "FETCHED BY", "MADE"))
    return 0


def _day(vault: CiVault) -> str:
    return datetime.fromtimestamp(vault.created).astimezone().strftime("%Y-%m-%d")


def _as_data(vault: CiVault) -> dict[str, object]:
    names = ("name", "services", "server", "key_id", "vault_id", "subject", "created")
    return {name: getattr(vault, name) for name in names}


@command.command(
    "update",
    short_help="Seal anew what has changed here.",
    examples=("arcrun ci update", "arcrun ci update deploy"),
)
@click.argument("name", metavar="[NAME]", required=False)
def update(name: str | None) -> int:
    """Bring what changed here since to the CI vaults; `arcrun sync` does it, too."""
    here = broker()
    with Waiting("Sealing what has changed"):
        changed = here.ci.update(name)
    told = f"{', '.join(changed)}: brought up to date." if changed else "Nothing has changed."
    ui.tell(f"{ui.mark('ok', ui.err)} {told}")
    return 0


@command.command(
    "remove",
    short_help="End one: no job fetches it any more.",
    examples=("arcrun ci remove deploy", "arcrun ci remove deploy --yes"),
)
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, *, yes: bool) -> int:
    """End the access of its jobs, and delete its row. What a job has read it may still have."""
    here = broker()
    if not yes and not agreed(
        here.person, f"End the CI vault {name}?", f"arcrun ci remove {name} --yes"
    ):
        return 1
    with Waiting("Ending it"):
        vault = here.ci.remove(name)
    ui.tell(f"{ui.mark('ok', ui.err)} {vault.name} has ended.")
    held = ", ".join(vault.services)
    ui.tell(f"If a job may have leaked them, change them at their providers: {held}")
    return 0
