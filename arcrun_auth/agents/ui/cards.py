"""The small pages around the page: how to connect, and what goes when one disconnects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import landing
from arcrun_auth.agents.ui.controls import hidden
from arcrun_auth.agents.ui.words import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.agents.ui.controls import At
    from arcrun_auth.recipe.model import Method, Recipe
    from arcrun_auth.report import Why

CHAIN = (
    '<path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.6-5.6L12 7"/>'
    '<path d="M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.6 5.6L12 17"/>'
)


def choose(recipe: Recipe, instance: str, *, at: At, token: str) -> bytes:
    """How a service is to be connected, where there is a choice, and under which name."""
    fields = _ways(recipe.ways) + _sets(recipe.ways)
    named = text(instance, 64)
    body = (
        f"<p>{text(recipe.description, 300)}</p>"
        f'<form method="post" action="{at("/connect")}">{hidden("token", token)}'
        f"{hidden('service', recipe.service)}{fields}"
        '<div class="field"><label for="instance">Name <span>(optional)</span></label>'
        f'<input id="instance" name="instance" value="{named}" maxlength="64" autocomplete="off" '
        'autocapitalize="off" spellcheck="false" aria-describedby="instance-about">'
        '<div id="instance-about"><p>For a second account of this service: work, for '
        'instance.</p></div></div><button class="go">Continue</button></form>'
        f'<p><a href="{at("/")}">Back</a></p>'
    )
    return landing.page(CHAIN, f"Connect {recipe.display_name}", body, "ask")


def _ways(ways: Sequence[Method]) -> str:
    if len(ways) == 1:
        return ""
    options = "".join(
        f'<option value="{text(way.id, 64)}">{text(way.label or way.id, 120)}</option>'
        for way in ways
    )
    return (
        '<div class="field"><label for="method">Way in</label>'
        f'<select id="method" name="method">{options}</select></div>'
    )


def _sets(ways: Sequence[Method]) -> str:
    """The named sets of scopes: what an app of one's own asks for is a matter of the terminal."""
    sets = {name: scopes for way in ways if way.oauth2 for name, scopes in
            way.oauth2.scope_sets.items()}  # fmt: skip
    if not sets:
        return ""
    options = "".join(f"<option>{text(name, 80)}</option>" for name in sets)
    return (
        '<div class="field"><label for="scopes">Access, for a login</label>'
        '<select id="scopes" name="scopes"><option value="">as usual</option>'
        f"{options}</select></div>"
    )


def waiting(title: str, url: str, *, working: bool, at: At) -> bytes:
    """While the person is at the page that connects: `url`, in another tab."""
    if working:
        body = "<p>Go on in the other tab. This one follows.</p>"
    else:
        body = (
            "<p>The next page shows what you agree to.</p>"
            f'<a class="go" href="{text(url, 400)}" target="_blank" rel="noopener noreferrer">'
            "Go on in a new tab</a>"
        )
    body += f'<p><a href="{at("/")}">Back</a></p>'
    refresh = '<meta http-equiv="refresh" content="2">'
    return landing.page(CHAIN, f"Connecting {title}", body, "ask", head=refresh)


def leave(name: str, title: str, why: Why, *, at: At, token: str) -> bytes:
    """What goes when a connection is disconnected, and the two ways to do it."""
    whose = f" as <b>{text(why.identity, 120)}</b>" if why.identity else ""
    also = f" {text(', '.join(why.shared_with), 300)} use it too." if why.shared_with else ""
    held = f"{hidden('token', token)}{hidden('name', name)}"
    ends = (
        f'<form method="post" action="{at("/revoke")}">{held}'
        f"<button>Disconnect, and end the login at {text(title, 80)}</button></form>"
        if why.can_revoke
        else ""
    )
    stays = "" if why.can_revoke else f" What it was given stays valid at {text(title, 80)}."
    body = (
        f"<p>This machine forgets the connection{whose}.{also}{stays}</p>"
        f'<form method="post" action="{at("/remove")}">{held}<button class="go">Disconnect</button>'
        f'</form>{ends}<p><a href="{at("/")}">Keep it</a></p>'
    )
    return landing.page(CHAIN, f"Disconnect {name}?", body, "ask")


def ended() -> bytes:
    """The page is closed."""
    body = "<p>You can close this tab. <b>arcrun ui</b> opens the page again.</p>"
    return landing.page(landing.TICK, "The page is closed", body)
