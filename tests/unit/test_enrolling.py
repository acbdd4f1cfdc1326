"""Two devices meet through a mailbox; each learns what it should, or nothing at all.

The mailbox is in memory here, so that it can lie; the real one is asked in
`test_devices_over_http`.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from arcrun_auth.errors import AuthError, SyncAlarm
from arcrun_auth.protocol import wraps
from arcrun_auth.protocol.enrolment import Host, Newcomer
from arcrun_auth.sync import enrolling
from arcrun_auth.sync.enrolling import Waiting, admit, join
from arcrun_auth.sync.identity import Identity
from tests.mailboxes import Changing, Honest

NEW, OLD, EVIL = (Identity.fresh(name) for name in ("new", "old", "evil"))
VAULT = "ab" * 32


class Asked:
    """A person who says yes, or no, and remembers the code."""

    def __init__(self, answer=lambda code: True) -> None:
        self.codes, self.others = [], []
        self._answer = answer

    def __call__(self, code, other) -> bool:
        self.codes.append(code)
        self.others.append(other)
        return self._answer(code)


def brief(mailbox) -> Waiting:
    """Waits for as long as it takes; patience ends where the mailbox has lost a message."""
    return Waiting(
        mailbox,
        clock=lambda: 0 if not mailbox.lost else 2 * enrolling.PATIENCE,
        pause=lambda _: time.sleep(0.001),
    )


def welcome(device) -> bytes:
    given = {"vault": VAULT, "epoch": 1, "to": device, "by": OLD.id, "sign": OLD.sign}
    return wraps.wrap(b"the keys", **given)


def in_two(mailbox, *works):
    """Both at once: what each gives, or why it does not; the other one's patience ends then."""

    def outcome(work):
        try:
            return work()
        except AuthError as error:
            mailbox.lost = True
            return error

    with ThreadPoolExecutor(2) as pool:
        return [each.result(60) for each in [pool.submit(outcome, work) for work in works]]


def meet(mailbox, at_new=None, at_old=None, welcome=welcome):
    """Both at once: what each got, or why not."""
    at_new, at_old = at_new or Asked(), at_old or Asked()
    new_waits, old_waits = brief(mailbox), brief(mailbox)

    new, old = in_two(
        mailbox,
        lambda: join(new_waits, NEW.device, at_new),
        lambda: admit(old_waits, OLD.device, VAULT, at_old, welcome),
    )
    return new, old, at_new, at_old


def test_both_yes_and_the_new_one_has_the_keys():
    (newcomer, wrapped), new, at_new, at_old = meet(Honest())
    assert at_new.codes == at_old.codes
    assert (at_new.others, at_old.others) == ([OLD.device], [NEW.device])
    assert new == NEW.device
    signers = {newcomer.old.id: newcomer.old.sign}
    assert NEW.unwrap(wrapped, vault=newcomer.vault, signers=signers) == (1, b"the keys")


def test_the_box_is_gone_afterwards():
    mailbox = Honest()
    meet(mailbox)
    assert mailbox.waiting() == []


def test_a_no_on_the_old_one_shares_nothing():
    called = []
    new, old, _, _ = meet(Honest(), at_old=Asked(lambda _: False), welcome=called.append)
    assert called == []
    assert "Nobody said" in old.message
    assert "Nothing was shared" in new.message


def test_a_no_on_the_new_one_opens_nothing():
    new, _, at_new, _ = meet(Honest(), at_new=Asked(lambda _: False))
    assert isinstance(new, AuthError)
    assert len(at_new.codes) == 1


class Between:
    """A server with keys of its own, that plays the other device to one of the two, or both."""

    def __init__(self, *, to_new: bool, to_old: bool) -> None:
        self.as_new, self.as_old = Newcomer(EVIL.device), Host(EVIL.device, VAULT)
        self.to_new, self.to_old = to_new, to_old
        self.lock = threading.Lock()  # two readers at once
        self.answers = {}

    def __call__(self, side, number, body):
        with self.lock:
            if body not in self.answers:
                self.answers[body] = self.answer(json.loads(body)["what"], body)
            return self.answers[body]

    def answer(self, what, body):
        if what == "hello" and self.to_old:
            return self.as_new.hello()
        if what == "offer":
            self.offered = body
            return json.dumps(json.loads(body) | self.as_old._mine.dump()) if self.to_new else body
        if what == "reveal" and self.to_old:
            return self.as_new.reveal(self.offered)
        return body


