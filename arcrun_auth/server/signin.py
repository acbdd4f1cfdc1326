"""Who is it? By a provider that the admin named, by an API key, or as a new account.

What binds a provider's answer to the browser that asked is a sealed cookie: it holds the state,
the nonce and the verifier of that one login, and is gone with its use.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from arcrun_auth import landing, oauth
from arcrun_auth.answers import json_object, pick
from arcrun_auth.errors import AuthError, printable
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.callback import read_callback
from arcrun_auth.oauth.requests import code_request, userinfo_request
from arcrun_auth.recipe.oauth2 import ClientAuth, OAuth2
from arcrun_auth.server import accounts, audit, keys, logins, pages
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.providers import secret_of
from arcrun_auth.server.shapes import Register
from arcrun_auth.server.visits import SESSION, SESSION_SECONDS, elsewhere, show
from arcrun_auth.token_answer import read_token
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.providers import SignIn
    from arcrun_auth.server.routes import Reply
    from arcrun_auth.server.visits import Site, Visit

COOKIE = "arcrun_signin"
CALLBACK = "/auth/callback"
MAX_NAME = 100


class Person:
    """Whoever an issuer says it is. `subject` is the issuer's id for them, with its name."""

    __slots__ = ("email", "name", "picture", "provider", "subject")

    def __init__(self, provider: str, subject: str, name: str, email: str, picture: str) -> None:
        self.provider = provider
        self.subject = subject
        self.name = name
        self.email = email
        self.picture = picture


# -- by a provider -----------------------------------------------------------------------


def choose(site: Site, visit: Visit) -> Reply:
    """The button of a provider."""
    site.check_form(visit)
    text = visit.form.get(logins.FLOW, "")
    return begin(site, visit, visit.form.get("provider", ""), text, visit.form.get("invite", ""))


def begin(site: Site, visit: Visit, provider: str, flow: str, invite: str = "") -> Reply:
    """On to a provider, with a cookie that only its answer to this browser will fit."""
    site.sealed(logins.FLOW, flow)
    entry = _entry(site, provider)
    oauth2 = _oauth2(site, entry)
    state, nonce = oauth.new_state(), oauth.new_state()
    verifier, challenge = oauth.new_proof_key()
    url = oauth.authorization_url(
        oauth2,
        client_id=entry.client_id,
        redirect_uri=site.url + CALLBACK,
        scopes=entry.asked,
        state=state,
        challenge=challenge,
        params={},
    )
    if entry.issuer:
        url = oauth.call.with_query(url, {"nonce": nonce})
    held = {"state": state, "nonce": nonce, "verifier": verifier.reveal(),
            "provider": provider, "flow": flow, "invite": invite[:200]}  # fmt: skip
    cookie = site.hand(visit, COOKIE, held, logins.FLOW_SECONDS)
    return show(landing.onward(f"On to {entry.title}", url), cookies=[cookie])


def callback(site: Site, visit: Visit) -> Reply:
    """The provider's answer: the session, and on with what the person came for."""
    held = site.given(visit, COOKIE)
    given = visit.query.get("state", "")
    if held is None or not hmac.compare_digest(given.encode(), str(held["state"]).encode()):
        raise Problem(403, "This answer belongs to no login of this browser. Begin it again.")
    # Single use: whoever comes second with the same answer finds it spent.
    if not site.spend("signin", held["state"], logins.FLOW_SECONDS):
        raise Problem(403, "This answer was used before. Begin the login again.")
    person = _asked(site, visit, held)
    account = site.write(lambda tx: _account(site, tx, person, held["invite"]))
    cookies = [site.cookie(visit, COOKIE, "", 0), _session(site, visit, account, None)]
    return elsewhere(f"/auth/go-on?{logins.FLOW}={held['flow']}", cookies)


def _asked(site: Site, visit: Visit, held: dict[str, Any]) -> Person:
    """Who it is, by the provider's word. Problem 403 where it does not say so, or is not to be
    believed; nothing of what it says is shown."""
    entry = _entry(site, held["provider"])
    oauth2 = _oauth2(site, entry)
    try:
        # Parameters that stand there twice are none: `query` has left them out.
        answer = oauth.call.with_query("", visit.query)
        code, _ = read_callback(
            answer, state=held["state"], issuer=entry.issuer,
            iss_required=bool(entry.issuer) and site.issuers.openid(entry.issuer).iss_in_callback,
        )  # fmt: skip
        app = App(entry.client_id, secret_of(entry, held["provider"]))
        call = code_request(
            oauth2, app, code=code, redirect_uri=site.url + CALLBACK, state=held["state"],
            verifier=Secret(held["verifier"]), values=values({}, app=app), now=site.now(),
        )  # fmt: skip
        reply = site.issuers.send(call)
        grant = read_token(
            oauth2, reply.status, reply.headers, reply.body, now=site.now(), secrets=call.secrets
        )
        if entry.issuer:
            token = (json_object(reply.body) or {}).get("id_token")
            said = site.issuers.verified(
                token if isinstance(token, str) else "", issuer=entry.issuer,
                audience=entry.client_id, now=site.now(), nonce=held["nonce"],
            )  # fmt: skip
        else:
            reply = site.issuers.send(userinfo_request(oauth2, grant.access_token))
            said = (json_object(reply.body) or {}) if reply.status == 200 else {}  # noqa: PLR2004
    except AuthError as error:
        raise Problem(403, f"{entry.title} did not let you in: {error.message}") from None
    return _person(entry, held["provider"], said)


