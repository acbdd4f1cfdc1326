"""The page on which a login ends. Pure: text in, bytes out; no script, nothing fetched."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.errors import AuthError

_STYLE = """
:root{color-scheme:light dark;--bg:#f3f4f8;--card:#fff;--ink:#1b1f2a;--soft:#5c6474;--line:#d9dde6;
--code:#eef0f5;--mark:#15803d;--tint:#dcf5e4}
:root.bad{--mark:#b42318;--tint:#fde4e1}
@media(prefers-color-scheme:dark){:root{--bg:#12141a;--card:#1c2029;--ink:#eceef3;--soft:#a3abba;
--line:#343a48;--code:#272c38;--mark:#5fd38a;--tint:#173524}
:root.bad{--mark:#ff9a8f;--tint:#44201d}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:20px;background:var(--bg);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:460px;padding:32px 28px;border:1px solid var(--line);
border-radius:14px;background:var(--card);text-align:center}
svg{width:56px;height:56px;padding:14px;border-radius:50%;background:var(--tint);
stroke:var(--mark);stroke-width:3;stroke-linecap:round;stroke-linejoin:round;fill:none}
h1{margin:16px 0 6px;font-size:22px;line-height:1.3;text-wrap:balance;overflow-wrap:anywhere}
p{margin:0;color:var(--soft);overflow-wrap:anywhere}
p+p{margin-top:20px}
code{display:block;margin-top:6px;padding:10px 12px;border-radius:8px;background:var(--code);
color:var(--ink);font:14px/1.5 ui-monospace,SFMono-Regular,Consolas,monospace;text-align:left}
"""

_TICK = '<path d="M5 13l4.5 4.5L19 7"/>'
_CROSS = '<path d="M6 6l12 12M18 6L6 18"/>'

_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy of these pages: their own style, and nothing else."""


def connected(display_name: str) -> bytes:
    """The grant is here."""
    return _page(
        _TICK,
        f"You are connected to {display_name}",
        "<p>You can close this tab.</p>",
    )


def failed(display_name: str, error: AuthError) -> bytes:
    """The login ended without a grant: what happened, and what to do now."""
    body = f"<p>{escape(error.message)}</p>"
    if error.hint:
        body += f"<p>What to do now<code>{escape(error.hint)}</code></p>"
    return _page(_CROSS, f"Not connected to {display_name}", body, kind="bad")


def _page(mark: str, title: str, body: str, *, kind: str = "good") -> bytes:
    # The empty icon keeps browsers from asking for /favicon.ico where nobody listens any more.
    return (
        f'<!doctype html><html lang="en" class="{kind}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f'<main><svg viewBox="0 0 24 24" aria-hidden="true">{mark}</svg>'
        f"<h1>{escape(title)}</h1>{body}</main></html>"
    ).encode()
