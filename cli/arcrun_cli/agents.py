"""What reveals a secret is refused in an agent's shell, unless a rule of the policy allows it.

An agent reads what its commands print, and with it goes whatever its transcript is sent to.
On the fast path of `arcrun token`: without a marker nothing of the policy is imported.
"""

from __future__ import annotations

from arcrun_auth.errors import PolicyRefused
from arcrun_auth.markers import MARKERS, marker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.policy import Reveal, Verdict, Wanted

__all__ = ["MARKERS", "guard", "marker", "refuse", "refuse_here", "to_a_person"]

_REVEALED = {
    "token": "A token",
    "run": "A secret",
    "inject": "A secret",
    "credential": "A credential",
    "export": "An export of the vault",
}


def refuse(rule: str, what: str, command: str) -> None:
    """Raises PolicyRefused under an agent's marker: what no policy allows. `rule` names it, and
    `command` is what a person types instead."""
    found = marker()
    if found is not None:
        raise PolicyRefused(
            f"{what} is not shown to an agent ({found} is set).",
            rule=rule,
            hint=to_a_person(command),
        )


def refuse_here() -> None:
    """Raises PolicyRefused under an agent's marker: of what a person decides about the agent."""
    found = marker()
    if found is not None:
        raise PolicyRefused(
            f"An agent decides nothing of what it may do ({found} is set).",
            rule="agent-policy",
            hint="Ask your human to run the same command, in their own terminal",
        )


def to_a_person(command: str) -> str:
    """What an agent is told in place of a hint that is not for it."""
    if not command.startswith("arcrun "):
        return f"Ask your human: {command}"
    return f"Ask your human to run, in their own terminal: {command}"


def guard(here: Broker, what: Reveal, names: Sequence[str]) -> None:
    """Raises PolicyRefused under an agent's marker, unless rules allow `what` for all the
    connections. One use of each rule is spent then, and the trail says so.

    `names` are `service[@instance]`; of an export, `*`. Raises UnknownService, and what the vault
    raises: a policy that cannot be read allows nothing.
    """
    found = marker()
    if found is None:
        return
    from arcrun_auth.policy import Wanted, client_name

    client, policies = client_name(found), here.policies
    wanted = [
        Wanted(service=service, instance=instance, client=client, what=what)
        for service, instance in (_named(here, name) for name in names)
    ]
    # All are looked at before one is counted.
    for verdict_of in (policies.check, policies.use):
        for each in wanted:
            verdict = verdict_of(each)
            if not verdict.allowed:
                _note(here, each, f"refused: {verdict.rule.id if verdict.rule else 'default'}")
                raise _refused(each, verdict, found)
    for each in wanted:
        _note(here, each, "ok")


def _named(here: Broker, name: str) -> tuple[str, str]:
    return (name, name) if name == "*" else here.named(name)


def _note(here: Broker, wanted: Wanted, result: str) -> None:
    name = "" if wanted.service == "*" else f"{wanted.service}@{wanted.instance}"
    command = "vault export" if wanted.what == "export" else wanted.what
    request = f"arcrun {command}"
    here.audit.note("agent", name, result=result, client=wanted.client, request=request)


def _refused(wanted: Wanted, verdict: Verdict, found: str) -> PolicyRefused:
    from arcrun_auth.policy import command_to_allow

    what, of = _REVEALED[wanted.what], f" of {wanted.service}"
    text = f"{what}{of if wanted.service != '*' else ''} is not shown to an agent ({found} is set)"
    hint = to_a_person(command_to_allow(wanted))
    if verdict.rule is not None:
        text += f": the rule {verdict.rule.id} forbids it"
        hint = to_a_person(f"arcrun policy remove {verdict.rule.id}, if they agree")
    elif wanted.service != "*":
        hint += f'; or use it in code, where it never shows: auth.bind("{wanted.service}")'
    service = wanted.service if wanted.service != "*" else None
    return PolicyRefused(f"{text}.", rule=f"agent-{wanted.what}", service=service, hint=hint)
