# ruff: noqa: INP001 - a part of the program beside the pages
"""The page docs/api.md: the public names, their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import arcrun_auth
from arcrun_auth import testing
from arcrun_auth.adapters import HOMES
from arcrun_auth.bound import AsyncBound
from arcrun_auth.checkup import Checked
from arcrun_auth.declared import Needed
from arcrun_auth.keepalive import Kept
from arcrun_auth.people import Person
from arcrun_auth.platform_sdk import Auth, Creds, Workflows
from arcrun_auth.removal import Removed
from arcrun_auth.report import Instance, Origin, Service, Why
from arcrun_auth.stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
# Reference of the library

This page is written by `python docs/generate.py` from the docstrings.

`from arcrun import auth` and `import arcrun_auth as auth` give the same module. Names that
do not stand here are no part of the public interface, and may change with any release.
The errors have [a page of their own](errors.md), the command has
[another](cli.md).
"""

SECTIONS: dict[str, tuple[tuple[str, Any], ...]] = {
    "Functions": tuple(
        (f"auth.{name}", getattr(arcrun_auth, name))
        for name in (
            "bind", "bind_async", "get_token", "get_token_async", "presigned_url",
            "list_services", "setup", "test", "remove",
        )
    ),
    "Credentials for SDKs": tuple(
        (f"auth.{name}", getattr(arcrun_auth, name)) for name in sorted(HOMES, key=str.lower)
    ),
    "What they give back": (
        ("AsyncBound", AsyncBound), ("auth.Token", arcrun_auth.Token),
        ("auth.Secret", arcrun_auth.Secret), ("Service", Service), ("Instance", Instance),
        ("Checked", Checked), ("Why", Why), ("Origin", Origin), ("Needed", Needed),
        ("Kept", Kept), ("Removed", Removed),
    ),
    "A platform": (
        ("auth.Arcrun", arcrun_auth.Arcrun), ("Arcrun.auth", Auth), ("Arcrun.creds", Creds),
        ("Arcrun.workflows", Workflows),
    ),
    "The broker": (("auth.Broker", arcrun_auth.Broker),),
    "What a broker can be given": (("Store", Store), ("Person", Person)),
    "For tests": tuple((f"auth.testing.{n}", getattr(testing, n)) for n in testing.__all__),
}  # fmt: skip

ERRORS = sorted(
    name
    for name in arcrun_auth.__all__
    if inspect.isclass(found := getattr(arcrun_auth, name))
    and issubclass(found, arcrun_auth.AuthError)
)


def reference() -> str:
    """The page docs/api.md."""
    lines = [HEAD]
    for title, members in SECTIONS.items():
        lines.append(f"## {title}\n")
        for name, member in members:
            lines += _class(name, member) if inspect.isclass(member) else _function(name, member)
    lines += ["## Errors\n", "`auth.errors` holds all of them; `auth` has them too:\n"]
    lines += [f"- [`{name}`](errors.md#{name.lower()})" for name in ERRORS]
    return "\n".join(lines) + "\n"


def _class(name: str, cls: type) -> Iterator[str]:
    yield f"### `{name}`\n"
    if _has_own_init(cls):
        yield _signature(name, cls, drop_self=False)
    yield _text(cls)
    yield from _attributes(cls)
    for member_name, member in _members(cls).items():
        if member_name.startswith(("_", "test_")):
            continue
        if inspect.isfunction(member):
            yield from _function(f"{name}.{member_name}", member, level=4, drop_self=True)


def _members(cls: type) -> dict[str, Any]:
    """Its own, then what it has of classes of ours that stand in no section."""
    listed = {member for members in SECTIONS.values() for _, member in members}
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        ours = base.__module__.partition(".")[0] == "arcrun_auth"
        if base is cls or (ours and base not in listed):
            for name, member in vars(base).items():
                found.setdefault(name, member)
    return found


def _has_own_init(cls: type) -> bool:
    return (
        "__init__" in _members(cls)
        and not hasattr(cls, "__dataclass_fields__")
        and cls is not AsyncBound
    )


def _function(name: str, member: Any, *, level: int = 3, drop_self: bool = False) -> Iterator[str]:
    yield f"{'#' * level} `{name}`\n"
    yield _signature(name, member, drop_self=drop_self)
    yield _text(member)


def _signature(name: str, member: Any, *, drop_self: bool) -> str:
    signature = inspect.signature(member)
    parameters = list(signature.parameters.values())[1 if drop_self else 0 :]
    shown = [_parameter(parameter) for parameter in parameters]
    first = next(
        (n for n, p in enumerate(parameters) if p.kind is inspect.Parameter.KEYWORD_ONLY), None
    )
    if first is not None and not any(
        p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters
    ):
        shown.insert(first, "*")
    back = signature.return_annotation
    end = (
        "" if back is inspect.Signature.empty or inspect.isclass(member) else f" -> {_plain(back)}"
    )
    kind = "async " if inspect.iscoroutinefunction(member) else ""
    line = f"{kind}{name}({', '.join(shown)}){end}"
    if len(line) > 88:  # noqa: PLR2004 - as wide as a code block is shown
        line = f"{kind}{name}(\n" + "".join(f"    {part},\n" for part in shown) + f"){end}"
    return f"```text\n{line}\n```\n"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {_plain(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        default = parameter.default
        shown = default.__module__ + "." + default.__name__ if callable(default) else repr(default)
        text += f" = {shown}"
    return text


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "Any")


def _text(member: Any) -> str:
    """The docstring as Markdown: indented and `>>>` parts become blocks."""
    lines, inside = [], False
    for line in (inspect.getdoc(member) or "").split("\n"):
        code = line.startswith((">>>", "...", "    ")) or (inside and bool(line.strip()))
        if code and not inside:
            lines.append("```text")
        if inside and not code:
            lines.append("```")
        inside = code
        lines.append(line)
    if inside:
        lines.append("```")
    return "\n".join(lines).strip() + "\n"


def _attributes(cls: type) -> list[str]:
    """Fields of a dataclass, attributes with a docstring below them in the source, properties."""
    rows = []
    source = inspect.getsource(cls)
    pattern = r'^ +(?:self\.)?([a-z]\w*)(?:: ([^=\n]+?))?(?: = [^\n]+)?\n +"""(.+?)"""'
    told = {
        name: " ".join(doc.split())
        for name, _, doc in re.findall(pattern, source, re.MULTILINE | re.DOTALL)
    }
    names = dict.fromkeys([*getattr(cls, "__dataclass_fields__", {}), *told])
    for name in names:
        field = getattr(cls, "__dataclass_fields__", {}).get(name)
        kind = f" `{field.type}`" if field is not None else ""
        rows.append(f"- `.{name}`{kind}" + (f": {told[name]}" if name in told else ""))
    for name, member in _members(cls).items():
        if isinstance(member, property) and not name.startswith("_"):
            told_of = " ".join((inspect.getdoc(member) or "").split())
            kind = member.fget.__annotations__.get("return", "") if member.fget else ""
            rows.append(f"- `.{name}` `{kind}`" + (f": {told_of}" if told_of else ""))
    return [*rows, ""] if rows else []
