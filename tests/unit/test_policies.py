"""The policy in a store: rules that are counted, requests that wait, a lock, and no way around."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from arcrun_auth import Broker
from arcrun_auth.errors import (
    AuthError,
    PolicyRefused,
    StoreConflict,
    StoreCorrupt,
    StoreError,
    StoreLocked,
)
from arcrun_auth.policies import MOST, PATIENCE, PendingRequest, Policies
from arcrun_auth.policies.kept import AGENTS, PENDING
from arcrun_auth.policy import Rule, Verdict, Wanted
from arcrun_auth.stores import export, rotation, upkeep
from arcrun_auth.stores.keyring_items import KeyringItems
from arcrun_auth.stores.layers import Layers
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential
from tests import canary
from tests.unit.stores_kit import FakeBackend, env_keys, keyring, record, vault_at

KEY = b"\x07" * 32
WRITE = Wanted(
    service="notion", instance="work", client="codex", what="write", method="POST", path="/pages/a"
)
ASKED = PendingRequest(
    service="notion", instance="work", client="codex", method="POST", host="api.notion.com",
    path="/v1/pages", digest="d1", size=12, preview='{"a": "b"}',
)  # fmt: skip


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


pytestmark = pytest.mark.usefixtures("cheap_passphrases")


@pytest.fixture
def policies(clock):
    return Policies(Memory(), clock=clock, environ={})


def as_agent(policies: Policies) -> Policies:
    """The same policy, in the shell of an agent."""
    return Policies(policies._store, clock=policies._clock, environ={"CLAUDECODE": "1"})


# -- rules -----------------------------------------------------------------------------------


def test_where_nothing_lies_there_is_no_rule_and_nothing_is_made(policies):
    assert policies.rules() == policies.pending() == ()
    assert policies.use(WRITE) == Verdict(False)
    assert policies.use(replace(WRITE, what="read")) == Verdict(True)
    assert list(policies._store.keys()) == []


def test_a_rule_is_kept_with_an_id_that_is_never_given_again(policies, clock):
    first = policies.allow("notion", "write", paths=["/pages/*"], methods=["post"])
    assert (first.id, first.created, first.methods) == ("r1", clock.now, ("POST",))
    assert policies.deny("notion").id == "r2"
    assert policies.remove("r2").what == "any"
    assert policies.deny("github", "read", expires=clock.now + 5).id == "r3"
    assert [rule.id for rule in policies.rules()] == ["r1", "r3"]
    assert policies.check(WRITE) == Verdict(True, first)


def test_who_says_the_same_again_gets_the_rule_that_is_there(policies):
    rule = policies.allow("notion", "write", paths=["/pages/*"])
    generation = policies._store.get(AGENTS).generation
    assert policies.allow("notion", "write", paths=["/pages/*"]) == rule
    assert as_agent(policies).allow("notion", "write", paths=["/pages/*"]) == rule
    assert policies._store.get(AGENTS).generation == generation


def test_what_has_ended_or_is_used_up_is_gone(policies, clock):
    policies.allow("notion", "write", left=1)
    policies.allow("notion", "token", expires=clock.now + 5)
    assert policies.use(WRITE).allowed
    clock.now += 5
    assert policies.rules() == ()
    assert not policies.use(WRITE).allowed
    assert policies.deny("github").id == "r3"
    assert "r1" not in policies._store.get(AGENTS).params["rules"]


def test_each_use_counts_and_a_look_does_not(policies):
    policies.allow("notion", "write", left=3)
    for left in (2, 1, None):
        assert policies.check(WRITE).allowed
        assert policies.use(WRITE).allowed
        assert [rule.left for rule in policies.rules()] == ([left] if left else [])
    assert not policies.use(WRITE).allowed


def test_whether_anything_may_be_written_is_told_of_each_client(policies):
    policies.allow("notion", "write", client="codex", paths=["/pages/*"])
    assert policies.writes("codex")
    assert not policies.writes("claude-code")


@pytest.mark.parametrize(
    ("service", "what", "fields", "why"),
    [
        ("no such", "write", {}, "lower-case letters"),
        ("notion", "write", {"instance": "WORK"}, "an instance's name"),
        ("*", "write", {"instance": "work"}, "one of a service"),
        ("notion", "frobnicate", {}, "no such thing"),
        ("notion", "export", {}, "all services"),
        ("notion", "write", {"client": "Claude Code"}, "a client's name .* as claude-code"),
        ("notion", "write", {"methods": ["PO ST"]}, "a method is a word"),
        ("notion", "write", {"paths": ["pages"]}, "begins with a slash"),
        ("notion", "token", {"paths": ["/pages"]}, "neither methods nor paths"),
        ("notion", "token", {"methods": ["GET"]}, "neither methods nor paths"),
        ("notion", "write", {"expires": 999.0}, "ended already"),
        ("notion", "write", {"left": 0}, "never be used"),
        ("notion", "read", {"left": 1}, "is not counted"),
        ("notion", "any", {}, "no such thing to allow"),
    ],
)
def test_what_makes_no_rule_is_told_and_changes_nothing(policies, service, what, fields, why):
    with pytest.raises(AuthError, match=why) as caught:
        policies.allow(service, what, **fields)
    assert caught.value.hint == "arcrun policy allow --help"
    if what != "any" and "left" not in fields:
        with pytest.raises(AuthError, match=why.replace("allow", "forbid")):
            policies.deny(service, what, **fields)
    assert policies.rules() == ()


def test_of_several_rules_all_are_added_or_none(policies):
    good = Rule(service="notion", what="write")
    for bad in (replace(good, service="no such"), replace(good, digest="d1")):
        with pytest.raises(AuthError, match="makes no rule"):
            policies.add(good, bad)
    assert policies.rules() == ()
    found = policies.add(good, good, replace(good, allow=False))
    assert [rule.id for rule in found] == ["r1", "r1", "r2"]
    assert policies.rules() == (found[0], found[2])


def test_a_rule_that_is_not_there_cannot_be_removed(policies):
    with pytest.raises(AuthError, match="no rule of that id"):
        policies.remove("r1")


# -- in the shell of an agent ------------------------------------------------------------------


def test_an_agent_may_narrow_its_policy_and_never_widen_it(policies):
    policies.allow("notion", "write")
    prohibition = policies.deny("github")
    asked = policies.ask(ASKED)
    agent = as_agent(policies)
    for widen in (
        lambda: agent.allow("notion", "token"),
        lambda: agent.remove(prohibition.id),
        lambda: agent.approve(asked.id),
        lambda: agent.lock("a passphrase"),
        lambda: agent.unlock_with("a passphrase"),
        lambda: agent.unlock("a passphrase"),
    ):
        with pytest.raises(PolicyRefused, match="CLAUDECODE") as caught:
            widen()
        assert caught.value.rule == "agent-policy"
        assert caught.value.hint.startswith("Ask your human")
    assert agent.pending() == (asked,)
    assert agent.deny("notion", "read").id == "r3"
    assert agent.remove("r1").allow
    assert agent.refuse(asked.id).state == "refused"
    assert [rule.id for rule in policies.rules()] == ["r2", "r3"]


# -- requests that wait ------------------------------------------------------------------------


def test_a_request_waits_for_ten_minutes(policies, clock):
    asked = policies.ask(ASKED)
    assert (asked.id, asked.time, asked.expires) == ("q1", clock.now, clock.now + PATIENCE)
    assert policies.pending() == (asked,)
    clock.now += PATIENCE
    assert policies.pending() == ()
    assert policies.request("q1") is None
    assert policies.ask(ASKED).id == "q2"


def test_who_asks_the_same_again_gets_the_request_that_waits_or_was_refused(policies):
    asked = policies.ask(ASKED)
    assert policies.ask(ASKED) == asked
    assert policies.refuse(asked.id).state == "refused"
    assert policies.ask(ASKED) == policies.request(asked.id) == replace(asked, state="refused")
    assert policies.pending() == ()
    for other in ("digest", "service", "instance", "client"):
        assert policies.ask(replace(ASKED, **{other: "other"})).state == "waiting"


def test_every_word_of_a_request_is_fit_for_a_screen(policies):
    asked = policies.ask(
        replace(ASKED, client="Evil\x1b[2J", method="post", path="/a\u202e", preview="x\x1b" * 400)
    )
    shown = repr(asked)
    assert asked.method == "POST"
    assert len(asked.preview) == 300
    assert not any(mark in shown for mark in ("\x1b", "\u202e", "\\x1b", "\\u202e"))


def test_what_is_approved_may_go_out_once_for_ten_minutes(policies, clock):
    asked = policies.ask(ASKED)
    this = replace(WRITE, path="/elsewhere", digest="d1")
    assert not policies.use(this).allowed
    rule = policies.approve(asked.id)
    assert (rule.left, rule.digest, rule.expires) == (1, "d1", clock.now + PATIENCE)
    assert policies.request(asked.id).state == "approved"
    assert policies.pending() == ()
    assert not policies.use(replace(this, digest="d2")).allowed
    assert not policies.use(replace(this, client="other")).allowed
    assert policies.use(this).allowed
    assert not policies.use(this).allowed
    assert policies.ask(ASKED).id == "q2"  # the next one is another


def test_an_approval_ends(policies, clock):
    policies.approve(policies.ask(ASKED).id, expires_in=5)
    clock.now += 5
    assert not policies.use(replace(WRITE, digest="d1")).allowed


def test_only_a_request_that_waits_can_be_settled(policies):
    asked = policies.ask(ASKED)
    policies.refuse(asked.id)
    for settle in (policies.approve, policies.refuse):
        for each in (asked.id, "q9"):
            with pytest.raises(AuthError, match="No request of that id waits"):
                settle(each)
    assert policies.rules() == ()


def test_no_more_wait_than_a_person_can_read_and_none_is_lost_for_another(policies):
    asked = [
        policies.ask(replace(ASKED, digest=str(number), client=f"agent-{number % 2}"))
        for number in range(MOST)
    ]
    with pytest.raises(PolicyRefused, match=f"{MOST} requests") as caught:
        policies.ask(ASKED)
    assert caught.value.rule == "policy-pending"
    assert policies.ask(replace(ASKED, digest="3", client="agent-1")) == asked[3]
    policies.refuse(asked[0].id)
    policies.approve(asked[1].id)
    for digest in ("x", "y"):  # each takes the place of one that is settled
        policies.ask(replace(ASKED, digest=digest))
    assert policies.request(asked[0].id) is None
    assert [each.digest for each in policies.pending()] == [*map(str, range(2, MOST)), "x", "y"]


def test_one_client_leaves_room_for_another(policies):
    for number in range(MOST // 2):
        policies.ask(replace(ASKED, digest=str(number)))
    with pytest.raises(PolicyRefused) as caught:
        policies.ask(ASKED)
    assert caught.value.rule == "policy-pending"
    assert policies.ask(replace(ASKED, client="another")).state == "waiting"


# -- the lock ----------------------------------------------------------------------------------


def test_a_lock_asks_before_anything_is_widened_and_never_before_it_is_narrowed(policies, clock):
    permission, prohibition = policies.allow("notion", "write"), policies.deny("github")
    asked = policies.ask(ASKED)
    passphrase = canary.fresh("passphrase")
    policies.lock(passphrase)
    assert policies.locked

    another = Policies(policies._store, clock=clock, environ={})
    for widen in (
        lambda: another.allow("notion", "token"),
        lambda: another.remove(prohibition.id),
        lambda: another.approve(asked.id),
        lambda: another.lock("another"),
    ):
        with pytest.raises(PolicyRefused) as caught:
            widen()
        assert caught.value.rule == "policy-lock"
    another.deny("slack")
    another.remove(permission.id)
    with pytest.raises(PolicyRefused, match="not the passphrase") as caught:
        another.unlock_with("no")
    with pytest.raises(PolicyRefused):
        another.approve(asked.id)

    another.unlock_with(passphrase)
    assert another.approve(asked.id).digest == "d1"
    another.remove(prohibition.id)
    assert another.locked
    with pytest.raises(PolicyRefused):  # it was unlocked for that object alone
        policies.allow("notion", "token")
    assert passphrase not in repr(policies._store.get(AGENTS).dump())


def test_without_a_lock_no_passphrase_is_needed(policies):
    policies.unlock_with("whatever")
    policies.unlock("whatever")
    assert policies.allow("notion", "write")
    with pytest.raises(AuthError, match="needs a passphrase"):
        policies.lock("")
    assert not policies.locked


def test_a_lock_is_taken_away_by_its_passphrase(policies):
    policies.lock("one")
    with pytest.raises(PolicyRefused, match="not the passphrase"):
        policies.unlock("two")
    policies.unlock("one")
    assert not policies.locked
    assert policies._store.get(AGENTS).secrets == {}


def test_what_was_unlocked_is_not_once_there_is_another_lock(policies, clock):
    policies.lock("one")
    policies.unlock_with("one")
    other = Policies(policies._store, clock=clock, environ={})
    other.unlock("one")
    other.lock("two")
    with pytest.raises(PolicyRefused, match="locked"):
        policies.allow("notion", "write")


def test_it_is_the_passphrase_of_the_vault_where_that_has_one(tmp_path):
    vault = vault_at(tmp_path, env_keys(KEY))
    policies = Policies(Layers(vault, []), environ={})
    assert not policies.locks_with_vault  # there is no vault yet
    policies.deny("github")
    assert not policies.locks_with_vault
    upkeep.set_passphrase(vault, "of the vault")
    assert policies.locks_with_vault
    with pytest.raises(StoreLocked):
        policies.lock("another")
    assert not policies.locked
    policies.lock("of the vault")
    # Whoever can set a new one has not opened the lock by that.
    upkeep.set_passphrase(vault, "of an intruder")
    with pytest.raises(PolicyRefused, match="not the passphrase"):
        policies.unlock_with("of an intruder")
    policies.unlock_with("of the vault")
    vault.close()


# -- where it lies -----------------------------------------------------------------------------


def test_rules_are_of_the_vault_and_never_of_what_lies_over_it(clock):
    over = Memory()
    Policies(over, environ={}).allow("notion", "write")
    under = Memory()
    policies = Policies(Layers(under, [over]), clock=clock, environ={})
    assert policies.rules() == ()
    policies.allow("github", "write")
    assert under.get(AGENTS) is not None


def test_what_a_newer_version_wrote_allows_nothing(policies):
    policies.deny("notion")
    policies.ask(ASKED)
    for key, read in ((AGENTS, policies.rules), (PENDING, policies.pending)):
        held = policies._store.get(key)
        policies._store.put(held.replace(params={**held.params, "format": "2"}), expect=1)
        with pytest.raises(StoreError, match="newer"):
            read()
    with pytest.raises(StoreError, match="newer"):
        policies.use(replace(WRITE, what="read"))


@pytest.mark.parametrize("text", ["", "[", '[{"id": 1}]', '[{"service": "a", "what": "fly"}]'])
def test_a_damaged_policy_allows_nothing(policies, text):
    params = {"format": "1", "count": "1", "rules": text, "requests": text}
    for key in (AGENTS, PENDING):
        policies._store.put(Credential(key, params=params), expect=0)
    with pytest.raises(StoreCorrupt):
        policies.use(replace(WRITE, what="read"))
    with pytest.raises(StoreCorrupt):
        policies.pending()


@pytest.mark.parametrize("rotated", [False, True])
def test_a_policy_that_the_vault_has_set_aside_allows_nothing_until_it_is_reset(tmp_path, rotated):
    told: list[tuple[str, str]] = []
    vault = vault_at(tmp_path, env_keys(KEY))
    policies = Policies(vault, environ={}, note=lambda *line: told.append(line))
    policies.deny("notion")
    policies.ask(ASKED)
    vault.put(record(), expect=0)
    damage = "UPDATE rec SET ct = zeroblob(length(ct)) WHERE kind = 'policy' AND n = 1"
    vault.session().connection.execute(damage)
    if rotated:
        rotation.rotate(vault)
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="nothing is allowed") as caught:
            policies.use(replace(WRITE, what="read"))
        assert caught.value.hint == "arcrun policy reset"
    with pytest.raises(StoreCorrupt, match="nothing is allowed"):
        policies.deny("github")
    with pytest.raises(PolicyRefused, match="AI_AGENT"):
        Policies(vault, environ={"AI_AGENT": "1"}).reset()
    policies.reset()
    assert told[-1] == ("policy reset", "")
    assert (policies.rules(), policies.pending()) == ((), ())
    assert policies.use(replace(WRITE, what="read")).allowed
    assert vault.get(record().key) is not None
    assert vault.status()["quarantined"] == 0
    vault.close()


def test_a_reset_asks_for_the_passphrase_of_a_lock_that_can_be_read(policies):
    policies.deny("notion")
    policies.ask(ASKED)
    policies.lock("one two three")
    with pytest.raises(PolicyRefused, match="locked"):
        policies.reset()
    assert (len(policies.rules()), len(policies.pending())) == (1, 1)
    policies.unlock_with("one two three")
    policies.reset()
    assert (policies.rules(), policies.pending(), policies.locked) == ((), (), False)


def test_a_reset_takes_away_what_cannot_be_understood(policies):
    for key in (AGENTS, PENDING):
        policies._store.put(Credential(key, params={"format": "1", "count": "x"}), expect=0)
    policies.reset()
    assert (policies.rules(), policies.pending()) == ((), ())


def test_a_damage_of_the_whole_vault_is_told_as_that(tmp_path):
    vault = vault_at(tmp_path, env_keys(KEY))
    Policies(vault, environ={}).deny("notion")
    vault.session().connection.execute("UPDATE rec SET ct = x'00'")
    vault.session().connection.execute("PRAGMA query_only = ON")  # it cannot be set aside
    with pytest.raises(StoreCorrupt, match=r"record of .* is damaged") as caught:
        Policies(vault, environ={}).rules()
    assert caught.value.hint == "arcrun doctor"
    vault.close()


def test_fields_that_a_newer_version_wrote_beside_it_are_kept(policies):
    policies.deny("notion")
    held = policies._store.get(AGENTS)
    policies._store.put(held.replace(extra={"later": 1}), expect=1)
    policies.deny("github")
    assert policies._store.get(AGENTS).extra == {"later": 1}


def test_it_leaves_the_machine_by_no_export_and_comes_by_none(tmp_path, monkeypatch):
    vault, path = vault_at(tmp_path / "a", env_keys(KEY)), str(tmp_path / "secrets.enc")
    vault.put(record(), expect=0)
    policies = Policies(vault, environ={})
    policies.allow("notion", "write")
    policies.ask(ASKED)
    assert export.write(vault, path) == 1

    monkeypatch.setattr(export, "_LOCAL", ())  # an export that somebody else's program made
    assert export.write(vault, path) == 3
    monkeypatch.undo()
    other = vault_at(tmp_path / "b", env_keys(b"\x08" * 32))
    assert export.merge(other, path, keys=env_keys(KEY)) == {"added": 1, "updated": 0, "kept": 0}
    assert Policies(other, environ={}).rules() == ()
    vault.close()
    other.close()


def test_a_broker_s_policy_lies_in_its_vault_and_changes_stand_in_its_trail(tmp_path):
    environ = {"ARCRUN_MASTER_KEY": KEY.hex(), "ARCRUN_KEYRING": "off"}
    broker = Broker(home=str(tmp_path / "home"), environ=environ)
    broker.policies.allow("notion", "write")
    asked = broker.policies.ask(ASKED)
    broker.policies.approve(asked.id)
    broker.policies.refuse(broker.policies.ask(replace(ASKED, digest="d2")).id)
    broker.policies.remove("r1")
    assert [entry.action for entry in reversed(broker.audit.entries())] == [
        "policy allow", "policy approve", "policy refuse", "policy remove",
    ]  # fmt: skip
    assert {entry.name for entry in broker.audit.entries()} == {"notion"}
    broker.close()


def test_the_broker_s_environment_says_whether_an_agent_runs_it(tmp_path):
    environ = {"ARCRUN_MASTER_KEY": KEY.hex(), "ARCRUN_KEYRING": "off", "AI_AGENT": "1"}
    broker = Broker(home=str(tmp_path / "home"), environ=environ)
    with pytest.raises(PolicyRefused, match="AI_AGENT"):
        broker.policies.allow("notion", "write")
    broker.close()


def test_a_name_is_the_service_s_own_and_the_instance_that_is_meant():
    broker = Broker(environ={})
    assert broker.named("notion") == ("notion", "default")
    assert broker.named("notion@work") == broker.named("notion", "work") == ("notion", "work")
    alias = broker.recipes.entry("google_drive").aliases[0]
    assert broker.named(alias) == ("google_drive", "default")
    broker.close()


def test_the_keyring_of_the_system_keeps_one_too(tmp_path):
    backend = FakeBackend()
    store = KeyringItems(str(tmp_path / "locks"), keyring=keyring(backend))
    Policies(store, environ={}).allow("notion", "write", left=2)
    policies = Policies(KeyringItems(str(tmp_path / "locks"), keyring=keyring(backend)), environ={})
    policies.approve(policies.ask(ASKED).id)
    assert policies.use(replace(WRITE, digest="d1")).allowed
    assert [(rule.id, rule.left) for rule in policies.rules()] == [("r1", 2)]
    assert not policies.locks_with_vault


# -- several at once ---------------------------------------------------------------------------


class Racing(Memory):
    """A store in which somebody else is always first, the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.beaten: set[object] = set()

    def put(self, record, *, expect):
        if record.key not in self.beaten:
            self.beaten.add(record.key)
            raise StoreConflict("somebody was first")
        return super().put(record, expect=expect)


