"""Every interleaving of some processes that renew one grant, and every place to fail in.

A state is the store, the server, the clock, the lock and how far each process is (`steps.Node`).
From each state every step of every process is taken, well and in every way it can fail, as long
as there are surprises left; each state is visited once. So within the bounds nothing is sampled:
what is not found is not there. Two processes in the same place are the same two processes.

A surprise is a failure (`FAILS`), a crash before any step, or something that happens
meanwhile (`_events`). Not among them: a request that is given up and arrives much later, after
its retry, which no client can help against.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.errors import StoreConflict
from arcrun_auth.sources import EARLY
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Grant
from tests.faults.steps import KEY, LIFE, Machine, Node, Result, Seen, access, number, refresh

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arcrun_auth.sources import GrantSource

START = 1_000_000.0
DAY = 86400.0

FAILS = {"get": "unreadable", "put": "full", "receive": "cut"}
"""How a step fails that has but one way to. `acquire` fails while another holds the lock,
`send` in three ways: the server is down, never heard of it, or rotated and was not heard."""

SERVERS = ("strict", "grace", "keeps")
"""It revokes the family at the second use of a refresh token; it takes the last one again, for
the answer may have been lost; it does not rotate."""

GONE = 1 << 20
"""The depth of a process that has ended or crashed: further than any that runs."""


class Violation(AssertionError):
    """Something that must hold does not."""


class World(NamedTuple):
    """Everything outside the processes."""

    record: int
    wall: float
    ticks: float = 0.0
    locked: bool = False
    surprises: int = 0
    events: tuple[str, ...] = ()
    # The server: the newest refresh token, the one before it, the first of this login.
    current: int = 0
    last: int = -1
    first: int = 0
    next: int = 1
    alive: bool = True
    # What is needed to judge: requests by the token they replace, tokens that were refused, how
    # often a rotation was torn from its commit, whether its grant was saved late all the same.
    spent: tuple[tuple[int, int], ...] = ()
    rejected: frozenset[int] = frozenset()
    torn: int = 0
    late: bool = False


class Model:
    """All executions of one scenario."""

    def __init__(
        self,
        server: str,
        surprises: int,
        *,
        valid: bool = False,
        machine: Machine | None = None,
        source: type[GrantSource] | None = None,
    ) -> None:
        self.server = server
        self.machine = machine or (Machine(source) if source else Machine())
        issued = START - (0 if valid else 2 * LIFE)
        grant = Grant(
            access_token=access(0), refresh_token=refresh(0), issued=issued, expires=issued + LIFE
        )
        self.start = World(
            self.machine.records.of(Credential(KEY, grant=grant, generation=1)),
            START,
            surprises=surprises,
        )
        self.states = self.transitions = self.executions = 0
        # Worlds by number, for there are few of them among many states.
        self._worlds: list[World] = []
        self._numbers: dict[World, int] = {}
        self._moves: dict[tuple[int, Node], list[tuple[int, Node | None]]] = {}
        self._meanwhile: dict[int, list[int]] = {}
        self._ended: set[World] = set()

    # -- the search ------------------------------------------------------------------------

    def explore(self, programs: Iterable[str]) -> None:
        """Visit every state that these processes can get into. Violation where one is wrong."""
        nodes = [self.machine.root(name, START, 0.0) for name in programs]
        # By rank, which every step raises: a state is complete before it is left, with the
        # number of ways that lead to it, and need not be remembered afterwards.
        todo: dict[int, dict[tuple, int]] = defaultdict(dict)
        todo[0][(self._number(self.start), *sorted(nodes, key=id))] = 1
        rank = 0
        while todo:
            for state, ways in todo.pop(rank, {}).items():
                self.states += 1
                if not self._spread(state, ways, rank, todo):
                    self._end(self._worlds[state[0]])
                    self.executions += ways
            rank += 1
            if rank not in todo and todo:
                rank = min(todo)

    def _spread(self, state: tuple, ways: int, rank: int, todo: dict) -> bool:
        """Note everything that can come next; whether there is anything."""
        world, *nodes = state
        moved = False
        for index, node in enumerate(nodes):
            others = nodes[:index] + nodes[index + 1 :]
            for then, goes in self._moves_among(world, node, others):
                left = others if goes is None else [*others, goes]
                far = rank + (GONE - node.depth if goes is None else 1)
                self._note(todo[far], (then, *sorted(left, key=id)), ways)
                moved = True
        if nodes and not moved:
            raise Violation(f"deadlock: {self._worlds[world]}\n" + "\n".join(map(str, nodes)))
        if nodes or "login" in self._worlds[world].events:
            for then in self.meanwhile(world):
                self._note(todo[rank + 1], (then, *nodes), ways)
                moved = True
        return moved

    def _moves_among(self, world: int, node: Node, others: list[Node]):
        try:
            return self.moves(world, node)
        except Violation as violation:
            beside = "\n".join(map(str, others))
            raise Violation(f"{violation}\nin {self._worlds[world]}\nbeside\n{beside}") from None

    def _note(self, level: dict[tuple, int], state: tuple, ways: int) -> None:
        self.transitions += 1
        level[state] = level.get(state, 0) + ways

    # -- what can happen -------------------------------------------------------------------

    def _number(self, world: World) -> int:
        found = self._numbers.get(world)
        if found is None:
            found = self._numbers[world] = len(self._worlds)
            self._worlds.append(world)
        return found

    def moves(self, world: int, node: Node) -> list[tuple[int, Node | None]]:
        """Where the next step of this process leads; None for the node of one that is gone."""
        found = self._moves.get((world, node))
        if found is None:
            found = self._moves[world, node] = [
                (self._number(then), None if goes is None or goes.waits is None else goes)
                for then, goes in self._step(self._worlds[world], node)
            ]
        return found

    def _step(self, world: World, node: Node) -> Iterator[tuple[World, Node | None]]:
        assert node.waits is not None
        name, *given = node.waits
        for then, kind, value in getattr(self, f"_{name}")(world, node, *given):
            yield self._seen(then, node, kind, value)
        if not world.surprises:
            return
        less = world._replace(surprises=world.surprises - 1)
        if name in FAILS:
            yield self._seen(self.torn(less, node), node, FAILS[name], None)
        unlocked = less.locked and not node.holds
        yield self.torn(less, node)._replace(locked=unlocked), None  # it crashes

    def _seen(self, world: World, node: Node, kind: str, value: object):
        goes = self.machine.after(node, Seen(kind, value, world.wall, world.ticks))
        for result in goes.results[len(node.results) :]:
            world = self._judge(world, goes, result)
        return world, goes

    def _get(self, world: World, node: Node):
        yield world, "record", world.record

    def _put(self, world: World, node: Node, content: int, expect: int):
        records = self.machine.records
        store = Memory(clock=lambda: world.wall)
        store._records[KEY] = records.all[world.record]
        try:
            stored = records.of(store.put(records.all[content], expect=expect))
        except StoreConflict:
            yield world, "conflict", None
            return
        self._check_write(world, node, stored)
        late = world.late or (world.torn and node.saw("full", "unreadable"))
        yield world._replace(record=stored, late=late), "stored", stored

    def _delete(self, world: World, node: Node, expect: int):
        raise Violation(f"the login is deleted: {node}")

    def _acquire(self, world: World, node: Node):
        if not world.locked:
            yield world._replace(locked=True), "held", None
        elif world.surprises:
            yield world._replace(surprises=world.surprises - 1), "busy", None

    def _release(self, world: World, node: Node):
        yield world._replace(locked=False), "open", None

    def _send(self, world: World, node: Node, base: int, token: int, expires: float):
        world = self.rule(world, node, base, expires)
        then, answer = self._served(world, token)
        if answer is None:
            if not then.alive and not then.torn:
                raise Violation(f"we have revoked the family: {node}")
            yield then, "refused", self._renewable(then)
        else:
            yield then, "answer", answer
        if world.surprises:
            less = self.forgive(world._replace(surprises=world.surprises - 1), base)
            yield less, "down", None
            yield less, "silence", None  # it never arrived
            if answer is not None:
                less = self.forgive(then._replace(surprises=then.surprises - 1), base)
                yield self.tear(less), "silence", None

    def _receive(self, world: World, node: Node):
        yield world, "arrived", None

    def _served(self, world: World, token: int) -> tuple[World, tuple[int, int | None] | None]:
        """The token endpoint: what it has become, and its answer; None is invalid_grant."""
        new = world.next
        if self._takes(world, token):
            if self.server == "keeps":
                return world._replace(next=new + 1), (new, None)
            last = world.current if token == world.current else world.last
            return world._replace(next=new + 1, current=new, last=last), (new, new)
        # RFC 9700 §4.14.2: a used one comes again, so one of the two who have it is a thief.
        reused = world.first <= token < world.current
        return world._replace(alive=world.alive and not reused), None

    def _takes(self, world: World, token: int) -> bool:
        known = (world.current, world.last) if self.server == "grace" else (world.current,)
        return world.alive and token in known

    def _renewable(self, world: World) -> bool:
        """Whether what the store holds now can be renewed."""
        held = self.machine.records.grant(world.record).refresh_token
        return held is not None and self._takes(world, number(held.reveal()))

    def meanwhile(self, world: int) -> list[int]:
        """What may happen beside the processes, at any time."""
        found = self._meanwhile.get(world)
        if found is None:
            events = self._events(self._worlds[world])
            found = self._meanwhile[world] = [self._number(then) for then in events]
        return found

    def _events(self, world: World) -> Iterator[World]:
        records = self.machine.records
        held = records.all[world.record]
        generation = held.generation + 1
        if "login" in world.events and "saved" not in world.events:
            grant = Grant(
                access_token=access(world.first), refresh_token=refresh(world.first),
                issued=world.wall, expires=world.wall + LIFE,
            )  # fmt: skip
            new = held.replace(grant=grant, generation=generation)
            yield world._replace(record=records.of(new), events=(*world.events, "saved"))
        if not world.surprises:
            return
        less = world._replace(surprises=world.surprises - 1)
        later = world.ticks + LIFE
        yield less._replace(wall=world.wall + LIFE, ticks=later, events=(*world.events, "expiry"))
        if "set back" not in world.events:
            back = world.wall - DAY
            yield less._replace(wall=back, events=(*world.events, "set back"))
        if "edit" not in world.events:
            new = held.replace(identity="ada", generation=generation)
            yield less._replace(record=records.of(new), events=(*world.events, "edit"))
        if "login" not in world.events:  # the server ends the old one; it is not yet saved
            n = world.next
            yield less._replace(
                current=n, first=n, last=-1, next=n + 1, alive=True, torn=0,
                events=(*world.events, "login"),
            )  # fmt: skip

    # -- what must hold --------------------------------------------------------------------

    def rule(self, world: World, node: Node, base: int, expires: float) -> World:
        """One request for each access token that ends, and one more for each failure at it.

        It ends by its time, or by the first refusal of a server. A failure is one that leaves
        the next in doubt: the server was down or silent, or the process failed in between.
        """
        over = world.wall >= expires - EARLY or "set back" in world.events
        if not over and base not in world.rejected:
            raise Violation(f"a request without a reason: {node}")
        spent = dict(world.spent)
        spent[base] = spent.get(base, 0) + 1
        if spent[base] > 1:
            raise Violation(f"a request too many for token {base}: {node}")
        return world._replace(spent=tuple(sorted(spent.items())))

    def forgive(self, world: World, base: int) -> World:
        spent = dict(world.spent)
        spent[base] = spent.get(base, 0) - 1
        return world._replace(spent=tuple(sorted(spent.items())))

    def torn(self, world: World, node: Node) -> World:
        """After a failure of this process: between an answer and its commit it tears the two."""
        if node.flight is None:
            return world
        world = self.forgive(world, node.flight)
        return self.tear(world) if node.answered else world

    def tear(self, world: World) -> World:
        return world._replace(torn=min(world.torn + 1, 2))

    def _check_write(self, world: World, node: Node, stored: int) -> None:
        before, after = (self.machine.records.grant(n) for n in (world.record, stored))
        if before.refresh_token is None or after.refresh_token is None:
            raise Violation(f"the refresh token is wiped: {node}")
        old, new = (number(grant.refresh_token.reveal()) for grant in (before, after))
        if new < old:
            raise Violation(f"an older grant over a newer one: {node}")
        if after.dead and not before.dead and self._takes(world, new):
            raise Violation(f"a good login is given up: {node}")

    def _judge(self, world: World, node: Node, result: Result) -> World:
        """One call of `token` has ended."""
        wrong = self._fault(world, node, result)
        if wrong:
            raise Violation(f"{wrong}: {result} in {world}\n{node}")
        if node.program == "refused" and len(node.results) == 1 and result.token is not None:
            world = world._replace(rejected=world.rejected | {result.token})
        return world

    def _fault(self, world: World, node: Node, result: Result) -> str | None:
        if result.kind == "token":
            if result.token == result.rejected:
                return "the refused token is given again"
            return "a dead token" if result.expires <= result.wall else None
        if result.kind == "LoginRequired":
            if result.why != "revoked" or not (world.torn or "login" in world.events):
                return "nothing has ended this login"
            if node.misread:
                return "a newer login is not seen"
            # What a process saves late, nobody can know to be of a rotation that was torn.
            exact = result.told or world.late or "login" in world.events
            return None if exact else "it is not told that a rotation was interrupted"
        reasons = {
            "ProviderUnavailable": ("down", "silence"),
            "StoreError": ("full", "unreadable"),
            "RefreshBusy": ("busy",),
            "KeyboardInterrupt": ("cut",),
        }
        return None if node.saw(*reasons.get(result.kind, ())) else "an error without a reason"

    def _end(self, world: World) -> None:
        """All are gone: one more comes, after the token's end. Is the login there?"""
        world = world._replace(surprises=0, spent=(), rejected=frozenset())
        if world in self._ended:
            return
        self._ended.add(world)
        grant = self.machine.records.grant(world.record)
        wall = max(world.wall, grant.expires or 0.0) + 1
        renewable = self._renewable(world)
        then, node = world._replace(wall=wall), self.machine.root("once", wall, 0.0)
        while node.waits is not None:
            ((then, node),) = self._step(then, node)
        (result,) = node.results
        if result.kind == "token":
            return
        if renewable:
            raise Violation(f"a good login gives no token: {result} in {world}\n{node}")
        # A server that forgives a lost answer need not forgive two of them.
        if world.torn < {"strict": 1, "grace": 2, "keeps": 3}[self.server]:
            raise Violation(f"the login is lost: {result} in {world}\n{node}")
        kept = self.machine.records.grant(then.record).refresh_token
        if not (result.told or world.late) or kept != grant.refresh_token:
            raise Violation(f"it is not told what has happened: {result} in {world}\n{node}")
