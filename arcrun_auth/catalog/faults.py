"""What the catalogue refuses, in its words. Loaded only where there is something to refuse."""

from __future__ import annotations

from arcrun_auth.errors import RecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.catalog.index import Index


def problem(service: str, path: str, why: str, line: int | None, field: str | None) -> RecipeError:
    """A file that is no valid recipe."""
    return RecipeError(
        why, service=service, path=path, line=line, field=field,
        hint=f"arcrun recipes lint {path}",
    )  # fmt: skip


def shadowing(tier: str, above: str, service: str, path: str) -> RecipeError:
    """A file that would stand over a service of a higher tier without having been let to."""
    return RecipeError(
        f"This recipe would stand over the {tier} service {above!r}.",
        service=service,
        path=path,
        hint=f"arcrun recipes add --override {path}",
    )


def torn(service: str, lock: str) -> RecipeError:
    """A service of which the official set, as far as it is left, does not say what it is."""
    return RecipeError(
        "The official recipes that recipes.lock names are not whole, and this service may be "
        "another one there: it is not used.",
        service=service,
        path=lock,
        hint="arcrun recipes update fetches them anew",
    )


def differs(service: str, bundled: Index, official: Index) -> bool:
    """Whether what is left of an official set says otherwise of a name than the package, or
    nothing where that says something."""
    mine, theirs = bundled.body(service), official.body(service)
    if mine is None and theirs is None:
        return official.alias(service) not in {None, bundled.alias(service)}
    return mine != theirs
