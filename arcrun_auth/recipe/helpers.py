"""The parts of a recipe for programs that ask a credential helper: git, docker."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth.hosts import parse_pattern
from arcrun_auth.recipe.types import Host, Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place

# RFC 7617 §2: the first colon ends the user, and neither part has a control character.
_NO_USER = re.compile(r"[:\x00-\x1f\x7f]")
_PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}")


class Git(Model, frozen=True):
    """Git over https."""

    hosts: tuple[Host, ...]
    """The hosts of its repositories, exact: `github.com`. They get the token, as a password."""
    username: str
    """The user that goes with it; a template of params and secrets."""


class Docker(Model, frozen=True):
    """Registries of container images."""

    registries: tuple[Host, ...]
    """The hosts of its registries, exact: `ghcr.io`. They get the password."""
    username: str
    """The user that goes with it; a template of params and secrets."""
    password: str = ""
    """The password where that is not the token: a template of secrets."""


def hosts(way: Method) -> Iterator[tuple[Place, str]]:
    """The hosts for which its token is handed out."""
    if way.git is not None:
        yield from ((("git", "hosts", i), host) for i, host in enumerate(way.git.hosts))
    if way.docker is not None:
        found = enumerate(way.docker.registries)
        yield from ((("docker", "registries", i), host) for i, host in found)


def receivers(way: Method) -> tuple[str, ...]:
    """All hosts that the credential may go to, by requests and as a password; unrendered."""
    return tuple(dict.fromkeys((*way.allowed_hosts, *(host for _, host in hosts(way)))))


def usernames(way: Method) -> Iterator[tuple[Place, str]]:
    """The templates of the users that go with it."""
    if way.git is not None:
        yield ("git", "username"), way.git.username
    if way.docker is not None:
        yield ("docker", "username"), way.docker.username


def texts(way: Method) -> Iterator[tuple[Place, str]]:
    """All templates of users and passwords."""
    yield from usernames(way)
    if way.docker is not None:
        yield ("docker", "password"), way.docker.password


def faults(way: Method) -> Iterator[tuple[Place, str]]:
    """What is wrong with them: where, and why."""
    for place, host in hosts(way):
        if host.startswith("*"):
            yield place, "Whoever asks for a password names one host: write each of them."
        elif "{{" not in host:
            try:
                parse_pattern(host)
            except ValueError as error:
                yield place, f"{error}."
    for place, name in usernames(way):
        if not name or _NO_USER.search(_PLACEHOLDER.sub("", name)):
            yield place, "A user is a text without a colon or a control character (RFC 7617 §2)."
    password = way.docker.password if way.docker is not None else ""
    if password and not re.fullmatch(r"\{\{secret\.[^{}|]+\}\}", password):
        yield ("docker", "password"), "A password is one of the secrets: {{secret.KEY}}."