def test_whoever_is_beaten_to_it_looks_again(clock):
    store = Racing()
    policies = Policies(store, clock=clock, environ={})

    def again() -> None:
        store.beaten.clear()

    assert policies.allow("notion", "write", left=1).id == "r1"
    again()
    assert policies.ask(ASKED).id == "q1"
    again()
    assert policies.approve("q1").id == "r2"
    again()
    assert policies.refuse(policies.ask(replace(ASKED, digest="d2")).id).id == "q2"
    again()
    assert policies.use(WRITE).allowed
    again()
    policies.remove("r2")
    assert policies.rules() == ()


def test_of_many_threads_and_five_uses_five_get_one(tmp_path):
    vault = vault_at(tmp_path, env_keys(KEY))
    Policies(vault, environ={}).allow("notion", "write", left=5)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Policies(vault, environ={}).use(WRITE).allowed, range(12)))
    assert found.count(True) == 5
    vault.close()


PROGRAM = """
import sys
from arcrun_auth.policies import Policies
from arcrun_auth.policy import Wanted
from arcrun_auth.stores.vault import Vault

policies = Policies(Vault(sys.argv[1]), environ={})
wanted = Wanted(service="notion", instance="work", client="codex", what="write")
policies.rules()
print("ready", flush=True)
sys.stdin.readline()
print(policies.use(wanted).allowed)
"""


def test_of_two_processes_and_one_use_exactly_one_gets_it(tmp_path):
    import os
    import subprocess

    vault = vault_at(tmp_path, env_keys(KEY))
    Policies(vault, environ={}).allow("notion", "write", left=1)
    env = {**os.environ, "ARCRUN_MASTER_KEY": KEY.hex(), "ARCRUN_KEYRING": "off"}
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, vault.path],
            env=env, stdin=pipe, stdout=pipe, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for each in running:
        assert each.stdout.readline() == "ready\n"
    for each in running:
        each.stdin.write("\n")
        each.stdin.flush()
    told = sorted(each.communicate(timeout=60)[0] for each in running)
    assert told == ["False\n", "True\n"]
    assert Policies(vault, environ={}).rules() == ()
    vault.close()
