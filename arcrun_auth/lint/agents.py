"""The linter's rules on AI agents: what is said of them must be able to come true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.lint import Finding, Subject
    from arcrun_auth.recipe.reader import Place

_SAFE = ("GET", "HEAD")  # RFC 9110 §9.2.1
_NEVER = re.compile(r"//|/\.{1,2}(?=/|$)|%2[ef]", re.IGNORECASE)  # RFC 3986 §5.2.4, §6.2.2
_ODD_STAR = re.compile(r"\*\*(?!$)|[^/]\*\*")


def paths(subject: Subject) -> Iterator[Finding]:
    """A path that no request has denies nothing, and lets nothing be read."""
    for place, path in _paths(subject):
        if _NEVER.search(path):
            yield subject.finding(
                "agent-path", place, "No request has such a path.", "Write it as it is sent."
            )
        if _ODD_STAR.search(path):
            yield subject.finding(
                "agent-star", place, "Two stars stand for something at the end alone.",
                "* is anything within one segment, ** the last segment for all that follow.",
                "warning",
            )  # fmt: skip
        base = urlsplit(subject.recipe.base_url).path.rstrip("/")
        roots = subject.recipe.root_paths
        if base and f"{path}/".startswith(f"{base}/") and not path.startswith(tuple(roots)):
            yield subject.finding(
                "agent-below", place, f"Paths stand below base_url: this is {base}{path}.",
                "Write it as callers do, without the path of base_url.", "warning",
            )  # fmt: skip


def _paths(subject: Subject) -> Iterator[tuple[Place, str]]:
    recipe = subject.recipe
    for index, path in enumerate(recipe.deny_paths):
        yield ("deny_paths", index), path
    for index, each in enumerate(recipe.agent.read):
        yield ("agent", "read", index, "path"), each.path


def reads(subject: Subject) -> Iterator[Finding]:
    """What is listed as reading can be read, and was not so already."""
    agent, denied = subject.recipe.agent, subject.recipe.deny_paths
    if agent.rpc and not agent.read:
        yield subject.finding(
            "agent-unused", ("agent", "rpc"), "With rpc only what is listed reads: here nothing.",
            "List under read what only reads.", "warning",
        )  # fmt: skip
    for index, each in enumerate(agent.read):
        place: Place = ("agent", "read", index)
        if each.graphql and each.method != "POST":
            yield subject.finding(
                "agent-graphql", place, f"A query of GraphQL stands in a body, and {each.method} "
                "is not looked into.", "Take POST, or leave graphql out.",
            )  # fmt: skip
        if each in agent.read[:index]:
            yield _unused(subject, place, "This stands here twice.")
        elif each.method in _SAFE and not agent.rpc:
            yield _unused(subject, place, f"{each.method} reads already.")
        elif any(_covers(path, each.path) for path in denied):
            yield _unused(subject, place, "Where deny_paths forbids all, nothing is read.")


def _unused(subject: Subject, place: Place, why: str) -> Finding:
    return subject.finding("agent-unused", place, why, "Leave it out.", "warning")


def _covers(pattern: str, path: str) -> bool:
    """Whether a pattern covers all that another one does.

    >>> _covers("/keys/**", "/keys/*"), _covers("/keys/*", "/keys/**")
    (True, False)
    """
    wide, narrow = pattern.strip("/").split("/"), path.strip("/").split("/")
    if wide[-1] == "**":
        wide, narrow = wide[:-1], narrow[: len(wide) - 1]
    return len(wide) == len(narrow) and all(
        one in ("*", other) and other != "**" for one, other in zip(wide, narrow, strict=True)
    )
