"""`arcrun app`: one's own OAuth apps, as they stand."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.tokens import DEFAULT_INSTANCE, Key
from arcrun_cli import syncing, ui
from arcrun_cli.app import Group
from arcrun_cli.commands import app_add
from arcrun_cli.commands.why import origins
from arcrun_cli.options import (
    agreed,
    app_argument,
    broker,
    json_option,
    kept_app_argument,
    no_input_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.apps import Kept, Use
    from arcrun_auth.broker import Broker


@click.group(
    "app",
    cls=Group,
    short_help="Your own OAuth apps: register, list, show, remove.",
    examples=("arcrun app add google", "arcrun app list", "arcrun app show github"),
)
def command() -> None:
    """Your own OAuth apps: what a provider gives its tokens to. One serves a whole family."""


command.add_command(app_add.command)


@command.command(
    "list",
    short_help="Which apps there are, and where they come from.",
    examples=("arcrun app list", "arcrun app list --json"),
)
@json_option
def list_(*, as_json: bool) -> int:
    """Which apps there are, for which services, from where, and when their secrets end."""
    from arcrun_auth import apps

    here = broker()
    found = apps.registered(here.store, apps.uses(here.recipes))
    if as_json:
        ui.put_json({"apps": [_as_data(app) for app in found]})
        return 0
    if not found:
        ui.tell("There is no OAuth app of yours yet.")
        ui.tell("  → arcrun app add NAME: google, github, or any service by login")
        return 0
    rows = [
        (app.name, app.client_id or "none", _sources(app), ", ".join(app.services), ends(app.ends))
        for app in found
    ]
    ui.table(rows, ("APP", "CLIENT ID", "FROM", "SERVICES", "SECRET ENDS"))
    for app in found:
        warn(app)
    return 0


@command.command(
    "show",
    short_help="How an app is registered, and what is there of it.",
    examples=("arcrun app show google", "arcrun app show slack --json"),
)
@app_argument
@json_option
def show(name: str, *, as_json: bool) -> int:
    """The steps of registering the app, the redirect URIs, who uses it, what is there of it."""
    from arcrun_auth import apps

    here = broker()
    app, asked = apps.find(here.recipes, name)
    group = apps.uses(here.recipes)[app]
    held = _held(here, app, group)
    shown = guides(asked)
    if as_json:
        ui.put_json(_shown(app, group, held, shown))
        return 0
    ui.put(ui.paint(app, "bold"))
    ui.pairs(
        [
            ("serves", ", ".join(dict.fromkeys(use.service for use in group))),
            ("client ID", printable(held.client_id) if held else ""),
            ("kept", "\n".join(origins(held.origins)) if held else "nothing yet"),
            ("secret", f"ends {ends(held.ends)}" if held and held.ends else ""),
        ]
    )
    for use, scopes in shown:
        which = f", for {use.service} by {use.way.id}" if len(shown) > 1 else ""
        ui.put()
        ui.put(ui.paint(f"To register it{which}", "bold"))
        _print_guide(use, scopes, held.redirect_uri if held else "")
    if held is None:
        ui.tell(f"  → arcrun app add {app}")
    else:
        warn(held)
    return 0


@command.command(
    "remove",
    short_help="Forget an app.",
    examples=("arcrun app remove google", "arcrun app remove github --yes"),
)
@kept_app_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@no_input_option
def remove(name: str, *, yes: bool, no_input: bool) -> int:
    """Forget an app on this machine. Logins made with it cannot be renewed without it.

    The provider is not told: delete the app, or its secret, in the console there.
    """
    from arcrun_auth import apps

    here = broker(interactive=False if no_input else None)
    family, _, instance = name.partition("@")
    family, group = _named(here, family, instance)
    app = f"{family}@{instance}" if instance else family
    kept = apps.keys(here.store, family, instance or DEFAULT_INSTANCE)
    if not kept and here.store.get(Key("app", family, instance or DEFAULT_INSTANCE)) is None:
        ui.tell(f"There is no app {app}: there is nothing to remove.")
        return 0
    users = connected(here, family, group, instance)
    if users:
        ui.tell(f"Without it these cannot be renewed: {', '.join(users)}.")
    again = f"arcrun app remove {app} --yes"
    if not yes and not agreed(here.person, f"Forget the app {app}?", again):
        return 1
    if not [key for key in kept if apps.forget(here.store, key)]:
        raise AuthError(
            f"The app {app} is not in the {here.store.name}: there is nothing stored to remove.",
            hint="arcrun app list says from which variable or file it comes",
        )
    here.audit.note("app remove", app)
    syncing.afterwards(here)
    ui.tell(f"{ui.mark('ok', ui.err)} The app {app} is forgotten here.")
    page = next((use.way.app_register_url for use in group if use.way.app_register_url), "")
    ui.tell("It still exists at the provider: delete it there" + (f", at {page}" if page else "."))
    return 0


def _named(here: Broker, name: str, instance: str) -> tuple[str, list[Use]]:
    """The whole app of that name, though no recipe may know it any more."""
    from arcrun_auth import apps

    named = instance or DEFAULT_INSTANCE
    if apps.keys(here.store, name, named) or here.store.get(Key("app", name, named)) is not None:
        return name, apps.uses(here.recipes).get(name, [])
    app, _ = apps.find(here.recipes, name)
    return app, apps.uses(here.recipes)[app]


def connected(here: Broker, app: str, group: Sequence[Use], instance: str = "") -> list[str]:
    """The connections that were logged in by these ways with the app of the family; or with the
    one that `instance` has for itself."""
    ways = {(use.service, use.way.id) for use in group}

    def serves(name: str) -> bool:
        own = here.store.get(Key("app", app, name)) is not None
        return own and name == instance if instance else name == DEFAULT_INSTANCE or not own

    return [
        service.service if name == DEFAULT_INSTANCE else f"{service.service}@{name}"
        for service in here.list_services().values()
        for name, held in service.instances.items()
        if (service.service, held.method) in ways and serves(name)
    ]


def _held(here: Broker, app: str, group: list[Use]) -> Kept | None:
    from arcrun_auth import apps

    return next((k for k in apps.registered(here.store, {app: group}) if k.name == app), None)


def guides(group: Sequence[Use]) -> list[tuple[Use, list[str]]]:
    """One use for each guide that differs, with the scopes of all that share that guide."""
    found: dict[object, tuple[Use, dict[str, None]]] = {}
    for use in group:
        assert use.way.oauth2 is not None
        alike = (use.way.app_guide, use.way.oauth2.redirect)
        _, scopes = found.setdefault(alike, (use, {}))
        scopes.update(dict.fromkeys(use.way.oauth2.scopes))
    return [(use, list(scopes)) for use, scopes in found.values()]


def _print_guide(use: Use, scopes: list[str], own: str) -> None:
    from arcrun_auth.apps import guide

    width = ui.width_of(ui.out())
    for number, step in enumerate(use.way.app_guide, 1):
        ui.put(ui.wrap(f"  {number}. {printable(step.text, 2000)}", width, "     "))
        for line in (step.url, *guide.values(step, use.way, scopes, own)):
            if line:
                ui.put(f"     {printable(line, 2000)}")
    if not use.way.app_guide:
        ui.put(f"  {use.way.app_register_url or 'in the console of the provider'}")
    ui.pairs([("redirects", "\n".join(guide.redirects(use.way, own)))])


def _sources(app: Kept) -> str:
    return ", ".join(dict.fromkeys(origin.store for origin in app.origins))


def warn(app: Kept) -> None:
    """What is odd about an app, on a line of its own."""
    of = {origin.key: origin.store for origin in app.origins}
    both = of.get("client_id"), of.get("client_secret")
    if not app.complete:
        ui.tell(f"{ui.mark('warn', ui.err)} {app.name} is incomplete: a part of it is missing.")
        ui.tell(f"  → {_anew(app)}")
    elif None not in both and both[0] != both[1]:
        ui.tell(
            f"{ui.mark('warn', ui.err)} {app.name}: the client id is from the {both[0]}, the "
            f"secret from the {both[1]}. Do they belong together?"
        )
    if app.ends is None or app.ends > time.time():
        return
    ended = f"{ui.mark('warn', ui.err)} {app.name}: its secret has ended"
    if app.by_itself:
        ui.tell(f"{ended}: the next login registers it anew.")
        return
    ui.tell(f"{ended}. Make another there.")
    ui.tell(f"  → {_anew(app)}")


def _anew(app: Kept) -> str:
    """The command that puts another in its place."""
    family, _, instance = app.name.partition("@")
    if not instance:
        return f"arcrun app add {family}"
    service = app.services[0] if app.services else family
    return f"arcrun setup {service}@{instance} --client-file FILE"


def ends(when: float | None) -> str:
    """The day on which a secret ends."""
    return "" if when is None else datetime.fromtimestamp(when, UTC).date().isoformat()


def _as_data(app: Kept) -> dict[str, Any]:
    return {
        "name": app.name,
        "services": app.services,
        "client_id": app.client_id or None,
        "redirect_uri": app.redirect_uri or None,
        "complete": app.complete,
        "origins": [asdict(origin) for origin in app.origins],
        "ends": ends(app.ends) or None,
    }


def _shown(
    app: str, group: list[Use], held: Kept | None, shown: list[tuple[Use, list[str]]]
) -> dict[str, Any]:
    from arcrun_auth.apps import guide

    own = held.redirect_uri if held is not None else ""
    return {
        "name": app,
        "services": list(dict.fromkeys(use.service for use in group)),
        "app": _as_data(held) if held is not None else None,
        "guides": [
            {
                "service": use.service,
                "method": use.way.id,
                "app_register_url": use.way.app_register_url or None,
                "redirect_uris": guide.redirects(use.way, own),
                "scopes": scopes,
                "steps": [
                    {
                        "text": step.text,
                        "url": step.url or None,
                        "values": guide.values(step, use.way, scopes, own),
                    }
                    for step in use.way.app_guide
                ],
            }
            for use, scopes in shown
        ],
    }
