"""`arcrun token`."""

from __future__ import annotations

import click

from arcrun_cli import handout, ui
from arcrun_cli.app import Command
from arcrun_cli.options import json_option, service_argument


@click.command(
    cls=Command,
    short_help="Print an access token, for scripts.",
    examples=(
        "arcrun token github",
        'curl -H "Authorization: Bearer $(arcrun token github)" https://api.github.com',
        "arcrun token google_drive@work --json",
    ),
)
@service_argument()
@json_option
def command(name: str, *, as_json: bool) -> int:
    """Print a valid access token of SERVICE, renewed if need be, and nothing else.

    Never logs in: where somebody would have to, it ends with exit code 4. In the shell of
    an agent it is refused.
    """
    if not as_json:
        return handout.hand_out(name)
    token = handout.token_of(name)
    ui.put_json(
        {
            "access_token": token.access_token,
            "token_type": token.token_type,
            "expires_at": token.expires_at,
            "scopes": token.scopes,
        }
    )
    return 0
