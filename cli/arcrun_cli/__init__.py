"""The `arcrun` command. It uses the public door of `arcrun_auth` and nothing behind it.

`arcrun token NAME` is what scripts call a hundred times a day: it is served before click,
or anything else it does not need, is imported.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TOKEN_WORDS = 2
"""How many words has the plain form, `token NAME`?"""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command with `args` (those of the process if not given); gives the exit code.

    Never raises for an error of this library, for Ctrl-C or for a closed pipe.
    """
    from arcrun_cli import hardening

    hardening.apply()
    given = list(sys.argv[1:] if args is None else args)
    try:
        code = _run(given)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that tells them
        from arcrun_cli import failures

        return failures.tell(error, given)
    return code


def _run(args: list[str]) -> int:
    if len(args) == _TOKEN_WORDS and args[0] == "token" and not args[1].startswith("-"):
        from arcrun_cli import handout

        return handout.hand_out(args[1])
    from arcrun_cli import app

    return app.run(args)
