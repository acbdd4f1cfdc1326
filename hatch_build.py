"""Builds the recipe index into the wheel, so that an installed package reads no YAML."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    Base = BuildHookInterface[Any]
else:
    Base = BuildHookInterface

INSIDE = "arcrun_auth/_recipes/index.db"


class RecipeIndexHook(Base):
    """Fails the build at the first recipe that is not valid."""

    _folder: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # a checkout indexes its own recipes as they change
        sys.path.insert(0, self.root)
        try:
            from arcrun_auth.catalog.build import prebuild
        finally:
            sys.path.remove(self.root)
        self._folder = tempfile.TemporaryDirectory()
        index = os.path.join(self._folder.name, "index.db")
        prebuild(os.path.join(self.root, "recipes"), index, release=self.metadata.version)
        build_data["force_include"][index] = INSIDE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del version, build_data, artifact_path
        if self._folder is not None:
            self._folder.cleanup()
