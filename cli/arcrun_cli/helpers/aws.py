"""What answers `credential_process` in the configuration of AWS."""

from __future__ import annotations

from arcrun_cli import agents, ui
from arcrun_cli.helpers import asking, wire


def serve(name: str) -> int:
    """Prints the keys of `service[@instance]`, renewed if need be. The exit code."""
    with asking.broker() as here:
        agents.guard(here, "credential", [name])
        ui.put(wire.aws_answer(name, here.helpers.signing(name)))
    return 0
