"""The linter's rules on names: what two recipes, or a recipe and a setting, must not share."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING

from arcrun_auth.recipe import helpers
from arcrun_auth.tokens import DEFAULT_INSTANCE, split_name
from arcrun_auth.variables import env_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.lint import Finding, Subject
    from arcrun_auth.recipe.model import Recipe
    from arcrun_auth.recipe.reader import Place

# Which settings have a variable? Those of `settings.KNOWN`, a floor up; a test compares.
SETTINGS = (
    "allow_executables", "allow_hosts", "ci_vault", "community_url", "interactive", "keyring",
    "login_timeout", "ownership", "project", "recipes_root", "recipes_url", "secrets_dir",
    "secrets_file", "server", "store", "sync_auto",
)  # fmt: skip

# Which services would have variables that mean something else already?
RESERVED = frozenset({"master", "api", "encryption", "home", "proxy"})
RESERVED_VARIABLES = frozenset(
    f"ARCRUN_{name.upper()}"
    for name in (
        *RESERVED,
        *(f"{r}_key" for r in RESERVED),
        *SETTINGS,
        "database_url",
        "server_config",
    )
)

# Characters that look alike in many fonts, by the one that stands for all of them here.
_LOOK_ALIKE = str.maketrans({"0": "o", "1": "l", "i": "l", "5": "s", "_": None, "-": None})

# Letters of other alphabets that cannot be told from Latin ones: Cyrillic, Greek, two Armenian.
_LATIN = str.maketrans(
    # Cyrillic
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501"
    "\u051b\u051d\u043a\u043c\u0442\u043d\u0432"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0406\u0408\u0405"
    # Greek, Armenian
    "\u03bf\u03b1\u03b9\u03bd\u03c1\u03ba\u03c5\u03c4\u0578\u057d"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aeopcyxijshdqwkmthbABEKMHOPCTYXIJSoaivpkutnuABEZHIKMNOPTYX",
)


def between(subjects: Sequence[Subject], known: Sequence[Recipe]) -> Iterator[Finding]:
    """What there is to say of several recipes together."""
    for subject in subjects:
        yield from _reserved(subject)
        yield from _file_name(subject)
        yield from _imitation(subject, known)
        yield from _aliases(subject)
    yield from _same_names(subjects)
    yield from _same_variables(subjects)
    yield from _same_passwords(subjects)


def variables(subject: Subject) -> Iterator[tuple[str, Place]]:
    """The environment variables of ours that a recipe claims, for the default instance."""
    service = subject.recipe.service
    for at, way, _ in subject.ways():
        for index, secret in enumerate(way.required_secrets):
            name = env_name(service, DEFAULT_INSTANCE, secret.key)
            yield name, (*at, "required_secrets", index, "key")
        if way.primitive == "oauth2":
            for key in ("client_id", "client_secret"):
                yield env_name(service, DEFAULT_INSTANCE, key), (*at, "oauth2")


def _reserved(subject: Subject) -> Iterator[Finding]:
    if subject.recipe.service in RESERVED:
        yield subject.finding(
            "name-reserved", ("service",),
            f"The name {subject.recipe.service!r} is reserved.", "Choose another one.",
        )  # fmt: skip
        return
    for name, place in variables(subject):
        if name in RESERVED_VARIABLES or name.removesuffix("_FILE") in RESERVED_VARIABLES:
            yield subject.finding(
                "name-reserved", place,
                f"{name} is a setting of this library.", "Give the secret another key.",
            )  # fmt: skip


def _file_name(subject: Subject) -> Iterator[Finding]:
    stem = os.path.basename(subject.document.path or "").partition(".")[0]
    if subject.tier == "bundled" and stem != subject.recipe.service:
        yield subject.finding(
            "file-name", ("service",),
            f"The file is called {stem!r}, its service {subject.recipe.service!r}.",
            f"Call the file {subject.recipe.service}.yaml.",
        )  # fmt: skip


def _aliases(subject: Subject) -> Iterator[Finding]:
    for index, alias in enumerate(subject.recipe.aliases):
        try:
            split_name(alias)
        except ValueError:
            wrong = True
        else:
            wrong = "@" in alias
        if wrong:
            yield subject.finding(
                "alias-name", ("aliases", index), "This is no name that can be typed.",
                "Lower-case letters, digits and single underscores.",
            )  # fmt: skip


def _imitation(subject: Subject, known: Sequence[Recipe]) -> Iterator[Finding]:
    """A name, an alias or a title that is easily taken for another service's."""
    recipe = subject.recipe
    mine: list[tuple[Place, str]] = [(("service",), recipe.service.rpartition("/")[2])]
    mine += [(("aliases", index), alias) for index, alias in enumerate(recipe.aliases)]
    for other in known:
        if other.service == recipe.service:
            continue
        found = [place for place, name in mine if alike(name, other.service)]
        if recipe.display_name and _seen(recipe.display_name) == _seen(other.display_name):
            found.append(("display_name",))
        for place in found:
            yield subject.finding(
                "name-confusable", place,
                f"This name is easily taken for {other.service!r}.",
                "Choose one that nobody mistakes.", "warning",
            )  # fmt: skip


