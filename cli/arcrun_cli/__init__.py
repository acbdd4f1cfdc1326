"""The `arcrun` command. It uses the public door of `arcrun_auth` and nothing behind it.

`arcrun token NAME` is what scripts call a hundred times a day, and the credential helpers what
git and docker call at every turn: they are served before click, or anything else that they do
not need, is imported.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(args: Sequence[str] | None = None) -> int:
    """Run the command with `args` (those of the process if not given); gives the exit code.

    Never raises for an error of this library, for Ctrl-C or for a closed pipe.
    """
    from arcrun_cli import hardening

    hardening.apply()
    given = list(sys.argv[1:] if args is None else args)
    plain = _plain(given)
    try:
        code = plain() if plain is not None else _run(given)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place that tells them
        from arcrun_cli import failures

        code = failures.tell(error, given)
    if plain is not None and args is None:
        # All is said and closed: taking the interpreter apart is an eighth of the whole run.
        sys.stderr.flush()
        os._exit(code)
    return code


def git_credential() -> int:
    """The program `git-credential-arcrun`."""
    return main(["credential", "git", *sys.argv[1:]])


def docker_credential() -> int:
    """The program `docker-credential-arcrun`."""
    return main(["credential", "docker", *sys.argv[1:]])


def _plain(given: list[str]) -> Callable[[], int] | None:
    """What is served without options, and without what reads them."""
    match given:
        case ["token", name] if not name.startswith("-"):
            return lambda: _hand_out(name)
        case ["credential", "git" | "docker" as kind, action] if not action.startswith("-"):
            return lambda: _help_out(kind, action)
    return None


def _hand_out(name: str) -> int:
    import gc

    gc.disable()  # a process of some milliseconds leaves nothing worth collecting
    from arcrun_auth import recording
    from arcrun_cli import handout

    recording.declare("arcrun token", use="reveal", brief=True)
    return handout.hand_out(name)


def _help_out(kind: str, action: str) -> int:
    from arcrun_auth import recording

    recording.declare(f"arcrun credential {kind}", use="reveal", brief=True)
    if kind == "git":
        from arcrun_cli.helpers import git

        return git.serve(action)
    from arcrun_cli.helpers import docker

    return docker.serve(action)


def _run(args: list[str]) -> int:
    from arcrun_cli import app

    return app.run(args)
