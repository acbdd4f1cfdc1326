"""The side of the page: what agents may do, and what was done. Pure: values to HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.agents.ui.controls import button, hidden
from arcrun_auth.agents.ui.words import MAY, line_sentence, rule_sentence, text, when

if TYPE_CHECKING:
    from arcrun_auth.agents.ui.controls import At
    from arcrun_auth.agents.ui.data import Picture

FIRST = 8
"""How many lines of the trail are shown at once? The others are one click away."""


def agents(picture: Picture, at: At, token: str) -> str:
    rules = "".join(
        f'<li class="rule"><p>{rule_sentence(rule, picture.now)}</p>'
        f"{_rule_button(rule.id, at)}</li>"
        for rule in picture.rules
    )
    listed = f'<ul class="card">{rules}</ul>' if rules else ""
    lock = ", and the policy's passphrase" if picture.locked else ""
    return (
        '<section id="agents" aria-labelledby="h-agents"><div class="head">'
        '<h2 id="h-agents">What agents may do</h2></div>'
        '<p class="soft small head">They read with what you connected, and see no secret. '
        f"More, or less, is a rule.</p>{listed}"
        '<details class="card deny"><summary>Prohibit something</summary>'
        f"{_deny(picture, at, token)}</details>"
        f'<p class="pad small soft">To allow more takes your terminal{lock}:'
        "<code>arcrun policy allow NAME --write '/**'</code></p></section>"
    )


def _rule_button(rule_id: str, at: At) -> str:
    label = f"Remove rule {rule_id}"
    return button(at("/rule/remove"), "Remove", label, kind="plain", id=rule_id)


def _deny(picture: Picture, at: At, token: str) -> str:
    services = dict.fromkeys(row.service for row in picture.connected)
    chosen = "".join(f"<option>{text(service, 80)}</option>" for service in services)
    whats = "".join(f'<option value="{what}">{words}</option>' for what, (words, _) in MAY.items())
    return (
        f'<form method="post" action="{at("/rule/deny")}">{hidden("token", token)}'
        '<label>Agent<input name="client" placeholder="every agent" autocomplete="off" '
        'spellcheck="false" maxlength="64"></label>'
        f'<label>May not<select name="what">{whats}</select></label>'
        '<label>Service<select name="service"><option value="*">every service</option>'
        f"{chosen}</select></label><div><button>Prohibit</button></div></form>"
    )


def trail(picture: Picture) -> str:
    lines = [
        f'<li class="line"><p>{line_sentence(entry)}</p>{when(entry.time, picture.now)}</li>'
        for entry in picture.lines
    ]
    first, rest = "".join(lines[:FIRST]), "".join(lines[FIRST:])
    body = f'<ul class="card">{first}</ul>' if first else '<p class="soft small">Nothing yet.</p>'
    if rest:
        more = f"{len(lines) - FIRST} more"
        body += f'<details><summary>{more}</summary><ul class="card">{rest}</ul></details>'
    return (
        '<section id="trail" aria-labelledby="h-trail"><div class="head"><h2 id="h-trail">'
        'Activity</h2><span class="soft">all of it: <code>arcrun audit</code></span></div>'
        f"{body}</section>"
    )
