"""How rules, lines of the trail and moments read on the page. Pure: values to HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from arcrun_auth.agents.ui.rows import who
from arcrun_auth.errors import printable
from arcrun_auth.moments import ago
from arcrun_auth.policy import ANY

if TYPE_CHECKING:
    from arcrun_auth.audit.reading import Entry
    from arcrun_auth.policy import Rule

DEFAULT = "default"
"""The instance that is not named."""

DONE = {
    "use": "used",
    "reveal": "handed out",
    "renew": "renewed",
    "setup": "connected",
    "adopt": "taken over",
    "remove": "disconnected",
    "revoke": "ended at the provider",
    "consent": "hosts agreed to",
    "agent": "request",
}
"""What people call what a line of the trail tells of; others are shown as they are."""
OF_RULES = {
    "policy allow": "agents may do more",
    "policy deny": "agents may do less",
    "policy remove": "rule removed",
    "policy approve": "request allowed",
    "policy refuse": "request refused",
    "policy reset": "all rules removed",
}
"""The same for lines about rules."""

MAY = {
    "any": ("use it at all", "use {}"),
    "read": ("read", "read from {}"),
    "write": ("write", "write to {}"),
    "token": ("see a token", "see a token of {}"),
    "run": ("run commands with its secrets", "run commands with the secrets of {}"),
    "inject": ("fill its secrets into files", "fill the secrets of {} into files"),
    "credential": ("get passwords of it", "get passwords of {}"),
    "export": ("export it", "export {}"),
}
"""What a rule is about, after "may" or "may not": as a choice, and of a service."""


def when(moment: float, now: float) -> str:
    """A moment as people say it, with the exact one behind it."""
    exact = datetime.fromtimestamp(moment, UTC)
    shown = exact.astimezone()
    return (
        f'<time datetime="{exact:%Y-%m-%dT%H:%M:%SZ}" title="{shown:%Y-%m-%d %H:%M:%S}">'
        f"{ago(min(moment - now, -1) if moment <= now else moment - now)}</time>"
    )


def rule_sentence(rule: Rule, now: float) -> str:
    """`claude-code may write to notion`, and below what narrows it."""
    client = "Every agent" if rule.client == ANY else f"<b>{text(rule.client, 64)}</b>"
    service = "every service" if rule.service == ANY else text(rule.service, 80)
    instance = "" if rule.instance in (ANY, DEFAULT) else f"@{text(rule.instance, 64)}"
    does = MAY[rule.what][1].format(f"<b>{service}{instance}</b>")
    narrowed = " · ".join(_narrowed(rule, now))
    below = f'<br><span class="soft small">{narrowed}</span>' if narrowed else ""
    return f"{client} may {'' if rule.allow else '<b>not</b> '}{does}{below}"


def _narrowed(rule: Rule, now: float) -> list[str]:
    found = [text(method, 20) for method in rule.methods]
    found += [f"<code>{text(path, 200)}</code>" for path in rule.paths]
    if rule.digest:
        found.append("one request that was approved")
    if rule.left is not None and not rule.digest:
        found.append("once more" if rule.left == 1 else f"{rule.left} more times")
    if rule.expires is not None:
        found.append(f"ends {when(rule.expires, now)}")
    return found


def line_sentence(entry: Entry) -> str:
    """`claude-code: request GET /v1/pages · notion`."""
    done = {**DONE, **OF_RULES}.get(entry.action, text(entry.action, 40))
    request = text(entry.request, 120)
    result = "" if entry.result == "ok" else text(entry.result, 120)
    name = f"<b>{text(entry.name, 80)}</b>" if entry.name else ""
    by = text(who(entry), 80)
    about = f"{done}: {name}" if entry.action in OF_RULES else f"{name} {done}"
    parts = (about.strip(" :"), request, f"by {by}" if by else "", result)
    return " · ".join(filter(None, parts))


def text(value: str, limit: int = 300) -> str:
    """What somebody else wrote, fit for the page."""
    return escape(printable(value, limit))
