"""`arcrun whoami`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import printable
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.options import broker, json_option
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from arcrun_auth.cloud_answers import Me
    from arcrun_auth.sync.account import Account


@dataclass(frozen=True)
class Who:
    """What `whoami --json` prints."""

    server: str
    account: str
    email: str
    display_name: str
    role: str
    provider: str
    source: str
    """Where the key comes from: a store, or a variable."""


@click.command(
    cls=Command,
    short_help="Which account is logged in here, and where.",
    examples=("arcrun whoami", "arcrun whoami --json"),
)
@json_option
def command(*, as_json: bool) -> int:
    """Which account is logged in here: the platform is asked, so the key is tried as well."""
    from arcrun_auth.sync.account import required

    here = broker()
    found = required(here.store, here.settings)
    with Waiting("Asking the platform"), found.cloud() as cloud:
        who = _who(found, cloud.me())
    if as_json:
        from dataclasses import asdict

        ui.put_json(asdict(who))
        return 0
    ui.put(ui.paint(who.email or who.account, "bold"))
    ui.pairs(
        [
            ("platform", who.server),
            ("account", who.account),
            ("name", who.display_name),
            ("role", who.role),
            ("signed in by", who.provider),
            ("key from", who.source),
        ],
        label=len("signed in by"),
    )
    return 0


def _who(found: Account, me: Me) -> Who:
    return Who(
        server=found.server,
        account=printable(me.account, 100),
        email=printable(me.email or "", 254),
        display_name=printable(me.display_name, 200),
        role=printable(me.role, 40),
        provider=printable(me.provider, 40),
        source=found.source,
    )
