"""`arcrun policy`: what AI agents may do with your connections."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import StoreCorrupt
from arcrun_auth.policy import ANY, REVEALS, Rule
from arcrun_auth.tokens import split_name
from arcrun_cli import agents, ui
from arcrun_cli.app import Group
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import Service, agreed, broker, json_option, seconds_in
from arcrun_cli.safe import typed, typed_twice
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.policies import Policies
    from arcrun_auth.policy import What

LOCKED = "Passphrase of the policy's lock"
EXAMPLE = "arcrun policy allow notion --write '/pages/*' --for 2h"


@click.group(
    cls=Group,
    invoke_without_command=True,
    short_help="What AI agents may do: read, unless you allow more.",
    examples=("arcrun policy", EXAMPLE, "arcrun policy deny stripe", "arcrun policy remove r1"),
)
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> int:
    """Show what AI agents may do with your connections; below, change it.

    Without a rule an agent may read where the recipe says that a request reads, and nothing
    else: not write, and in its own shell no command that reveals a secret. A prohibition beats
    every permission. The rules lie in the vault of this machine, and are never synced. What
    allows more is refused in an agent's shell.
    """
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise UsageFault("Only the list has --json.", "arcrun policy --json")
        return 0
    policies = broker().policies
    found, locked = policies.rules(), policies.locked
    if as_json:
        ui.put_json({"locked": locked, "rules": [_as_data(rule) for rule in found]})
        return 0
    if found:
        rows = [
            (rule.id, "allow" if rule.allow else "deny", _name(rule), _does(rule), _client(rule),
             _limits(rule))
            for rule in found
        ]  # fmt: skip
        ui.listed(rows, ("ID", "", "SERVICE", "WHAT", "CLIENT", "ENDS"), gives=("WHAT",))
    ui.tell("All else: agents may read, and nothing more." if found else _NO_RULES)
    if locked:
        ui.tell("It is locked: to allow more takes its passphrase.")
    return 0


_NO_RULES = f"There is no rule: agents may read, and nothing more.\n  → {EXAMPLE}"


class _Subject(Service):
    """`service[@instance]`, or `*` for all of them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return ANY if value == ANY else super().convert(value, param, ctx)


def _about(function: Callable[..., int]) -> Callable[..., int]:
    """The words that say what a rule is about."""
    for option in (
        click.option("--client", default=ANY, metavar="NAME", help="Only for this agent."),
        click.option(
            "--for", "span", metavar="TIME", help="How long: a number and s, m, h or d."
        ),
        click.option(
            "--method", "methods", multiple=True, metavar="METHOD", help="Only this HTTP method."
        ),
        click.option(
            "--command", "commands", multiple=True, type=click.Choice(REVEALS),
            metavar="COMMAND", help=f"In the agent's own shell: {', '.join(REVEALS)}.",
        ),
        click.option(
            "--write", "writes", multiple=True, metavar="PATTERN",
            help="Requests that write, at these paths.",
        ),
        click.option(
            "--read", "reads", multiple=True, metavar="PATTERN",
            help="Requests that only read, at these paths.",
        ),
        click.argument("name", type=_Subject(), metavar="SERVICE[@INSTANCE]"),
    ):  # fmt: skip
        function = option(function)
    return function


@command.command(
    "allow",
    short_help="Allow agents more.",
    examples=(
        EXAMPLE,
        "arcrun policy allow github --write '/repos/me/**' --method POST --client codex",
        "arcrun policy allow notion --command token --for 1h",
        "arcrun policy allow notion --write '/pages' --count 1",
    ),
)
@_about
@click.option("--count", type=click.IntRange(1), metavar="N", help="How many times.")
def allow(
    name: str, *, reads: Sequence[str], writes: Sequence[str], commands: Sequence[What],
    methods: Sequence[str], client: str, span: str | None, count: int | None,
) -> int:  # fmt: skip
    """Allow agents something at SERVICE, or at each one (`*`).

    A PATTERN is a path as your code writes it: `*` is anything within one segment, `**` at the
    end all that follow; `/**` is every path. A service that agents could not see, since only the
    environment has a secret for it, they see once a rule names it.
    """
    if not (reads or writes or commands):
        raise UsageFault("Say what is allowed: --read, --write or --command.", EXAMPLE)
    here = broker()
    common = _common(here, name, client, span)
    rules = [
        Rule(what=what, paths=paths, left=count, methods=_methods(what, methods), **common)
        for what, paths in _each(reads, writes, commands)
    ]
    for rule in opened(here).add(*rules):
        _tell(rule.id, "allowed to", rule, span)
    return 0


@command.command(
    "deny",
    short_help="Forbid agents something, or a whole service.",
    examples=(
        "arcrun policy deny stripe",
        "arcrun policy deny notion --read '/users/**'",
        "arcrun policy deny '*' --client codex --for 8h",
    ),
)
@_about
def deny(
    name: str, *, reads: Sequence[str], writes: Sequence[str], commands: Sequence[What],
    methods: Sequence[str], client: str, span: str | None,
) -> int:  # fmt: skip
    """Forbid agents something at SERVICE, or at each one (`*`); all of it if nothing is named.

    A prohibition beats every permission, and asks for no passphrase.
    """
    here = broker()
    common = _common(here, name, client, span)
    rules = [
        Rule(what=what, allow=False, paths=paths, methods=_methods(what, methods), **common)
        for what, paths in _each(reads, writes, commands) or [("any", ())]
    ]
    for rule in here.policies.add(*rules):
        _tell(rule.id, "forbidden to", rule, span)
    return 0


