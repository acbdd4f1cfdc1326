"""From a request of a client to an answer of the service: who asks, for what, and the gateway."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from arcrun_auth.agents import guard
from arcrun_auth.agents.asking import Asked
from arcrun_auth.agents.proxy import address, bearer, problems
from arcrun_auth.agents.proxy.bearer import Sent
from arcrun_auth.agents.proxy.problems import Refusal
from arcrun_auth.agents.proxy.session import BEARER, PREFIX
from arcrun_auth.agents.proxy.wire import Gone, Unfit
from arcrun_auth.errors import AuthError, UnknownService

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.proxy.address import Address
    from arcrun_auth.agents.proxy.bearer import Places
    from arcrun_auth.agents.proxy.problems import Problem
    from arcrun_auth.agents.proxy.session import Session
    from arcrun_auth.agents.proxy.wire import Exchange

    Watching = Callable[[socket.socket, Callable[[], None]], AbstractContextManager[None]]

MAX_BODY = 16 << 20
"""How long may the body of a request be? Each is in memory while it is judged."""

_log = logging.getLogger(__name__)

_OF_BROWSERS = ("origin", "referer")
"""Which headers say where we are, beside `sec-fetch-…`?"""

_OURS = frozenset({
    "content-length", "transfer-encoding", "connection", "content-encoding", "keep-alive",
    "set-cookie", "content-security-policy", "x-content-type-options", "referrer-policy",
    "cache-control", "cross-origin-resource-policy",
    "access-control-allow-origin", "access-control-allow-credentials",
})  # fmt: skip
"""Which headers of an answer are made here, or never pass?"""


class Forwarder:
    """Answers for one session. Safe to call from many threads.

    `hosts` are the names that the proxy is asked under, `origins` those of pages that may ask
    it, lower-case; `watching` tells of a client that hangs up, while it is entered.
    """

    def __init__(
        self,
        gateway: Gateway,
        session: Session,
        *,
        watching: Watching,
        hosts: Iterable[str],
        origins: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._gateway, self._session = gateway, session
        self._hosts, self._origins = frozenset(hosts), frozenset(origins)
        self._clock = clock
        self._places: dict[str, Places] = {}
        self._watching = watching

    def refuse(self, exchange: Exchange, status: int) -> None:
        """For what is no request that we read."""
        _say(exchange, problems.unread(status))

    def handle(self, exchange: Exchange) -> None:
        """Answers, whatever happens. Raises Gone where there is nobody to answer any more, and
        Unfit where the body is no body."""
        problem: Problem | None = None
        try:
            self._answer(exchange)
        except (Gone, Unfit):
            raise
        except Refusal as refusal:
            problem = refusal.problem
        except Exception as error:  # noqa: BLE001 - told; its text may hold anything, its place not
            _log.error("the proxy failed: %s at %s", type(error).__name__, _where(error))
            problem = problems.FAILED
        if problem is None:
            return
        if exchange.started:  # cut short: it must not look complete
            raise Gone
        _say(exchange, problem)

    def _answer(self, exchange: Exchange) -> None:
        """Forwards the request. Raises Refusal."""
        self._check_names(exchange)
        asked, sent, places = self._admitted(exchange)
        body = exchange.body(MAX_BODY)
        clean = bearer.take(sent, places)
        texts = (clean.path, clean.query, *(value for _, value in clean.headers))
        if any(BEARER.search(text) for text in texts) or PREFIX.encode() in body:
            raise Refusal(problems.STRAY)
        try:
            self._forward(exchange, asked, clean, body)
        except AuthError as error:
            raise Refusal(problems.of(error)) from None

    def _check_names(self, exchange: Exchange) -> None:
        """Who asks by the name of this machine, and is no page? That is how browsers are told."""
        hosts = [host.lower() for host in exchange.values("host")]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            raise Refusal(problems.HOST)  # DNS rebinding: a name of theirs resolves to us
        if any(origin.lower() not in self._origins for origin in exchange.values("origin")):
            raise Refusal(problems.ORIGIN)

    def _admitted(self, exchange: Exchange) -> tuple[Address, Sent, Places]:
        """What is asked for, by somebody who holds the bearer and may use the connection."""
        asked, fault = _parsed(exchange.target)
        places = self._places_of(asked)
        path, query = (asked.path, asked.query) if asked else ("", "")
        sent = Sent(path, query, exchange.headers)
        found = bearer.find(sent, places)
        if not found or not all(map(self._session.holds, found)) or self.is_over():
            raise Refusal(problems.UNKNOWN)
        if asked is None:
            raise Refusal(problems.no_address(fault))
        self._check_session(asked)
        return asked, sent, places

    def is_over(self) -> bool:
        """Whether the session has come to its end."""
        return self._clock() >= self._session.ends

    def _check_session(self, asked: Address) -> None:
        if not self._session.services:
            return
        name = _name(asked.service, asked.instance)
        try:
            meant = self._gateway.broker.named(asked.service, asked.instance)
        except AuthError as error:
            raise Refusal(problems.of(error)) from None
        if not self._session.permits(meant):
            names = [_name(*each) for each in self._session.services]
            raise Refusal(problems.not_in_session(name, names))

    def _places_of(self, asked: Address | None) -> Places:
        """Where the service wants its key: nowhere, if there is none."""
        if asked is None:
            return bearer.Places()
        if asked.service not in self._places:
            try:
                recipe = self._gateway.broker.recipes.recipe(asked.service)
            except UnknownService:
                return bearer.Places()
            self._places[asked.service] = bearer.Places.of(recipe)
        return self._places[asked.service]

    def _forward(self, exchange: Exchange, asked: Address, clean: Sent, body: bytes) -> None:
        """Sends it on, and what comes back as it comes. Raises what the gateway raises."""
        headers = [
            pair
            for pair in guard.end_to_end(clean.headers)
            if pair[0] not in _OF_BROWSERS and not pair[0].startswith("sec-fetch-")
        ]
        judged = self._gateway.judge(
            Asked(
                asked.service,
                exchange.method,
                clean.path,
                asked.instance,
                clean.query,
                headers,
                body,
            )
        )
        if not judged.verdict.allowed and judged.verdict.rule is None:
            raise Refusal(problems.waits(self._gateway.ask_human(judged)))
        with (
            self._gateway.stream(judged) as answer,
            self._watching(exchange.sock, answer.abort),
        ):
            shown = [pair for pair in answer.headers if pair[0].lower() not in _OURS]
            exchange.start(answer.status, shown)
            for chunk in answer.iter_bytes():
                exchange.write(chunk)


def _say(exchange: Exchange, problem: Problem) -> None:
    headers = [("Content-Type", "application/problem+json"), *problem.headers]
    exchange.reply(problem.status, headers, problem.body())


def _parsed(target: str) -> tuple[Address | None, str]:
    try:
        return address.parse(target), ""
    except ValueError as error:
        return None, str(error)


def _name(service: str, instance: str | None) -> str:
    return service if instance is None else f"{service}@{instance}"


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
