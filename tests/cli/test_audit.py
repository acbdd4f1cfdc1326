"""`arcrun audit`: what was done, and whether the trail is whole."""

from __future__ import annotations

import json
import os
import sqlite3

from arcrun_auth import Broker
from arcrun_auth.audit import path_in
from arcrun_auth.tokens import Key


def actions(cli, *args):
    done = cli("audit", "--json", *args)
    assert done.code == 0, done.err
    return [(e["action"], e["name"], e["program"]) for e in json.loads(done.out)["entries"]]


def expire(cli):
    """The stored token of `demo` has ended."""
    broker = Broker(home=str(cli.home), environ=cli.env)
    record = broker.store.get(Key("credential", "demo"))
    ended = record.replace(grant=record.grant.replace(expires=record.grant.issued))
    broker.store.put(ended, expect=record.generation)
    broker.close()


def test_each_command_that_touches_a_credential_leaves_a_line(connected, provider):
    before = actions(connected)
    assert [(action, name) for action, name, _ in reversed(before)] == [
        ("consent", "demo"),
        ("setup", "demo"),
        ("consent", "demo_static"),
        ("setup", "demo_static"),
    ]
    for args in (
        ("token", "demo"),
        ("token", "demo_static"),
        ("run", "--", "true"),
        ("test", "demo_static"),
        ("remove", "demo", "--revoke", "--yes"),
        ("list",),
    ):
        done = connected(*args, TOKEN="arcrun://demo_static/token")
        assert done.code == 0, done.err
    after = actions(connected)[: -len(before)]
    assert list(reversed(after)) == [
        ("reveal", "demo", "arcrun token"),
        ("reveal", "demo_static", "arcrun token"),
        ("reveal", "demo_static", "arcrun run"),
        ("use", "demo_static", "arcrun test"),
        ("revoke", "demo", "arcrun remove"),
        ("remove", "demo", "arcrun remove"),
    ]
    assert {name for _, name, _ in actions(connected, "demo")} == {"demo"}
    assert actions(connected, "notion") == []


def test_a_renewal_is_a_line_and_so_is_one_that_failed(connected, provider):
    expire(connected)
    assert connected("token", "demo").code == 0
    expire(connected)
    provider.fail_next(2, 503)
    connected("token", "demo")
    done = json.loads(connected("audit", "--json").out)["entries"]
    renewals = [(e["program"], e["result"]) for e in done if e["action"] == "renew"]
    assert renewals == [("arcrun token", "ProviderUnavailable"), ("arcrun token", "ok")]


def test_apps_and_what_shows_the_vault_leave_lines(connected):
    connected("app", "add", "demo", "--client-id", "x", "--no-input")
    connected("vault", "export", str(connected.folder / "given" / "backup.enc"))
    connected("app", "remove", "demo", "--yes")
    found = [(action, name) for action, name, _ in actions(connected)][:3]
    assert found == [("app remove", "demo"), ("export", ""), ("app add", "demo")]


def test_for_people_it_is_a_table(connected):
    shown = connected("audit").out.splitlines()
    assert shown[0].split() == ["TIME", "ACTION", "NAME", "PROGRAM"]
    assert len(shown) == 5
    assert "Nothing was recorded" in connected("audit", "notion").err


def test_a_whole_trail_is_said_to_be_whole(connected):
    done = connected("audit", "--verify")
    assert (done.code, "nothing is missing" in done.out) == (0, True)
    answer = json.loads(connected("audit", "--verify", "--json").out)
    assert answer["findings"] == []
    assert answer["head"]


def test_a_trail_that_was_changed_ends_with_1(connected):
    with sqlite3.connect(path_in(str(connected.home))) as database:
        database.execute("DELETE FROM entry WHERE n = 2")
    database.close()
    done = connected("audit", "--verify")
    assert done.code == 1
    assert "Entry 2 is missing." in done.out
    (finding,) = json.loads(connected("audit", "--verify", "--json").out)["findings"]
    assert (finding["what"], finding["n"]) == ("missing", 2)


def test_before_anything_was_done_there_is_nothing(cli):
    assert "Nothing was recorded" in cli("audit").err
    assert "Nothing was recorded yet." in cli("audit", "--verify").err
    assert not os.path.exists(path_in(str(cli.home)))


def test_what_cannot_be_asked_is_said_so(cli):
    assert cli("audit", "--since", "soon").code == 2
    assert cli("audit", "notion", "--verify").code == 2
    done = cli("audit", ARCRUN_STORE="keyring")
    assert (done.code, "only a vault keeps one" in done.err) == (4, True)


def test_the_head_of_the_trail_goes_with_the_head_of_the_device(connected, tmp_path):
    from arcrun_auth.sync import account
    from arcrun_auth.sync.session import session
    from tests.platform_desk import desk

    (tmp_path / "server").mkdir()
    with desk(tmp_path / "server") as server, server.account() as cloud:
        connected.env["ARCRUN_ALLOW_HOSTS"] += f",{server.origin}"
        broker = Broker(home=str(connected.home), environ=connected.env)
        account.keep(broker.store.primary, server.url, cloud.key, account="a", email="")
        before = broker.audit.head()
        with session(broker) as here:
            here.sync()
            (sent,) = (known.head for known in here.state.heads().values())
        assert sent.audit == before
        assert broker.audit.entries()[0].action == "sync"
        broker.close()


def test_a_request_of_an_agent_is_told_with_who_asked_and_for_what(connected):
    broker = Broker(home=str(connected.home), environ=connected.env)
    assert broker.store.get(Key("credential", "demo")) is not None, "which opens the vault"
    for result in ("200", "refused: read-only"):
        broker.audit.note(
            "agent", "demo", host="api.example.com", result=result, client="claude-code",
            request="GET /v1/pages",
        )  # fmt: skip
    broker.close()
    lines = [line.split(maxsplit=2)[2] for line in connected("audit").out.splitlines()[1:3]]
    assert [line.split() for line in lines] == [
        ["agent", "demo", "claude-code", "GET", "/v1/pages", "refused:", "read-only"],
        ["agent", "demo", "claude-code", "GET", "/v1/pages", "200"],
    ]
    newest = json.loads(connected("audit", "--json").out)["entries"][0]
    assert (newest["client"], newest["request"]) == ("claude-code", "GET /v1/pages")
    assert newest["host"] == "api.example.com"
