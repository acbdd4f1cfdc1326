"""The linter's rules on texts: what people and agents read, and what was pasted by mistake."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Any

from arcrun_auth.recipe.model import When

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.lint import Finding, Subject
    from arcrun_auth.recipe.reader import Place

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e007f]"
)
# What no label says to a person, and every attack on an agent does (MCP: "tool poisoning").
_ATTACK = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules|above)\b"
    r"|<\/?(?:important|system|instructions?|assistant|tool_?\w*)>|\[/?(?:inst|system)\]"
    r"|\bsystem prompt\b|\byou are now\b"
    r"|\b(?:ai|llm)s?(?: (?:agent|assistant|model)s?)? (?:must|should|shall)\b"
    r"|\b(?:agent|assistant)s? (?:must|shall) (?:not )?(?:run|call|send|reveal|print|use)\b",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"ignore (?:all|any|the|your|previous|prior)\b|you are an? (?:ai|assistant)"
    r"|do not (?:tell|mention|inform)",
    re.IGNORECASE,
)
# Alphabets with letters that look like those of ours. A word of two of them was made to deceive.
_ALPHABETS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "FULLWIDTH", "MATHEMATICAL")
_LINK = re.compile(r"\]\(|https?://", re.IGNORECASE)
_FOR_PEOPLE = frozenset(
    {"label", "help", "description", "display_name", "text", "identity_label", "say", "do"}
)
_WITH_LINKS = frozenset({"do"})
"""What sends people to a page: `links` looks at those."""


def texts(subject: Subject) -> Iterator[Finding]:
    """What people and agents read: nothing invisible, no orders, no links."""
    for place, text in _strings(subject.data):
        if _INVISIBLE.search(text):
            yield subject.finding(
                "text-control", place,
                "An invisible, reordering or control character stands in this text.",
                "Remove it.",
            )  # fmt: skip
        if any(len(_alphabets(word)) > 1 for word in re.findall(r"\w+", text)):
            yield subject.finding(
                "text-alphabets", place, "A word here has letters of two alphabets.",
                "Write it in one: letters that look alike deceive.",
            )  # fmt: skip
        if not _is_for_people(place):
            continue
        attack = _ATTACK.search(text)
        if attack or _ORDERS.search(text):
            yield subject.finding(
                "text-orders", place, "This reads like an instruction to an AI agent.",
                "Say what the field is, to a person.", "error" if attack else "warning",
            )  # fmt: skip
        if _LINK.search(text) and not _WITH_LINKS.intersection(map(str, place[-1:])):
            yield subject.finding(
                "text-link", place, "A link stands in a text.", "Use the field for the link.",
                "warning",
            )  # fmt: skip


def _alphabets(word: str) -> set[str]:
    """Those that its letters belong to, as far as they can be taken for each other."""
    if word.isascii():
        return set()
    names = (unicodedata.name(char, "").partition(" ")[0] for char in word if char.isalpha())
    return {name for name in names if name in _ALPHABETS}


def _is_for_people(place: Place) -> bool:
    *_, parent, name = ("", *map(str, place))
    return name in _FOR_PEOPLE or parent == "notices"


def _strings(data: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(data, str):
        yield place, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield (*place, key), str(key)
            yield from _strings(value, (*place, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _strings(value, (*place, index))


def patterns(subject: Subject) -> Iterator[Finding]:
    """A pattern fits its own example."""
    for at, way, _ in subject.ways():
        for index, secret in enumerate(way.required_secrets):
            place: Place = (*at, "required_secrets", index)
            if secret.example and not re.search(secret.pattern, secret.example):
                yield _unlike(subject, (*place, "example"))
        client = way.oauth2.client if way.oauth2 is not None else None
        if client and client.id_example and not re.search(client.id_pattern, client.id_example):
            yield _unlike(subject, (*at, "oauth2", "client", "id_example"))


def _unlike(subject: Subject, place: Place) -> Finding:
    return subject.finding(
        "pattern", place, "The pattern does not match the example.", "Correct one of them.",
        "warning",
    )  # fmt: skip


_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.")
_WORD = re.compile(r"[A-Za-z0-9_+/=-]{24,}")
_RANDOM_BITS = 4.2
"""From how many bits per character on do we take a long word for a key? English has 4.0 at most."""


def secrets(subject: Subject) -> Iterator[Finding]:
    """A key that was pasted into the file."""
    for place, text in _strings(subject.data):
        # A pattern looks random, and a link may carry an id that is public.
        if _is_pattern(place) or text.startswith("https://"):
            continue
        if _PEM.search(text) or _JWT.search(text) or any(map(_random, _WORD.findall(text))):
            yield subject.finding(
                "secret-literal", place, "This looks like a real key.",
                "Take it out, and revoke it: it is known now.",
            )  # fmt: skip


def _is_pattern(place: Place) -> bool:
    return place[-1] in ("pattern", "id_pattern", "take") or place[-2:-1] == ("when",)


def _random(word: str) -> bool:
    counts = Counter(word)
    bits = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    kinds = sum(bool(re.search(kind, word)) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return bits >= _RANDOM_BITS and kinds == 3  # noqa: PLR2004 - all three


_RANGE = 2


def diagnoses(subject: Subject) -> Iterator[Finding]:
    """A rule about an error has a condition, and comes before the one that swallows it."""
    for at, way, stated in subject.ways():
        if "diagnose" not in stated:
            continue
        seen: list[When] = []
        for index, item in enumerate(way.diagnose):
            place: Place = (*at, "diagnose", index, "when")
            if item.when == When():
                yield subject.finding(
                    "diagnose", place, "This holds for every error.", "Name the error it is about."
                )
            elif item.when in seen:
                yield subject.finding(
                    "diagnose", place, "A rule above has the same condition.", "Keep one of them."
                )
            seen.append(item.when)
            least, most = (*item.when.age_s, 0, 0)[:2]
            if item.when.age_s and (len(item.when.age_s) != _RANGE or least > most):
                yield subject.finding(
                    "diagnose", (*place, "age_s"), "An age is two numbers, the lesser first.",
                    "age_s: [590000, 700000]",
                )  # fmt: skip


def sdk(subject: Subject) -> Iterator[Finding]:
    """What people install and run is named by the package alone."""
    if subject.recipe.sdk is not None and subject.tier != "bundled":
        yield subject.finding(
            "sdk-tier",
            ("sdk",),
            "Only bundled recipes can name an SDK.",
            "Leave it out.",
            "warning",
        )


def of_this_machine(subject: Subject) -> Iterator[Finding]:
    """What is looked up on the user's machine is not for everybody to say."""
    for at, way, _ in subject.ways() if subject.tier != "bundled" else ():
        account = way.service_account
        places: list[Place] = [
            ("required_secrets", index, "ambient")
            for index, secret in enumerate(way.required_secrets)
            if secret.ambient
        ]
        if account is not None and account.document:
            places.append(("service_account", "document"))
        for place in places:
            yield subject.finding(
                "machine-tier",
                (*at, *place),
                "Only bundled recipes can say what is looked up on this machine.",
                "Leave it out: it is asked for, then.",
                "warning",
            )


def complete(subject: Subject) -> Iterator[Finding]:
    """What a user will miss."""
    recipe = subject.recipe
    if recipe.status == "closed":
        return
    for name in ("description", "category", "docs_url", "verified"):
        if not getattr(recipe, name):
            yield subject.finding(
                "incomplete", (), f"There is no {name}.", f"Add {name}.", "warning"
            )
    for at, way, _ in subject.ways():
        if way.test is None:
            yield subject.finding(
                "incomplete", at, "There is no test request.", "Add a harmless one.", "warning"
            )
