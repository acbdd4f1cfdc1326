"""What the page and the small pages around it are made of. Pure: values to HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.agents.ui.words import text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    At = Callable[[str], str]
    """Gives the address of a page of the site: `at("/test")`."""

FORM = "do"
"""The form that the buttons of the page belong to."""


class Told(NamedTuple):
    """What became of something, in words."""

    mood: Literal["good", "warn", "bad"]
    text: str
    command: str = ""
    """What to type next, or what else to do."""


def command(told: Told) -> str:
    return f"<code>{text(told.command, 300)}</code>" if told.command else ""


def link(where: str, word: str, label: str) -> str:
    """What leads to another page, and looks like a button."""
    return f'<a class="button" href="{escape(where)}" aria-label="{text(label, 300)}">{word}</a>'


def button(action: str, word: str, label: str, *, kind: str = "", **value: str) -> str:
    """A button of the page's form. What it is about goes along as its own value."""
    held = "".join(f' name="{name}" value="{text(each, 140)}"' for name, each in value.items())
    look = f' class="{kind}"' if kind else ""
    return (
        f'<button form="{FORM}" formaction="{action}"{look}{held} '
        f'aria-label="{text(label, 300)}">{word}</button>'
    )


def hidden(name: str, value: str) -> str:
    """Something that a form brings along."""
    return f'<input type="hidden" name="{name}" value="{text(value, 200)}">'
