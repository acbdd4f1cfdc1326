"""Whether each rule of `diagnose` can ever be the one that speaks."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

from arcrun_auth.diagnosis import find
from arcrun_auth.testing.conformance import invented

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.recipe import Diagnosis

STATUSES = (None, 400, 401, 403, 404, 200)


@lru_cache(maxsize=64)
def faults(rules: tuple[Diagnosis, ...]) -> tuple[str, ...]:
    """The rules that fit no answer, and those that another one always stands before. Families
    of recipes share theirs."""
    found = []
    for index, rule in enumerate(rules):
        speakers = _speakers(rules, rule)
        above = next((rules.index(one) for one in speakers if one is not None), None)
        if rule not in speakers:
            why = f": diagnose[{above}] does" if above is not None else ""
            found.append(f"diagnose[{index}] never fits{why}")
    return tuple(found)


def _speakers(rules: Sequence[Diagnosis], rule: Diagnosis) -> list[Diagnosis | None]:
    """Who speaks on each of the answers that were made up for `rule`."""
    when = rule.when
    errors = list(invented.texts(when.error, whole=True)) if when.error else [""]
    bodies = list(invented.texts(when.body)) if when.body else [""]
    statuses = STATUSES if when.status is None else (when.status,)
    age = float(when.age_s[0]) if when.age_s else 0.0
    return [
        find(rules, status=status, error=error, text=f"{error}: {body}", age=age)
        for status, error, body in product(statuses, errors, bodies)
    ]


def words(rule: Diagnosis) -> str:
    """An answer that a rule fits."""
    return invented.text(rule.when.body) if rule.when.body else "it says no"


def first(rules: Sequence[Diagnosis], *, status: int, text: str) -> Diagnosis | None:
    return find(rules, status=status, text=text)
