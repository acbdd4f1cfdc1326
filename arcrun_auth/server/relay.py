"""The shared OAuth app: this server adds the app's secret to an exchange, and keeps nothing of it.

It is the "confused deputy" of the Model Context Protocol's security practices: a server with one
client id at a provider, for many clients that it does not know. So each login is agreed to on a
page of ours before the provider is asked, and the answer is taken from that very browser alone;
what comes back goes to the literal 127.0.0.1 of that browser, after one more page. A code is
exchanged once, for whoever holds the verifier (RFC 7636) and the key (RFC 9449) that the login
began with; a refresh token is renewed for the holder of that key and for nobody else.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from arcrun_auth import landing, oauth
from arcrun_auth.errors import AuthError, ProviderUnavailable
from arcrun_auth.oauth.call import values
from arcrun_auth.oauth.requests import code_request, refresh_request
from arcrun_auth.oauth.revocation import revocation_requests
from arcrun_auth.server import pages
from arcrun_auth.server.login_shapes import (
    RelayApp,
    RelayCode,
    Relayed,
    RelayRefresh,
    RelayStarted,
)
from arcrun_auth.server.logins import fits_challenge, loopback, refusal
from arcrun_auth.server.problems import Problem, later
from arcrun_auth.server.proofs import WINDOW, BadProof, read_proof
from arcrun_auth.server.sealing import Unsealed
from arcrun_auth.server.visits import show
from arcrun_auth.token_answer import read_token
from arcrun_auth.tokens import Grant, Secret

if TYPE_CHECKING:
    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.login_shapes import RelayRevoke
    from arcrun_auth.server.proofs import Proof
    from arcrun_auth.server.routes import Reply
    from arcrun_auth.server.shared_apps import Offer
    from arcrun_auth.server.visits import Site, Visit

STATE = "oauth"
COOKIE = "arcrun_oauth"
SECONDS = 600.0
"""How long may a login take, from its start to the exchange of its code?"""
REDIRECT = "/oauth/redirect"
BINDING = "binding"
NONCE = "dpop"
NONCE_SECONDS = 300.0
SUCCESS = 2  # the first digit of a status

_PASSED = ("code", "iss", "error", "error_description", "error_uri")
"""What of a provider's answer goes on to the client, beside what its recipe wants kept?"""
_HEADERS = ("content-type", "retry-after", "date")


# -- who may -------------------------------------------------------------------------------


def offer_of(site: Site, visit: Visit, caller: Caller | None) -> Offer:
    """The app that a path names, if the caller may use it. Problem 404, 401."""
    offer = site.offers.get(visit.path["service"])
    if offer is None:
        raise Problem(404, "This server shares no app for this service.")
    if caller is None and not offer.without_account:
        raise Problem(401, "This app is for the accounts of this server: log in first.")
    return offer


def proven(site: Site, visit: Visit, path: str) -> Proof:
    """The proof of a key that came with a request; each is taken once. RFC 9449 §4.3, §8."""
    url = site.url + path
    text = visit.headers.get("dpop", "")
    try:
        proof = read_proof(
            text, visit.method, url, now=site.now(), is_ours=lambda n: _ours(site, n)
        )
    except BadProof as error:
        if error.nonce:
            nonce = site.sealer.seal(NONCE, {}, ends=site.now() + NONCE_SECONDS)
            problem = refusal("use_dpop_nonce", "The proof has to carry a nonce of this server.")
            problem.headers["dpop-nonce"] = nonce
            raise problem from None
        raise refusal(
            "invalid_dpop_proof", f"The proof of the key is not taken: {error}."
        ) from None
    if not site.spend("dpop", f"{proof.jkt} {proof.jti}", 2 * WINDOW):
        raise refusal("invalid_dpop_proof", "The proof of the key was used before.")
    return proof


def _ours(site: Site, nonce: str) -> bool:
    try:
        site.sealer.open(NONCE, nonce, now=site.now())
    except Unsealed:
        return False
    return True


def about(site: Site, visit: Visit, caller: Caller | None) -> RelayApp:
    """The app that is shared for a service. Its id is no secret: each login shows it."""
    offer = offer_of(site, visit, caller)
    return RelayApp(
        client_id=offer.app.client_id, scopes=list(offer.scopes),
        authorization_endpoint=offer.oauth2.authorization_endpoint,
        token_endpoint=offer.oauth2.token_endpoint,
    )  # fmt: skip


# -- the login -------------------------------------------------------------------------------


