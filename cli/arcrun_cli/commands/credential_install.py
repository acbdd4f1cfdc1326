"""`arcrun credential install`: tells git, docker and AWS to ask here, and untells them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import click

from arcrun_auth.errors import LoginRequired
from arcrun_cli import editing, programs, ui
from arcrun_cli.app import Group
from arcrun_cli.faults import UsageFault
from arcrun_cli.helpers import aws_config, docker_config, git_config
from arcrun_cli.options import Service, broker, no_input_option, service_argument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.broker import Broker
    from arcrun_auth.helpers import Kind
    from arcrun_cli.options import F


def change_options(command: F) -> F:
    """What all of them take."""
    for option in (
        no_input_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--remove", is_flag=True, help="Take out what was written."),
    ):
        command = option(command)
    return command


@click.group(
    "install",
    cls=Group,
    short_help="Tell git, docker or AWS to ask here; --remove untells them.",
    examples=(
        "arcrun credential install git",
        "arcrun credential install docker --remove",
    ),
)
def command() -> None:
    """Writes the configuration of another program, after showing what it would write.

    Nothing secret stands in it: only the path of this command. Everything else in the file
    is left as it is, and --remove takes out what was written and nothing more.
    """


@command.command(
    "git",
    short_help="Tell git to ask here for passwords.",
    examples=(
        "arcrun credential install git               for all that is connected",
        "arcrun credential install git github@work --path acme",
        "arcrun credential install git --remove",
    ),
)
@click.argument("names", nargs=-1, type=Service(), metavar="[SERVICE[@INSTANCE]]...")
@click.option("--path", metavar="PATH", help="Only for repositories below this path of the host.")
@click.option("--local", is_flag=True, help="In this repository only, not for all of yours.")
@change_options
def git(
    names: tuple[str, ...], *, path: str | None, local: bool, remove: bool, yes: bool,
    no_input: bool,
) -> int:  # fmt: skip
    """Writes `credential.https://HOST.helper` with git itself, for each host of the services.

    Helpers that were set before are not asked for these hosts any more. With an INSTANCE that
    account answers, whatever folder git runs in.
    """
    if path is not None and not names:
        raise UsageFault("--path is for a service that is named.", "arcrun list")
    here = broker(interactive=False if no_input else None)
    file = git_config.file(os.environ, local=local)
    wanted = {
        git_config.key(host, (path or "").strip("/")): git_config.helper(
            name.partition("@")[2] or None
        )
        for name, hosts in _hosts(here, "git", names, remove=remove).items()
        for host in hosts
    }
    edit = git_config.remove(file, list(wanted)) if remove else git_config.install(file, wanted)
    return editing.make(here.person, edit, yes=yes)


@command.command(
    "docker",
    short_help="Tell docker to ask here for passwords.",
    examples=(
        "arcrun credential install docker            for all that is connected",
        "arcrun credential install docker github",
    ),
)
@click.argument("names", nargs=-1, type=Service(), metavar="[SERVICE]...")
@change_options
def docker(names: tuple[str, ...], *, remove: bool, yes: bool, no_input: bool) -> int:
    """Writes an entry of `credHelpers` in ~/.docker/config.json for each registry.

    The program docker-credential-arcrun has to be on the PATH.
    """
    if any("@" in name for name in names):
        raise UsageFault(
            "docker cannot tell a helper which account: it is the project's, or the default one.",
            "arcrun credential install docker SERVICE",
        )
    here = broker(interactive=False if no_input else None)
    file = docker_config.file(os.environ)
    found = _hosts(here, "docker", names, remove=remove).values()
    registries = [host for hosts in found for host in hosts]
    change = docker_config.remove if remove else docker_config.install
    code = editing.make(here.person, change(file, registries), yes=yes)
    if code == 0 and not remove and shutil.which(docker_config.PROGRAM) is None:
        path = programs.beside(docker_config.PROGRAM) or docker_config.PROGRAM
        ui.tell(f"{ui.mark('warn', ui.err)} {docker_config.PROGRAM} is not on the PATH.")
        ui.tell(f"  → ln -s {path} ~/.local/bin/, or another folder of the PATH")
    return code


@command.command(
    "aws",
    short_help="Tell the tools of AWS to ask here for keys.",
    examples=(
        "arcrun credential install aws aws",
        "arcrun credential install aws aws@work --profile work",
        "arcrun credential install aws --remove",
    ),
)
@service_argument(required=False)
@click.option("--profile", metavar="NAME", help="The profile; that of the instance, or arcrun.")
@change_options
def aws(
    name: str | None, *, profile: str | None, remove: bool, yes: bool, no_input: bool
) -> int:  # fmt: skip
    """Writes a profile into ~/.aws/config with SERVICE as its `credential_process`.

    The AWS command, boto3 and every other SDK of AWS take it by `AWS_PROFILE=NAME`.
    """
    here = broker(interactive=False if no_input else None)
    file = aws_config.file(os.environ)
    if name is None and not remove:
        raise UsageFault("Name the connection that signs for AWS.", "arcrun list")
    if name is not None:
        service, _, instance = name.partition("@")
        recipe = here.recipes.recipe(service)
        if not remove and all(way.aws is None for way in recipe.ways):
            raise UsageFault(f"{service} does not sign for AWS.", "arcrun list aws")
        profile = profile or instance or "arcrun"
    if remove:
        return editing.make(here.person, aws_config.remove(file, profile), yes=yes)
    assert name is not None
    assert profile is not None
    code = editing.make(
        here.person, aws_config.install(file, profile, aws_config.process(name)), yes=yes
    )
    if code == 0:
        ui.tell(f"  → AWS_PROFILE={profile} aws sts get-caller-identity")
    return code


def _hosts(
    here: Broker, kind: Kind, names: tuple[str, ...], *, remove: bool
) -> Mapping[str, list[str]]:
    """Of each service the hosts that it answers for: those named, or all that are connected.

    Without a name there is nothing to look up for a removal: all of ours goes.
    """
    if not names:
        found: dict[str, list[str]] = {}
        for match in () if remove else here.helpers.connected(kind):
            found.setdefault(match.connection.service, []).append(match.host)
        if not found and not remove:
            named = "; arcrun credential install git SERVICE@INSTANCE" if kind == "git" else ""
            raise LoginRequired(
                f"Nothing is connected that answers {kind}.",
                service=kind,
                hint=f"arcrun setup SERVICE, one with {kind} in arcrun show SERVICE{named}",
            )
        return found
    hosts = {name: here.helpers.hosts(kind, name) for name in names}
    for name, answered in hosts.items():
        if not answered:
            hint = f"arcrun credential install {kind} takes all that are connected and do"
            raise UsageFault(f"{name} answers {kind} for no host.", hint)
    return hosts
