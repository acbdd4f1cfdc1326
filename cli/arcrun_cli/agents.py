"""What reveals a secret is refused in an agent's shell.

An agent reads what its commands print, and with it goes whatever its transcript is sent to.
"""

from __future__ import annotations

from arcrun_auth.errors import PolicyRefused
from arcrun_auth.markers import MARKERS, marker

__all__ = ["MARKERS", "marker", "refuse"]


def refuse(rule: str, what: str, hint: str) -> None:
    """Raises PolicyRefused under an agent's marker. `rule` is the name a policy will allow."""
    found = marker()
    if found is not None:
        raise PolicyRefused(
            f"{what} is not shown to an agent ({found} is set).", rule=rule, hint=hint
        )
