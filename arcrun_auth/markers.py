"""Is this an agent's shell? Told by the variables that agents set in the shells they open.

A marker can be unset: whatever is refused because of one is a bump, not a wall.
"""

from __future__ import annotations

import os

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
    "COPILOT_CLI",
    "CURSOR_AGENT",
    "GEMINI_CLI",
    "AMP_CURRENT_THREAD_ID",
    "ANTIGRAVITY_AGENT",
    "AUGMENT_AGENT",
    "GOOSE_TERMINAL",
    "OPENCODE",
)
"""Which variables do agents set in the shells they open? Settings that people export for them
(`CODEX_HOME`) are none of these, nor is what an editor sets in every terminal of its own."""

_OFF = ("", "0", "false", "no")


def marker(environ: Mapping[str, str] | None = None) -> str | None:
    """The variable that says an agent runs this, or None."""
    environ = os.environ if environ is None else environ
    for name in MARKERS:
        if environ.get(name, "").lower() not in _OFF:
            return name
    return None
