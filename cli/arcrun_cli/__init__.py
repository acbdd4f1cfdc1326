"""The `arcrun` command. It uses the public door of `arcrun_auth` and nothing behind it.

`arcrun token NAME` is what scripts call a hundred times a day: it is served before click,
or anything else it does not need, is imported.
"""

from __future__ import annotations

import os
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
    plain = len(given) == _TOKEN_WORDS and given[0] == "token" and not given[1].startswith("-")
    try:
        code = _hand_out(given[1]) if plain else _run(given)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that tells them
        from arcrun_cli import failures

        code = failures.tell(error, given)
    if plain and args is None:
        # All is said and closed: taking the interpreter apart is an eighth of the whole run.
        sys.stderr.flush()
        os._exit(code)
    return code


def _hand_out(name: str) -> int:
    import gc

    gc.disable()  # a process of some milliseconds leaves nothing worth collecting
    from arcrun_cli import handout

    return handout.hand_out(name)


def _run(args: list[str]) -> int:
    from arcrun_cli import app

    return app.run(args)
