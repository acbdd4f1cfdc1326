"""Builds the recipe index into the wheel, so that an installed package reads no YAML."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RecipeIndexHook(BuildHookInterface):  # type: ignore[type-arg]
    pass
