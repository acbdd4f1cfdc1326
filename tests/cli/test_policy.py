"""`arcrun policy`, `arcrun approve`, and what an agent's shell may have because of them."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace

import pytest

from arcrun_auth import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.policies import PendingRequest
from tests import canary

AGENT = {"CLAUDECODE": "1"}
ASKED = PendingRequest(
    service="notion", instance="default", client="codex", method="POST", host="api.notion.com",
    path="/v1/pages", digest="d1", size=12, preview='{"title": "hi"}',
)  # fmt: skip


class Types(Nobody):
    """Somebody at a terminal who types these lines, and after them nothing."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.asked: list[str] = []

    @property
    def reach(self):
        return "terminal"

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        del hidden
        self.asked.append(question)
        return self.lines.pop(0) if self.lines else None


pytestmark = pytest.mark.usefixtures("cheap_passphrases")


@pytest.fixture(autouse=True)
def no_marker(monkeypatch):
    from arcrun_auth.markers import MARKERS

    for name in MARKERS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def policies(inside):
    """The policy of the same home, as a program of the user sees it."""
    broker = Broker()
    yield broker.policies
    broker.close()


def rules(inside) -> list[dict]:
    return json.loads(inside("policy", "--json").out)["rules"]


# -- the list ----------------------------------------------------------------------------------


def test_without_a_rule_it_says_what_agents_may_do(inside):
    ran = inside("policy")
    assert (ran.code, ran.out) == (0, "")
    assert "agents may read, and nothing more" in ran.err
    assert json.loads(inside("policy", "--json").out) == {"schema": 1, "locked": False, "rules": []}


