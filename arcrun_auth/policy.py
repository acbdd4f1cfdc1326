"""What agents may do: rules, what is wanted, and the verdict. Pure; `policies` keeps the rules.

Reading is allowed unless a rule forbids it, all else is forbidden unless a rule allows it. A
prohibition beats every permission, however special that is: so the order of rules means nothing,
and to add a prohibition can only narrow.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import unquote

from arcrun_auth.tokens import DEFAULT_INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

Request = Literal["read", "write"]
Reveal = Literal["token", "run", "inject", "credential", "export"]
What = Literal["read", "write", "token", "run", "inject", "credential", "export"]
"""What an agent may want: a request that reads or writes, or a command that reveals a secret."""

REVEALS: tuple[Reveal, ...] = get_args(Reveal)

ANY = "*"

_NO_NAME = re.compile(r"[^a-z0-9._-]+")
_LONGEST_NAME = 64
"""How long may the name of a client be?"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A permission, or with `allow=False` a prohibition. Each field narrows whom it is about.

    >>> Rule(id="r1", service="notion", what="write", paths=("/pages/*",)).allow
    True
    """

    id: str = ""
    """Short and stable, and never given again: `arcrun policy remove r1`."""
    service: str
    """`*` is every service."""
    what: What | Literal["any"]
    """`any`, all that an agent may want, is for prohibitions only."""
    allow: bool = True
    instance: str = ANY
    client: str = ANY
    methods: tuple[str, ...] = ()
    """In upper case; all of them where there is none."""
    paths: tuple[str, ...] = ()
    """Patterns as `matches` takes them; every path where there is none."""
    expires: float | None = None
    """Epoch seconds."""
    left: int | None = None
    """How many more times it may be used."""
    digest: str = ""
    """Of the one request that was approved; empty for all others."""
    created: float = 0.0

    def live(self, now: float) -> bool:
        """Whether it has neither ended nor been used up."""
        ended = self.expires is not None and self.expires <= now
        return not ended and (self.left is None or self.left > 0)

    def covers(self, wanted: Wanted) -> bool:
        """Whether it is about what is wanted, now or not."""
        return (
            self.service in (ANY, wanted.service)
            and self.instance in (ANY, wanted.instance)
            and self.client in (ANY, wanted.client)
            and self.what in ("any", wanted.what)
            and self._about(wanted)
        )

    def _about(self, wanted: Wanted) -> bool:
        if self.digest:  # which has method and path in it
            return self.digest == wanted.digest
        return (not self.methods or wanted.method.upper() in self.methods) and (
            not self.paths or any(matches(each, wanted.path) for each in self.paths)
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a client is about to do. `path` is relative to the service's base URL, no query."""

    service: str
    instance: str
    client: str
    what: What
    method: str = ""
    path: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether it may; and the rule that decided, None where none is about it."""

    allowed: bool
    rule: Rule | None = None


def decide(rules: Iterable[Rule], wanted: Wanted, now: float) -> Verdict:
    """What the rules say at the moment `now`, in epoch seconds.

    Of several permissions one without a count is named: nothing is used up without need.

    >>> ask = Wanted(service="notion", instance="default", client="agent", what="write")
    >>> decide([], ask, 0.0).allowed
    False
    >>> decide([Rule(service="notion", what="write")], ask, 0.0).allowed
    True
    """
    found = [rule for rule in rules if rule.live(now) and rule.covers(wanted)]
    for rule in found:
        if not rule.allow:
            return Verdict(allowed=False, rule=rule)
    free = next((rule for rule in found if rule.left is None), None)
    if free is None and wanted.what == "read":
        return Verdict(allowed=True)
    used = free or min(found, key=lambda rule: not rule.digest, default=None)
    return Verdict(allowed=used is not None, rule=used)


def writes(rules: Iterable[Rule], client: str, now: float) -> bool:
    """Whether there is any write that the client may make."""
    rules = [rule for rule in rules if rule.live(now) and rule.client in (ANY, client)]
    never = [rule for rule in rules if not rule.allow and not (rule.methods or rule.paths)]
    return any(
        rule.allow and rule.what == "write" and not any(_hides(each, rule) for each in never)
        for rule in rules
    )


def _hides(prohibition: Rule, rule: Rule) -> bool:
    """Whether nothing is left of a permission to write."""
    return (
        prohibition.what in ("any", "write")
        and prohibition.service in (ANY, rule.service)
        and prohibition.instance in (ANY, rule.instance)
    )


def client_name(text: str | None) -> str:
    """What a client calls itself, fit for a rule, a log and a screen: `agent` if nothing is left.

    It is a label that narrows, and proves nothing: whoever speaks may say any name.

    >>> client_name("Claude Code"), client_name(""), client_name(None)
    ('claude-code', 'agent', 'agent')
    """
    name = _NO_NAME.sub("-", (text or "").lower()).strip("-.")
    return name[:_LONGEST_NAME].strip("-.") or "agent"


def command_to_allow(wanted: Wanted) -> str:
    """The command by which a person allows just this, for an hour.

    >>> command_to_allow(Wanted(service="notion", instance="work", client="x", what="token"))
    'arcrun policy allow notion@work --command token --for 1h'
    """
    name = wanted.service
    if wanted.instance not in (ANY, DEFAULT_INSTANCE):
        name = f"{name}@{wanted.instance}"
    if wanted.what in REVEALS:
        how = ["--command", wanted.what]
    else:
        path = f"/{'/'.join(segments(wanted.path))}"
        how = [f"--{wanted.what}", "/**" if fault(path) or ANY in path else path]
        how += ["--method", wanted.method.upper()] if wanted.method else []
    return shlex.join(["arcrun", "policy", "allow", name, *how, "--for", "1h"])


# -- Patterns of paths -------------------------------------------------------------------


def matches(pattern: str, path: str) -> bool:
    """Whether a path fits: `*` is anything within one segment, `**` at the end all that follow.

    Both are compared as a server may read them, percent-encoding undone (RFC 3986 §2.1), dots
    and empty segments resolved: no way of writing a path gets past a pattern, or into one. Upper
    and lower case differ.

    >>> matches("/pages/*", "/pages/a"), matches("/pages/*", "/pages/a%2Fdelete")
    (True, False)
    >>> matches("/keys/**", "/keys"), matches("/keys/**", "/a/../%6beys/b/c")
    (True, True)
    """
    wanted, given = pattern.strip("/").split("/"), segments(path)
    if wanted[-1] == "**":
        wanted = wanted[:-1]
        given = given[: len(wanted)]
    elif wanted == [""]:
        wanted = []
    return len(wanted) == len(given) and all(map(_fits, wanted, given))


def segments(path: str) -> list[str]:
    """The segments of a path as a server may read it (RFC 3986 §5.2.4). Never raises.

    >>> segments("/a//b/%2e%2E/%2561")
    ['a', 'a']
    """
    found: list[str] = []
    for each in decoded(path).replace("\\", "/").split("/"):
        if each == "..":
            del found[-1:]
        elif each not in ("", "."):
            found.append(each)
    return found


def decoded(text: str) -> str:
    """`text` with its percent-encoding undone, and what comes to light thereby, to the end."""
    while "%" in text:
        once = unquote(text, errors="surrogateescape")
        if once == text:
            break
        text = once
    return text


def _fits(pattern: str, segment: str) -> bool:
    """Whether a segment fits; in time that grows with its length alone."""
    # Decoded piece by piece: an encoded star is no star.
    first, *rest = [decoded(piece) for piece in pattern.split("*")]
    if not rest:
        return segment == first
    *middle, last = rest
    if not segment.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        at = segment.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return len(segment) - len(last) >= at and segment.endswith(last)


def fault(pattern: str) -> str:
    """Why no path can fit a pattern, in words; empty where all is well."""
    if not pattern.startswith("/"):
        return "it begins with a slash"
    if re.search(r"[\s?#\\\x00-\x1f\x7f]", pattern):
        return "it is a path alone, without a query"
    given = pattern.strip("/").split("/")
    if any("**" in each for each in given[:-1]) or ("**" in given[-1] and given[-1] != "**"):
        return "two stars are the last segment, for all that follow"
    if "//" in pattern or (
        given != [""] and [decoded(each) for each in given] != segments(pattern)
    ):
        return "it is written as it is sent: no dots, empty segments or encoded slashes"
    return ""
