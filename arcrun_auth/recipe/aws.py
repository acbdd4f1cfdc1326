"""The part of a recipe about AWS Signature Version 4, and about roles that are assumed for it.

The docstring under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from arcrun_auth.recipe.types import Model, Name, Url

SESSION_SECONDS = (900, 43_200)
"""How long may a session be? STS's limits; a role may set a lower one than the second."""


class Aws(Model, frozen=True):
    """What a signature is made for."""

    service: Name
    """The signing name of the service: `s3`. It is not always what stands in the host."""
    region: str
    """The region: a template of params."""


class AssumeRole(Model, frozen=True):
    """The role whose temporary credentials sign, got from STS with the access key."""

    endpoint: Url
    """The address of STS."""
    role_arn: str
    """The role: a template of params."""
    session_name: str = "arcrun"
    """What the session is called in the logs of the role's account: a template of params."""
    external_id: str = ""
    """What the role's owner wants named: a template of params, which may render empty."""
    duration_s: Annotated[int, Meta(ge=SESSION_SECONDS[0], le=SESSION_SECONDS[1])] = 3600
    """How long a session is asked for, in seconds."""
