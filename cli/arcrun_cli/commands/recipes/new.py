"""`arcrun recipes new`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import printable
from arcrun_cli import options, ui
from arcrun_cli.app import Command
from arcrun_cli.commands.recipes import file
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import no_input_option
from arcrun_cli.questions import Questions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.drafting import Address, Draft, Way

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

    if fault := _page_fault(keys_at or ""):
        raise UsageFault(fault, USAGE)
    asks = Questions(options.terminal(interactive=False if no_input else None), USAGE)
    document, at = _document(source) if source else ({}, "")
    service = _service(asks, name, document)
    path = output or f"{service}.yaml"
    replace = file.may_replace(asks.person, path)
    if replace is False:
        return 1
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
    file.write(path, draft.text(), replace=bool(replace))
    ways = ", ".join(way.id for way in recipe.ways)
    ui.tell(f"{ui.mark('ok', ui.err)} {printable(path)} was written. Ways in: {ways}.")
    return file.judged(recipe, path)


@dataclass(frozen=True)
class Said:
    """What the options say of the way in."""

    auth: str | None
    field: str | None
    login_at: str | None
    token_at: str | None


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
        question, usual = f"Name of the {kind}", drafting.FIELDS[kind]
        fault = partial(_field_fault, kind, service)
        field = asks.until(question, fault, usual, missing="--field")
    ends = ("", "")
    if kind == "login":
        ends = (
            _url(asks, said.login_at, "Authorization endpoint (where one logs in)", "--login-at"),
            _url(asks, said.token_at, "Token endpoint", "--token-at"),
        )
    return drafting.way_of(kind, service, field=field or "", login_at=ends[0], token_at=ends[1])


def _field_fault(kind: str, service: str, name: str) -> str:
    """Why this can be no name of a header, parameter or cookie; empty where it can."""
    from arcrun_auth import drafting

    way = drafting.way_of(kind, service, field=name)
    anywhere = drafting.Address("https://api.example.com")
    return drafting.blank(service, "", anywhere, way).fits(way) or ""


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


def _page_fault(url: str) -> str:
    from arcrun_auth.lint.rules import is_page

    return "" if not url or is_page(url) else "Write a public address: https://host/path."


def _completed(
    asks: Questions, draft: Draft, keys_at: str | None, test: str | None, *, ask_test: bool
) -> Draft:
    """With what no document says, and what was said instead of it."""
    if keys_at is None and any("required_secrets" in way.fields for way in draft.ways):
        question = "Page where its key is found or made (empty: none)"
        keys_at = asks.until(question, _page_fault, missing="")
    if keys_at:
        draft = draft.with_help(keys_at)
    if test is None and ask_test:
        test = asks.ask("Path of a harmless request that proves it, like /me (empty: none)")
    return draft.with_test({"path": test}) if test else draft
