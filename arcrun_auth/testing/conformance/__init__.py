"""A recipe against the service that it describes: does everything that it says work?

>>> from arcrun_auth import recipe
>>> from arcrun_auth.testing import conform
>>> conform(recipe.read('''
... service: shop
... primitive: static_key
... base_url: https://api.shop.example/v1
... required_secrets: [{key: token}]
... inject: {header: {Authorization: "Bearer {{secret.token}}"}}
... ''')).failures
[]
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from arcrun_auth.errors import printable

if TYPE_CHECKING:
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.testing.conformance.stage import Stage

OK = "ok"


@dataclass(frozen=True)
class Way:
    """How one way in did: `steps` is what was tried, in order, each `ok` or what failed."""

    id: str
    steps: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Conformance:
    """How a recipe did, way by way."""

    service: str
    ways: tuple[Way, ...]

    @property
    def failures(self) -> list[str]:
        """What failed, one line each; empty where all is well."""
        return [
            f"{self.service} ({way.id}), {step}: {what}"
            for way in self.ways
            for step, what in way.steps.items()
            if what != OK
        ]


def conform(recipe: Recipe, *, stage: Stage | None = None) -> Conformance:
    """Runs a recipe, as it is, against a service on this machine that is what the recipe says.

    Every way in is set up with keys that are made up, bound, called, renewed, refused and ended;
    what arrives is compared with the recipe, rendered a second time. Nothing leaves the machine,
    nothing of the user's is read, and nothing is kept. `stage`: a server to use again, for
    many recipes. Raises nothing: what fails is said in the answer.
    """
    from arcrun_auth.testing.conformance.run import run
    from arcrun_auth.testing.conformance.stage import Stage

    with ExitStack() as stack:
        stage = stage or stack.enter_context(Stage())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="arcrun-conformance-"))
        os.chmod(folder, 0o700)
        ways = [Way(way.id, run(recipe, way, stage, folder)) for way in recipe.ways]
    return Conformance(printable(recipe.service, 130), tuple(ways))
