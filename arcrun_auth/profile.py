"""What a recipe says of a service, as a page of labelled lines: for `show`, and for the pages.

Pure. Whoever draws it chooses the form; what stands in it is chosen here alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth import primitives
from arcrun_auth.template import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.recipe.model import Method, Param, Recipe

VERIFIED = {"live": "tried", "doc": "two sources agree", "code": "not confirmed by two sources"}


class Line(NamedTuple):
    """One fact: its label, and one text or several, each a line of its own."""

    label: str
    texts: tuple[str, ...]


class Section(NamedTuple):
    """Facts under a heading; of a way in also the command that takes it."""

    kind: str
    """`names`, `way`, `agents`, `errors` or `sources`."""
    title: str
    command: str
    lines: tuple[Line, ...]


def sections(recipe: Recipe) -> tuple[Section, ...]:
    """All of it: what it is found by, each way in, what agents may do, errors, where it is from.

    Of a further way in only what is not the same for the first one.
    """
    found = (
        Section("names", "", "", _kept(_names(recipe))),
        *(_ways(recipe) if recipe.status != "closed" else ()),
        Section("agents", "AI agents", "", _kept(_agents(recipe))),
        Section("errors", "Known errors", "", _kept(_errors(recipe))),
        Section("sources", "Sources", "", _kept(_sources(recipe))),
    )
    return tuple(section for section in found if section.lines or section.kind == "way")


def _ways(recipe: Recipe) -> Iterator[Section]:
    first: tuple[Line, ...] = ()
    for way in recipe.ways:
        lines = _kept(_way(way))
        own = tuple(line for line in lines if line not in first)
        yield Section("way", _title(way), _command(recipe, way), own)
        first = first or lines


def _kept(lines: Iterator[tuple[str, list[str] | tuple[str, ...] | str]]) -> tuple[Line, ...]:
    every = ((label, (text,) if isinstance(text, str) else tuple(text)) for label, text in lines)
    shown = (Line(label, tuple(map(in_words, filter(None, texts)))) for label, texts in every)
    return tuple(line for line in shown if line.texts)


def _names(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield "category", recipe.category
    yield "also named", ", ".join(recipe.aliases)
    yield "tags", ", ".join(recipe.tags)
    yield "base URL", recipe.base_url
    yield "docs", recipe.docs_url
    if recipe.sdk is not None:
        yield "SDK", f"{recipe.sdk.package}: arcrun snippet {recipe.service} --sdk {_sdk(recipe)}"
    if recipe.status != "active":
        more = f"; use {recipe.successor}" if recipe.successor else ""
        yield "status", f"{recipe.status}{more}"


def _sdk(recipe: Recipe) -> str:
    assert recipe.sdk is not None
    return recipe.sdk.names[0]


def _title(way: Method) -> str:
    known = primitives.find(way.primitive)
    if known is None:
        return f"{way.primitive}, which nothing here brings"
    kind = known.label or way.primitive
    return way.label or (kind[:1].upper() + kind[1:])


def _command(recipe: Recipe, way: Method) -> str:
    setup = f"arcrun setup {recipe.service}"
    return setup if way.id == recipe.ways[0].id else f"{setup} --method {way.id}"


def _way(way: Method) -> Iterator[tuple[str, list[str] | str]]:
    from arcrun_auth.consent import named_servers

    for secret in way.required_secrets:
        marks = ", optional" * secret.optional + ", looked up on this machine" * secret.ambient
        label = f"{secret.label or secret.key} ({secret.key}{marks})"
        yield "needs", [label, secret.help, secret.help_url]
    for name, param in way.params.items():
        if param.source == "user":
            yield f"--param {name}", [_param(param), param.help]
    yield "start at", way.setup_url
    if way.primitive == "oauth2" and way.oauth2 and way.oauth2.client.registration != "dcr":
        yield "your app", way.app_register_url
    yield "goes to", list(way.allowed_hosts)
    yield "token from", list(named_servers(way))
    yield "git", list(way.git.hosts if way.git is not None else ())
    yield "docker", list(way.docker.registries if way.docker is not None else ())
    if way.scopes:
        yield "scopes", ", ".join(way.scopes)
    for name, scopes in way.oauth2.scope_sets.items() if way.oauth2 is not None else ():
        yield f"--scopes {name}", ", ".join(scopes)
    if way.test is not None:
        yield "test", f"{way.test.method} {way.test.url or way.test.path}"


def _param(param: Param) -> str:
    text = param.label
    if param.enum:
        text += f": {', '.join(param.enum)}"
    return f"{text} (default: {param.default})" if param.default else text


def _agents(recipe: Recipe) -> Iterator[tuple[str, list[str]]]:
    """What stands in the recipe alone: GET and HEAD read everywhere else."""
    agent = recipe.agent
    read = [
        f"{read.method} {read.path}{', a GraphQL query' if read.graphql else ''}"
        for read in agent.read
    ]
    yield "reads by", [*([] if agent.rpc or not read else ["GET, HEAD"]), *read]
    if agent.rpc and not read:
        yield "reads by", ["nothing: GET acts here, too"]
    yield "never", list(recipe.deny_paths)


def _errors(recipe: Recipe) -> Iterator[tuple[str, list[str]]]:
    for item in recipe.diagnose:
        yield _sign(item.when.status, item.when.error), [item.say, item.do]


def _sign(status: int | None, error: str) -> str:
    words = [str(status)] if status else []
    return " ".join([*words, *([error] if error.isidentifier() else [])]) or "·"


def _sources(recipe: Recipe) -> Iterator[tuple[str, list[str] | tuple[str, ...] | str]]:
    verified = recipe.verified
    if verified is None:
        yield "verified", "never"
    else:
        yield "verified", f"{verified.date}: {VERIFIED[verified.method]}"
        yield "seen at", verified.sources
