"""`arcrun credential`: what git, docker, AWS and CI jobs call. Its `install` stands beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arcrun_cli import agents, ui
from arcrun_cli.app import Group
from arcrun_cli.commands import credential_install
from arcrun_cli.faults import UsageFault, checked_name
from arcrun_cli.options import json_option, service_argument

if TYPE_CHECKING:
    from typing import Any


@click.group(
    cls=Group,
    short_help="Passwords for git and docker, keys for AWS, tokens of CI.",
    examples=(
        "arcrun credential install git github     git asks here from now on",
        "arcrun credential oidc --audience sts.amazonaws.com",
    ),
)
def command() -> None:
    """Answers other programs that ask for a password or for keys, in their own formats.

    They are told of it by `arcrun credential install`, and call it themselves. What is asked
    for comes from what is connected, renewed if need be; nobody is asked and no browser opens.
    In the shell of an agent it is refused.
    """


@command.command(
    "git",
    short_help="git's credential helper.",
    examples=(
        "printf 'protocol=https\\nhost=github.com\\n' | arcrun credential git get",
        "arcrun credential git --instance work get < request",
    ),
)
@click.argument("action", metavar="get|store|erase")
@click.option("--instance", metavar="INSTANCE", help="Answer with this account and no other.")
def git(action: str, instance: str | None) -> int:
    """Answer git, as gitcredentials(7) describes it: a request on standard input.

    The program git-credential-arcrun is the same. `store` keeps nothing, since what is
    connected is kept already; `erase` deletes nothing: a token that was refused is renewed.
    """
    from arcrun_cli.helpers import git as helper

    if instance is not None:
        checked_name(f"service@{instance}", "arcrun credential git")
    return helper.serve(action, instance)


@command.command(
    "docker",
    short_help="Docker's credential helper.",
    examples=("echo ghcr.io | arcrun credential docker get", "arcrun credential docker list"),
)
@click.argument("action", metavar="get|list|store|erase|version")
def docker(action: str) -> int:
    """Answer docker, as docker-credential-helpers describes it: an address on standard input.

    The program docker-credential-arcrun is the same. `store` and `erase` are refused: docker
    login and docker logout are not needed.
    """
    from arcrun_cli.helpers import docker as helper

    return helper.serve(action)


@command.command(
    "aws",
    short_help="Keys for AWS, as its credential_process.",
    examples=("arcrun credential aws aws", "arcrun credential aws aws@work"),
)
@service_argument()
def aws(name: str) -> int:
    """Print the keys of SERVICE as the setting `credential_process` of AWS wants them."""
    from arcrun_cli.helpers import aws as helper

    return helper.serve(name)


@command.command(
    "oidc",
    short_help="The identity token of this CI job.",
    examples=(
        "arcrun credential oidc --audience sts.amazonaws.com",
        "arcrun credential oidc --audience https://example.com --variable ID_TOKEN",
        "arcrun credential oidc --audience vault --file /var/run/secrets/tokens/oidc",
    ),
)
@click.option("--audience", metavar="NAME", required=True, help="Whom the token is for.")
@click.option("--variable", metavar="NAME", help="The variable that holds it.")
@click.option("--file", metavar="PATH", help="The file that holds it.")
@json_option
def oidc(audience: str, variable: str | None, file: str | None, *, as_json: bool) -> int:
    """Print the OpenID Connect token that the CI system gives this job.

    It is asked for by ACTIONS_ID_TOKEN_REQUEST_URL (GitHub, Forgejo and Gitea Actions), or
    taken from a variable (`id_tokens` of GitLab) or a file (a projected volume of Kubernetes).
    """
    from arcrun_auth.ci_identity import identity_token
    from arcrun_auth.settings import Settings

    if variable is not None and file is not None:
        raise UsageFault("Name a variable or a file, not both.", "arcrun credential oidc --help")
    agents.refuse("agent-credential", "A credential", "arcrun credential oidc")
    token = identity_token(audience, variable=variable, file=file, allow=Settings().allow_hosts)
    if not as_json:
        ui.put(token.access_token)
        return 0
    data: dict[str, Any] = {"token": token.access_token, "expires_at": token.expires_at}
    ui.put_json(data)
    return 0


command.add_command(credential_install.command)