@pytest.mark.parametrize(
    ("to_new", "to_old"), [(True, False), (False, True), (True, True)],
    ids=["toward the new one", "toward the old one", "toward both"],
)  # fmt: skip
def test_a_server_with_keys_of_its_own_makes_the_codes_differ(to_new, to_old):
    called, both_look = [], threading.Barrier(2, timeout=60)

    def compares(code):
        both_look.wait()
        return False  # what a person says who sees another code there

    at_new, at_old = Asked(compares), Asked(compares)
    server = Changing(Between(to_new=to_new, to_old=to_old))
    meet(server, at_new=at_new, at_old=at_old, welcome=called.append)
    assert len(at_new.codes) == len(at_old.codes) == 1
    assert at_new.codes != at_old.codes
    assert called == []


def test_other_keys_than_committed_to_are_an_alarm_before_anybody_is_asked():
    def change(side, number, body):
        data = json.loads(body)
        return (
            json.dumps(data | {"device": EVIL.device.dump()}) if data["what"] == "reveal" else body
        )

    _, old, _, at_old = meet(Changing(change))
    assert isinstance(old, SyncAlarm)
    assert old.what == "swapped"
    assert at_old.codes == []


def test_a_welcome_that_was_exchanged_does_not_open():
    def change(side, number, body):
        data = json.loads(body)
        if data["what"] != "welcome":
            return body
        given = {"vault": VAULT, "epoch": 1, "to": NEW.device, "by": OLD.id, "sign": EVIL.sign}
        return Host.welcome(wraps.wrap(b"other keys", **given))

    (newcomer, wrapped), _, _, _ = meet(Changing(change))
    with pytest.raises(wraps.BadWrap):
        NEW.unwrap(wrapped, vault=VAULT, signers={newcomer.old.id: newcomer.old.sign})


@pytest.mark.parametrize("lost", ["hello", "offer", "reveal", "welcome"])
def test_a_message_that_never_comes_ends_the_wait_and_shares_nothing_more(lost):
    def change(side, number, body):
        return None if json.loads(body)["what"] == lost else body

    new, old, _, _ = meet(Changing(change))
    assert isinstance(new, AuthError)
    assert "Nothing was shared" in new.message
    if lost != "welcome":
        assert isinstance(old, AuthError)


@pytest.mark.parametrize("what", ["hello", "offer", "reveal", "welcome"])
def test_a_message_that_is_none_is_an_alarm(what):
    def change(side, number, body):
        return "{}" if json.loads(body)["what"] == what else body

    new, old, _, _ = meet(Changing(change))
    alarmed = old if what in ("hello", "reveal") else new
    assert isinstance(alarmed, SyncAlarm)


def test_a_box_that_was_left_behind_is_in_nobodys_way():
    class Both(Honest):
        def waiting(self):
            found = super().waiting()
            return found if len(found) > 1 else []

    mailbox = Both()
    mailbox.open(Newcomer(EVIL.device).hello())
    _, new, _, _ = meet(mailbox)
    assert new == NEW.device


def test_a_box_that_somebody_else_answers_is_none_of_ours():
    mailbox = Honest()
    box = mailbox.open(Newcomer(EVIL.device).hello())
    mailbox.post(box, "old", "…")
    waiting = brief(mailbox)
    mailbox.lost = True
    with pytest.raises(AuthError, match="No device has asked"):
        admit(waiting, OLD.device, VAULT, Asked(), welcome)


def test_what_goes_wrong_when_it_is_let_in_ends_it_on_both_sides():
    def fails(device):
        raise AuthError("the disk is full")

    new, old, _, _ = meet(Honest(), welcome=fails)
    assert old.message == "the disk is full"
    assert isinstance(new, AuthError)
