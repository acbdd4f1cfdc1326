"""The one place where an agent's request is judged, sent, scrubbed and noted.

The tools of the MCP server and the proxy are surfaces of it: they make an `Asked` of what they
are sent, and show the answer. Neither has another road to a service.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from arcrun_auth.agents import answering, guard, places, reading, refusals, seen
from arcrun_auth.agents.asking import Judged, Tested
from arcrun_auth.agents.pace import RATE, Pace
from arcrun_auth.agents.scrubber import Known, Pieces, Scrubber
from arcrun_auth.agents.within import within
from arcrun_auth.errors import (
    AuthError,
    LoginRequired,
    PolicyRefused,
    ProviderUnavailable,
    printable,
)
from arcrun_auth.policies import PendingRequest
from arcrun_auth.policy import Verdict, Wanted, client_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.agents.answering import Streamed
    from arcrun_auth.agents.asking import Answer, Asked, Seen
    from arcrun_auth.broker import Broker
    from arcrun_auth.lending import Lent
    from arcrun_auth.tokens import Secret

SECONDS = 30.0
"""How long may a request take that is answered as a whole?"""
STREAM_SECONDS = 600.0
"""How long may a streamed answer be silent? Some models think for minutes."""
MOST_SENT = 1 << 20
"""How large may a body be that is answered as a whole? The proxy may send more."""
_PART = 80
"""How many characters of the query, and of the headers, does a person see who approves?"""
_TRIES = 3
"""How many times as often may it ask what is refused, or not sent?"""
A_MINUTE = 60
"""How many requests may a client send in a minute, if nothing else is said?"""


class Gateway:
    """What one client may do with the connections of a broker. Safe to share between threads.

    `client` is what the client calls itself. `confirmable`: whether it can ask its person before
    a write, which then has to come with `confirmed`; with `beyond_rules` that yes is enough where
    no rule says anything. `a_minute` is how many requests it may send.

    Its methods raise UnknownService, LoginRequired, ConsentRequired, HostNotAllowed,
    PolicyRefused, ProviderUnavailable and StoreError, in words of ours alone (`refusals`).
    """

    def __init__(
        self,
        broker: Broker,
        *,
        client: str,
        confirmable: bool = False,
        beyond_rules: bool = False,
        a_minute: int = A_MINUTE,
    ) -> None:
        self.broker = broker
        self.client = client_name(client)
        self.confirmable = confirmable
        self.beyond_rules = beyond_rules and confirmable
        self._pace = Pace(a_minute)
        # Whatever is asked leaves a line in the trail, refused or not.
        self._asks, self._limits = Pace(_TRIES * a_minute), Pace(1)
        self._lock = Lock()
        self._lent: dict[tuple[str, str], Lent] = {}
        self._scrubbers: dict[str, tuple[frozenset[Secret], Scrubber]] = {}

    def close(self) -> None:
        """Let go of the connections to services. Using it again opens them again."""
        with self._lock:
            lent, self._lent = list(self._lent.values()), {}
        for each in lent:
            each.close()

    def services(self) -> list[Seen]:
        """The connections that this client may know of."""
        with self._told("a service"):
            return seen.services(self.broker, self.client)

    def judge(self, asked: Asked) -> Judged:
        """Checks a request against shape, recipe and hosts, and says what the policy says of it.

        What is refused here can be allowed by nobody; a verdict that is no by a person. Sends
        nothing.
        """
        name = printable(asked.service, 80)
        request = f"{asked.method.upper()} {asked.path.partition('?')[0]}"
        with self._told(name, request=request):
            self._asks.step()
            return self._judge(asked)

    def send(self, judged: Judged, *, confirmed: bool = False) -> Answer:
        """Sends it now, if the policy allows that, and reads the answer: at most 30 seconds and
        256 KiB of it. `confirmed`: the client's person said yes to this very request."""
        with self._told(judged.name, judged):
            if len(judged.asked.body) > MOST_SENT:
                raise guard.refused("size", f"A body has at most {MOST_SENT >> 10} KiB here.")
            self._admit(judged, confirmed=confirmed)
            try:
                answer = within(SECONDS, lambda until: self._fetch(judged, until))
            except ProviderUnavailable:
                # A thread may still wait there: who comes next has connections of its own.
                self._forget(judged.service, judged.instance)
                raise
        self._note(judged, str(answer.status))
        return answer

    @contextmanager
    def stream(self, judged: Judged, *, confirmed: bool = False) -> Iterator[Streamed]:
        """As `send`, for an answer that is read as it comes, whatever its size."""
        with self._told(judged.name, judged):
            self._admit(judged, confirmed=confirmed)
            lent = self._open(judged.service, judged.instance, judged.name)
            with lent.stream(
                judged.method, judged.url, headers=judged.headers, body=judged.asked.body,
                seconds=STREAM_SECONDS,
            ) as sent:  # fmt: skip
                answer = answering.Streamed(
                    sent, self._scrubber_for(lent).to(_known(judged)), lent.binding.fence
                )
                self._note(judged, str(answer.status))
                yield answer

    def ask_human(self, judged: Judged) -> PendingRequest:
        """Puts a request that the policy does not allow before a person, for ten minutes.

        Ask again for the same to learn what became of it. PolicyRefused for what is forbidden.
        """
        with self._told(judged.name, judged):
            rule = judged.verdict.rule
            if not judged.verdict.allowed and rule is not None:
                raise refusals.forbidden(judged, judged.verdict)
            lent = self._open(judged.service, judged.instance, judged.name)
            request = PendingRequest(
                service=judged.service, instance=judged.instance, client=self.client,
                method=judged.method, host=judged.host, path=judged.path, digest=judged.digest,
                size=len(judged.asked.body),
                preview=self._scrubber_for(lent).text(_preview(judged)),
            )  # fmt: skip
            kept = self.broker.policies.ask(request)
            self._note(judged, f"waits: {kept.id}")
            return kept

    def test(self, service: str, instance: str | None = None) -> Tested:
        """Sends the recipe's test request. Raises TokenRefused, too."""
        with self._told(printable(service, 80), request="test"):
            service, instance, name = seen.named(self.broker, service, instance)
            lent = self._open(service, instance, name)
            wanted = Wanted(
                service=service, instance=instance, client=self.client, what="read",
                method=lent.tested[0], path=lent.tested[1],
            )  # fmt: skip
            if not self._verdict(wanted).allowed:
                raise guard.refused("policy", f"A rule forbids to use {name}.")
            self._pace.step()
            started = time.monotonic()
            found = self.broker.test(service, instance)
            self._write(name, "", str(found.status or "ok"), "test")
            identity = found.identity and self._scrubber_for(lent).text(found.identity)
            return Tested(name, found.status, identity, time.monotonic() - started)

    # -- judging -----------------------------------------------------------------------

    def _judge(self, asked: Asked) -> Judged:
        verb = guard.method(asked.method)
        service, instance, name = seen.named(self.broker, asked.service, asked.instance)
        lent = self._open(service, instance, name)
        recipe, binding = lent.recipe, lent.binding
        own = guard.injected(binding.inject, lent.injected_headers)
        at = places.place(asked.path, binding.base_url, binding.root_paths, own)
        if places.denied(recipe.deny_paths, at, binding.base_url) is not None:
            raise guard.refused("deny-path", f"The recipe of {name} keeps agents off this path.")
        query = guard.query(asked.query, own.query, verb)
        headers = guard.headers(asked.headers, own)
        kind = guard.header(headers, "content-type")
        guard.body(asked.body, verb, kind, own)
        what = reading.what(recipe.agent, verb, at.path, query=query, kind=kind, body=asked.body)
        origin, host = guard.origin(binding.base_url)
        url = origin + at.sent + (f"?{query}" if query else "")
        judged = Judged(
            asked=asked, name=name, service=service, instance=instance, method=verb, what=what,
            url=url, host=host, path=at.path,
            query=query, headers=headers, verdict=Verdict(allowed=False),
            digest=guard.digest(f"{service}@{instance}", verb, url, headers, asked.body),
        )  # fmt: skip
        return replace(judged, verdict=self._verdict(judged.wanted(self.client)))

    def _verdict(self, wanted: Wanted) -> Verdict:
        policies = self.broker.policies
        rule = places.prohibition(policies.rules(), wanted)
        return policies.check(wanted) if rule is None else Verdict(allowed=False, rule=rule)

    def _open(self, service: str, instance: str, name: str) -> Lent:
        """The connection as it stands now; LoginRequired where this client sees none."""
        if not seen.is_visible(self.broker, self.client, service, instance):
            raise LoginRequired(f"{name} is not connected.", service=service, why="never")
        fresh, key = self.broker.lending.open(service, instance), (service, instance)
        with self._lock:
            known = self._lent.get(key)
            if known is not None and known.state == fresh.state:
                return known  # with its open connections
            self._lent[key] = fresh
        if known is not None:
            known.close()
        return fresh

    def _forget(self, service: str, instance: str) -> None:
        with self._lock:
            known = self._lent.pop((service, instance), None)
        if known is not None:
            known.close()

    # -- sending -----------------------------------------------------------------------

    def _admit(self, judged: Judged, *, confirmed: bool) -> None:
        """Counts it, and asks the policy once more: it may have changed."""
        self._pace.step()
        if self._pieces(judged.name).many:
            raise guard.refused(
                "pieces", f"Answers of {judged.name} show one piece of its key after the other.",
                "Ask your human to look at: arcrun audit",
            )  # fmt: skip
        policies, wanted = self.broker.policies, judged.wanted(self.client)
        verdict = self._verdict(wanted)
        if verdict.allowed:
            approved = verdict.rule is not None and verdict.rule.digest
            if judged.what == "write" and self.confirmable and not (confirmed or approved):
                raise guard.refused("confirm", "Your human was not asked about this write.")
            verdict = policies.use(wanted)
        elif verdict.rule is None and confirmed and self.beyond_rules and not policies.closed:
            return  # a yes to this very request stands for a rule; never against a prohibition
        if not verdict.allowed:
            raise refusals.forbidden(judged, verdict)

    def _fetch(self, judged: Judged, until: float) -> Answer:
        lent = self._open(judged.service, judged.instance, judged.name)
        with lent.stream(
            judged.method, judged.url, headers=judged.headers, body=judged.asked.body,
            seconds=SECONDS,
        ) as sent:  # fmt: skip
            scrubber = self._scrubber_for(lent).to(_known(judged))
            return answering.read(sent, scrubber, lent.binding.fence, until=until)

    def _scrubber_for(self, lent: Lent) -> Scrubber:
        secrets, kept = lent.secrets(), self._scrubbers.get(lent.name)
        if kept is None or kept[0] != secrets:
            made = Scrubber(each.reveal() for each in secrets)
            kept = self._scrubbers[lent.name] = secrets, made
        return kept[1]

    def _pieces(self, name: str) -> Pieces:
        kept = self._scrubbers.get(name)
        return kept[1].pieces if kept is not None else Pieces()

    # -- what is told, and noted ---------------------------------------------------------

    @contextmanager
    def _told(
        self, name: str, judged: Judged | None = None, *, request: str = ""
    ) -> Iterator[None]:
        """Turns errors into those of the fixed table, and notes them."""
        try:
            yield
        except AuthError as error:
            told = refusals.plain(error, name)
            rule = f": {told.rule}" if isinstance(told, PolicyRefused) else ""
            result = f"refused{rule}" if rule else type(told).__name__
            if not self._is_news(told):
                pass
            elif judged is not None:
                self._note(judged, result)
            elif request:
                self._write(name, "", result, request)
            raise told from None

    def _is_news(self, told: AuthError) -> bool:
        """Of those who ask too often one line in a minute says all."""
        if isinstance(told, PolicyRefused) and told.rule == RATE:
            try:
                self._limits.step()
            except PolicyRefused:
                return False
        return True

    def _note(self, judged: Judged, result: str) -> None:
        self._write(judged.name, judged.host, result, f"{judged.method} {judged.path}")

    def _write(self, name: str, host: str, result: str, request: str) -> None:
        self.broker.audit.note(
            "agent", name, host=host, result=result, client=self.client,
            request=printable(request, 200),
        )  # fmt: skip


def _known(judged: Judged) -> Known:
    """What the client has sent: an answer that gives it back shows it."""
    headers = (text for pair in judged.headers for text in pair)
    return Known(judged.url, *headers, judged.asked.body)


def _preview(judged: Judged) -> str:
    """How a request begins, beside its path. None of its parts leaves no room for the next."""
    parts = (f"?{judged.query}" if judged.query else "", judged.parameters)
    shown = [printable(part, _PART) for part in parts if part]
    return " ".join([*shown, judged.asked.body[:4096].decode("utf-8", "replace")])
