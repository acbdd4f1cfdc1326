"""A login from end to end: authorization code with PKCE, back to this machine or by paste.

The address is always shown. A browser may open or not, sit here or on another machine: the
loopback listener and the pasted address race, and the first true answer wins. Whatever
happens, the login ends within its time limit, with a grant or with an error that says why.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from arcrun_auth import landing, oauth
from arcrun_auth.browser import NotOpened
from arcrun_auth.errors import (
    AuthError,
    LoginFailed,
    ProviderUnavailable,
    TokenRefused,
    printable,
)
from arcrun_auth.loopback import TICK, Loopback
from arcrun_auth.oauth.callback import is_answer, read_callback
from arcrun_auth.token_answer import read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth import recipe
    from arcrun_auth.tokens import Grant, Secret

    class Answer(Protocol):
        """What a token endpoint said; header names are lower-case."""

        @property
        def status(self) -> int: ...
        @property
        def headers(self) -> Mapping[str, str]: ...
        @property
        def body(self) -> bytes: ...


LOGIN_SECONDS = 300.0
"""How long may a person take to log in?"""
MAX_PASTES = 20
"""How many wrong lines do we read before we stop asking for the address?"""

_PASTE_TOO = (
    "If the browser is on another machine: log in there, copy the address of the page that "
    "cannot be reached at the end, and paste it here."
)
_PASTE_ONLY = (
    "At the end the browser cannot reach the page. Copy the whole address of that page and "
    "paste it here."
)
_NOT_IT = "That is not the address of this login. It has code= and state= in it; copy all of it."


@dataclass(frozen=True)
class LoginPlan:
    """Everything a login needs to know: the recipe's endpoints are rendered already.

    `params` fill the `{{param.x}}` that are left in the extra parameters of its requests.
    """

    service: str
    display_name: str
    oauth2: recipe.OAuth2
    client_id: str
    client_secret: Secret | None = None
    scopes: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)


def log_in(
    plan: LoginPlan,
    *,
    send: Callable[[oauth.TokenCall], Answer],
    open_url: Callable[[str], object],
    say: Callable[[str], None],
    paste: Callable[[], str | None] | None = None,
    timeout: float = LOGIN_SECONDS,
    clock: Callable[[], float] = time.time,
    port: int | None = None,
) -> Grant:
    """Log a person in, and give back the grant. Blocking, at most `timeout` seconds and the
    time of one token request.

    `open_url` shows the address to the person; it runs in a thread of its own, and what it
    gives back matters only if it is a `browser.NotOpened`. `say` prints a line. `paste` reads
    one line that the person typed, None when nobody can; it runs in a daemon thread and is
    left behind when the browser answers first. `port` is where to listen, instead of the
    recipe's choice. `clock` tells the time of receipt, in epoch seconds.

    Raises LoginFailed (refused, cancelled, timed out) and ProviderUnavailable (the token
    endpoint did not answer: the login has to be started again, since a code works once).
    Ctrl-C goes through as KeyboardInterrupt, with everything closed behind it.
    """
    with ExitStack() as stack:
        loopback = _listen(plan, stack, port=port, can_paste=paste is not None)
        attempt = _Attempt(plan, loopback)
        people = _People(attempt, open_url=open_url, say=say, paste=paste)
        stack.callback(people.stop)
        people.start()
        callback = _first_answer(attempt, people, until=time.monotonic() + timeout)
        if callback is None:
            raise attempt.unfinished(timeout)
        try:
            grant = attempt.redeem(callback, send=send, clock=clock)
        except AuthError as error:
            if loopback is not None:
                loopback.answer(landing.failed(plan.display_name, error))
            raise
        if loopback is not None:
            loopback.answer(landing.connected(plan.display_name))
        return grant


def _listen(
    plan: LoginPlan, stack: ExitStack, *, port: int | None, can_paste: bool
) -> Loopback | None:
    redirect = plan.oauth2.redirect
    if redirect.policy != "https_only":
        return stack.enter_context(Loopback(redirect, port=port, service=plan.service))
    if not can_paste:
        raise LoginFailed(
            f"{printable(plan.display_name, 80)} sends the browser to an https address only, "
            "and nobody can paste here where that ends. Log in from a terminal.",
            service=plan.service,
            hint=f"arcrun setup {plan.service}",
        )
    return None


def _first_answer(attempt: _Attempt, people: _People, *, until: float) -> str | None:
    """The callback that came first, from the browser or by paste.

    None when time is up, or when nothing more can come.
    """
    if attempt.loopback is not None:
        query = attempt.loopback.wait(attempt.is_ours, until=until, ended=people.has_pasted)
        return people.pasted if query is None else query
    while not people.gave_up.wait(TICK) and time.monotonic() < until:
        people.has_pasted()  # a wrong line is told at once
    people.has_pasted()
    return people.pasted


class _Attempt:
    """One login under way: what binds its answer to it (state, verifier, redirect URI)."""

    def __init__(self, plan: LoginPlan, loopback: Loopback | None) -> None:
        self.plan = plan
        self.name = printable(plan.display_name, 80)
        self.loopback = loopback
        self.state = oauth.new_state()
        self.verifier: Secret | None = None
        challenge: str | None = None
        if plan.oauth2.pkce != "no":
            self.verifier, challenge = oauth.new_proof_key()
        self.redirect_uri = (
            loopback.redirect_uri if loopback else oauth.redirect_uri(plan.oauth2.redirect)
        )
        self.url = oauth.authorization_url(
            plan.oauth2,
            client_id=plan.client_id,
            redirect_uri=self.redirect_uri,
            scopes=plan.scopes,
            state=self.state,
            challenge=challenge,
            params=plan.params,
        )

    def is_ours(self, callback: str) -> bool:
        return is_answer(callback, state=self.state)

    def redeem(
        self,
        callback: str,
        *,
        send: Callable[[oauth.TokenCall], Answer],
        clock: Callable[[], float],
    ) -> Grant:
        """The grant for the code in `callback`. The request is sent once, whatever comes."""
        plan = self.plan
        code = read_callback(
            callback, state=self.state, issuer=plan.oauth2.issuer, service=plan.service
        )
        call = oauth.code_request(
            plan.oauth2,
            client_id=plan.client_id,
            client_secret=plan.client_secret,
            code=code,
            redirect_uri=self.redirect_uri,
            verifier=self.verifier,
            params=plan.params,
        )
        try:
            answer = send(call)
            return read_token(
                plan.oauth2,
                answer.status,
                answer.headers,
                answer.body,
                now=clock(),
                requested=plan.scopes,
                secrets=call.secrets,
                service=plan.service,
            )
        except TokenRefused as error:
            # There was no grant that it could be about: the login is what failed.
            raise LoginFailed(
                error.message,
                service=plan.service,
                hint=error.hint,
                error=error.error,
                description=error.description,
                uri=error.uri,
            ) from None
        except ProviderUnavailable as error:
            error.service = plan.service
            error.hint = f"arcrun setup {plan.service}"  # the code is spent: from the start
            raise

    def unfinished(self, timeout: float) -> LoginFailed:
        return LoginFailed(
            f"Nobody finished the login to {self.name} (limit: {timeout:g} s). "
            "If the provider complained about the redirect URI, register this one: "
            f"{oauth.redirect_uri(self.plan.oauth2.redirect)}",
            service=self.plan.service,
            hint=f"arcrun setup {self.plan.service}",
        )


class _People:
    """The person's side: the address shown, a browser opened, a line read.

    Both helpers run in threads, since either may never come back. They only leave messages;
    `has_pasted`, called by the thread that logs in, is what speaks.
    """

    def __init__(
        self,
        attempt: _Attempt,
        *,
        open_url: Callable[[str], object],
        say: Callable[[str], None],
        paste: Callable[[], str | None] | None,
    ) -> None:
        self.attempt = attempt
        self.open_url = open_url
        self.say = say
        self.paste = paste
        self.pasted: str | None = None
        self.gave_up = threading.Event()
        """Nobody pastes any more: the true address came, or nobody can type."""
        self._messages: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def start(self) -> None:
        url = self.attempt.url
        self.say(f"To connect {self.attempt.name}, open this address:")
        self.say(printable(url, len(url) + 1))
        if self.paste is not None:
            self.say(_PASTE_ONLY if self.attempt.loopback is None else _PASTE_TOO)
            threading.Thread(target=self._ask, name="arcrun-paste", daemon=True).start()
        threading.Thread(target=self._open, name="arcrun-browser", daemon=True).start()

    def stop(self) -> None:
        """Ask for nothing more; what the helpers still say is not heard."""
        self._stopped.set()

    def has_pasted(self) -> bool:
        """Pass on what the helpers have to say; whether the true address is among it."""
        while self.pasted is None and not self._messages.empty():
            kind, text = self._messages.get()
            if kind == "pasted":
                self.pasted = text
            else:
                self.say(text)
        return self.pasted is not None

    def _open(self) -> None:
        try:
            result = self.open_url(self.attempt.url)
        except Exception as error:  # noqa: BLE001 - a browser is a help, never a condition
            result = NotOpened(type(error).__name__)
        if isinstance(result, NotOpened):
            self._messages.put(("say", f"No browser was opened here ({result.reason})."))

    def _ask(self) -> None:
        with suppress(Exception):  # a closed terminal: nobody can type
            self._read_lines()
        self.gave_up.set()

    def _read_lines(self) -> None:
        assert self.paste is not None
        for _ in range(MAX_PASTES):
            line = self.paste()
            if line is None or self._stopped.is_set():
                return
            if self.attempt.is_ours(line.strip()):
                self._messages.put(("pasted", line.strip()))
                return
            if line.strip():
                self._messages.put(("say", _NOT_IT))
