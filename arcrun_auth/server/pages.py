"""The pages that the server shows in a browser. Pure; no script, nothing fetched, no vault key.

They look like those of the client. Whatever is not ours is escaped where it is put in.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from arcrun_auth.landing import CROSS, KEY, TICK, page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CSRF = "csrf"
"""Under which name does a form send what proves that it is one of ours?"""


class Form:
    """What every form of one visit carries: its proof, and what goes along unseen."""

    def __init__(self, csrf: str, **hidden: str) -> None:
        self._hidden = {CSRF: csrf, **hidden}

    def html(self, action: str, inner: str, **more: str) -> str:
        """A form that posts to `action`; `inner` is HTML, `more` are further unseen values."""
        unseen = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in {**self._hidden, **more}.items()
        )
        return (
            f'<form method="post" action="{escape(action)}" autocomplete="off">'
            f"{unseen}{inner}</form>"
        )


def _button(text: str, *, go: bool = True, name: str = "", value: str = "") -> str:
    named = f' name="{escape(name)}" value="{escape(value)}"' if name else ""
    return f"<button{' class=go' if go else ''}{named}>{escape(text)}</button>"


def _field(name: str, label: str, *, kind: str = "text", value: str = "", note: str = "") -> str:
    about = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<div class="field"><label for="{name}">{escape(label)}</label>'
        f'<input id="{name}" name="{name}" type="{kind}" value="{escape(value)}" '
        f'autocomplete="off" autocapitalize="off" spellcheck="false">{about}</div>'
    )


def sign_in(
    form: Form,
    titles: Mapping[str, str],
    *,
    registration: str,
    wrong: str = "",
) -> bytes:
    """Every way to say who one is: a provider, an API key, or a new account.

    `titles` are those of the providers, by name.
    """
    told = f'<p role="alert">{escape(wrong)}</p>' if wrong else ""
    invited = _field("invite", "Invitation", note="Only for a new account.")
    asked = invited if registration == "invite" else ""
    ways = "".join(
        form.html("/auth/provider", asked + _button(f"Continue with {title}"), provider=name)
        for name, title in titles.items()
    )
    key = _field("key", "API key", kind="password", note="It begins with ak_.")
    ways += form.html("/auth/key", key + _button("Sign in with the key", go=not titles))
    if registration != "closed":
        ways += form.html("/auth/register", asked + _button("Make a new account", go=False))
    return page(KEY, "Who are you?", told + ways, "ask")


def new_key(form: Form, key: str) -> bytes:
    """The first key of an account that was just made: it is shown this once."""
    body = (
        "<p>This is the key of your new account. Keep it in a safe place: it lets you in on other "
        "devices, and nobody can show it again.</p>"
        f"<code>{escape(key)}</code>"
    )
    return page(
        TICK,
        "Your account is there",
        body + form.html("/auth/go-on", _button("I have kept it. Go on")),
    )


def confirm(form: Form, who: str, port: int) -> bytes:
    """A program on the machine of this browser wants a key."""
    body = (
        f"<p>A program on this computer (port {port}) asks for an API key of the account "
        f"<b>{escape(who)}</b>.</p>"
        "<p>Go on only if you have just typed <b>arcrun login</b> on this computer.</p>"
    )
    return page(KEY, "Log in on this computer?", body + _yes_no(form, "/auth/confirm"), "ask")


def device_code(form: Form, code: str = "", wrong: str = "") -> bytes:
    """Where the code of another device is typed."""
    told = f'<p role="alert">{escape(wrong)}</p>' if wrong else ""
    field = _field("user_code", "Code", value=code, note="It stands on the other device.")
    return page(
        KEY,
        "Log in on another device",
        told + form.html("/device", field + _button("Go on")),
        "ask",
    )


def confirm_device(form: Form, who: str, label: str, code: str) -> bytes:
    """RFC 8628 §5.4: whoever types a code that somebody sent them lets that somebody in."""
    body = (
        f"<p>A device that calls itself <b>{escape(label)}</b> asks for an API key of the account "
        f"<b>{escape(who)}</b>.</p><p>Does it show this code?<code>{escape(code)}</code></p>"
        "<p>Go on only if you have just typed <b>arcrun login</b> there yourself.</p>"
    )
    return page(KEY, "Log in on that device?", body + _yes_no(form, "/device/confirm"), "ask")


def _yes_no(form: Form, action: str) -> str:
    yes = form.html(action, _button("Log in", name="answer", value="yes"))
    return yes + form.html(action, _button("Cancel", go=False, name="answer", value="no"))


def consent(form: Form, title: str, owner: str, scopes: Sequence[str], port: int) -> bytes:
    """Before a login by the server's own app: who asks, for what, and where it goes."""
    wanted = ", ".join(scopes) or "what the service gives to every login"
    body = (
        f"<p>A program on this computer asks to connect <b>{escape(title)}</b> by the OAuth app "
        f"of <b>{escape(owner)}</b>.</p>"
        f"<p>It will be allowed: <b>{escape(wanted)}</b></p>"
        f"<p>Its tokens pass through {escape(owner)}, which keeps none, and end at this computer:"
        f"<code>http://127.0.0.1:{port}/callback</code></p>"
        "<p>Go on only if you have just asked for it on this computer yourself.</p>"
    )
    ask = form.html("/oauth/authorize", _button("Go on", name="answer", value="yes"))
    no = form.html("/oauth/authorize", _button("Cancel", go=False, name="answer", value="no"))
    return page(KEY, f"Connect {title}?", body + ask + no, "ask")


def back(title: str, url: str) -> bytes:
    """After it: nothing goes to this computer before somebody says so."""
    body = (
        "<p>Your answer goes to the program on this computer that asked for it, and nowhere "
        f'else.</p><a class="go" href="{escape(url)}" rel="noreferrer">Back to the program</a>'
    )
    return page(TICK, f"{title} has answered", body)


def done(title: str, text: str) -> bytes:
    """It went well, and this tab is of no more use."""
    return page(TICK, title, f"<p>{escape(text)}</p>")


def refused(title: str, text: str) -> bytes:
    """It did not."""
    return page(CROSS, title, f"<p>{escape(text)}</p>", "bad")