def test_what_is_allowed_and_forbidden_is_listed(inside):
    ran = inside(
        "policy", "allow", "notion@work", "--write", "/pages/*", "--write", "/blocks/**",
        "--method", "patch", "--client", "codex", "--for", "2h", "--count", "3",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.err == (
        "✓ r1, allowed to codex: write PATCH /pages/* /blocks/** of notion@work, for 2h, 3 times.\n"
    )
    inside("policy", "allow", "notion", "--read", "/**", "--command", "token")
    inside("policy", "deny", "*", "--command", "run")
    assert "forbidden to agents: all of github" in inside("policy", "deny", "github").err

    shown = inside("policy")
    assert [line.split()[:3] for line in shown.out.splitlines()[1:]] == [
        ["r1", "allow", "notion@work"], ["r2", "allow", "notion"], ["r3", "allow", "notion"],
        ["r4", "deny", "*"], ["r5", "deny", "github"],
    ]  # fmt: skip
    assert re.search(r"in 1[01]\d min, 3 times", shown.out)
    assert "arcrun token" in shown.out
    first, second, third, fourth, fifth = rules(inside)
    assert first["expires_at"] > first["created_at"]
    assert {k: v for k, v in first.items() if not k.endswith("_at")} == {
        "id": "r1", "allow": True, "service": "notion", "instance": "work", "what": "write",
        "methods": ["PATCH"], "paths": ["/pages/*", "/blocks/**"], "client": "codex", "left": 3,
        "approved": False,
    }  # fmt: skip
    assert (second["what"], second["paths"], second["left"]) == ("read", ["/**"], None)
    assert (third["what"], third["expires_at"], third["instance"]) == ("token", None, "*")
    assert (fourth["service"], fourth["what"], fourth["allow"]) == ("*", "run", False)
    assert fifth["what"] == "any"


def test_a_service_may_be_called_by_another_name_of_it(inside):
    inside("policy", "deny", "gdrive")
    assert rules(inside)[0]["service"] == "google_drive"


def test_a_rule_is_taken_away_by_its_id(inside):
    inside("policy", "allow", "notion", "--command", "export", "--command", "token")
    inside("policy", "deny", "notion")
    ran = inside("policy", "remove", "r1")
    assert "r1 is taken away, was forbidden to agents: all of notion" in ran.err
    assert inside("policy", "remove", "r1").code == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("allow", "notion"), 2, "--read, --write or --command"),
        (("allow", "notoin", "--read", "/**"), 2, "Did you mean 'notion'"),
        (("deny", "notoin"), 2, "Did you mean 'notion'"),
        (("allow", "notion", "--write", "pages"), 1, "begins with a slash"),
        (("allow", "notion", "--write", "/**", "--for", "long"), 2, "A time is a number"),
        (("allow", "notion", "--write", "/**", "--count", "0"), 2, "--count"),
        (("allow", "notion", "--command", "fly"), 2, "--command"),
        (("allow", "*@work", "--write", "/**"), 2, "no name of a service"),
        (("allow", "notion", "--command", "export"), 1, "all services"),
        (("remove", "r7"), 1, "no rule of that id"),
        (("frobnicate",), 2, "There is no command"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_told(inside, args, code, said):
    ran = inside("policy", *args)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert said in ran.err
    assert rules(inside) == []


def test_only_the_list_has_json(inside):
    assert inside("policy", "--json", "deny", "notion").code == 2
    assert rules(inside) == []


# -- the lock ----------------------------------------------------------------------------------


def test_a_lock_asks_for_its_passphrase_before_more_is_allowed(inside):
    one = canary.fresh("passphrase")
    person = Types("no", "other", one, one)
    assert "Locked" in inside("policy", "lock", person=person).err
    assert person.asked == ["New passphrase", "Once more"] * 2
    assert json.loads(inside("policy", "--json").out)["locked"] is True
    assert "It is locked" in inside("policy").err

    wants = ("policy", "allow", "notion", "--write", "/**")
    nobody = inside(*wants)
    assert (nobody.code, "Nobody can type" in nobody.err) == (1, True)
    assert inside(*wants, person=Types("")).code == 1
    assert inside(*wants, person=Types("wrong")).code == 7
    assert rules(inside) == []
    assert inside("policy", "deny", "notion").code == 0  # narrowing is free
    assert inside("policy", "remove", "r1").code == 1
    assert inside(*wants, person=Types(one)).code == 0
    assert inside("policy", "remove", "r1", person=Types(one)).code == 0
    assert inside("policy", "remove", "r2").code == 0
    again = inside("policy", "lock", person=Types(one, one))
    assert (again.code, "locked already" in again.err) == (7, True)

    assert inside("policy", "unlock", person=Types("wrong")).code == 7
    assert "The lock is gone" in inside("policy", "unlock", person=Types(one)).err
    assert "not locked" in inside("policy", "unlock").err
    assert inside(*wants).code == 0


def test_it_is_the_passphrase_of_the_vault_where_that_has_one(inside):
    from arcrun_auth.stores import upkeep
    from arcrun_cli.safe import vault_of

    inside("policy", "deny", "notion")
    broker = Broker()
    upkeep.set_passphrase(vault_of(broker), "of the vault")
    broker.close()
    assert inside("policy", "lock", person=Types("wrong")).code == 4
    person = Types("of the vault")
    assert inside("policy", "lock", person=person).code == 0
    assert person.asked == ["The vault's passphrase"]


def test_a_reset_begins_anew(inside, policies):
    one = canary.fresh("passphrase")
    inside("policy", "deny", "notion")
    inside("policy", "lock", person=Types(one, one))
    policies.ask(ASKED)
    assert inside("policy", "reset").code == 2  # nobody can be asked
    assert inside("policy", "reset", person=Types("n")).code == 1
    assert inside("policy", "reset", person=Types("y", "wrong")).code == 7
    assert len(rules(inside)) == 1
    person = Types("y", one)
    assert "agents may read" in inside("policy", "reset", person=person).err
    assert person.asked[0].startswith("Take away all rules for agents, prohibitions and the lock")
    assert (rules(inside), policies.locked, policies.pending()) == ([], False, ())


def test_a_damaged_policy_names_the_way_out(inside):
    from arcrun_cli.safe import vault_of

    inside("policy", "deny", "notion")
    broker = Broker()
    with closing(sqlite3.connect(vault_of(broker).path)) as db, db:
        db.execute("UPDATE rec SET ct = x'00' WHERE kind = 'policy'")
    broker.close()
    for _ in range(2):
        ran = inside("policy")
        assert (ran.code, "→ arcrun policy reset" in ran.err) == (1, True), ran.both
    assert inside("policy", "reset", "--yes").code == 0
    assert rules(inside) == []


# -- an agent's shell --------------------------------------------------------------------------


def test_an_agent_widens_nothing(inside, policies):
    inside("policy", "deny", "github")
    policies.ask(ASKED)
    for args in (
        ("policy", "allow", "notion", "--write", "/**"),
        ("policy", "remove", "r1"),
        ("policy", "lock"),
        ("policy", "unlock"),
        ("policy", "reset", "--yes"),
        ("approve",),
        ("approve", "q1"),
        ("approve", "q1", "--refuse"),
    ):
        ran = inside(*args, person=Types("y", "y"), **AGENT)
        assert (ran.code, ran.out) == (7, ""), args
        assert "CLAUDECODE" in ran.err
        assert "Ask your human to run the same command" in ran.err
    assert [rule["id"] for rule in rules(inside)] == ["r1"]
    assert json.loads(inside("approve", "--json", **AGENT).out)["requests"][0]["id"] == "q1"


def test_an_agent_may_see_its_policy_and_narrow_it(inside):
    inside("policy", "allow", "notion", "--write", "/**")
    assert "notion" in inside("policy", **AGENT).out
    assert inside("policy", "deny", "github", **AGENT).code == 0
    assert inside("policy", "remove", "r1", **AGENT).code == 0
    assert [rule["id"] for rule in rules(inside)] == ["r2"]


def test_a_token_is_given_as_often_as_a_rule_says_and_the_trail_tells_it(inside):
    key = canary.fresh()
    env = {**AGENT, "ARCRUN_NOTION_TOKEN": "ntn_" + key}

    def token() -> tuple[int, bool, str]:
        ran = inside("token", "notion", **env)
        return ran.code, key in ran.out, ran.err

    code, given, said = token()
    assert (code, given) == (7, False)
    assert "run, in their own terminal: arcrun policy allow notion --command token --for 1h" in said
    inside("policy", "allow", "notion", "--command", "token", "--count", "2")
    assert [token()[:2] for _ in range(3)] == [(0, True), (0, True), (7, False)]
    inside("policy", "allow", "notion", "--command", "token")
    inside("policy", "deny", "notion", "--client", "claudecode")
    code, given, said = token()
    assert (code, given) == (7, False)
    assert "the rule r3 forbids it" in said
    assert "arcrun policy remove r3" in said
    data = json.loads(inside("token", "notion", "--json", **env).out)["error"]
    assert (data["type"], data["rule"]) == ("PolicyRefused", "agent-token")

    entries = json.loads(inside("audit", "--json").out)["entries"]
    told = [entry for entry in reversed(entries) if entry["action"] == "agent"]
    assert {(entry["client"], entry["request"]) for entry in told} == {
        ("claudecode", "arcrun token"),
    }  # fmt: skip
    assert [entry["result"] for entry in told] == [
        "ok",
        "ok",
        "refused: default",
        "refused: r3",
        "refused: r3",
    ]


def test_run_and_inject_need_a_rule_for_every_service_that_is_meant(cli):
    keys = {name: canary.fresh(name) for name in ("notion", "github")}
    env = {
        **AGENT, "ARCRUN_NOTION_TOKEN": keys["notion"], "ARCRUN_GITHUB_TOKEN": keys["github"],
        "A": "arcrun://notion/token", "B": "{{ arcrun://github/token }}",
    }  # fmt: skip
    script = ("sh", "-c", "printf %s,%s ${#A} ${#B}")
    lengths = f"{len(keys['notion'])},{len(keys['github'])}"
    cli("policy", "allow", "notion", "--command", "run", "--count", "1")
    refused = cli("run", "--", *script, **env)
    assert (refused.code, refused.out) == (7, "")
    assert "arcrun policy allow github --command run --for 1h" in refused.err
    cli("policy", "allow", "github", "--command", "run")
    # The one use was not spent by what was refused.
    assert cli("run", "--", *script, **env).out == lengths
    assert cli("run", "--", *script, **env).code == 7
    # What no secret goes to is nobody's affair.
    assert cli("run", "--", "echo", "hi", **AGENT).out == "hi\n"

    template = "{{ arcrun://notion/token }}"
    refused = cli("inject", "--stdin", stdin=template, **env)
    assert (refused.code, refused.out) == (7, "")
    assert "--command inject" in refused.err
    cli("policy", "allow", "notion", "--command", "inject")
    assert len(cli("inject", "--stdin", stdin=template, **env).out) == len(keys["notion"])


def test_a_reference_of_no_shape_is_told_as_ever(cli):
    ran = cli("inject", "--stdin", stdin="{{ arcrun://notion }}", **AGENT)
    assert "This is no reference" in ran.err


def test_an_export_is_allowed_by_a_rule_of_all_services(inside, tmp_path):
    inside("policy", "deny", "notion")
    refused = inside("vault", "export", "backup.enc", **AGENT)
    assert refused.code == 7
    assert "arcrun policy allow '*' --command export --for 1h" in refused.err
    assert not (tmp_path / "backup.enc").exists()
    inside("policy", "allow", "*", "--command", "export", "--count", "1")
    assert inside("vault", "export", "backup.enc", **AGENT).code == 0
    assert (tmp_path / "backup.enc").exists()
    assert inside("vault", "export", "again.enc", **AGENT).code == 7


def test_what_is_no_service_s_is_allowed_by_no_rule(inside):
    inside(
        "policy", "allow", "*", *(f"--command={name}" for name in ("token", "credential", "export"))
    )
    for args in (
        ("vault", "recovery-code"),
        ("ci", "create", "a", "--services", "notion"),
        ("devices", "add"),
        ("credential", "oidc", "--audience", "x"),
    ):
        ran = inside(*args, person=Types("y"), **AGENT)
        assert (ran.code, ran.out) == (7, ""), args
        assert "Ask your human to run, in their own terminal: arcrun" in ran.err


@pytest.mark.parametrize(
    ("args", "code", "command"),
    [
        (("token", "google_drive"), 4, "arcrun setup google_drive"),
        (("test", "github"), 4, "arcrun setup github"),
        (("setup", "notion", "--no-input"), 4, "arcrun setup notion"),
    ],
)
def test_what_only_a_person_can_mend_an_agent_is_told_to_ask_for(inside, args, code, command):
    inside("policy", "allow", "google_drive", "--command", "token")
    for env in ({}, AGENT):
        ran = inside(*args, **env)
        told = f"→ Ask your human to run, in their own terminal: {command}"
        assert ran.code == code, ran.both
        assert command in ran.both
        assert (told in ran.both) == bool(env)


def test_what_an_agent_can_mend_itself_it_is_told_as_ever(inside):
    ran = inside("token", "notoin", **AGENT)
    assert (ran.code, "→ arcrun token notion" in ran.err) == (2, True)


# -- approving ---------------------------------------------------------------------------------


def test_each_request_that_waits_is_shown_and_asked_about(inside, policies):
    assert "No request waits" in inside("approve").err
    policies.ask(ASKED)
    policies.ask(replace(ASKED, digest="d2", method="DELETE", path="/v1/pages/x?y=1", size=0,
                         preview="", instance="work"))  # fmt: skip
    policies.ask(replace(ASKED, digest="d3"))
    nobody = inside("approve")
    assert (nobody.code, "at a terminal" in nobody.err) == (2, True)

    person = Types("y", "n", "")
    ran = inside("approve", person=person)
    assert ran.code == 0
    assert [len(person.asked), "Let it through, once?" in person.asked[0]] == [3, True]
    for shown in ("q1", "codex, ", "POST /v1/pages", "12 bytes", '{"title": "hi"}',
                  "DELETE /v1/pages/x?y=1", "notion@work"):  # fmt: skip
        assert shown in ran.out
    assert "q1 may go out once, within 10 minutes" in ran.err
    assert "q2 is refused" in ran.err
    assert [policies.request(each).state for each in ("q1", "q2", "q3")] == [
        "approved", "refused", "refused",
    ]  # fmt: skip
    assert [rule.digest for rule in policies.rules()] == ["d1"]
    assert "one request that was approved" in inside("policy").out
    assert rules(inside)[0]["approved"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_at_a_real_terminal_a_yes_is_typed(cli):
    import pexpect

    broker = Broker(home=str(cli.home), environ=cli.env)
    broker.policies.ask(ASKED)
    child = cli.terminal("approve", "q1")
    child.expect_exact("Let it through, once? [y/N]: ")
    child.sendline("y")
    child.expect_exact("q1 may go out once")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert [rule.digest for rule in broker.policies.rules()] == ["d1"]
    broker.close()


def test_one_request_is_named(inside, policies):
    for digest in ("d1", "d2", "d3"):
        policies.ask(replace(ASKED, digest=digest))
    assert "q2 is refused" in inside("approve", "q2", "--refuse").err
    assert inside("approve", "q3", person=Types("y")).code == 0
    assert [each.id for each in policies.pending()] == ["q1"]
    for args, code in (
        (("approve", "q2"), 1),
        (("approve", "--refuse"), 2),
        (("approve", "q1"), 2),
    ):
        assert inside(*args).code == code
    assert inside("approve", "q1", "--json").code == 2


def test_the_list_for_programs(inside, policies):
    policies.ask(ASKED)
    (found,) = json.loads(inside("approve", "--json").out)["requests"]
    assert found["asked_at"] < found["expires_at"]
    assert {k: v for k, v in found.items() if not k.endswith("_at")} == {
        "id": "q1", "service": "notion", "instance": "default", "client": "codex",
        "method": "POST", "host": "api.notion.com", "path": "/v1/pages", "size": 12,
        "preview": '{"title": "hi"}',
    }  # fmt: skip


def test_a_lock_is_opened_once_for_all_that_is_approved(inside, policies):
    for digest in ("d1", "d2"):
        policies.ask(replace(ASKED, digest=digest))
    policies.lock("a passphrase")
    assert inside("approve", person=Types("y", "wrong")).code == 7
    assert len(policies.pending()) == 2
    person = Types("y", "a passphrase", "y")
    assert inside("approve", person=person).code == 0
    assert len([asked for asked in person.asked if "lock" in asked]) == 1
    assert len(policies.rules()) == 2
