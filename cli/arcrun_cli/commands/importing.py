"""`arcrun import`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError, PolicyRefused, printable
from arcrun_auth.importers import NAMES, Services, Where, find, find_in, originals
from arcrun_auth.importers.taking import Taking
from arcrun_cli import agents, failures, platform_keys, syncing, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import Service, broker, json_option, no_input_option
from arcrun_cli.talk import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.broker import Broker
    from arcrun_auth.importers.model import Found
    from arcrun_auth.importers.taking import Planned

_ASKABLE = ("terminal", "notebook")


def _sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    del ctx, param
    return [name for name in NAMES if name.startswith(incomplete)]


@click.command(
    "import",
    cls=Command,
    short_help="Take in what other programs keep: .env, gh, rclone, AWS and more.",
    examples=(
        "arcrun import                          look everywhere, then ask about each",
        "arcrun import env gh --yes             take in all of it, without asking",
        "arcrun import --file backup/token.json --as google_drive@backup",
    ),
)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=_sources)
@click.option("--file", "path", metavar="PATH", help="Look into this file alone.")
@click.option(
    "--as",
    "name",
    type=Service(),
    metavar="SERVICE[@INSTANCE]",
    help="What the one thing that is found becomes.",
)
@click.option("--yes", is_flag=True, help="Take it in without asking. The originals stay.")
@json_option
@no_input_option
def command(
    sources: tuple[str, ...],
    path: str | None,
    name: str | None,
    *,
    yes: bool,
    as_json: bool,
    no_input: bool,
) -> int:
    """Take in keys and logins that other programs keep, test them, clear the plain text away.

    SOURCE is any of gh, gcloud, token, rclone, aws, env, netrc and keyring; all of them if
    none is named. What is found is shown first, and nothing changes before you agree. No value
    is ever shown, and nothing is sent but the test of what you take in.
    """
    _check(sources, path)
    here = broker(interactive=False if no_input else None)
    if yes:
        _refuse_agents(sources)
    session = _Session(here, Where.here())
    plans = session.look(sources, path, name)
    if not as_json:
        session.show(plans)
    asks = not yes and not as_json and here.person.reach in _ASKABLE and not agents.marker()
    if not sources and path is None and not as_json:
        platform_keys.look(here, asks=asks, yes=yes)
    if yes or asks:
        session.take(plans, asks=asks)
        syncing.afterwards(here)
    if as_json:
        ui.put_json({"found": [session.as_data(n, plan) for n, plan in enumerate(plans)]})
    elif asks:
        session.offer_removal(plans)
    else:
        session.tell_what_next(plans, taken=yes)
    return session.worst


def _check(sources: Sequence[str], path: str | None) -> None:
    # A word that is none of ours is not repeated: it could be a secret.
    if not set(sources) <= set(NAMES):
        raise UsageFault(
            f"A SOURCE is one of {', '.join(NAMES)}.", "arcrun import looks at all of them"
        )
    if path is not None and (len(sources) > 1 or "keyring" in sources):
        raise UsageFault(
            "--file takes one SOURCE at most, of those that are files.",
            "arcrun import --file PATH finds out what it is",
        )


def _refuse_agents(sources: Sequence[str]) -> None:
    found = agents.marker()
    if found is not None:
        raise PolicyRefused(
            f"What other programs keep is not taken in by an agent ({found} is set).",
            rule="import",
            hint="a person runs it in a terminal: " + " ".join(["arcrun import", *sources]),
        )


class _Session:
    """One run: what was found, what became of it, and the worst exit code."""

    def __init__(self, here: Broker, where: Where) -> None:
        self._here = here
        self._where = where
        self._services = Services(here.recipes)
        self._done: dict[int, Planned] = {}
        """By the place in the list, what is kept here and was tested."""
        self._accounts: dict[int, str | None] = {}
        self._errors: dict[int, AuthError] = {}
        self.worst = 0

    # -- looking ---------------------------------------------------------------------------

    def look(self, sources: Sequence[str], path: str | None, name: str | None) -> list[Planned]:
        """All that was found, and what it would become."""
        if path is not None:
            found = find_in(path, self._where, self._services, "".join(sources))
        else:
            wanted = sources or NAMES
            found = find(self._where, self._services, wanted, keyring=self._keyring(wanted))
        self._taking = Taking(self._here, self._services)
        instance = ""
        if name is not None:
            service, _, instance = name.partition("@")
            found = [self._taking.aimed(_only(found), service, instance)]
        planner = Taking(self._here, self._services)
        return [planner.plan(each, instance=instance, reserve=True) for each in found]

    def _keyring(self, wanted: Sequence[str]) -> Any:
        from arcrun_auth.stores import keyring_backend

        off = "keyring" not in wanted or self._here.settings.flag("keyring") is False
        return None if off else keyring_backend.system(self._here.settings.environ)

    def show(self, plans: Sequence[Planned]) -> None:
        """The table, and below it why something cannot be taken in."""
        if not plans:
            ui.tell("Nothing was found that could be taken in.")
            ui.tell("  → arcrun import --file PATH looks into one file")
            return
        rows = [
            (plan.found.source, self._place(plan.found), plan.found.what, _becomes(plan))
            for plan in plans
        ]
        ui.table(rows, ("FROM", "WHERE", "WHAT", "BECOMES"))
        for plan in plans:
            found = plan.found
            if found.why_not:
                place = self._place(found) or found.source
                ui.tell(f"{ui.mark('warn', ui.err)} {place}: {printable(found.why_not)}.")
                if found.hint:
                    ui.tell(f"  → {printable(found.hint)}")

    def _place(self, found: Found) -> str:
        path = self._where.short(found.path) if found.path else ""
        return ": ".join(part for part in (path, found.at) if part)

    # -- taking in -------------------------------------------------------------------------

    def take(self, plans: Sequence[Planned], *, asks: bool) -> None:
        """Takes in what is wanted, one after the other. A failure stops none of the others."""
        for number, plan in enumerate(plans):
            if plan.found.why_not:
                continue
            # As things stand now: what came before it was taken in, or declined.
            now = self._taking.plan(plan.found, instance=plan.instance)
            if now.held:
                self._test(number, now)
            elif now.open and self._agreed(now, asks=asks):
                self._take(number, now)

    def _agreed(self, plan: Planned, *, asks: bool) -> bool:
        found = plan.found
        for notice in (*found.notices, *_of_app(found)):
            ui.tell(f"{ui.mark('warn', ui.err)} {plan.name}: {notice}")
        place = printable(self._place(found))
        return not asks or self._here.person.confirm(f"Take in {plan.name} from {place}?")

    def _take(self, number: int, plan: Planned) -> None:
        try:
            checked = self._taking.take(plan)
        except AuthError as error:
            self._failed(number, plan, error)
            return
        self._done[number], self._accounts[number] = plan, checked.identity
        ui.tell(f"{ui.mark('ok', ui.err)} {plan.name} is taken in.")

    def _test(self, number: int, plan: Planned) -> None:
        """What is kept here already: does it still work?"""
        try:
            with Waiting(f"Testing {plan.name}"):
                checked = self._here.test(plan.found.service, plan.instance)
        except AuthError as error:
            self._failed(number, plan, error)
            return
        self._done[number], self._accounts[number] = plan, checked.identity

    def _failed(self, number: int, plan: Planned, error: AuthError) -> None:
        self._errors[number] = error
        self.worst = failures.worst((self.worst, failures.exit_code(error)))
        ui.tell(f"{ui.mark('fail', ui.err)} {plan.name}: {printable(error.message)}")
        if error.hint:
            ui.tell(f"  → {printable(error.hint)}")

    # -- the originals ---------------------------------------------------------------------

    def offer_removal(self, plans: Sequence[Planned]) -> None:
        """Asks file by file whether what is kept here now shall go there."""
        for group in self._originals(plans):
            first = group[0].found
            path = printable(self._where.short(first.path))
            parts = [printable(each.found.at) for each in group if each.found.at]
            what = "all of it" if first.whole else ", ".join(dict.fromkeys(parts))
            ui.tell(f"\nIn plain text in {path}: {what}.")
            for breaks in dict.fromkeys(each.breaks for each in group):
                ui.tell(f"  Without it: {printable(breaks, 2000)}.")
            question = f"Delete {path}?" if first.whole else f"Remove it from {path}?"
            if self._here.person.confirm(question):
                self._remove(path, group)

    def _remove(self, path: str, group: Sequence[Planned]) -> None:
        try:
            originals.remove([plan.found for plan in group])
        except AuthError as error:
            self.worst = failures.worst((self.worst, failures.exit_code(error)))
            ui.tell(f"{ui.mark('fail', ui.err)} {printable(error.message)}")
            return
        done = f"{path} is deleted." if group[0].found.whole else f"Removed from {path}."
        ui.tell(f"{ui.mark('ok', ui.err)} {done}")

    def _originals(self, plans: Sequence[Planned]) -> list[list[Planned]]:
        """What is kept here and lies in clear there, by file. A file that is one login for
        several services goes when all of them have it."""
        groups: dict[str, list[Planned]] = {}
        waits = set()
        for number, plan in enumerate(plans):
            done = self._done.get(number)
            if done is not None and done.found.removable:
                groups.setdefault(plan.found.path, []).append(done)
            elif plan.found.whole:
                waits.add(plan.found.path)
        return [group for path, group in groups.items() if path not in waits]

    # -- what is said at the end -----------------------------------------------------------

    def tell_what_next(self, plans: Sequence[Planned], *, taken: bool) -> None:
        """Where nobody was asked: what stands open."""
        left = {plan.found.path for group in self._originals(plans) for plan in group}
        if taken and left:
            paths = ", ".join(printable(self._where.short(path)) for path in sorted(left))
            ui.tell(f"The originals are still there in plain text: {paths}.")
            ui.tell("  → arcrun import in a terminal offers to remove them")
        if not taken and any(plan.open for plan in plans):
            ui.tell("Nothing was changed.")
            marker = agents.marker()
            ui.tell(
                f"  → a person runs it in a terminal, not an agent ({marker} is set)"
                if marker
                else "  → arcrun import in a terminal asks about each; --yes takes all of it in"
            )

    def as_data(self, number: int, plan: Planned) -> dict[str, Any]:
        """A finding for programs: never a value."""
        found, error = plan.found, self._errors.get(number)
        return {
            "source": found.source,
            "path": found.path or None,
            "at": found.at or None,
            "what": found.what,
            "service": found.service or None,
            "name": plan.name or None,
            "connected": plan.held or number in self._done,
            "plain_text": found.removable,
            "account": self._accounts.get(number),
            "why_not": found.why_not or (error.message if error is not None else None),
            "hint": found.hint or (error.hint if error is not None else None),
            "notices": list(found.notices),
        }


def _only(found: Sequence[Found]) -> Found:
    """The one finding that `--as` can mean."""
    fits = [each for each in found if each.grant is not None or each.secrets]
    # A login that is good for several services is found once for each of them.
    known = {(each.path, each.at if each.grant is None else "") for each in fits}
    if len(known) != 1:
        raise UsageFault(
            "--as is for one thing that was found, and here are "
            + (f"{len(known)} of them." if known else "none."),
            "arcrun import shows all; name the SOURCE, or the file with --file",
        )
    return fits[0]


def _of_app(found: Found) -> list[str]:
    if not found.foreign_app:
        return []
    return [f"It belongs to {found.foreign_app}'s own OAuth app, which is kept for it alone."]


def _becomes(plan: Planned) -> str:
    if plan.found.why_not:
        return "-"
    if plan.held or plan.twin:
        return f"{plan.name} ({'there already' if plan.held else 'the same'})"
    return plan.name
