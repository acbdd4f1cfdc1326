"""Two devices compare a code; a server between them that does anything at all changes it.

The attacks are played by a server that relays messages, and each is also played against a
copy of the rules with one check taken out, to show that it is this check that stops it.
"""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.protocol import enrolment, wraps
from arcrun_auth.protocol.enrolment import BadEnrolment, Host, Newcomer
from arcrun_auth.sync.identity import Identity

NEW, OLD, EVIL = (Identity.fresh(name) for name in ("new", "old", "evil"))
VAULT, OTHER = "ab" * 32, "cd" * 32


def both() -> tuple[Newcomer, Host]:
    return Newcomer(NEW.device), Host(OLD.device, VAULT)


def codes(newcomer: Newcomer, host: Host) -> tuple[str, str]:
    return newcomer.code, host.code


def test_both_show_the_same_code_and_know_each_other():
    newcomer, host = both()
    host.take(newcomer.reveal(host.offer(newcomer.hello())))
    assert newcomer.code == host.code
    assert (newcomer.old, newcomer.vault, host.new) == (OLD.device, VAULT, NEW.device)


def test_the_code_is_two_groups_of_three_digits():
    newcomer, host = both()
    newcomer.reveal(host.offer(newcomer.hello()))
    first, second = newcomer.code.split(" ")
    assert len(first) == len(second) == 3
    assert (first + second).isdigit()


def test_the_vaults_keys_come_in_the_welcome_and_open_on_the_new_device():
    newcomer, host = both()
    host.take(newcomer.reveal(host.offer(newcomer.hello())))
    given = {"vault": VAULT, "epoch": 1, "to": host.new, "by": OLD.id, "sign": OLD.sign}
    welcome = Host.welcome(wraps.wrap(b"keys", **given))
    signers = {newcomer.old.id: newcomer.old.sign}
    opened = NEW.unwrap(Newcomer.welcomed(welcome), vault=newcomer.vault, signers=signers)
    assert opened == (1, b"keys")


def test_every_enrolment_has_another_code():
    seen = set()
    for _ in range(20):
        newcomer, host = both()
        newcomer.reveal(host.offer(newcomer.hello()))
        seen.add(newcomer.code)
    assert len(seen) > 15


# -- a server in between --------------------------------------------------------------------


def test_keys_put_in_place_of_the_new_devices_change_the_code():
    newcomer, host = both()
    evil = Newcomer(EVIL.device)
    offer = host.offer(evil.hello())
    newcomer.reveal(offer)
    host.take(evil.reveal(offer))
    assert newcomer.code != host.code


def test_keys_put_in_place_of_the_old_devices_change_the_code():
    newcomer, host = both()
    evil = Host(EVIL.device, VAULT)
    host.offer(newcomer.hello())
    host.take(newcomer.reveal(evil.offer(newcomer.hello())))
    assert newcomer.code != host.code


def test_keys_put_in_on_both_sides_change_the_code():
    newcomer, host = both()
    evil_new, evil_old = Newcomer(EVIL.device), Host(EVIL.device, VAULT)
    evil_old.take(newcomer.reveal(evil_old.offer(newcomer.hello())))
    host.take(evil_new.reveal(host.offer(evil_new.hello())))
    assert newcomer.code != host.code


def change(message: str, **fields) -> str:
    return json.dumps(json.loads(message) | fields)


@pytest.mark.parametrize(
    "fields",
    [{"vault": OTHER}, {"nonce": "A" * 43 + "="}, {"device": EVIL.device.dump()},
     {"device": OLD.device.dump() | {"name": "older"}}],
    ids=["vault", "nonce", "keys", "name"],
)  # fmt: skip
def test_whatever_is_changed_in_the_offer_changes_the_code(fields):
    newcomer, host = both()
    offer = host.offer(newcomer.hello())
    host.take(newcomer.reveal(change(offer, **fields)))
    assert newcomer.code != host.code


@pytest.mark.parametrize(
    "fields",
    [{"nonce": "A" * 43 + "="}, {"device": EVIL.device.dump()},
     {"device": NEW.device.dump() | {"name": "newer"}}],
    ids=["nonce", "keys", "name"],
)  # fmt: skip
def test_nothing_can_be_changed_after_the_commitment(fields):
    newcomer, host = both()
    reveal = newcomer.reveal(host.offer(newcomer.hello()))
    with pytest.raises(BadEnrolment, match="committed"):
        host.take(change(reveal, **fields))
    assert not hasattr(host, "code")


