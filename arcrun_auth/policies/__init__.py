"""The policy of this home: what agents may do with its connections. Rules: see `policy`.

It lies in the vault and is never synced. What widens it is refused in an agent's shell, and asks
for a passphrase once it is locked; what narrows it is free.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from arcrun_auth import policy
from arcrun_auth.errors import AuthError, PolicyRefused, StoreConflict, StoreCorrupt
from arcrun_auth.markers import marker
from arcrun_auth.policies.kept import (
    MOST,
    MOST_EACH,
    PATIENCE,
    Book,
    Desk,
    PendingRequest,
    forget,
)
from arcrun_auth.policies.passphrase import Lock, vault_of
from arcrun_auth.policies.shape import checked
from arcrun_auth.policy import ANY, Rule, Verdict, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arcrun_auth.policies.kept import State
    from arcrun_auth.policy import What
    from arcrun_auth.stores.base import Store

T = TypeVar("T")

__all__ = ["MOST", "PATIENCE", "PendingRequest", "Policies"]


class Policies:
    """Reads and changes the policy that lies in a store. Safe from several threads and processes.

    All of it raises what the store raises: StoreLocked, StoreError where it cannot be written or
    the policy is damaged. `note` gets an action and a name, for the trail.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] | None = None,
        note: Callable[[str, str], object] | None = None,
    ) -> None:
        # The environment gives secrets, and no rules.
        self._store: Store = getattr(store, "primary", store)
        self._clock = clock
        self._environ = os.environ if environ is None else environ
        self._note = note or _silent
        self._opened: Lock | None = None

    # -- Asking it ---------------------------------------------------------------------

    def rules(self) -> tuple[Rule, ...]:
        """The rules in the order they were made; not those that ended or are used up."""
        return Book.read(self._store).live(self._clock())

    def check(self, wanted: Wanted) -> Verdict:
        """What the rules say. Changes nothing."""
        return policy.decide(self.rules(), wanted, self._clock())

    def use(self, wanted: Wanted) -> Verdict:
        """What the rules say; a rule with a count has one use less when this returns.

        Whoever gets a yes has that use for itself: of two processes and one use, one gets it.
        """
        while True:
            book, now = Book.read(self._store), self._clock()
            verdict = policy.decide(book.live(now), wanted, now)
            rule = verdict.rule
            if not verdict.allowed or rule is None or rule.left is None:
                return verdict
            used = replace(rule, left=rule.left - 1)
            rules = tuple(used if each.id == rule.id else each for each in book.live(now))
            try:
                self._put(replace(book, rules=rules))
            except StoreConflict:
                continue
            return verdict

    def writes(self, client: str) -> bool:
        """Whether there is any write that this client may make."""
        return policy.writes(self.rules(), client, self._clock())

    # -- Changing it -------------------------------------------------------------------

    def allow(
        self,
        service: str,
        what: What,
        *,
        instance: str = ANY,
        client: str = ANY,
        methods: Sequence[str] = (),
        paths: Sequence[str] = (),
        expires: float | None = None,
        left: int | None = None,
    ) -> Rule:
        """Adds a permission, or gives the one that is there already and says the same.

        Raises PolicyRefused in an agent's shell and while the policy is locked, AuthError for
        what makes no rule.

        >>> from arcrun_auth.stores.memory import Memory
        >>> Policies(Memory(), environ={}).allow("notion", "write", paths=["/pages/*"]).id
        'r1'
        """
        rule = Rule(
            service=service, what=what, instance=instance, client=client, methods=tuple(methods),
            paths=tuple(paths), expires=expires, left=left,
        )  # fmt: skip
        return self.add(rule)[0]

    def deny(
        self,
        service: str,
        what: What | Literal["any"] = "any",
        *,
        instance: str = ANY,
        client: str = ANY,
        methods: Sequence[str] = (),
        paths: Sequence[str] = (),
        expires: float | None = None,
    ) -> Rule:
        """Adds a prohibition, which beats every permission. AuthError for what makes no rule."""
        rule = Rule(
            service=service, what=what, allow=False, instance=instance, client=client,
            methods=tuple(methods), paths=tuple(paths), expires=expires,
        )  # fmt: skip
        return self.add(rule)[0]

    def add(self, *rules: Rule) -> tuple[Rule, ...]:
        """Adds all of them, or none; ids and times are given here. Raises what `allow` raises."""
        fit = [checked(rule, self._clock()) for rule in rules]

        def added(book: Book) -> tuple[tuple[Rule, ...], Book]:
            now, found, grown = self._clock(), list[Rule](), book
            for rule in fit:
                held = next((each for each in grown.live(now) if each.says(rule)), None)
                if held is None:
                    if rule.allow:
                        self._may_widen(book)
                    held, grown = grown.with_rule(rule, now)
                found.append(held)
            return tuple(found), grown

        kept = self._change(added)
        for rule in kept:
            self._note("policy allow" if rule.allow else "policy deny", rule.service)
        return kept

    def remove(self, rule_id: str) -> Rule:
        """Takes a rule away. A prohibition that goes widens, and raises what `allow` raises;
        AuthError where there is no such rule."""

        def without(book: Book) -> tuple[Rule, Book]:
            now = self._clock()
            found = next((rule for rule in book.live(now) if rule.id == rule_id), None)
            if found is None:
                raise AuthError("There is no rule of that id.", hint="arcrun policy")
            if not found.allow:
                self._may_widen(book)
            rules = tuple(rule for rule in book.live(now) if rule is not found)
            return found, replace(book, rules=rules)

        removed = self._change(without)
        self._note("policy remove", removed.service)
        return removed

    def reset(self) -> None:
        """Takes away every rule, the lock, and what waits: the way out of a damaged policy.

        Raises what `allow` raises; a lock that cannot be read any more holds nobody back.
        """
        self._by_a_person("arcrun policy reset")
        with suppress(StoreCorrupt):
            self._may_widen(Book.read(self._store))
        forget(self._store)
        self._note("policy reset", "")

    # -- Requests that wait for a person -----------------------------------------------

    def ask(self, request: PendingRequest) -> PendingRequest:
        """Keeps a request for a person to look at, for ten minutes.

        Who asks the same again gets the request that is there, waiting or refused. PolicyRefused
        where as many wait as may, of this client or of all.
        """
        request = request.fit()
        while True:
            desk, now = Desk.read(self._store), self._clock()
            found = [each for each in desk.live(now) if each.state != "approved"]
            for each in found:
                if each.same(request):
                    return each
            waiting = [each.client for each in found if each.state == "waiting"]
            if len(waiting) >= MOST or waiting.count(request.client) >= MOST_EACH:
                raise PolicyRefused(
                    f"{len(waiting)} requests of agents wait for a person already.",
                    rule="policy-pending",
                    hint="Ask your human to run: arcrun approve",
                )
            named, changed = desk.with_request(request, now)
            try:
                self._put(changed)
            except StoreConflict:
                continue
            return named

    def pending(self) -> tuple[PendingRequest, ...]:
        """The requests that wait, the oldest first."""
        found = Desk.read(self._store).live(self._clock())
        return tuple(each for each in found if each.state == "waiting")

    def request(self, request_id: str) -> PendingRequest | None:
        """A request and what became of it; None once its ten minutes are over."""
        found = Desk.read(self._store).live(self._clock())
        return next((each for each in found if each.id == request_id), None)

    def approve(self, request_id: str, *, expires_in: float = PATIENCE) -> Rule:
        """Lets a request through once, within `expires_in` seconds. Raises what `allow` raises;
        AuthError where no such request waits."""
        self._may_widen(Book.read(self._store))
        # The request first: killed in between, nobody has got anything, and may ask again.
        request = self._settle(request_id, "approved")
        once = _for_once(request, self._clock() + expires_in)

        def approved(book: Book) -> tuple[Rule, Book]:
            self._may_widen(book)
            return book.with_rule(once, self._clock())

        rule = self._change(approved)
        self._note("policy approve", request.service)
        return rule

    def refuse(self, request_id: str) -> PendingRequest:
        """Says no to a request. AuthError where no such request waits."""
        request = self._settle(request_id, "refused")
        self._note("policy refuse", request.service)
        return request

    # -- The lock ----------------------------------------------------------------------

    @property
    def locked(self) -> bool:
        """Whether widening needs a passphrase."""
        return Book.read(self._store).lock is not None

    @property
    def closed(self) -> bool:
        """Whether nothing is widened from here by a yes alone: the policy is locked, or this is
        an agent's shell, where the agent itself could be who says it."""
        return self.locked or marker(self._environ) is not None

    @property
    def locks_with_vault(self) -> bool:
        """Whether `lock` takes the vault's passphrase, and no other."""
        return vault_of(self._store) is not None

    def lock(self, passphrase: str) -> None:
        """From now on widening needs this passphrase, which is the vault's if that has one; a new
        one of the vault changes nothing about the lock.

        Raises PolicyRefused in an agent's shell and where it is locked already, StoreLocked for
        what is not the vault's passphrase, AuthError for an empty one.
        """
        if not passphrase:
            raise AuthError("A lock needs a passphrase.", hint="arcrun policy lock")
        self._by_a_person("arcrun policy lock")
        vault = vault_of(self._store)
        if vault is not None:
            from arcrun_auth.stores.upkeep import verify_passphrase

            verify_passphrase(vault, passphrase)
        made = Lock.of(passphrase)

        def locked(book: Book) -> tuple[None, Book]:
            if book.lock is not None:
                raise PolicyRefused(
                    "The policy is locked already.",
                    rule="policy-lock",
                    hint="arcrun policy unlock, then lock it anew",
                )
            return None, replace(book, lock=made)

        self._change(locked)
        self._note("policy lock", "")

    def unlock_with(self, passphrase: str) -> None:
        """Lets this object, and no other, widen a locked policy. PolicyRefused for another
        passphrase, and in an agent's shell."""
        self._by_a_person("arcrun policy unlock")
        found = Book.read(self._store).lock
        if found is None:
            return
        if not found.opened_by(passphrase):
            raise PolicyRefused(
                "This is not the passphrase that the policy was locked with.",
                rule="policy-lock",
                hint="try again",
            )
        self._opened = found

    def unlock(self, passphrase: str) -> None:
        """Takes the lock away. Raises what `unlock_with` raises."""
        self.unlock_with(passphrase)

        def unlocked(book: Book) -> tuple[None, Book]:
            self._may_widen(book)
            return None, replace(book, lock=None)

        self._change(unlocked)
        self._note("policy unlock", "")

    # -- How it is done ----------------------------------------------------------------

    def _change(self, change: Callable[[Book], tuple[T, Book]]) -> T:
        """Writes what `change` makes of the book, of the newest one at last."""
        while True:
            book = Book.read(self._store)
            answer, changed = change(book)
            try:
                if changed is not book:
                    self._put(changed)
            except StoreConflict:
                continue
            return answer

    def _put(self, changed: Book | Desk) -> None:
        record = changed.written()
        self._store.put(record, expect=record.generation)

    def _settle(self, request_id: str, state: State) -> PendingRequest:
        """Ends the wait of a request; of several who do, one. AuthError where it does not wait."""
        while True:
            desk = Desk.read(self._store)
            found = [r for r in desk.live(self._clock()) if r.id == request_id]
            if not found or found[0].state != "waiting":
                raise AuthError("No request of that id waits.", hint="arcrun approve")
            settled = replace(found[0], state=state)
            try:
                self._put(desk.with_settled(settled))
            except StoreConflict:
                continue
            return settled

    def _may_widen(self, book: Book) -> None:
        self._by_a_person("arcrun policy")
        opened = self._opened
        if book.lock is not None and (opened is None or opened.proof != book.lock.proof):
            raise PolicyRefused(
                "The policy is locked: to widen it takes its passphrase.",
                rule="policy-lock",
                hint="arcrun policy unlock",
            )

    def _by_a_person(self, command: str) -> None:
        found = marker(self._environ)
        if found is not None:
            raise PolicyRefused(
                f"An agent does not widen what it may do ({found} is set).",
                rule="agent-policy",
                hint=f"Ask your human to run, in their own terminal: {command}",
            )


def _silent(action: str, name: str) -> None:
    del action, name


def _for_once(request: PendingRequest, expires: float) -> Rule:
    return Rule(
        service=request.service, what="write", instance=request.instance, client=request.client,
        methods=(request.method,), paths=(request.path,), digest=request.digest,
        expires=expires, left=1,
    )  # fmt: skip
