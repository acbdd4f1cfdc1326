"""`arcrun why`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import printable
from arcrun_auth.template import in_words
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.commands import listing
from arcrun_cli.options import broker, full_name, json_option, service_argument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.report import Origin, Why

GOOD = ("connected", "expired")
"""Which states need nothing from you? An expired token is renewed at its next use."""


@click.command(
    cls=Command,
    short_help="Where each part of a connection comes from.",
    examples=("arcrun why notion", "arcrun why google_drive@work --json"),
)
@service_argument()
@json_option
def command(name: str, *, as_json: bool) -> int:
    """Where each secret of a connection comes from, and where it may go. Never a value."""
    here = broker()
    why = here.why(name)
    if as_json:
        ui.put_json(asdict(why))
        return 0
    full = full_name(here, why.service, why.instance)
    kind = "ok" if why.status in GOOD else "warn"
    ui.put(f"{ui.paint(full, 'bold')}  {ui.mark(kind, word=why.status)}")
    ui.pairs(
        [
            ("account", printable(why.identity or "")),
            ("way in", why.method),
            ("secrets", "\n".join(origins(why.origins))),
            ("app", owner(why)),
            ("your app", "\n".join(origins(why.app))),
            ("goes to", in_words("\n".join(why.hosts)) + "\nand to no other host"),
            ("scopes", ", ".join(why.scopes)),
            ("missing", ", ".join(why.missing_scopes)),
            ("expires", expiry(why)),
            ("ends", ending(why)),
            ("shared", ", ".join(why.shared_with)),
            ("chosen by", printable(why.project or "")),
            ("recipe", f"{why.tier}, {printable(why.recipe)}"),
        ]
    )
    listing.warn(full, why.warnings)
    if why.status not in GOOD:
        verb = "test" if why.status == "untested" else "setup"
        ui.tell(f"  → arcrun {verb} {full}")
    return 0


def owner(why: Why) -> str:
    """Whose OAuth app it is, where that is not one's own that is listed anyway; and what passes
    through whose server for that."""
    if why.ownership != "managed":
        own = "" if why.app else "your own"
        return {"own": own, "shared": "the recipe's own public one"}.get(why.ownership, "")
    if not why.through:
        return "that of a server; none is configured"
    there = printable(why.through)
    if why.status == "not connected":
        return f"that of {there}, if it shares one; tokens pass through it in passing"
    return f"that of {there}; tokens pass through it in passing"


def origins(found: Iterable[Origin]) -> list[str]:
    """Of each secret a line: what it is, and from where."""
    return [
        f"{'the login' if origin.key == 'grant' else origin.key} from the {origin.store}"
        + (f" ({printable(origin.place)})" if origin.place else "")
        for origin in found
    ]


def expiry(why: Why) -> str:
    """When the access token ends, and what happens then."""
    if why.expires_at is None:
        return ""
    when = ui.ago(why.expires_at.timestamp() - time.time())
    return f"{when}, then " + ("renewed by itself" if why.can_renew else "you log in again")


def ending(why: Why) -> str:
    """When the login or the key itself ends, as far as is known."""
    end = why.secret_expires_at or why.refresh_expires_at
    if end is None:
        return ""
    left = end.timestamp() - time.time()
    what = "the key" if why.secret_expires_at else "the login"
    when = f"{what} {ui.ago(left)}, on {end:%Y-%m-%d}"
    return f"{when}, put off by each renewal" if why.can_extend else when