def _person(entry: SignIn, provider: str, said: dict[str, Any]) -> Person:
    def text(path: str, longest: int = MAX_NAME) -> str:
        value = pick(said, path)
        return printable(str(value), longest) if isinstance(value, str | int) else ""

    subject = pick(said, entry.subject)
    if isinstance(subject, bool) or not isinstance(subject, str | int) or not str(subject):
        raise Problem(403, f"{entry.title} does not say who you are.")
    # An issuer's id is unique at that issuer alone (OIDC Core §5.7): both together name somebody.
    whose = entry.issuer or provider
    picture = text(entry.picture, 500)
    return Person(
        provider, f"{whose} {subject}", text(entry.name), text(entry.email, 254),
        picture if picture.startswith("https://") else "",
    )  # fmt: skip


def _account(site: Site, tx: Tx, person: Person, invite: str) -> str:
    """The account of a person; a new one where this server takes them. An e-mail address decides
    nothing: it may change hands, and not every issuer checks it."""
    found = tx.one("SELECT id FROM accounts WHERE subject = ?", person.subject)
    if found is not None:
        audit.note(tx, found[0], actor=person.provider, action="sign-in")
        return str(found[0])
    role = accounts.admitted(tx, invite, site.config.registration)
    account = accounts.create(
        tx, email=person.email or None, display_name=person.name, avatar_url=person.picture,
        provider=person.provider, subject=person.subject, role=role,
    )  # fmt: skip
    audit.note(tx, account, actor=person.provider, action="account.create")
    return account


def _entry(site: Site, provider: str) -> SignIn:
    entry = site.providers.signin.get(provider)
    if entry is None:
        raise Problem(404, "Nobody of this name signs people in here.")
    return entry


def _oauth2(site: Site, entry: SignIn) -> OAuth2:
    """The server that signs in, as login requests know one."""
    if entry.issuer:
        try:
            found = site.issuers.openid(entry.issuer)
        except AuthError as error:
            raise Problem(503, f"{entry.title} cannot be asked now: {error.message}") from None
        ends = found.authorization_endpoint, found.token_endpoint
    else:
        ends = entry.authorization_endpoint, entry.token_endpoint
    return OAuth2(
        authorization_endpoint=entry.authorization_endpoint or ends[0],
        token_endpoint=entry.token_endpoint or ends[1],
        userinfo_endpoint=entry.userinfo_endpoint,
        issuer=entry.issuer,
        client=ClientAuth(auth=entry.auth, secret_required=False),
    )


# -- by a key, and as somebody new -------------------------------------------------------


def by_key(site: Site, visit: Visit) -> Reply:
    """An API key that is pasted. It is never shown again, nor kept in the browser."""
    site.check_form(visit)
    key, text = visit.form.get("key", "").strip(), visit.form.get(logins.FLOW, "")
    try:
        caller = site.read(lambda tx: keys.authenticate(tx, key))
    except Problem:
        return logins.shown(site, visit, text, wrong="This API key is not known here.")
    if caller.kind == "ci":
        return logins.shown(site, visit, text, wrong="A key of a CI job lets nobody in.")
    site.sealed(logins.FLOW, text)
    cookie = _session(site, visit, caller.account, key)
    return elsewhere(f"/auth/go-on?{logins.FLOW}={text}", [cookie])


def register(site: Site, visit: Visit) -> Reply:
    """A new account; its key is shown on the page that follows, and nowhere else."""
    site.check_form(visit)
    text, invite = visit.form.get(logins.FLOW, ""), visit.form.get("invite", "").strip()
    site.sealed(logins.FLOW, text)
    asked = Register(invite=invite[:200])
    try:
        made = site.write(lambda tx: accounts.register(tx, asked, site.config.registration))
    except Problem as problem:
        return logins.shown(site, visit, text, wrong=problem.detail)
    cookies = [_session(site, visit, made.account, made.api_key)]
    form = site.form(visit, cookies, flow=text)
    return show(pages.new_key(form, made.api_key), cookies=cookies)


def sign_out(site: Site, visit: Visit) -> Reply:
    """The session of this browser ends."""
    site.check_form(visit)
    body = pages.done("You are signed out", "You can close this tab.")
    return show(body, cookies=[site.cookie(visit, SESSION, "", 0)])


def _session(site: Site, visit: Visit, account: str, key: str | None) -> str:
    """A session holds no longer than the key that somebody showed for it."""
    data = {"account": account, "key": None if key is None else keys.hashed(key)}
    return site.hand(visit, SESSION, data, SESSION_SECONDS)
