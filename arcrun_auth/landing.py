"""The pages that we show in a browser. Pure: text in, bytes out; no script, nothing fetched."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arcrun_auth.errors import AuthError

COLOURS = """
:root{color-scheme:light dark;--bg:#f3f4f8;--card:#fff;--ink:#1b1f2a;--soft:#5c6474;--line:#d9dde6;
--code:#eef0f5;--edge:#7c8496;--mark:#15803d;--tint:#dcf5e4;--go:#1d4ed8;--on-go:#fff;
--bad:#b42318}
:root.ask{--mark:#1d4ed8;--tint:#e0e8fd}
:root.bad{--mark:#b42318;--tint:#fde4e1}
@media(prefers-color-scheme:dark){:root{--bg:#12141a;--card:#1c2029;--ink:#eceef3;--soft:#a3abba;
--line:#343a48;--code:#272c38;--edge:#7f8798;--mark:#5fd38a;--tint:#173524;--go:#9db9ff;
--on-go:#12141a;--bad:#ff9a8f}
:root.ask{--mark:#9db9ff;--tint:#202c4d}
:root.bad{--mark:#ff9a8f;--tint:#44201d}}
"""
"""The colours of all our pages, light and dark."""

_STYLE = (
    COLOURS
    + """\
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:20px;background:var(--bg);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:460px;padding:32px 28px;border:1px solid var(--line);
border-radius:14px;background:var(--card);text-align:center}
svg{width:56px;height:56px;padding:14px;border-radius:50%;background:var(--tint);
stroke:var(--mark);stroke-width:3;stroke-linecap:round;stroke-linejoin:round;fill:none}
h1{margin:16px 0 6px;font-size:22px;line-height:1.3;text-wrap:balance;overflow-wrap:anywhere}
p{margin:0;color:var(--soft);overflow-wrap:anywhere}
b{color:var(--ink)}
p+p{margin-top:20px}
code{display:block;margin-top:6px;padding:10px 12px;border-radius:8px;background:var(--code);
color:var(--ink);font:14px/1.5 ui-monospace,SFMono-Regular,Consolas,monospace;text-align:left;
overflow-wrap:anywhere}
code+p{margin-top:20px}
form{margin-top:24px;text-align:left}
form+form{margin-top:10px}
form+p,a.go+p{margin-top:16px}
label{display:block;font-weight:600;overflow-wrap:anywhere}
label span{font-weight:400;color:var(--soft)}
.field{margin-bottom:20px}
.field p{margin-top:6px;font-size:14px}
input,select,textarea,button{display:block;width:100%;margin-top:6px;padding:11px 12px;
border:1px solid var(--edge);border-radius:8px;background:var(--code);color:var(--ink);font:inherit}
textarea{min-height:120px;font:14px/1.5 ui-monospace,SFMono-Regular,Consolas,monospace;
resize:vertical}
textarea.hidden{-webkit-text-security:disc}
button{min-height:46px;font-weight:600;cursor:pointer}
button.go{border-color:var(--go);background:var(--go);color:var(--on-go)}
:focus-visible{outline:3px solid var(--go);outline-offset:2px}
a{color:var(--go)}
a.go{display:block;margin-top:24px;padding:11px 12px;border-radius:8px;background:var(--go);
color:var(--on-go);font-weight:600;text-decoration:none}
dl{margin:24px 0 0;text-align:left}
dt{font-size:14px;color:var(--soft)}
dd{margin:0 0 14px;overflow-wrap:anywhere}
dd+dd{margin-top:-12px}
p+p.note,p.note{margin-top:20px;padding:10px 12px;border-radius:8px;border:1px solid var(--bad);
color:var(--bad);text-align:left}
.field p.wrong{color:var(--bad);font-weight:600}
"""
)

TICK = '<path d="M5 13l4.5 4.5L19 7"/>'
CROSS = '<path d="M6 6l12 12M18 6L6 18"/>'
KEY = '<circle cx="8" cy="16" r="4"/><path d="M11 13l9-9M16 8l3 3"/>'


def policy(*, forms: bool = False, script: str = "", style: str = "") -> str:
    """The Content-Security-Policy of a page: its own style, and nothing else.

    With `forms` those go back to where the page came from; a `script` (then it may also ask
    there) and a further `style` are the one that is given, to the letter.
    """
    styles = " ".join(f"'sha256-{_hash(each)}'" for each in (_STYLE, style) if each)
    scripts = f"script-src 'sha256-{_hash(script)}'; connect-src 'self'; " if script else ""
    form_action = "'self'" if forms else "'none'"
    return (
        f"default-src 'none'; style-src {styles}; {scripts}img-src data:; "
        f"frame-ancestors 'none'; base-uri 'none'; form-action {form_action}"
    )


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


POLICY = policy()
"""That of a page that only shows something."""
FORM_POLICY = policy(forms=True)
"""That of a page with a form."""

TOKEN, CANCEL = "token", "cancel"
"""Under which names a form sends what proves it, and that the person does not want to."""


class Field:
    """Something that a page asks for. `check` says what is wrong with a value, or None; `noted` is
    whether the page says of an optional one that it is, since its label does not."""

    def __init__(
        self,
        name: str,
        label: str,
        *,
        help: str = "",  # noqa: A002 - the word of the recipes
        help_url: str = "",
        optional: bool = False,
        noted: bool = True,
        hidden: bool = True,
        lines: bool = False,
        choices: Sequence[str] = (),
        check: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.name = name
        self.label = label
        self.help = help
        self.help_url = help_url
        self.optional = optional
        self.noted = noted
        self.hidden = hidden
        self.lines = lines
        self.choices = tuple(choices)
        self.check = check


def connected(display_name: str) -> bytes:
    """The grant is here."""
    return page(
        TICK,
        f"You are connected to {display_name}",
        "<p>You can close this tab.</p>",
    )


def failed(display_name: str, error: AuthError) -> bytes:
    """The login ended without a grant: what happened, and what to do now."""
    return problem(f"Not connected to {display_name}", error)


def problem(title: str, error: AuthError) -> bytes:
    """What happened, and what to do now."""
    body = f"<p>{escape(error.message)}</p>"
    if error.hint:
        body += f"<p>What to do now<code>{escape(error.hint)}</code></p>"
    return page(CROSS, title, body, "bad")


def closed(again: str) -> bytes:
    """A link that was used, or that nobody has used in time; `again` says how there is another."""
    text = "A link works once, in one browser, and for ten minutes."
    return page(CROSS, "This link does not work", f"<p>{text}</p><p>{escape(again)}</p>", "bad")


def onward(title: str, url: str, *, body: str = "", label: str = "Go on") -> bytes:
    """A page that leads to another place, by itself where there is no `body` to read.

    No redirect: browsers hold `form-action` against every hop that follows a form, and a
    provider's hops are its own.
    """
    refresh = "" if body else f'<meta http-equiv="refresh" content="0;url={escape(url)}">'
    link = f'<a class="go" href="{escape(url)}" rel="noreferrer">{escape(label)}</a>'
    return page(TICK, title, body + link, "ask", head=refresh)


def form(
    title: str,
    fields: Sequence[Field],
    *,
    token: str,
    help_url: str = "",
    about: str = "",
    wrong: Mapping[str, str] | None = None,
) -> bytes:
    """What is asked for, and a way out. `wrong` says by name what cannot be taken.

    Nothing that was typed comes back. `token` proves that an answer came from this page; `about`
    is HTML of ours that stands before it.
    """
    wrong = wrong or {}
    # Whoever has to type again begins where something was wrong.
    first = next((n for n, field in enumerate(fields) if field.name in wrong), 0)
    asked = "".join(
        _field(control(number), field, wrong.get(field.name, ""), focused=number == first)
        for number, field in enumerate(fields)
    )
    again = '<p role="alert">Something does not fit yet. Please type all of it again.</p>'
    where = _link(help_url, "Where do I get this?")
    body = (
        f"{about}<p>What you type goes straight to the program on this machine that asked for it."
        f"</p>{f'<p>{where}</p>' if where else ''}{again if wrong else ''}"
        f'<form method="post" autocomplete="off">{_proof(token)}{asked}'
        '<button class="go">Save</button></form>'
        f"{press(token, '', 'Cancel', name=CANCEL)}"
    )
    return page(KEY, title, body, "ask")


def received(back: str = "") -> bytes:
    """What was asked for is here; whether it is right shows where it was asked for: at `back`,
    if that is a page."""
    title = "Thank you, that is all"
    return onward(title, back) if back else page(TICK, title, closing())


def cancelled(back: str = "") -> bytes:
    """The person did not want to."""
    title, text = "Cancelled", "Nothing was saved. You can close this tab."
    return onward(title, back) if back else page(CROSS, title, f"<p>{text}</p>", "bad")


def closing() -> str:
    """That this tab is of no more use, as HTML."""
    return "<p>You can close this tab, and go back to where you came from.</p>"


def press(token: str, action: str, label: str, *, go: bool = False, name: str = "") -> str:
    """A button that posts to `action` (empty: to where its page lies), as HTML. `token` proves
    that it came from this page; with a `name` it says which one was pressed."""
    where = f' action="{escape(action)}"' if action else ""
    named = f' name="{escape(name)}" value="1"' if name else ""
    return (
        f'<form method="post"{where}>{_proof(token)}'
        f"<button{' class=go' if go else ''}{named}>{escape(label)}</button></form>"
    )


def _proof(token: str) -> str:
    return f'<input type="hidden" name="{TOKEN}" value="{escape(token)}">'


def control(number: int) -> str:
    """Under which name the form sends what was typed into a field."""
    return f"field{number}"


def _field(name: str, field: Field, wrong: str, *, focused: bool) -> str:
    link = _link(field.help_url, "Where do I find this?")
    notes = (field.help and escape(field.help), link)
    about = "".join(f"<p>{note}</p>" for note in notes if note)
    if wrong:
        about += f'<p class="wrong">{escape(wrong)}</p>'
    given = {
        f'id="{name}" name="{name}" autocomplete="off" autocapitalize="off"': True,
        # Some browsers send what is typed away to have its spelling looked at.
        'spellcheck="false"': True,
        "required": not field.optional,
        "autofocus": focused,
        f'aria-describedby="{name}-about"': about,
        'aria-invalid="true"': wrong,
    }
    attributes = " ".join(text for text, wanted in given.items() if wanted)
    optional = " <span>(optional)</span>" if field.optional and field.noted else ""
    described = f'<div id="{name}-about">{about}</div>' if about else ""
    return (
        f'<div class="field"><label for="{name}">{escape(field.label)}{optional}</label>'
        f"{_control(field, attributes)}{described}</div>"
    )


def _control(field: Field, attributes: str) -> str:
    if field.choices:
        options = "".join(f"<option>{escape(choice)}</option>" for choice in field.choices)
        return f"<select {attributes}>{options}</select>"
    if field.lines:
        return f"<textarea {attributes}{' class=hidden' if field.hidden else ''}></textarea>"
    return f'<input {attributes} type="{"password" if field.hidden else "text"}">'


def _link(url: str, text: str) -> str:
    """A link that tells the other side nothing; empty where there is none to show."""
    if not url.startswith(("https://", "http://")):
        return ""
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{text}</a>'


def page(mark: str, title: str, body: str, kind: str = "good", *, head: str = "") -> bytes:
    """A page: `mark` is what is drawn above its title. `body` and `head` are HTML of ours, and
    whoever writes them escapes what is not."""
    # The empty icon keeps browsers from asking for /favicon.ico where nobody listens any more.
    return (
        f'<!doctype html><html lang="en" class="{kind}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,">{head}'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<main><svg viewBox="0 0 24 24" aria-hidden="true">{mark}</svg>'
        f"<h1>{escape(title)}</h1>{body}</main></html>"
    ).encode()
