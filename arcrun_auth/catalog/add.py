"""Taking a recipe file over into the home, once it has been checked."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from arcrun_auth import lint
from arcrun_auth.catalog import OVERRIDE, build
from arcrun_auth.catalog.faults import shadowing
from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import lays_bases, reader
from arcrun_auth.stores import private

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.catalog.index import Index


def add(
    path: str,
    folder: str,
    trusted: Index,
    *,
    above: Callable[[str], tuple[str, str] | None],
    override: bool,
    text: bytes | None = None,
) -> str:
    """Check the recipe at `path` and copy it into `folder`; gives the service's id.

    `text` is what was read there, and shown, before: the file is not read again. The recipe may
    extend the bases of `trusted`. RecipeError where it is not valid, where the linter finds an
    error, where it has an author in its name, or where it stands over what `above` names (tier
    and service) without `override`.
    """
    found = build.read(path) if text is None else reader.parse(text, path)
    rows = trusted.bases() if lays_bases(found.data) else ()
    bases = {service: reader.parse(text, at) for service, text, at in rows}
    subject = lint.subject(found, bases, tier="local")
    recipe = subject.recipe
    build.check_local(found, recipe)
    for finding in lint.errors([*lint.judge(subject), *lint.between([subject])]):
        raise RecipeError(
            finding.message, service=recipe.service, path=path, line=finding.line,
            field=finding.field, hint=finding.mend,
        )  # fmt: skip
    below = above(recipe.service)
    if below is not None and not override:
        raise shadowing(*below, recipe.service, path)
    _copy(found.text, folder, recipe.service, suffix=OVERRIDE if below else "")
    return recipe.service


def _copy(text: str, folder: str, service: str, *, suffix: str) -> None:
    private.ensure_folder(os.path.dirname(folder))
    private.ensure_folder(folder)
    name = os.path.join(folder, service)
    private.write_atomically(f"{name}{suffix}.yaml", text.encode())
    for other in {"", OVERRIDE} - {suffix}:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{name}{other}.yaml")