def start(site: Site, visit: Visit, caller: Caller | None) -> RelayStarted:
    """A login begins: what it is bound to is sealed into its `state`, and kept nowhere."""
    offer, asked = offer_of(site, visit, caller), visit.body
    proof = proven(site, visit, f"/oauth/{visit.path['service']}/start")
    ends = (asked.authorization_endpoint, asked.token_endpoint)
    if ends != (offer.oauth2.authorization_endpoint, offer.oauth2.token_endpoint):
        # Mix-up: the client's recipe means another server than ours (RFC 9700 §4.4).
        raise Problem(409, "This server's app is for other endpoints than your recipe names.")
    if offer.beyond(asked.scopes):
        raise Problem(403, "This app may not be asked for such scopes.")
    data = {
        "challenge": asked.challenge, "port": asked.port, "service": offer.service,
        "nonce": secrets.token_hex(16), "jkt": proof.jkt, "scopes": list(asked.scopes),
        "account": caller.account if caller is not None else None,
    }  # fmt: skip
    state = site.sealer.seal(STATE, data, ends=site.now() + SECONDS)
    url = f"{site.url}/oauth/authorize?{urlencode({'state': state})}"
    return RelayStarted(
        state=state, url=url, client_id=offer.app.client_id, expires_in=int(SECONDS)
    )


def consent(site: Site, visit: Visit) -> Reply:
    """The page before the provider's: nothing is sent there before somebody agrees to it."""
    text = visit.query.get("state", "")
    login, offer = _login(site, text)
    cookies: list[str] = []
    form = site.form(visit, cookies, state=text)
    owner = site.url.partition("://")[2]
    body = pages.consent(form, offer.title, owner, login["scopes"], login["port"])
    return show(body, cookies=cookies)


def agreed(site: Site, visit: Visit) -> Reply:
    """The person's word: only now the state counts, in this browser, and the provider is asked."""
    site.check_form(visit)
    text = visit.form.get("state", "")
    login, offer = _login(site, text)
    if visit.form.get("answer") != "yes":
        _once(site, "consent", login)
        said = {"error": "access_denied", "state": text}
        return show(pages.back("You have said no", f"{loopback(login['port'])}?{urlencode(said)}"))
    _once(site, "consent", login)
    url = oauth.authorization_url(
        offer.oauth2,
        client_id=offer.app.client_id,
        redirect_uri=site.url + REDIRECT,
        scopes=login["scopes"],
        state=text,
        challenge=login["challenge"] if offer.oauth2.pkce != "no" else None,
    )
    cookie = site.hand(visit, _cookie(login), {"nonce": login["nonce"]}, SECONDS)
    return show(landing.onward(f"On to {offer.title}", url), cookies=[cookie])


def redirect(site: Site, visit: Visit) -> Reply:
    """The provider's answer, on its way to the machine of the browser that asked for it."""
    text = visit.query.get("state", "")
    login, offer = _login(site, text)
    held = site.given(visit, _cookie(login))
    if held is None or not hmac.compare_digest(str(held["nonce"]), login["nonce"]):
        raise Problem(403, "This answer belongs to no login that this browser has agreed to.")
    _once(site, "redirect", login)
    iss = visit.query.get("iss")
    if offer.oauth2.issuer and iss not in (None, offer.oauth2.issuer):  # RFC 9207 §2.4
        raise Problem(403, "This answer comes from another server than the login went to.")
    names = (*_PASSED, *offer.oauth2.callback.keep, offer.oauth2.callback.code)
    passed = {name: visit.query[name] for name in names if name in visit.query}
    url = f"{loopback(login['port'])}?{urlencode({**passed, 'state': text})}"
    gone = site.cookie(visit, _cookie(login), "", 0)
    return show(pages.back(offer.title, url), cookies=[gone])


def _cookie(login: dict[str, Any]) -> str:
    """Of each login its own: two in two tabs do not end each other."""
    return f"{COOKIE}_{login['nonce'][:8]}"


def _login(site: Site, text: str) -> tuple[dict[str, Any], Offer]:
    login = site.sealed(STATE, text)
    offer = site.offers.get(login["service"])
    if offer is None:
        raise Problem(404, "This server shares no app for this service any more.")
    return login, offer


def _once(site: Site, step: str, login: dict[str, Any]) -> None:
    if not site.spend(f"oauth-{step}", login["nonce"], SECONDS):
        raise Problem(403, "This login has come this far before. Begin it again.")


# -- the exchange ----------------------------------------------------------------------------


