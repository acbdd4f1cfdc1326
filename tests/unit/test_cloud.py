"""The client of a platform, against the real server, and against ones that are none."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading

import pytest

from arcrun_auth import forks, kept_line
from arcrun_auth.cloud import Change, Cloud, Conflict
from arcrun_auth.errors import (
    AuthError,
    HostNotAllowed,
    ProviderUnavailable,
    TokenRefused,
)
from arcrun_auth.exchange import Exchange, perform
from arcrun_auth.sync.cloud_wire import CloudWire
from arcrun_auth.sync.wire import everything_since
from arcrun_auth.tokens import Secret
from tests.platform_desk import IV, cipher, desk
from tests.servers import GUARD, Reply, raw_server, recorder
from tests.waiting import none_left

PROTOCOL = {"arcrun-protocol": "1", "content-type": "application/json"}
KEY = Secret("ak_tests.canary.CLOUD")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with desk(tmp_path_factory.mktemp("server")) as found:
        yield found


@pytest.fixture
def cloud(server):
    with server.account("anna@example.com") as found:
        yield found


def answering(status: int = 200, body: object = None, headers: dict[str, str] | None = None):
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return recorder(lambda _: Reply(status, PROTOCOL if headers is None else headers, data))


def client(server) -> Cloud:
    return Cloud(server.origin, KEY, allow=[server.origin])


def test_an_account_and_its_keys(server, cloud) -> None:
    assert cloud.health()
    me = cloud.me()
    assert (me.email, me.role, me.provider) == ("anna@example.com", "user", "key")
    made = cloud.create_key("device", "laptop", expires_in=60)
    with server.cloud(made.api_key) as laptop:
        assert laptop.me().account == me.account
    assert {key.label for key in cloud.keys()} == {"first key", "laptop"}
    assert made.api_key not in repr(made)
    assert [cloud.remove_key(made.id) for _ in range(2)] == [True, False]
    before = cloud.key
    assert cloud.rotate() == cloud.key != before
    with server.cloud(before) as old, pytest.raises(TokenRefused):
        old.me()
    assert [entry.action for entry in cloud.audit().entries] == [
        "account.create", "key.create", "key.delete", "key.rotate",
    ]  # fmt: skip
    assert cloud.audit(3).head == cloud.audit().head
    cloud.delete_account()
    with pytest.raises(TokenRefused):
        cloud.me()


def test_a_key_can_end_itself(cloud) -> None:
    cloud.delete_key()
    with pytest.raises(TokenRefused, match="not known here"):
        cloud.health() and cloud.me()


def test_rows_are_written_read_and_deleted(cloud) -> None:
    assert cloud.put_row("s_1", cipher("one"), IV, expect=0) == 1
    assert cloud.put_row("s_1", cipher("two"), IV, expect=1) == 2
    row = cloud.row("s_1")
    assert row is not None
    assert (row.name, row.encrypted, row.iv, row.version) == ("s_1", cipher("two"), IV, 2)
    assert cloud.row("s_9") is None
    written = cloud.put_rows([Change("s_1", expect=2), Change("s_2", cipher(), IV, expect=0)])
    assert (written.cursor, written.versions) == (4, {"s_1": 3, "s_2": 4})
    page = cloud.rows_since(0)
    assert [(row.name, row.version, row.deleted) for row in page.rows] == [
        ("s_1", 3, True), ("s_2", 4, False),
    ]  # fmt: skip
    assert (page.cursor, page.more, page.next_cursor) == (4, False, 4)
    first = cloud.rows_since(0, limit=1)
    assert (first.more, first.next_cursor) == (True, 3)
    assert [cloud.delete_row("s_2", expect=4), cloud.delete_row("s_2")] == [True, False]


def test_a_conflict_names_the_rows_that_differ(cloud) -> None:
    cloud.put_row("s_1", cipher(), IV)
    with pytest.raises(Conflict) as single:
        cloud.put_row("s_1", cipher(), IV, expect=0)
    assert (single.value.names, single.value.versions) == (("s_1",), {"s_1": 1})
    with pytest.raises(Conflict) as several:
        cloud.put_rows([Change("s_1", cipher(), IV, expect=1), Change("s_2", expect=7)])
    assert several.value.versions == {"s_2": 0}
    with pytest.raises(Conflict):
        cloud.delete_row("s_1", expect=9)


def test_rows_in_clear_are_listed_page_by_page(cloud, monkeypatch) -> None:
    monkeypatch.setattr("arcrun_auth.cloud.PAGE", 2)
    for name in ("a", "b", "c", "s_1"):
        cloud.put_row(name, cipher(), IV, service="thing" if name == "a" else None)
    found = list(cloud.named_rows())
    assert [(row.name, row.service) for row in found] == [
        ("a", "thing"), ("b", None), ("c", None),
    ]  # fmt: skip


def test_a_lease_is_taken_kept_and_let_go(cloud) -> None:
    lease = cloud.take_lease("grant", 60, "laptop")
    assert (lease.fence, lease.interrupted) == (1, False)
    with pytest.raises(Conflict) as held:
        cloud.take_lease("grant", 60, "desktop")
    assert 0 < (held.value.retry_after or 0) <= 61
    assert cloud.renew_lease("grant", lease.lease, 30).fence == 1
    cloud.release_lease("grant", lease.lease)
    with pytest.raises(Conflict):
        cloud.release_lease("grant", lease.lease)


def test_an_enrolment_carries_messages(cloud) -> None:
    id_ = cloud.begin_enrolment({"commitment": "x"})
    cloud.send_message(id_, "old", ["any", {"json": 1}])
    found = cloud.enrolment(id_)
    assert found is not None
    assert [(m.n, m.sender, m.body) for m in found.messages] == [
        (1, "new", {"commitment": "x"}), (2, "old", ["any", {"json": 1}]),
    ]  # fmt: skip
    assert [(e.id, e.messages) for e in cloud.enrolments()] == [(id_, 2)]
    assert [cloud.end_enrolment(id_), cloud.end_enrolment(id_)] == [True, False]
    assert cloud.enrolment(id_) is None


def test_an_invitation_is_no_secret_that_an_error_repeats(tmp_path) -> None:
    invite = Secret("tests.canary.INVITE")
    with answering(403, {"error": f"no {invite.reveal()}"}) as fake, client(fake) as nobody:
        with pytest.raises(TokenRefused) as caught:
            nobody.register(invite=invite)
        assert "canary" not in str(caught.value)


def test_one_connection_serves_many_requests_and_threads_take_turns(server, cloud) -> None:
    with answering(200, {"ok": True}) as fake, client(fake) as kept:
        threads = [threading.Thread(target=kept.health) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GUARD)
        assert (len(fake.seen), fake.connections) == (8, 1)
        kept.close()
        assert kept.health()
        assert fake.connections == 2
        assert fake.seen[0].headers["x-arcrun-api-key"] == KEY.reveal()


def test_a_connection_that_the_server_ended_is_opened_anew(server) -> None:
    """Looking is repeated, writing is not: nobody knows whether it was done."""
    answers = iter(b"once")

    def talk(sock) -> None:
        head = b"HTTP/1.1 200 OK\r\narcrun-protocol: 1\r\ncontent-length: 12\r\n\r\n"
        next(answers)
        sock.sendall(head + b'{"ok": true}')
        sock.recv(65536)  # and hangs up on the second request

    with raw_server(talk) as origin, Cloud(origin, KEY, allow=[origin]) as kept:
        assert kept.health()
        assert kept.health(), "the second connection"
        with pytest.raises(ProviderUnavailable) as caught:
            kept.delete_key()
        assert caught.value.sent
        assert kept.health()


def test_a_child_process_opens_its_own_connection(monkeypatch) -> None:
    with answering(200, {"ok": True}) as fake, client(fake) as kept:
        assert kept.health()
        line = kept._line
        theirs = line.client
        monkeypatch.setattr(forks, "generation", forks.generation + 1)
        assert kept.health()
        assert line.client is not theirs
        assert fake.connections == 2
        theirs.close()


def test_an_answer_may_be_large_and_has_an_end(monkeypatch) -> None:
    row = {"name": "s_1", "version": 1, "encrypted": "x" * (2 << 20), "iv": IV}
    body = {"credentials": [row], "cursor": 1, "more": False}
    with answering(200, body) as fake, client(fake) as kept:
        assert len(kept.rows_since(0).rows[0].encrypted) == 2 << 20
        monkeypatch.setattr(kept_line._Kept, "limit", 1 << 20)
        with pytest.raises(ProviderUnavailable, match="more than 1 MB"):
            kept.rows_since(0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, TokenRefused), (403, TokenRefused), (429, ProviderUnavailable),
        (500, ProviderUnavailable), (503, ProviderUnavailable), (507, ProviderUnavailable),
        (400, AuthError), (404, AuthError), (413, AuthError), (302, AuthError),
    ],
)  # fmt: skip
def test_what_the_platform_refuses_is_told_in_its_words(status, error) -> None:
    words = {"detail": "never mind", "error": "never mind", "retry_after": 3}
    headers = {**PROTOCOL, "retry-after": "7", "location": "https://elsewhere.test"}
    if status == 404:
        headers.pop("arcrun-protocol")
    with answering(status, words, headers) as fake, client(fake) as kept:
        with pytest.raises(error, match="never mind") as caught:
            kept.row("s_1")
        assert type(caught.value) is error
        if error is ProviderUnavailable:
            assert caught.value.retry_after == 7
        assert len(fake.seen) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"account": 3}', b'{"account": null}'])
def test_what_no_platform_answers_is_told(body) -> None:
    with answering(200, body) as fake, client(fake) as kept, pytest.raises(AuthError) as caught:
        kept.me()
    assert "no platform answers" in str(caught.value)


def test_another_protocol_is_told() -> None:
    for headers in ({}, {"arcrun-protocol": "2"}):
        with answering(200, {"account": "x"}, headers) as fake, client(fake) as kept:
            with pytest.raises(AuthError, match="version 1") as caught:
                kept.me()
            assert "pip install --upgrade arcrun-auth" in str(caught.value.hint)


@pytest.mark.parametrize(
    "conflicts", [None, 3, [1], [{"name": 1, "version": 1}], [{"name": "s_1", "version": "1"}]]
)
def test_a_conflict_told_in_any_shape_is_one(conflicts) -> None:
    with answering(409, {"conflicts": conflicts, "detail": 3}) as fake, client(fake) as kept:
        with pytest.raises(Conflict) as caught:
            kept.put_row("s_1", cipher(), IV)
        assert caught.value.names == ()


def test_nothing_goes_where_it_was_not_allowed_to() -> None:
    with answering(200, {"ok": True}) as fake:
        with pytest.raises(HostNotAllowed):
            Cloud(fake.origin, KEY)
        for wrong in ("https://a@b.test", "not an address", "https://x.test/?q"):
            with pytest.raises(AuthError):
                Cloud(wrong, KEY)
        assert fake.seen == []


def test_a_platform_that_is_not_there_is_told(tmp_path) -> None:
    with answering() as fake:
        kept = client(fake)
    with kept, pytest.raises(ProviderUnavailable) as caught:
        kept.health()
    assert not caught.value.sent


def test_a_platform_at_a_path_is_asked_there() -> None:
    with answering(200, {"ok": True}) as fake:
        with Cloud(f"{fake.origin}/api/", KEY, allow=[fake.origin]) as kept:
            assert kept.health()
        assert fake.seen[0].target == "/api/health"


def test_what_is_sent_to_a_name_stays_one_segment_of_the_path() -> None:
    with answering(200, {"id": "x"}) as fake, client(fake) as kept:
        kept.remove_key("../../me")
        assert fake.seen[0].target == "/me/keys/..%2F..%2Fme"


def test_a_slow_platform_is_given_up_and_the_next_request_goes_through() -> None:
    gate = threading.Event()

    def slow(seen) -> Reply:
        if seen.target == "/me":
            gate.wait(GUARD)
        return Reply(200, PROTOCOL, b'{"ok": true}')

    with recorder(slow) as fake, client(fake) as kept:
        assert kept.health()
        kept._line.total = 0.2
        with pytest.raises(ProviderUnavailable, match="within"):
            kept.ask("PUT", "/me")
        gate.set()
        kept._line.total = GUARD
        assert kept.health()
        assert fake.connections == 2


def test_a_connection_is_closed_by_the_thread_that_waits_at_it(monkeypatch) -> None:
    """However late it wakes: the number of its descriptor is given to no other one before."""
    there, gate = threading.Event(), threading.Event()

    def slow(seen) -> Reply:
        if seen.target == "/me":
            there.set()
            gate.wait(GUARD)
        return Reply(200, PROTOCOL, b'{"ok": true}')

    def up_when_there(exchange):
        ended = exchange.done.wait
        exchange.done.wait = lambda total: there.wait(GUARD) and ended(total)
        return perform(exchange)

    with recorder(slow) as fake, client(fake) as kept:
        assert kept.health()
        sock = kept._line.stream.get_extra_info("socket")
        kept._line.total = 0.1
        with monkeypatch.context() as late:
            late.setattr(kept_line, "perform", up_when_there)
            late.setattr(socket.socket, "shutdown", lambda *_: None)  # what wakes it
            with pytest.raises(ProviderUnavailable, match="within"):
                kept.ask("PUT", "/me")
        kept._line.total = GUARD
        assert kept.health()
        assert sock.fileno() != -1
        sock.shutdown(socket.SHUT_RDWR)
        none_left("arcrun-token")
        assert sock.fileno() == -1
        assert kept.health()
        assert fake.connections == 2
        gate.set()


def test_the_next_request_knows_its_connection_however_late_the_last_thread_ends(
    monkeypatch,
) -> None:
    """It is what is shut down where the next one is given up."""
    run, go_on = Exchange.run, threading.Event()

    def late(exchange) -> None:
        run(exchange)
        go_on.wait(GUARD)

    monkeypatch.setattr(Exchange, "run", late)
    with answering(200, {"ok": True}) as fake, client(fake) as kept:
        assert kept.health()
        first = kept._line.stream
        assert first is not None
        kept.close()
        assert kept.health()
        second = kept._line.stream
        go_on.set()
        none_left("arcrun-token")
        assert kept._line.stream is second is not first


def test_a_request_that_was_given_up_leaves_no_client_to_the_line(monkeypatch) -> None:
    context, go_on = Exchange._context, threading.Event()
    monkeypatch.setattr(Exchange, "_context", lambda self: go_on.wait(GUARD) and context(self))
    with answering(200, {"ok": True}) as fake, client(fake) as kept:
        kept._line.total = 0.01
        with pytest.raises(ProviderUnavailable, match="within"):
            kept.health()
        go_on.set()
        none_left("arcrun-token")
        assert kept._line.client is None
        kept._line.total = GUARD
        assert kept.health()
        assert fake.connections == 1


def test_rows_survive_the_whole_way(server, cloud) -> None:
    many = {f"s_{n:x}": base64.b64encode(os.urandom(700)).decode() for n in range(300)}
    cloud.put_rows([Change(name, text, IV, expect=0) for name, text in many.items()])
    got, cursor = {}, 0
    while True:
        page = cloud.rows_since(cursor, limit=99)
        got |= {row.name: row.encrypted for row in page.rows}
        cursor = page.next_cursor
        if not page.more:
            break
    assert got == many


# -- a server that means harm ---------------------------------------------------------------


def senseless():
    return pytest.raises(ProviderUnavailable, match="no platform answers")


@pytest.mark.parametrize("number", [-1, 1 << 63, 10**30, 1.5, True, "1", None])
def test_numbers_that_cannot_be_are_no_answer(number) -> None:
    row = {"name": "s_1", "version": number, "encrypted": cipher(), "iv": IV}
    page = {"credentials": [row], "cursor": 1, "more": False}
    for body in (page, {"credentials": [], "cursor": number, "more": False}):
        with answering(200, body) as fake, client(fake) as kept, senseless():
            kept.rows_since(0)
    body = {"cursor": 1, "versions": {"s_1": number}}
    with answering(200, body) as fake, client(fake) as kept, senseless():
        kept.put_rows([Change("s_1", cipher(), IV)])


@pytest.mark.parametrize("key", [None, "", "x y", "ak_1\r\nx: y", "ak_ü", 3, "ak_" + "x" * 3000])
def test_a_key_that_cannot_be_one_takes_no_keys_place(key) -> None:
    answer = {"account": "a", "id": "k", "kind": "device", "label": "x", "api_key": key}
    with answering(200, answer) as fake, client(fake) as kept:
        for ask in (kept.rotate, kept.register, lambda: kept.create_key("device", "x")):
            with senseless():
                ask()
        assert kept.key == KEY
    with answering(200, {}) as fake, client(fake) as kept, senseless():
        kept.rotate()


def test_pages_that_lead_in_a_circle_have_an_end() -> None:
    names = iter("bcbcbcbcbcbc")

    def turn(_) -> Reply:
        named = {"name": "a", "version": 1}
        page = {"credentials": [named], "total": 9, "next": next(names)}
        return Reply(200, PROTOCOL, json.dumps(page).encode())

    with recorder(turn) as fake, client(fake) as kept:
        with pytest.raises(ProviderUnavailable, match="no platform answers"):
            list(kept.named_rows())
        assert len(fake.seen) < 5


@pytest.mark.parametrize("versions", [[3], [3, 3], [4, 2], [9, 5]])
def test_rows_that_lead_in_a_circle_have_an_end(versions) -> None:
    rows = [{"name": f"s_{n}", "version": n, "encrypted": cipher(), "iv": IV} for n in versions]
    with answering(200, {"credentials": rows, "cursor": 9, "more": True}) as fake:
        with client(fake) as kept, pytest.raises(ProviderUnavailable, match="no platform answers"):
            everything_since(CloudWire(kept), 0)
        assert len(fake.seen) < 5


def test_a_conflict_does_not_repeat_the_key() -> None:
    said = {"detail": f"the key {KEY.reveal()} is wrong"}
    with answering(409, said) as fake, client(fake) as kept, pytest.raises(Conflict) as caught:
        kept.put_row("s_1", cipher(), IV)
    assert KEY.reveal() not in str(caught.value)
