"""From an error to words and an exit code. The one place that does."""

from __future__ import annotations

import os
import sys
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from arcrun_auth import errors
from arcrun_cli import agents, ui
from arcrun_cli.faults import LONGEST_NAME, Several, UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EXIT_CODES: dict[int, tuple[str, tuple[type[BaseException], ...]]] = {
    0: ("done", ()),
    1: ("any other error", (errors.AuthError,)),
    2: ("wrong usage, or a service that nobody knows", (errors.UnknownService,)),
    4: (
        "something is missing: a login, a secret, a scope, the vault's key",
        (
            errors.LoginRequired,
            errors.MissingSecret,
            errors.MissingScope,
            errors.StoreLocked,
            errors.NoStore,
        ),
    ),
    5: ("refused by the provider or the person", (errors.LoginFailed, errors.TokenRefused)),
    6: ("not reachable now: try again", (errors.ProviderUnavailable, errors.RefreshBusy)),
    7: (
        "refused by a rule: consent, host, policy, or a server that shows what nobody wrote",
        (
            errors.ConsentRequired,
            errors.HostNotAllowed,
            errors.PolicyRefused,
            errors.SyncAlarm,
        ),
    ),
    130: ("interrupted (Ctrl-C)", (KeyboardInterrupt,)),
}
"""Every exit code: what it means, and which errors end in it."""

WORST_FIRST = (7, 5, 2, 4, 1, 6)
"""Of several exit codes, which is told?"""

USAGE = 2
INTERRUPTED = 130

FOR_A_PERSON = (*EXIT_CODES[4][1], *EXIT_CODES[5][1], errors.ConsentRequired)
"""Which errors does an agent meet that its human has to deal with?"""

REPORT_AT = "arcrun doctor; then report it with the output of: ARCRUN_DEBUG=1 arcrun ..."


def exit_code(error: BaseException) -> int:
    """The code for an error: that of the most special class it belongs to."""
    found = (
        code for code, (_, kinds) in EXIT_CODES.items() if code != 1 and isinstance(error, kinds)
    )
    return next(found, 1)


def worst(codes: Iterable[int]) -> int:
    """The code for several ends: what may pass by itself hides nothing that needs a person."""
    found = set(codes)
    return next((code for code in WORST_FIRST if code in found), 0)


def tell(error: BaseException, args: Sequence[str]) -> int:
    """Say what happened and what to do, on stderr, and as JSON too with `--json`."""
    import click

    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        ui.tell("\nInterrupted.")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Whoever read us has gone. Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, errors.UnknownService) and len(error.service or "") > LONGEST_NAME:
        error = UsageFault(
            "This long word is no service. If it is a key: it belongs on no command line.",
            "arcrun list --all",
        )
    if isinstance(error, Several):
        for where, each in error.found:
            _say(f"{where}: {each.message}", hint_of(each))
        return worst(exit_code(each) for _, each in error.found)
    code, message, hint = _judge(error, click)
    if isinstance(error, errors.UnknownService):
        hint = _as_typed(error, args) or hint
    if "--json" in args and args[0] != "run":  # the words of that are another program's
        ui.put_json({"error": _as_data(error, message, hint)})
    _say(message, hint)
    return code


def hint_of(error: errors.AuthError) -> str | None:
    """What to do next. An agent is told what to ask its human for, where a login or a key is."""
    if error.hint is None or not isinstance(error, FOR_A_PERSON) or agents.marker() is None:
        return error.hint
    return agents.to_a_person(error.hint)


def _say(message: str, hint: str | None) -> None:
    ui.tell(f"{ui.mark('fail', ui.err)} {message}")
    if hint:
        ui.tell(f"  → {hint}")


def _judge(error: BaseException, click: Any) -> tuple[int, str, str | None]:
    if isinstance(error, errors.AuthError):
        return exit_code(error), error.message, hint_of(error)
    if isinstance(error, UsageFault):
        return USAGE, error.message, error.hint
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx is not None else "arcrun"
        return USAGE, _sentence(error.format_message()), f"{path} --help"
    if os.environ.get("ARCRUN_DEBUG") == "1":
        ui.tell(_traceback(error))
    # Its text is not ours: it could hold anything, a secret included.
    return 1, f"arcrun has failed in an unexpected way ({type(error).__name__}).", REPORT_AT


def _as_typed(error: errors.UnknownService, args: Sequence[str]) -> str | None:
    """The command that was typed, with the name that may have been meant; None where it cannot be
    told. Its options are left out: nothing of them is known to be fit for a screen."""
    ours = takewhile(lambda word: word != "--", args)
    named = [word for word in ours if word.partition("@")[0] == error.service]
    if not error.similar or not named:
        return None
    _, at, instance = named[0].partition("@")
    verb = takewhile(lambda word: word != named[0] and not word.startswith("-"), args)
    return " ".join(("arcrun", *verb, f"{error.similar[0]}{at}{instance}"))


def _sentence(text: str) -> str:
    text = errors.printable(text)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _traceback(error: BaseException) -> str:
    """Where it happened, frame by frame, without the values: those could be secrets."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join(["Traceback, values left out:", *lines, f"  {type(error).__name__}"])


def _as_data(error: BaseException, message: str, hint: str | None) -> dict[str, Any]:
    data: dict[str, Any] = {"type": type(error).__name__, "message": message, "hint": hint}
    for name in (
        "service",
        "similar",
        "key",
        "help_url",
        "why",
        "scope",
        "changes",
        "host",
        "rule",
        "status",
        "retry_after",
        "path",
        "line",
        "field",
        "what",
        "device",
        "count",
    ):
        value = getattr(error, name, None)
        if value is not None and isinstance(error, errors.AuthError):
            data[name] = list(value) if isinstance(value, tuple) else value
    return data
