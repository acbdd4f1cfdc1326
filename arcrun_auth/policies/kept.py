"""The policy as it lies in the vault: two records, which never leave it.

One holds the rules and the lock, one the requests that wait for a person. A record that cannot be
opened or understood is no empty policy: it fails, since a prohibition may be in it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

from arcrun_auth.errors import StoreCorrupt, StoreError, printable
from arcrun_auth.policies.passphrase import Lock
from arcrun_auth.policy import Rule, client_name
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.stores.base import Store
    from arcrun_auth.stores.vault import Vault

AGENTS, PENDING = Key("policy", "agents"), Key("policy", "pending")

FORMAT = "1"
"""Which format of the records is this? A field that is not known here could be one that narrows."""

PATIENCE = 600
"""For how many seconds does a request wait for a person?"""
MOST, MOST_EACH = 20, 10
"""How many may wait, and of one client? It leaves room for another's."""
_PREVIEW = 300
"""How many characters of a body are shown to whoever approves?"""

State = Literal["waiting", "approved", "refused"]


@dataclass(frozen=True, kw_only=True)
class PendingRequest:
    """One request of an agent that a person is to look at. `Policies.ask` keeps it.

    `digest` stands for its method, path, query and body, `size` is that of the body in bytes and
    `preview` how it begins. `id`, `time`, `expires` (epoch seconds) and `state` are given to it
    when it is kept.
    """

    id: str = ""
    time: float = 0.0
    expires: float = 0.0
    service: str
    instance: str
    client: str
    method: str
    host: str
    path: str
    digest: str
    size: int = 0
    preview: str = ""
    state: State = "waiting"

    def fit(self) -> PendingRequest:
        """The same, fit for a screen: every word of it is the agent's."""
        return replace(
            self,
            client=client_name(self.client),
            method=printable(self.method, 20).upper(),
            host=printable(self.host, 253),
            path=printable(self.path, 1000),
            preview=printable(self.preview, _PREVIEW),
        )

    def same(self, other: PendingRequest) -> bool:
        """Whether it asks for the very same thing, for the same client."""
        names = ("digest", "service", "instance", "client")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(frozen=True)
class Book:
    """The record of the rules as values. `count` is the number that the last rule got."""

    rules: tuple[Rule, ...] = ()
    count: int = 0
    lock: Lock | None = None
    record: Credential | None = None

    @classmethod
    def read(cls, store: Store) -> Self:
        """What lies in the store; empty if nothing ever did. Raises what `Store.get` raises."""
        import msgspec

        record = _record(store, AGENTS)
        if record is None:
            return cls()
        params = _known(record)
        try:
            rules = msgspec.json.decode(params["rules"], type=tuple[Rule, ...])
            lock, proof = params.get("lock"), record.secrets.get("lock")
            found = Lock(msgspec.json.decode(lock), proof) if lock and proof else None
            return cls(rules, int(params["count"]), found, record)
        except (KeyError, ValueError):
            raise _damaged() from None

    def written(self) -> Credential:
        """The record to put, over the generation that was read."""
        import msgspec

        params = {
            "format": FORMAT,
            "count": str(self.count),
            "rules": msgspec.json.encode(self.rules).decode(),
        }
        secrets: dict[str, Secret] = {}
        if self.lock is not None:
            params["lock"] = msgspec.json.encode(self.lock.params).decode()
            secrets["lock"] = self.lock.proof
        return (self.record or Credential(AGENTS)).replace(params=params, secrets=secrets)

    def live(self, now: float) -> tuple[Rule, ...]:
        """The rules that have neither ended nor been used up."""
        return tuple(rule for rule in self.rules if rule.live(now))

    def with_rule(self, rule: Rule, now: float) -> tuple[Rule, Book]:
        """The rule with its id, and the book that has it; those that ended are left out."""
        count = self.count + 1
        named = replace(rule, id=f"r{count}", created=now)
        return named, replace(self, rules=(*self.live(now), named), count=count)


@dataclass(frozen=True)
class Desk:
    """The record of the requests as values."""

    requests: tuple[PendingRequest, ...] = ()
    count: int = 0
    record: Credential | None = None

    @classmethod
    def read(cls, store: Store) -> Self:
        """What lies in the store; empty if nothing ever did. Raises what `Store.get` raises."""
        import msgspec

        record = _record(store, PENDING)
        if record is None:
            return cls()
        params = _known(record)
        try:
            found = msgspec.json.decode(params["requests"], type=tuple[PendingRequest, ...])
            return cls(found, int(params["count"]), record)
        except (KeyError, ValueError):
            raise _damaged() from None

    def written(self) -> Credential:
        """The record to put, over the generation that was read."""
        import msgspec

        requests = msgspec.json.encode(self.requests).decode()
        params = {"format": FORMAT, "count": str(self.count), "requests": requests}
        return (self.record or Credential(PENDING)).replace(params=params)

    def live(self, now: float) -> tuple[PendingRequest, ...]:
        """The requests whose time is not over, whatever became of them."""
        return tuple(each for each in self.requests if each.expires > now)

    def with_request(self, request: PendingRequest, now: float) -> tuple[PendingRequest, Desk]:
        """The request with its id, and the desk that has it in place of the oldest settled one."""
        count = self.count + 1
        named = replace(
            request.fit(), id=f"q{count}", time=now, expires=now + PATIENCE, state="waiting"
        )
        kept = self.live(now)
        if len(kept) >= MOST:
            settled = next(each for each in kept if each.state != "waiting")
            kept = tuple(each for each in kept if each is not settled)
        return named, replace(self, requests=(*kept, named), count=count)

    def with_settled(self, settled: PendingRequest) -> Desk:
        """The desk with that in place of the request of its id."""
        return replace(
            self, requests=tuple(settled if r.id == settled.id else r for r in self.requests)
        )


def forget(store: Store) -> None:
    """Takes both records away, and what was set aside of them."""
    for key in (AGENTS, PENDING):
        with suppress(StoreCorrupt):  # it is set aside by that
            record = store.get(key)
            if record is not None:
                store.delete(key, expect=record.generation)
    vault = _vault(store)
    if vault is not None:
        from arcrun_auth.stores.upkeep import forget_set_aside

        forget_set_aside(vault, AGENTS.kind)


def _record(store: Store, key: Key) -> Credential | None:
    """What lies there. StoreCorrupt where one was damaged: the vault sets such a record aside,
    and an absent policy allows more than one that holds prohibitions."""
    try:
        record = store.get(key)
    except StoreCorrupt:
        if not _lost(store):
            raise
        record = None
    if record is None and _lost(store):
        raise _damaged()
    return record


def _lost(store: Store) -> bool:
    from arcrun_auth.stores.upkeep import set_aside

    vault = _vault(store)
    return vault is not None and set_aside(vault, AGENTS.kind) > 0


def _vault(store: Store) -> Vault | None:
    from arcrun_auth.stores.vault import Vault

    return store if isinstance(store, Vault) else None


def _known(record: Credential) -> Mapping[str, str]:
    if record.params.get("format") != FORMAT:
        raise StoreError(
            "The policy for agents was written by a newer arcrun-auth.",
            hint="pip install -U arcrun-auth",
        )
    return record.params


def _damaged() -> StoreCorrupt:
    return StoreCorrupt(
        "The policy for agents in the vault is damaged: nothing is allowed to them.",
        hint="arcrun policy reset",
    )
