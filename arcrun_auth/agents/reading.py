"""Whether a request reads, by what its recipe says. Pure; what is unclear writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from arcrun_auth.agents import graphql, guard
from arcrun_auth.policy import matches

if TYPE_CHECKING:
    from arcrun_auth.recipe.agent import Agent, Read

SAFE = ("GET", "HEAD")  # RFC 9110 §9.2.1
_OF_GRAPHQL = frozenset({"query", "operationname", "variables", "extensions", "id", "documentid"})
"""What in an address would be carried out in place of the body, or beside it."""


def what(
    agent: Agent, method: str, path: str, *, query: str, kind: str, body: bytes
) -> Literal["read", "write"]:
    """`read` or `write`. `path` is as rules are written, `kind` the body's content type."""
    listed = [each for each in agent.read if matches(each.path, path)]
    if any(_reads(each, method, query, kind, body) for each in listed):
        return "read"
    if method in SAFE and not agent.rpc:
        # GraphQL over HTTP: an operation may stand in the address, and some servers carry out
        # mutations that do.
        in_address = any(each.graphql for each in listed)
        if not (in_address and guard.names_in(query) & _OF_GRAPHQL):
            return "read"
    return "write"


def _reads(each: Read, method: str, query: str, kind: str, body: bytes) -> bool:
    if each.method != ("GET" if method == "HEAD" else method):
        return False
    if not each.graphql:
        return True
    return not guard.names_in(query) & _OF_GRAPHQL and graphql.reads(body, kind)