def _seen(title: str) -> str:
    """A title as it looks: without case, blanks and marks, look-alikes in Latin."""
    plain = unicodedata.normalize("NFKD", title).translate(_LATIN).casefold()
    return _shape("".join(char for char in plain if char.isalnum()))


def alike(a: str, b: str) -> bool:
    """Whether two names look the same, or differ by one edit (from four letters on).

    >>> alike("not1on", "notion"), alike("noton", "notion"), alike("aws", "ads")
    (True, True, False)
    """
    if _shape(a) == _shape(b):
        return True
    return min(len(a), len(b)) > 3 and _one_edit(a, b)  # noqa: PLR2004 - short names differ by a letter


def _shape(name: str) -> str:
    return name.replace("rn", "m").replace("vv", "w").translate(_LOOK_ALIKE)


def _one_edit(a: str, b: str) -> bool:
    """One letter more, less, other, or two neighbours swapped (Damerau-Levenshtein distance 1)."""
    if len(a) > len(b):
        a, b = b, a
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) < len(b):
        return a[start:] == b[start + 1 :]
    swapped = (
        a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :]
    )
    return a[start + 1 :] == b[start + 1 :] or swapped


def _same_names(subjects: Sequence[Subject]) -> Iterator[Finding]:
    """A service's name and its aliases belong to one recipe alone."""
    owner: dict[str, str] = {}
    for subject in subjects:
        service = subject.recipe.service
        if service in owner:
            yield subject.finding(
                "name-twice", ("service",),
                f"{owner[service]} describes {service!r} already.", "Keep one of them.",
            )  # fmt: skip
        owner.setdefault(service, subject.document.path or service)
    for subject in subjects:
        for index, alias in enumerate(subject.recipe.aliases):
            if alias in owner:
                yield subject.finding(
                    "name-twice", ("aliases", index),
                    f"{owner[alias]} has the name {alias!r} already.", "Remove the alias.",
                )  # fmt: skip
            owner.setdefault(alias, subject.document.path or alias)


def _same_variables(subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Names are computed forward: `google` + `drive_key` must not meet `google_drive` + `key`."""
    owner: dict[str, Subject] = {}
    foreign: dict[str, Subject] = {}
    for subject in subjects:
        for name, place in variables(subject):
            other = owner.setdefault(name, subject)
            if other.recipe.service != subject.recipe.service:
                yield subject.finding(
                    "env-collision", place,
                    f"{other.recipe.service} has the variable {name} already.",
                    "Give the secret another key.",
                )  # fmt: skip
        yield from _foreign(subject, foreign)
    for subject in subjects:
        yield from _own_twice(subject)


def _foreign(subject: Subject, owner: dict[str, Subject]) -> Iterator[Finding]:
    for at, way, _ in subject.ways():
        for index, secret in enumerate(way.required_secrets):
            for number, name in enumerate(secret.env):
                place = (*at, "required_secrets", index, "env", number)
                other = owner.setdefault(name, subject)
                if name.startswith("ARCRUN_"):
                    yield subject.finding(
                        "env-collision", place,
                        "Names that begin with ARCRUN_ are this library's own.",
                        "Leave it out: ours is computed from the key.",
                    )  # fmt: skip
                elif not secret.ambient and other.recipe.account != subject.recipe.account:
                    yield subject.finding(
                        "env-shared", place,
                        f"{other.recipe.service} takes {name} too, for another account.",
                        "Keep it where it is the vendor's own word for this service alone.",
                        "warning",
                    )  # fmt: skip


def _same_passwords(subjects: Sequence[Subject]) -> Iterator[Finding]:
    """Whose token does git get for a host? There must be one answer."""
    owner: dict[tuple[object, str], str] = {}
    for subject in subjects:
        service = subject.recipe.service
        for at, way, _ in subject.ways():
            for place, host in helpers.hosts(way):
                other = owner.setdefault((place[0], host.lower()), service)
                if other != service:
                    yield subject.finding(
                        "host-twice", (*at, *place),
                        f"{other} answers for {host!r} already.", "Leave it to one of them.",
                    )  # fmt: skip


def _own_twice(subject: Subject) -> Iterator[Finding]:
    """`client_id` as a secret's key, beside an OAuth app that has the same variable."""
    app = {name for name, place in variables(subject) if place[-1] == "oauth2"}
    for name, place in variables(subject):
        if name in app and place[-1] == "key":
            yield subject.finding(
                "env-collision", place,
                f"{name} is the variable of this service's OAuth app.",
                "Give the secret another key.",
            )  # fmt: skip
