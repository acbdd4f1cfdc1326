"""`arcrun app add`: registering an OAuth app of one's own, step by step."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from arcrun_auth.stores.opening import APP
from arcrun_auth.tokens import Key, Secret
from arcrun_cli import stdin, syncing, ui
from arcrun_cli.commands.setup import SetupCommand, may_replace
from arcrun_cli.faults import UsageFault
from arcrun_cli.options import app_argument, broker, no_input_option
from arcrun_cli.talk import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.apps import App, Use
    from arcrun_auth.broker import Broker
    from arcrun_auth.people import Person

TRIES = 3
"""How often is a choice from a list asked for again?"""


@click.command(
    "add",
    cls=SetupCommand,
    short_help="Register an app, and keep it.",
    examples=(
        "arcrun app add google",
        "arcrun app add google --client-file ~/Downloads/client_secret.json",
        "pass show github-app | arcrun app add github --stdin --no-login",
    ),
)
@app_argument
@click.option("--method", metavar="METHOD", help="The way in, where a service has several.")
@click.option(
    "--client-file", metavar="FILE", help="The client file that the provider lets you download."
)
@click.option("--client-id", metavar="ID", help="The client id; its secret is asked for.")
@click.option(
    "--key-file", metavar="FILE", help="The private key (PEM or JWK), where that proves the app."
)
@click.option("--key-id", metavar="KID", help="The id of that key, if the provider gave it one.")
@click.option(
    "--certificate", metavar="FILE", help="The certificate (PEM), where that proves the app."
)
@click.option(
    "--redirect-uri",
    metavar="URL",
    help="An https address of yours that the app is registered with: what it ends on is pasted.",
)
@click.option(
    "--stdin",
    "from_stdin",
    is_flag=True,
    help="Read the app from standard input: a client file, JSON or KEY=VALUE lines.",
)
@click.option(
    "--secret-expires",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The day on which the secret ends: 2027-01-31.",
)
@click.option("--no-login", is_flag=True, help="Do not log in to a service with it now.")
@no_input_option
def command(
    name: str,
    *,
    method: str | None,
    client_file: str | None,
    client_id: str | None,
    key_file: str | None,
    key_id: str | None,
    certificate: str | None,
    redirect_uri: str | None,
    from_stdin: bool,
    secret_expires: datetime | None,
    no_login: bool,
    no_input: bool,
) -> int:
    """Register an OAuth app of your own, and log in with it.

    NAME is a family that shares one app (google, microsoft) or a service (github). The
    provider's console is gone through step by step, with the exact values to paste there.
    """
    from arcrun_auth import apps

    here = broker(interactive=False if no_input else None)
    app_name, group = apps.find(here.recipes, name)
    group = _by_method(group, method)
    ends = _end(secret_expires)
    given = sum(map(bool, (client_file, client_id, from_stdin)))
    if given > 1:
        raise UsageFault(
            "Give --client-file, --client-id or --stdin, not several of them.",
            f"arcrun app add {name} --help",
        )
    use = group[0]
    own = redirect_uri or ""
    app = apps.App(client_id or "")
    if from_stdin:
        app = _from_stdin(name, use, own)
    elif client_file:
        app = apps.from_file(client_file, use.service, use.way, own)
    app.redirect_uri = own or app.redirect_uri
    apps.check_redirect_uri(app, use.service)
    _add_files(app, use, key_file, key_id, certificate)
    person = here.person
    asks = person.reach == "terminal"  # only now: standard input may have been a pipe
    chosen = None
    if given or not asks:
        app = apps.fill(app, use.service, use.way, person)
    else:
        chosen = None if no_login else choose(group, here, person)
        app = _walked(app, [chosen] if chosen else group, app_name, person)
    before = here.store.get(Key("app", app_name))
    here.audit.note("app add", apps.keep(here.store, use.service, use.way, app, ends=ends))
    syncing.afterwards(here)
    ui.tell(f"{ui.mark('ok', ui.err)} Saved to the {here.store.description} as the app {app_name}.")
    if before is not None and before.secrets.get("client_id") != Secret(app.client_id):
        _tell_whose_login_ends(here, app_name)
    _overridden(here, app_name)
    if given and asks and not no_login:
        chosen = choose(group, here, person)
    if no_login or chosen is None:
        first = here.recipes.entry(use.service).methods[0].id
        ui.tell(
            f"  → arcrun setup {use.service}" + f" --method {use.way.id}" * (first != use.way.id)
        )
        return 0
    return _log_in(here, chosen)


def _by_method(group: list[Use], method: str | None) -> list[Use]:
    found = [use for use in group if method in (None, use.way.id)]
    if not found:
        ways = dict.fromkeys(use.way.id for use in group)
        raise UsageFault(
            f"It has no such way in: there are {', '.join(ways)}.", "arcrun app show NAME"
        )
    return found


def choose(group: Sequence[Use], here: Broker, person: Person) -> Use | None:
    """The one of several ways in that is to be connected; None for none now."""
    if len(group) == 1:
        return group[0]
    services = here.list_services()
    width = max(len(use.service) for use in group)
    several = len({use.service for use in group}) < len(group)
    person.say("This app serves:")
    for number, use in enumerate(group, 1):
        label = f", {use.way.label or use.way.id}" if several else ""
        state = " (connected)" if services[use.service].connected else ""
        person.say(f"  {number:>2}  {use.service:<{width}}  {use.display_name}{label}{state}")
    for _ in range(TRIES):
        typed = person.ask("Which one do you want to connect now? Number or name, empty: none")
        word = (typed or "").strip()
        if not word:
            return None
        numbered = group[int(word) - 1 : int(word)] if word.isdecimal() else ()
        for use in numbered or [use for use in group if use.service == word]:
            return use
        person.say("It is none of them.")
    return None


def _walked(app: App, group: Sequence[Use], name: str, person: Person) -> App:
    """The guide of the first, with the scopes of all: what the app is to serve."""
    from arcrun_auth import apps, browser

    use = group[0]
    scopes = [scope for each in group if each.way.oauth2 for scope in each.way.oauth2.scopes]
    return apps.ask(
        use.service,
        use.display_name if len(group) == 1 else name,
        use.way,
        list(dict.fromkeys(scopes)),
        person,
        given=app,
        open_url=browser.open_url,
    )


def _from_stdin(name: str, use: Use, redirect_uri: str) -> App:
    from arcrun_auth import apps

    data = stdin.read(f"arcrun app add {name} asks for it hidden")
    text = data.decode("utf-8", "replace")
    if _is_client_file(text):
        return apps.from_file(text, use.service, use.way, redirect_uri)
    found = stdin.parse(data, APP, name, "arcrun app add")
    if set(found) - set(APP):
        raise UsageFault(
            f"Standard input names other things than {', '.join(APP)}.",
            f"arcrun app add {name} --help",
        )
    parts = {key: Secret(value.strip()) for key, value in found.items() if value.strip()}
    return apps.App.of(parts)


def _is_client_file(text: str) -> bool:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and bool({"installed", "web", "type"} & set(data))


def _add_files(
    app: App, use: Use, key_file: str | None, key_id: str | None, certificate: str | None
) -> None:
    from arcrun_auth.apps.asking import key_file as read

    if key_file:
        app.private_key = read(key_file, "private_key", use.service)
    if certificate:
        app.certificate = read(certificate, "certificate", use.service)
    app.key_id = key_id or app.key_id


def _end(day: datetime | None) -> float | None:
    if day is None:
        return None
    ends = day.replace(tzinfo=UTC).timestamp()
    if ends <= time.time():
        raise UsageFault("The secret has ended already.", "make a new one at the provider")
    return ends


def _tell_whose_login_ends(here: Broker, name: str) -> None:
    """A grant belongs to the client that it was given to (RFC 6749 §6)."""
    from arcrun_auth import apps
    from arcrun_cli.commands.apps import connected

    users = connected(here, name, apps.uses(here.recipes)[name])
    if users:
        names = ", ".join(users)
        ui.tell(
            f"{ui.mark('warn', ui.err)} These have to log in again, since it is another client: "
            f"{names}."
        )


def _overridden(here: Broker, name: str) -> None:
    """Says so where what was kept is not what will be used."""
    from arcrun_auth import apps

    over = ", ".join(apps.stands_over(here.store, Key("app", name)))
    if over:
        ui.tell(f"{ui.mark('warn', ui.err)} What stands in {over} is used before it.")


def _log_in(here: Broker, use: Use) -> int:
    if not may_replace(here, use.service):
        ui.tell("The login was left as it is.")
        return 0
    person = here.person
    assert isinstance(person, Terminal)
    with person.working("Working"):
        here.setup(use.service, method=use.way.id, replace=True)
    ui.tell(f"  → arcrun snippet {use.service} prints code that uses it")
    return 0
