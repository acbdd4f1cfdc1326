"""How rules, lines of the trail and moments read on the page. Pure: values to HTML."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from arcrun_auth.agents.ui.data import who
from arcrun_auth.errors import printable
from arcrun_auth.moments import ago

if TYPE_CHECKING:
    from arcrun_auth.audit.reading import Entry
    from arcrun_auth.policy import Rule

DONE = {
    "use": "used",
    "reveal": "handed out",
    "renew": "renewed",
    "setup": "connected",
    "remove": "disconnected",
    "revoke": "ended at the provider",
    "consent": "hosts agreed to",
    "agent": "request",
    "adopt": "taken over",
}
"""What a line of the trail calls it, and what people do; others are shown as they are."""

MAY = {
    "any": "use",
    "read": "read",
    "write": "write",
    "token": "see a token",
    "run": "run commands with its secrets",
    "inject": "fill its secrets into files",
    "credential": "get passwords for git, docker and AWS",
    "export": "export the vault",
}
"""What a rule is about, after "may" or "may not"."""


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
    what = MAY.get(rule.what, text(rule.what, 40))
    client = "Every agent" if rule.client == "*" else f"<b>{text(rule.client, 64)}</b>"
    service = "every service" if rule.service == "*" else f"<b>{text(rule.service, 80)}</b>"
    instance = "" if rule.instance == "*" else f"<b>@{text(rule.instance, 64)}</b>"
    may = "may" if rule.allow else "may <b>not</b>"
    narrowed = " · ".join(_narrowed(rule, now))
    below = f'<br><span class="soft small">{narrowed}</span>' if narrowed else ""
    return f"{client} {may} {what}: {service}{instance}{below}"


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
    done = DONE.get(entry.action, text(entry.action, 40))
    request = text(getattr(entry, "request", ""), 120)
    result = "" if entry.result == "ok" else text(entry.result, 120)
    name = f"<b>{text(entry.name, 80)}</b>" if entry.name else ""
    parts = (f"{name} {done}".strip(), request, f"by {text(who(entry), 80)}", result)
    return " · ".join(filter(None, parts))


def text(value: str, limit: int = 300) -> str:
    """What somebody else wrote, fit for the page."""
    return escape(printable(value, limit))
