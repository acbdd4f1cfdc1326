"""The part of a recipe about AI agents: which requests read, and where they never go.

By the verb alone it cannot be told: some search by POST, others send a message by GET.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from arcrun_auth.recipe.types import Model

PathPattern = Annotated[str, Meta(pattern=r"^/[^\s?#\\]*$(?!\n)", max_length=256)]
"""A path as callers write it, relative to `base_url` or under a root path; `*` stands for one
segment, `**` at the end for all that follow, or nothing: `/x/**` is `/x` as well."""


class Read(Model, frozen=True):
    """Requests that only read, whatever their verb says."""

    path: PathPattern
    """The path; `*` stands for one segment, `**` at the end for all that follow, or nothing."""
    method: Literal["GET", "HEAD", "POST", "PUT"] = "POST"
    """The HTTP method."""
    graphql: bool = False
    """Only where the body is a GraphQL query, and no mutation or subscription."""


class Agent(Model, frozen=True):
    """What counts as reading; GET and HEAD if nothing is said."""

    read: tuple[Read, ...] = ()
    """Further requests that only read."""
    rpc: bool = False
    """GET acts here too: what is listed under `read` reads, and nothing else."""
