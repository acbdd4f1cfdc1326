"""`arcrun run`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import referring, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import Several, UsageFault, checked_name
from arcrun_cli.options import broker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.broker import Broker
    from arcrun_cli.referring import Failure


@click.command(
    cls=Command,
    context_settings={"allow_interspersed_args": False},
    short_help="Run a command with secrets in its environment, masked in its output.",
    examples=(
        "arcrun run --env-file .env -- python report.py",
        "arcrun run --with github,notion -- ./deploy.sh",
        "NOTION_TOKEN=arcrun://notion/token arcrun run -- npm start",
        "arcrun run --proxy openai,notion -- python agent.py",
    ),
)
@click.option(
    "--env-file",
    "files",
    multiple=True,
    metavar="FILE",
    help="Variables from a .env file; the last one named wins, and over the environment.",
)
@click.option(
    "--with",
    "services",
    multiple=True,
    metavar="SERVICES",
    help="The variables that tools know for these services, separated by commas.",
)
@click.option(
    "--proxy",
    "proxied",
    is_flag=False,
    flag_value="",
    metavar="[SERVICES]",
    help="No secret: an address and a bearer for these services, or all, from `arcrun proxy`.",
)
@click.option("--client", help="What the session of the proxy is called in rules.")
@click.option("--no-masking", is_flag=True, help="Let the command print what it likes.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")
def command(
    files: Sequence[str],
    services: Sequence[str],
    proxied: str | None,
    client: str | None,
    argv: Sequence[str],
    *,
    no_masking: bool,
) -> int:
    """Run COMMAND; what its environment refers to is replaced by the secret.

    A variable whose value is arcrun://service[@instance]/key gets that secret, and
    {{ arcrun://service/key }} within a longer value is filled in. The command gets no
    ARCRUN_* variable. Secrets of 6 characters or more that it prints are shown as ***.

    Input, terminal, signals and the exit code are the command's. All secrets are there before
    it is started; where one is missing it is not.

    With --proxy it gets none, but SERVICE_BASE_URL, and where SDKs look for the key the bearer
    of a session that ends with the command. What it may do there the policy says, as for every
    agent: read, if there is no rule.
    """
    from arcrun_cli import running

    if not argv:
        raise UsageFault("There is no command to run.", "arcrun run -- COMMAND")
    here = broker()
    try:
        if proxied is not None:
            if services:
                raise UsageFault("With --proxy no secret is given out.", "leave --with out")
            return _run_proxied(here, files, proxied, client, argv, masking=not no_masking)
        if client is not None:
            raise UsageFault("Only a session of a proxy has a client.", "arcrun run --proxy")
        environ, secrets = _environment(here, files, services)
        return running.run(argv, environ, [] if no_masking else secrets)
    except running.NotStarted as error:
        ui.tell(f"{ui.mark('fail', ui.err)} {printable(str(error))}.")
        return error.code


def _run_proxied(
    here: Broker,
    files: Sequence[str],
    names: str,
    client: str | None,
    argv: Sequence[str],
    *,
    masking: bool,
) -> int:
    """The exit code of a command that has a proxy, and no secret."""
    from arcrun_auth import references
    from arcrun_cli import proxied, running

    environ = {}
    for where, name, value in _variables(here, files, (), []):
        if next(iter(references.in_value(value)), None) is not None:
            raise UsageFault(
                f"{where} refers to a secret: with --proxy the command gets none.",
                "name its service: arcrun run --proxy SERVICE -- COMMAND, and leave it out",
            )
        environ[name] = value
    services = [checked_name(each, "arcrun run --proxy") for each in names.split(",") if each]
    try:
        with proxied.serving(services, client) as served:
            masked = [served["token"]] if masking else []
            return running.run(argv, environ | served["env"], masked, stay=True)
    except proxied.NotServed as error:
        return error.code


def _variables(
    here: Broker, files: Sequence[str], services: Sequence[str], failed: list[Failure]
) -> Iterator[tuple[str, str, str]]:
    """Where a variable comes from, for people; its name, and its value as it stands there."""
    from arcrun_auth.programs import is_own, without_ours

    for name, value in without_ours(os.environ).items():
        yield printable(name, 80), name, value
    for path in files:
        for where, name, value in _of_file(path):
            if is_own(name):
                ui.tell(f"{ui.mark('warn', ui.err)} {where} is not passed on: it is for arcrun.")
            else:
                yield where, name, value
    for service in (each for listed in services for each in listed.split(",")):
        checked_name(service, "arcrun run")
        where = f"--with {service}"
        try:
            for name, value in _of_service(here, service):
                yield f"{where}: {name}", name, value
        except AuthError as error:
            failed.append((where, error))


def _of_file(path: str) -> Iterator[tuple[str, str, str]]:
    from arcrun_auth import dotenv

    try:
        with open(path, "rb") as file:
            found = dotenv.parse(file.read())
    except OSError as error:
        raise UsageFault(
            f"{printable(path)} cannot be read: {error.strerror}.", "arcrun run --env-file FILE"
        ) from None
    except dotenv.DotenvError as error:
        raise UsageFault(
            f"{printable(path)}:{error.line}: {error}.", "a line is NAME=value, or a # comment"
        ) from None
    for name, value, line in found:
        yield f"{printable(path)}:{line}: {name}", name, value


def _of_service(here: Broker, name: str) -> Iterator[tuple[str, str]]:
    """The variables that the recipe names for the secrets of a connection, as references."""
    from arcrun_auth.programs import is_own
    from arcrun_auth.references import SCHEME

    why = here.why(name)
    held = {origin.key for origin in why.origins}
    found = [
        (variable, f"{SCHEME}{name}/{key}")
        for key, optional, variables in here.recipes.entry(why.service).method(why.method).secrets
        for variable in variables
        if not is_own(variable) and (key in held or not optional)
    ]
    if not found:
        raise AuthError(
            f"The recipe of {why.service} names no variable for this way in.",
            service=why.service,
            hint=f"name it yourself: TOKEN={SCHEME}{name}/token arcrun run -- COMMAND",
        )
    yield from found


def _environment(
    here: Broker, files: Sequence[str], services: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """What the command gets, and the secrets in it. Tells which of them cannot be masked."""
    from arcrun_auth import masking, references

    failed: list[Failure] = []
    variables = _variables(here, files, services, failed)
    last = {name: (where, value) for where, name, value in variables}
    wanted = [
        (where, reference)
        for where, value in last.values()
        for reference in references.in_value(value)
    ]
    secrets = referring.resolve(here, "run", wanted, failed)
    environ = {name: references.fill_value(value, secrets) for name, (_, value) in last.items()}
    unfit = AuthError("Its value has characters that no variable can hold.")
    failed = [(last[name][0], unfit) for name, value in environ.items() if not _fits(value)]
    if failed:
        raise Several(failed)
    for where, reference in wanted:
        if not masking.is_masked(secrets[reference]):
            ui.tell(f"{ui.mark('warn', ui.err)} {where} is too short to be masked.")
    return environ, list(secrets.values())


def _fits(value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False
