"""The few pages that the embedded provider shows. No script; the style is inline."""

from __future__ import annotations

from html import escape

_STYLE = """
:root{color-scheme:light dark;--bg:#f3f4f8;--card:#fff;--ink:#1b1f2a;--soft:#5c6474;--line:#d9dde6;
--go:#2f5bea}
@media(prefers-color-scheme:dark){:root{--bg:#12141a;--card:#1c2029;--ink:#eceef3;--soft:#a0a8b8;
--line:#343a48;--go:#4a72f5}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:20px;background:var(--bg);
color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:400px;padding:28px;border:1px solid var(--line);border-radius:14px;
background:var(--card)}
h1{margin:0 0 4px;font-size:21px;line-height:1.3;overflow-wrap:anywhere}
p{margin:0 0 18px;color:var(--soft);overflow-wrap:anywhere}
p:last-child{margin:0}
ul{margin:0 0 20px;padding:12px 16px 12px 34px;border:1px solid var(--line);border-radius:10px}
label{display:block;margin:0 0 6px;font-weight:600}
input{width:100%;margin:0 0 20px;padding:10px 12px;border:1px solid var(--line);border-radius:8px;
background:transparent;color:inherit;font:inherit}
div{display:flex;gap:10px}
button{flex:1;padding:11px;border:1px solid var(--line);border-radius:8px;background:transparent;
color:inherit;font:inherit;font-weight:600;cursor:pointer}
button.go{border-color:var(--go);background:var(--go);color:#fff}
"""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


def _page(title: str, body: str) -> bytes:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main>{body}</main></html>"
    ).encode()


def _scopes(scope: str) -> str:
    listed = "".join(f"<li>{escape(one)}</li>" for one in scope.split())
    return f"<ul>{listed or '<li>your name</li>'}</ul>"


_DECISION = (
    '<label for="user">Account</label>'
    '<input id="user" name="user" value="ada" autocomplete="off" maxlength="60" required>'
    '<div><button name="decision" value="cancel">Cancel</button>'
    '<button class="go" name="decision" value="allow">Allow</button></div></form>'
)

_NOT_REAL = "<p>This provider runs on your own machine. No real account is involved.</p>"


def consent(*, app: str, scope: str, ticket: str) -> bytes:
    """Log in and consent, in one: whose account, what for, allow or cancel."""
    return _page(
        "Demo provider",
        f"<h1>{escape(app)} wants to connect</h1>{_NOT_REAL}{_scopes(scope)}"
        '<form method="post" action="/consent">'
        f'<input type="hidden" name="ticket" value="{escape(ticket)}">{_DECISION}',
    )


def activate(*, app: str, scope: str, code: str) -> bytes:
    """Connect a device: its code, typed or seen, and then as in `consent`."""
    what = f"{_NOT_REAL}{_scopes(scope)}" if app else "<p>Type the code that it shows.</p>"
    return _page(
        "Connect a device",
        f"<h1>{escape(app) or 'A device'} wants to connect</h1>{what}"
        '<form method="post" action="/activate"><label for="code">Code</label>'
        f'<input id="code" name="user_code" value="{escape(code)}" autocomplete="off" '
        f'maxlength="20" required>{_DECISION}',
    )


def message(title: str, text: str) -> bytes:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>")