def token(site: Site, visit: Visit, caller: Caller | None) -> Relayed:
    """Exchanges a code, renews, or ends a login by the shared app.

    Answers what the provider said as it is, and what binds a refresh token in it to the key.
    """
    offer, asked = offer_of(site, visit, caller), visit.body
    proof = proven(site, visit, f"/oauth/{visit.path['service']}/token")
    if isinstance(asked, RelayCode):
        call = _code_call(site, visit, offer, proof, caller)
        return _sent(site, offer, proof, call, limited=True)
    bound = _bound(offer, proof, asked.refresh_token)
    if not site.sealer.marked(BINDING, asked.binding, *bound):
        # Whoever has only found the token gets nothing by it here, not even whether it lives.
        raise refusal("invalid_dpop_proof", "This refresh token is not bound to this key here.")
    if isinstance(asked, RelayRefresh):
        return _sent(site, offer, proof, _refresh_call(site, offer, asked))
    calls = _revoke_calls(site, offer, asked)
    return [_sent(site, offer, proof, call) for call in calls][-1]


def _code_call(
    site: Site, visit: Visit, offer: Offer, proof: Proof, caller: Caller | None
) -> TokenCall:
    asked = visit.body
    try:
        login = site.sealer.open(STATE, asked.state, now=site.now())
    except Unsealed:
        raise refusal("invalid_grant", "This login is over, or none of ours.") from None
    account = caller.account if caller is not None else None
    fits = (
        login["service"] == offer.service
        and login["jkt"] == proof.jkt
        and login["account"] in (None, account)
        and fits_challenge(asked.code_verifier, login["challenge"])
    )
    # A wrong verifier spends nothing: whoever has read the state must not end the login.
    if not fits or not site.spend("oauth-token", login["nonce"], SECONDS):
        raise refusal("invalid_grant", "This code is not for you, or was exchanged before.")
    sends = offer.oauth2.pkce != "no"
    return code_request(
        offer.oauth2, offer.app, code=Secret(asked.code),
        redirect_uri=site.url + REDIRECT, state=asked.state,
        verifier=Secret(asked.code_verifier) if sends else None,
        values=values({}, app=offer.app), now=site.now(),
    )  # fmt: skip


def _refresh_call(site: Site, offer: Offer, asked: RelayRefresh) -> TokenCall:
    return refresh_request(
        offer.oauth2, offer.app, refresh_token=Secret(asked.refresh_token),
        values=values({}, app=offer.app), now=site.now(),
    )  # fmt: skip


def _revoke_calls(site: Site, offer: Offer, asked: RelayRevoke) -> list[TokenCall]:
    """RFC 7009 §2.1. Problem 404 where the provider has no place for it."""
    now = site.now()
    grant = Grant(
        access_token=Secret(asked.access_token), refresh_token=Secret(asked.refresh_token),
        issued=now,
    )  # fmt: skip
    known = values({}, app=offer.app, access_token=grant.access_token)
    calls = revocation_requests(offer.oauth2, offer.app, grant, values=known, now=now)
    if not calls:
        raise Problem(404, "This provider has no place where a login is ended.")
    return calls


def _bound(offer: Offer, proof: Proof, refresh_token: str) -> tuple[bytes, ...]:
    digest = sha256(refresh_token.encode()).digest()
    return offer.service.encode(), offer.app.client_id.encode(), proof.jkt.encode(), digest


def _sent(
    site: Site, offer: Offer, proof: Proof, call: TokenCall, *, limited: bool = False
) -> Relayed:
    """The provider's answer. `limited`: a grant of more than the admin allows goes to nobody, as
    the address of a login is in the hands of whoever opens it. A renewal is of what was judged
    then: to keep its answer back would end the login."""
    try:
        answer = site.issuers.send(call)
    except ProviderUnavailable as error:
        # The client has to know whether the refresh token may be used up.
        problem = later(f"{offer.title} cannot be reached now.", 1, status=502)
        problem.more["sent"] = error.sent
        raise problem from None
    except AuthError:
        raise Problem(502, f"{offer.title} cannot be asked from this server.") from None
    try:
        body = answer.body.decode()
    except UnicodeDecodeError:
        raise Problem(502, f"{offer.title} answered what is no text.") from None
    headers = {name: answer.headers[name] for name in _HEADERS if name in answer.headers}
    binding = ""
    if answer.status // 100 == SUCCESS:
        binding = _binding(site, offer, proof, answer, limited=limited)
    return Relayed(status=answer.status, headers=headers, body=body, binding=binding)


def _binding(site: Site, offer: Offer, proof: Proof, answer: Answer, *, limited: bool) -> str:
    """What binds the refresh token of an answer; nothing where there is none in it."""
    try:
        grant = read_token(offer.oauth2, answer.status, answer.headers, answer.body, now=site.now())
    except AuthError:  # the client reads the same, and tells why
        return ""
    if limited and offer.beyond(grant.scopes):
        raise Problem(403, "The provider granted more than this server's app may be asked for.")
    if grant.refresh_token is None:
        return ""
    return site.sealer.mark(BINDING, *_bound(offer, proof, grant.refresh_token.reveal()))