@command.command("remove", short_help="Take a rule away.", examples=("arcrun policy remove r1",))
@click.argument("rule_id", metavar="ID")
def remove(rule_id: str) -> int:
    """Take the rule of that ID away; `arcrun policy` lists them."""
    here = broker()
    policies = here.policies
    widens = any(rule.id == rule_id and not rule.allow for rule in policies.rules())
    rule = (opened(here) if widens else policies).remove(rule_id)
    _tell(f"{rule.id} is taken away", "was allowed to" if rule.allow else "was forbidden to", rule)
    return 0


@command.command(
    "lock",
    short_help="Ask for a passphrase before more is allowed.",
    examples=("arcrun policy lock",),
)
def lock() -> int:
    """From now on, allowing more and approving takes a passphrase; narrowing never does.

    It is the vault's, where that has one; else you make one up for it. Changing the vault's
    later leaves the lock as it is.
    """
    agents.refuse_here()
    here = broker()
    policies = here.policies
    known = policies.locks_with_vault
    passphrase = typed(here, "The vault's passphrase") if known else typed_twice(here)
    with Waiting("Making the lock from it"):
        policies.lock(passphrase)
    ui.tell(f"{ui.mark('ok', ui.err)} Locked: to allow agents more takes this passphrase.")
    return 0


@command.command("unlock", short_help="Take that lock away.", examples=("arcrun policy unlock",))
def unlock() -> int:
    """Take the lock away. It asks for the passphrase that it was locked with."""
    agents.refuse_here()
    here = broker()
    policies = here.policies
    if not policies.locked:
        ui.tell("It is not locked.")
        return 0
    passphrase = typed(here, LOCKED)
    with Waiting("Checking the passphrase"):
        policies.unlock(passphrase)
    ui.tell(f"{ui.mark('ok', ui.err)} The lock is gone.")
    return 0


@command.command(
    "reset",
    short_help="Take all rules and the lock away, even damaged ones.",
    examples=("arcrun policy reset",),
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(*, yes: bool) -> int:
    """Begin anew: no rule, no lock, nothing that waits. Agents may read then.

    A damaged policy allows nothing, and this is the way out. A lock that can still be read asks
    for its passphrase.
    """
    agents.refuse_here()
    here = broker()
    question = "Take away all rules for agents, prohibitions and the lock among them?"
    if not yes and not agreed(here.person, question, "arcrun policy reset --yes"):
        return 1
    try:
        policies = opened(here)
    except StoreCorrupt:
        policies = here.policies
    policies.reset()
    ui.tell(f"{ui.mark('ok', ui.err)} There is no rule any more: agents may read.")
    return 0


def opened(here: Broker) -> Policies:
    """The policy, ready to be widened: where it is locked somebody types the passphrase."""
    agents.refuse_here()
    policies = here.policies
    if policies.locked:
        passphrase = typed(here, LOCKED)
        with Waiting("Checking the passphrase"):
            policies.unlock_with(passphrase)
    return policies


def _common(here: Broker, name: str, client: str, span: str | None) -> dict[str, Any]:
    """What several rules of one command have in common. Without an `@` they are about every
    instance, and a service is called by its own name."""
    expires = None if span is None else time.time() + seconds_in(span, EXAMPLE)
    service, instance = ANY, ANY
    if name != ANY:
        service, instance = split_name(name)
        service = here.recipes.entry(service).service
        instance = instance if "@" in name else ANY
    return {"service": service, "instance": instance, "client": client, "expires": expires}


def _each(
    reads: Sequence[str], writes: Sequence[str], commands: Sequence[What]
) -> list[tuple[Any, tuple[str, ...]]]:
    """A rule for reading, one for writing, one for each command."""
    found: list[tuple[Any, tuple[str, ...]]] = [(command, ()) for command in commands]
    paths = (("read", tuple(reads)), ("write", tuple(writes)))
    return [*(each for each in paths if each[1]), *found]


def _methods(what: str, methods: Sequence[str]) -> tuple[str, ...]:
    return () if what in REVEALS else tuple(methods)


def _tell(start: str, fate: str, rule: Rule, span: str | None = None) -> None:
    who = "agents" if rule.client == ANY else rule.client
    what = f"{_does(rule)} of {'every service' if rule.service == ANY else _name(rule)}"
    tail = "".join(f", {each}" for each in (f"for {span}" if span else "", _times(rule)) if each)
    ui.tell(f"{ui.mark('ok', ui.err)} {start}, {fate} {who}: {what}{tail}.")


def _name(rule: Rule) -> str:
    return rule.service if rule.instance == ANY else f"{rule.service}@{rule.instance}"


def _does(rule: Rule) -> str:
    """What a rule is about, in words."""
    if rule.what in REVEALS:
        return f"arcrun {rule.what}" if rule.what != "export" else "arcrun vault export"
    what = "all" if rule.what == "any" else rule.what
    return " ".join((what, *rule.methods, *rule.paths))


def _client(rule: Rule) -> str:
    return "any" if rule.client == ANY else rule.client


def _limits(rule: Rule) -> str:
    """When a rule ends, in words; empty if it does not."""
    ends = ui.ago(rule.expires - time.time()) if rule.expires is not None else ""
    return ", ".join(filter(None, (ends, _times(rule))))


def _times(rule: Rule) -> str:
    if rule.digest:
        return "one request that was approved"
    return "" if rule.left is None else "once" if rule.left == 1 else f"{rule.left} times"


def _as_data(rule: Rule) -> dict[str, Any]:
    names = ("id", "allow", "service", "instance", "what", "methods", "paths", "client", "left")
    return {
        **{name: getattr(rule, name) for name in names},
        "approved": bool(rule.digest),
        "expires_at": None if rule.expires is None else datetime.fromtimestamp(rule.expires, UTC),
        "created_at": datetime.fromtimestamp(rule.created, UTC),
    }
