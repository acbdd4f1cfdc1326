"""`arcrun recipes new`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import RecipeError, printable
from arcrun_auth.stores import private
from arcrun_cli import options, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import no_input_option

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from arcrun_auth.drafting import Address, Draft, Way
    from arcrun_auth.people import Person
    from arcrun_auth.recipe import Recipe

KINDS = ("bearer", "header", "query", "cookie", "basic", "login")
"""The words of `--auth`: those of `drafting.KINDS`, which loads when a recipe is made."""

USAGE = "arcrun recipes new NAME --address URL --auth bearer"
_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_NO_NAME = "A name has small letters, digits and single underscores: my_shop."
MAX_NAME = 64


@click.command(
    "new",
    cls=Command,
    short_help="Make a recipe: by questions, or from an OpenAPI document or an issuer.",
    examples=(
        "arcrun recipes new",
        "arcrun recipes new --from openapi.yaml",
        "arcrun recipes new --from https://api.example.com/openapi.json",
        "arcrun recipes new shop --address https://api.shop.com --auth header",
    ),
)
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "--from",
    "source",
    metavar="SOURCE",
    help="An OpenAPI document (2.0, 3.x), a file or an https address; or an issuer's address.",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; NAME.yaml if not given.")
@click.option("--address", metavar="URL", help="What relative URLs are resolved against.")
@click.option(
    "--auth", type=click.Choice(KINDS), metavar="KIND", help=f"How it lets in: {', '.join(KINDS)}."
)
@click.option("--field", metavar="NAME", help="The header, parameter or cookie of the key.")
@click.option("--login-at", metavar="URL", help="The authorization endpoint, for a login.")
@click.option("--token-at", metavar="URL", help="The token endpoint, for a login.")
@click.option("--keys-at", metavar="URL", help="The page where the key is found or made.")
@click.option("--test", "test", metavar="PATH", help="A harmless request that proves it: /me.")
@no_input_option
def command(
    name: str | None,
    source: str | None,
    output: str | None,
    address: str | None,
    *,
    keys_at: str | None,
    test: str | None,
    no_input: bool,
    **way: str | None,
) -> int:
    """Make a recipe, check it, and try it against the embedded provider.

    What a document does not say is asked for. What nobody but the vendor knows becomes a
    comment in the file.
    """
    from arcrun_auth import drafting

    asks = Questions(options.terminal(interactive=False if no_input else None))
    document, at = _document(source) if source else ({}, "")
    service = _service(asks, name, document)
    title = _title(asks, document, service)
    where = _address(asks, address, document, at)
    said = Said(**way)
    chosen = None if document and said.auth is None else _way(asks, service, said)
    if document:
        draft = drafting.from_document(document, service, where, name=title, way=chosen)
    else:
        assert chosen is not None
        draft = drafting.blank(service, title, where, chosen)
    draft = _completed(asks, draft, keys_at, test, ask_test=not document)
    recipe = draft.recipe()
    path = output or f"{service}.yaml"
    if not _written(asks.person, path, draft.text()):
        return 1
    ways = ", ".join(way.id for way in recipe.ways)
    ui.tell(f"{ui.mark('ok', ui.err)} {printable(path)} was written. Ways in: {ways}.")
    return judged(recipe, path)


@dataclass(frozen=True)
class Said:
    """What the options say of the way in."""

    auth: str | None
    field: str | None
    login_at: str | None
    token_at: str | None


class Questions:
    """What is asked of whoever is there; where nobody is, what is missing is a usage fault."""

    def __init__(self, person: Person) -> None:
        self.person = person

    @property
    def can_ask(self) -> bool:
        return self.person.reach in ("terminal", "notebook")

    def ask(self, question: str, default: str = "", *, missing: str = "") -> str:
        """An answer, else the default. UsageFault with `missing` where nobody can be asked."""
        if not self.can_ask:
            if missing and not default:
                raise UsageFault(f"Nobody can be asked here: {missing} is missing.", USAGE)
            return default
        answer = self.person.ask(f"{question} [{default}]" if default else question)
        if answer is None:
            raise UsageFault("There was no answer.", USAGE)
        return answer.strip() or default

    def until(
        self, question: str, fault: Callable[[str], str], default: str = "", *, missing: str
    ) -> str:
        """The same, until there is no `fault` in it. A default has none."""
        while True:
            answer = self.ask(question, default, missing=missing)
            why = fault(answer)
            if not why:
                return answer
            self.person.say(f"  {why}")


def _document(source: str) -> tuple[dict[str, Any], str]:
    from arcrun_auth import retrieval
    from arcrun_auth.settings import Settings
    from arcrun_cli.talk import Waiting

    with Waiting("Reading"):
        return retrieval.document(source, Settings().allow_hosts)


# -- one answer each -----------------------------------------------------------------------


def _service(asks: Questions, name: str | None, document: Mapping[str, Any]) -> str:
    from arcrun_auth.drafting import openapi

    if name is not None:
        if fault := _name_fault(name):
            raise UsageFault(fault, USAGE)
        return name
    suggested = openapi.service_name(document)
    if suggested and document:
        return suggested
    return asks.until("Name, as it is typed in commands", _name_fault, missing="its name")


def _name_fault(name: str) -> str:
    return "" if _NAME.fullmatch(name) and len(name) <= MAX_NAME else _NO_NAME


def _title(asks: Questions, document: Mapping[str, Any], service: str) -> str:
    from arcrun_auth.drafting import openapi

    found = openapi.title_of(document)
    suggested = service.replace("_", " ").title()
    return found or asks.ask("What people call it", suggested)


def _address(asks: Questions, given: str | None, document: Mapping[str, Any], at: str) -> Address:
    from arcrun_auth.drafting import Address, kind_of, openapi

    found = None
    if given is None and kind_of(document) == "openapi":
        found = openapi.address_of(document, at)
    if found is not None:
        return found
    question = "Address of its API (https://api.example.com/v1)"
    return Address(_url(asks, given, question, "the address of its API").rstrip("/"))


def _url(asks: Questions, given: str | None, question: str, missing: str) -> str:
    """A whole URL, as it was given or else typed."""
    if given is None:
        return asks.until(question, _url_fault, missing=missing)
    if fault := _url_fault(given):
        raise UsageFault(fault, USAGE)
    return given


def _url_fault(text: str) -> str:
    from arcrun_auth.recipe.rules import host_of

    usable = host_of(text) and "{" not in text
    return "" if usable else "Write the whole address: https://host/path."


def _way(asks: Questions, service: str, said: Said) -> Way:
    """The way in that was asked for."""
    from arcrun_auth import drafting

    kind, field = said.auth or _kind(asks), said.field
    if kind in drafting.FIELDS and field is None:
        field = asks.ask(f"Name of the {kind}", drafting.FIELDS[kind])
    ends = ("", "")
    if kind == "login":
        ends = (
            _url(asks, said.login_at, "Authorization endpoint (where one logs in)", "--login-at"),
            _url(asks, said.token_at, "Token endpoint", "--token-at"),
        )
    return drafting.way_of(kind, service, field=field or "", login_at=ends[0], token_at=ends[1])


def _kind(asks: Questions) -> str:
    from arcrun_auth import drafting

    words = list(drafting.KINDS)
    if asks.can_ask:
        asks.person.say("How does it let programs in?")
        for number, about in enumerate(drafting.KINDS.values(), 1):
            asks.person.say(f"  {number}  {about}")

    def fault(text: str) -> str:
        known = text in words or text in map(str, range(1, len(words) + 1))
        return "" if known else f"One of 1 to {len(words)}."

    default = "1" if asks.can_ask else ""
    answer = asks.until("Number", fault, default, missing="how it lets programs in (--auth)")
    return words[int(answer) - 1] if answer.isdecimal() else answer


def _completed(
    asks: Questions, draft: Draft, keys_at: str | None, test: str | None, *, ask_test: bool
) -> Draft:
    """With what no document says, and what was said instead of it."""
    if keys_at is None and any("required_secrets" in way.fields for way in draft.ways):
        keys_at = asks.ask("Page where its key is found or made (empty: none)")
    if keys_at:
        draft = draft.with_help(keys_at)
    if test is None and ask_test:
        test = asks.ask("Path of a harmless request that proves it, like /me (empty: none)")
    return draft.with_test({"path": test}) if test else draft


# -- the file ------------------------------------------------------------------------------


def _written(person: Person, path: str, text: str) -> bool:
    """Whether it was written: over a file that is there only if the person wants that."""
    if os.path.lexists(path):
        if person.reach is None:
            raise UsageFault(f"{printable(path)} is there already.", "choose another: -o FILE")
        if not person.confirm(f"{printable(path)} is there already. Replace it?"):
            ui.tell("It was left as it is.")
            return False
        place = os.path.realpath(path)
        like = os.stat(place) if os.path.exists(place) else None
        private.write_atomically(place, text.encode(), like=like)
        return True
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise RecipeError(
            f"This file cannot be written: {error.strerror}.", path=printable(path)
        ) from None
    return True


def judged(recipe: Recipe, path: str) -> int:
    """What the linter and the embedded provider say of it, and the next command."""
    from arcrun_auth.lint import errors
    from arcrun_cli.commands import recipes

    findings = recipes.findings(options.catalog(), [path])
    missing = [f.message for f in findings if f.rule == _INCOMPLETE]
    for finding in findings:
        if finding.rule != _INCOMPLETE:
            recipes.show_finding(finding)
    if missing:
        named = [text.removeprefix("There is no ").rstrip(".") for text in missing]
        ui.tell(f"To share it, add what is missing: {', '.join(dict.fromkeys(named))}.")
    if errors(findings) or not _works(recipe, private={f.rule for f in findings} & _PRIVATE):
        ui.tell(f"Mend it, then:\n  → arcrun recipes lint {path}")
        return 1
    over = _over(recipe.service)
    if over:
        ui.tell(f"{recipe.service} has a {over} recipe already: this one would stand over it.")
    ui.tell(f"  → arcrun recipes add {path}{' --override' if over else ''}")
    return 0


def _over(service: str) -> str:
    """The tier of a recipe that has the name already, and is none of the user's own."""
    from arcrun_auth.errors import AuthError

    try:
        tier = options.catalog().entry(service).tier
    except AuthError:
        return ""
    return "" if tier == "local" else tier


_INCOMPLETE = "incomplete"
"""Which rule of the linter tells what is missing? A new recipe lacks much: it is told at once."""
_PRIVATE = frozenset({"url-https", "url-public"})
"""By which findings of the linter do we know addresses that only the user can allow?"""


def _works(recipe: Recipe, *, private: Collection[str]) -> bool:
    """Whether it does against the embedded provider what it says, as far as that can play it."""
    from arcrun_auth.testing import conform
    from arcrun_cli.talk import Waiting

    if private:
        ui.tell("Its addresses are private or plain http: it is tried when it is set up.")
        return True
    with Waiting("Trying it"):
        failures = conform(recipe).failures
    for failure in failures:
        ui.put(f"{ui.mark('fail', word='fail')}  {printable(failure)}")
    if not failures:
        ui.tell(f"{ui.mark('ok', ui.err)} It works against the provider that is built in.")
    return not failures
