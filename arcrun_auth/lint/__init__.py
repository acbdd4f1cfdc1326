"""The linter: what may not stand in a recipe, and what had better not.

An error keeps a recipe out of the wheel and out of `arcrun recipes add`; a warning is for
its author to weigh. Everything is judged on the merged result, bases included. Pure: texts
in, findings out.

    >>> for f in lint({"shop.yaml": "service: shop\\nprimitive: static_key\\nbase_url: ftp://x.io"}):
    ...     print(f.line, f.field, f.message)
    3 base_url This is no URL of the form https://host/path, without user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import RecipeError
from arcrun_auth.recipe import NO_SUCH_FIELD, is_base, load, merge, misfits, reader
from arcrun_auth.recipe.reader import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from arcrun_auth.recipe.model import Method, Recipe
    from arcrun_auth.recipe.reader import Document, Place

NO_RECIPE = ("yaml", "format")
"""Which rules say that a file is no recipe? No other one looks at it then."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing the linter has to say: where, which rule, what, and what to do about it."""

    path: str
    line: int | None
    field: str
    rule: str
    message: str
    mend: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class Subject:
    """A recipe under the linter: as it was written, and as it is understood."""

    document: Document
    recipe: Recipe
    data: Mapping[str, Any]
    """Merged with its bases, before any default: what somebody has stated."""
    tier: str
    base: Mapping[str, Any] | None = None
    """What lies below it by `extends`, merged by itself."""

    def ways(self) -> Iterator[tuple[Place, Method, Mapping[str, Any]]]:
        """Every method: its place, itself, and what was stated of it."""
        for index, way in enumerate(self.recipe.ways):
            if index == 0:
                yield (), way, self.data
            else:
                yield ("methods", index - 1), way, self.data["methods"][index - 1]

    def finding(
        self, rule: str, place: Place, message: str, mend: str, severity: Severity = "error"
    ) -> Finding:
        return Finding(
            self.document.path or "", self.document.line(place), spell(place), rule, message,
            mend, severity,
        )  # fmt: skip


def lint(
    texts: Mapping[str, str | bytes],
    *,
    tier: str = "bundled",
    bases: Mapping[str, Document] | None = None,
    known: Sequence[Recipe] = (),
) -> list[Finding]:
    """Everything to say of the recipes in `texts` (path -> YAML), and between them.

    `tier` is where they would stand: what a bundled recipe may not (plain http, a private
    host) is a warning in a local one. `bases` may be extended beside those in `texts`;
    `known` are recipes of a higher tier, whose names must not be imitated.
    """
    documents: list[Document] = []
    findings: list[Finding] = []
    for path, text in texts.items():
        try:
            documents.append(reader.parse(text, path))
        except RecipeError as error:
            findings.append(_refused(error, "yaml"))
    mine = {str(d.data.get("service")): d for d in documents if is_base(d.data.get("service"))}
    subjects: list[Subject] = []
    for document in documents:
        if is_base(document.data.get("service")):
            continue
        below = {**(bases or {}), **mine}
        try:
            subjects.append(subject(document, below, tier=tier))
        except RecipeError as error:
            findings += _misshapen(document, below, error)
    for each in subjects:
        findings.extend(judge(each))
    findings.extend(between(subjects, known))
    return sorted(findings, key=lambda f: (f.path, f.line or 0, f.rule, f.field))


def subject(document: Document, bases: Mapping[str, Document], *, tier: str) -> Subject:
    """What the rules look at. Raises RecipeError where it is not valid at all."""
    recipe, data = load(document, bases=bases), merge(document, bases)
    base = merge(bases[recipe.extends], bases) if recipe.extends else None
    return Subject(document, recipe, data, tier, base)


def judge(subject: Subject) -> Iterator[Finding]:
    """What there is to say of one recipe by itself."""
    from arcrun_auth.lint.rules import RULES

    for rule in RULES:
        yield from rule(subject)


def between(subjects: Sequence[Subject], known: Sequence[Recipe] = ()) -> Iterator[Finding]:
    """What there is to say of several recipes together: see `lint`."""
    from arcrun_auth.lint import names

    yield from names.between(subjects, known)


def _misshapen(
    document: Document, bases: Mapping[str, Document], first: RecipeError
) -> Iterator[Finding]:
    """What makes it no recipe: the fields that do not fit, else what was found `first`."""
    try:
        faults = list(misfits(document, bases))
    except RecipeError:
        faults = []
    for fault in faults or [first]:
        yield _refused(fault, "format")


def _refused(error: RecipeError, rule: str) -> Finding:
    why, field = str(error.args[0]), error.field or ""
    near = _near(field) if why == NO_SUCH_FIELD else None
    mend = f"Did you mean {near}? " if near else ""
    return Finding(
        error.path or "", error.line, field, rule, why,
        f"{mend}Correct the file: docs/recipes.md describes every field.", "error",
    )  # fmt: skip


def _near(field: str) -> str | None:
    """The field of the model that a misspelled one comes nearest to."""
    from difflib import get_close_matches

    import msgspec

    from arcrun_auth.recipe import model

    kinds = (k for k in vars(model).values() if isinstance(k, type) and issubclass(k, model.Model))
    known = {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}
    return next(iter(get_close_matches(field.rpartition(".")[2], known, n=1)), None)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Those that keep a recipe out."""
    return [finding for finding in findings if finding.severity == "error"]