def ground(host: Host, offer: str, wanted: str) -> str:
    """The reveal of an attacker who tries nonces until the code is the one that is wanted."""
    for _ in itertools.count():
        evil = Newcomer(EVIL.device)
        reveal = evil.reveal(offer)
        # What the host would show, were there no commitment to hold it to.
        host._commitment = evil._mine.commitment
        host.take(reveal)
        if host.code == wanted:
            return reveal
    raise AssertionError


@pytest.mark.parametrize("checked", [True, False], ids=["as it is", "without the commitment"])
def test_a_code_cannot_be_ground_because_of_the_commitment(monkeypatch, checked):
    """The server answers the new device itself, learns its code, and looks for a nonce that
    makes the old one show the same. Two digits instead of six, or it would take minutes."""
    monkeypatch.setattr(enrolment, "CODE_DIGITS", 2)
    newcomer, host = both()
    evil_old, early = Host(EVIL.device, VAULT), Newcomer(EVIL.device)
    newcomer.reveal(evil_old.offer(newcomer.hello()))
    offer = host.offer(early.hello())
    commitment = host._commitment
    reveal = ground(host, offer, newcomer.code)
    host._commitment = commitment
    if checked:
        with pytest.raises(BadEnrolment, match="committed"):
            host.take(reveal)
    else:
        monkeypatch.setattr("hmac.compare_digest", lambda one, other: True)
        host.take(reveal)
        assert host.code == newcomer.code
        assert host.new == EVIL.device


def test_a_recorded_enrolment_played_again_shows_another_code():
    newcomer, host = both()
    hello = newcomer.hello()
    reveal = newcomer.reveal(host.offer(hello))
    host.take(reveal)
    again = Host(OLD.device, VAULT)
    again.offer(hello)
    again.take(reveal)
    assert again.code != newcomer.code
    fresh = Newcomer(NEW.device)
    recorded = host._mine
    old = Host(OLD.device, VAULT)
    old._mine = recorded
    fresh.reveal(old.offer(fresh.hello()))
    assert fresh.code != newcomer.code


def test_a_device_is_not_shown_its_own_keys():
    newcomer, _ = both()
    with pytest.raises(BadEnrolment, match="own keys"):
        newcomer.reveal(Host(NEW.device, VAULT).offer(newcomer.hello()))
    host, echo = Host(OLD.device, VAULT), Newcomer(OLD.device)
    host.offer(echo.hello())
    with pytest.raises(BadEnrolment, match="own keys"):
        host.take(change(echo.reveal(Host(EVIL.device, VAULT).offer(echo.hello()))))


def test_a_recovery_code_is_no_device_that_is_compared():
    paper = Identity.of_seeds("paper", bytes(32), bytes(32), "recovery")
    newcomer, host = Newcomer(paper.device), Host(OLD.device, VAULT)
    reveal = newcomer.reveal(host.offer(newcomer.hello()))
    with pytest.raises(BadEnrolment, match="no device"):
        host.take(reveal)


def test_each_message_is_taken_in_its_place_only():
    newcomer, host = both()
    hello = newcomer.hello()
    offer = host.offer(hello)
    reveal = newcomer.reveal(offer)
    welcome = Host.welcome(b"x")
    for message in (hello, reveal, welcome):
        with pytest.raises(BadEnrolment):
            Newcomer(NEW.device).reveal(message)
    for message in (offer, reveal, welcome):
        with pytest.raises(BadEnrolment):
            Host(OLD.device, VAULT).offer(message)
    for message in (hello, offer, welcome):
        with pytest.raises(BadEnrolment):
            host.take(message)
    for message in (hello, offer, reveal):
        with pytest.raises(BadEnrolment):
            Newcomer.welcomed(message)


JUNK = st.one_of(
    st.text(max_size=30),
    st.just("[" * 100_000),
    st.dictionaries(
        st.sampled_from(["v", "what", "commit", "device", "nonce", "vault"]),
        st.one_of(st.integers(0, 2), st.none(), st.text(max_size=9), st.lists(st.integers()),
                  st.sampled_from(["hello", "offer", "reveal", "welcome"])),
    ).map(json.dumps),
)  # fmt: skip


@given(JUNK)
def test_what_is_no_message_is_refused(junk):
    newcomer, host = both()
    host.offer(newcomer.hello())
    for take in (newcomer.reveal, host.take, Newcomer.welcomed, Host(OLD.device, VAULT).offer):
        with pytest.raises(BadEnrolment):
            take(junk)
