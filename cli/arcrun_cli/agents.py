"""Is this an agent's shell? What reveals a secret is refused there.

An agent reads what its commands print, and with it goes whatever its transcript is sent to.
A marker can be unset: this is a bump, not a wall.
"""

from __future__ import annotations

import os

from arcrun_auth.errors import PolicyRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MARKERS = (
    "AI_AGENT",
    "AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE",
    "CLINE_ACTIVE",
    "CODEX_CI",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "CODEX_THREAD_ID",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "ANTIGRAVITY_AGENT",
    "AUGMENT_AGENT",
    "GOOSE_TERMINAL",
    "OPENCODE",
)
"""Which variables do agents set in the shells they open? Settings that people export for them
(`CODEX_HOME`) are none of these."""

_OFF = ("", "0", "false", "no")


def marker(environ: Mapping[str, str] | None = None) -> str | None:
    """The variable that says an agent runs this, or None."""
    environ = os.environ if environ is None else environ
    for name in MARKERS:
        if environ.get(name, "").lower() not in _OFF:
            return name
    return None


def refuse(rule: str, what: str, hint: str) -> None:
    """Raises PolicyRefused under an agent's marker. `rule` is the name a policy will allow."""
    found = marker()
    if found is not None:
        raise PolicyRefused(
            f"{what} is not shown to an agent ({found} is set).", rule=rule, hint=hint
        )
