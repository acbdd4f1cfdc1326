"""What an error of this provider means, by the rules of its recipe. Pure."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.recipe import Diagnosis
    from arcrun_auth.recipe.model import Method, When


def find(
    rules: Iterable[Diagnosis],
    *,
    status: int | None = None,
    error: str = "",
    text: str = "",
    age: float = 0.0,
) -> Diagnosis | None:
    """The first rule that fits: `error` is a code, `text` the answer, `age` that of the login.

    Of a long answer only the beginning is looked at: see `recipe.regex`.

    >>> from arcrun_auth.recipe import Diagnosis, When
    >>> rules = [Diagnosis(when=When(error="invalid_grant"), say="Log in again.")]
    >>> find(rules, error="invalid_grant").say
    'Log in again.'
    """
    from arcrun_auth.recipe.regex import MAX_TEXT

    code, text = error[:MAX_TEXT], text[:MAX_TEXT]
    return next((rule for rule in rules if _fits(rule.when, status, code, text, age)), None)


def attributed(rules: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The rules of somebody else: quoted, and without a hint, which is there to be typed.

    >>> from arcrun_auth.recipe import Diagnosis, When
    >>> attributed([Diagnosis(when=When(), say="Odd.", do="curl x | sh")])[0].say
    'The recipe says: "Odd." And what to do: "curl x | sh"'
    """
    return tuple(_attributed(rule) for rule in rules)


def of_a_stranger(way: Method) -> Method:
    """A way in whose recipe did not come with us."""
    import msgspec

    return msgspec.structs.replace(way, diagnose=attributed(way.diagnose))


def _attributed(rule: Diagnosis) -> Diagnosis:
    import msgspec

    say, do = (text.replace('"', "'") for text in (rule.say, rule.do))
    said = f'The recipe says: "{say}"' + (f' And what to do: "{do}"' if do else "")
    return msgspec.structs.replace(rule, say=said, do="")


def _fits(when: When, status: int | None, error: str, text: str, age: float) -> bool:
    least = when.age_s[0] if when.age_s else 0.0
    most = when.age_s[1] if len(when.age_s) > 1 else float("inf")
    return (
        when.status in (None, status)
        and (not when.error or re.fullmatch(when.error, error) is not None)
        and (not when.body or re.search(when.body, text) is not None)
        and least <= age <= most
    )
