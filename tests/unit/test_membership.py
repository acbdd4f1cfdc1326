"""The chain of members: whatever a server does to it shows, but for its end."""

from __future__ import annotations

import contextlib
import copy
import json
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.protocol import membership
from arcrun_auth.protocol.membership import BadMembership, Device, Membership, Statement
from arcrun_auth.sync.identity import Identity


def seeded(number: int, kind: str = "device") -> Identity:
    return Identity.of_seeds(f"d{number}", bytes([number]) * 32, bytes([number + 100]) * 32, kind)


A, B, C, D, PAPER = (seeded(n, "recovery" if n == 5 else "device") for n in range(1, 6))
STRANGER = seeded(9)


def four() -> Membership:
    """A founded it, B came, a recovery code, then C; B is gone since."""
    chain = membership.found(A.device, sign=A.sign, at=100.9)
    chain = chain.add(B.device, by=A.id, sign=A.sign, at=200)
    chain = chain.add(PAPER.device, by=B.id, sign=B.sign, at=300)
    chain = chain.add(C.device, by=PAPER.id, sign=PAPER.sign, at=400)
    return chain.revoke(B.id, by=C.id, sign=C.sign, at=500, last=(7, "ab"))


CHAIN = four()
VAULT = CHAIN.vault


def read(chain: list, vault: str = VAULT) -> Membership:
    return membership.load(json.dumps({"v": 1, "chain": chain}).encode(), vault)


def links() -> list:
    return copy.deepcopy(json.loads(CHAIN.dump())["chain"])


def test_a_chain_comes_back_as_it_was():
    assert membership.load(CHAIN.dump(), VAULT) == CHAIN


def test_who_is_a_member_who_writes_and_which_epoch_it_is():
    assert set(CHAIN.members) == {A.id, C.id, PAPER.id}
    assert CHAIN.live == {A.id: A.device.sign, C.id: C.device.sign}
    assert CHAIN.epoch == 2
    assert CHAIN.tip == (4, CHAIN.statements[-1].hash)
    assert CHAIN.revoked[B.id].last == (7, "ab")
    assert CHAIN.statements[0].at == 100


def test_the_vault_is_named_by_its_first_statement():
    assert CHAIN.statements[0].hash == VAULT
    other = membership.found(A.device, sign=A.sign, at=101)
    assert other.vault != VAULT


def test_a_point_of_the_chain_is_known_and_a_fork_is_not():
    assert all(CHAIN.holds((n, s.hash)) for n, s in enumerate(CHAIN.statements))
    fork = Membership(CHAIN.statements[:-1], {**CHAIN.members, B.id: B.device})
    fork = fork.add(D.device, by=A.id, sign=A.sign, at=1)
    assert not CHAIN.holds(fork.tip)
    assert not CHAIN.holds((5, "x"))
    assert not CHAIN.holds((-1, CHAIN.statements[-1].hash))


def test_a_chain_that_lost_its_end_is_valid_and_does_not_hold_the_tip_that_was_known():
    for length in range(1, 5):
        assert not read(links()[:length]).holds(CHAIN.tip)


def leaves(value, path=()):
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for i, each in enumerate(value) for leaf in leaves(each, (*path, i))]
    return [path]


def put(tree, path, value):
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value


def value_at(tree, path):
    for step in path:
        tree = tree[step]
    return tree


OTHER = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=20),
    st.binary(min_size=32, max_size=64).map(lambda raw: b64encode(raw).decode()),
    st.sampled_from(["device", "recovery", "add", "found", "revoke", A.id, B.id, C.id, VAULT]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers()),
)  # fmt: skip


@given(st.sampled_from(leaves(links())), OTHER)
def test_no_single_field_can_be_changed(path, value):
    chain = links()
    if value == value_at(chain, path) and type(value) is type(value_at(chain, path)):
        return
    put(chain, path, value)
    with pytest.raises(BadMembership):
        read(chain)


@given(st.sampled_from(leaves(links())))
def test_no_field_can_be_left_out(path):
    chain = links()
    parent = value_at(chain, path[:-1])
    del parent[path[-1]]
    with pytest.raises(BadMembership):
        read(chain)


def test_no_field_can_be_added():
    for place in ((0,), (1, "device"), (4,)):
        chain = links()
        value_at(chain, place)["more"] = 1
        with pytest.raises(BadMembership):
            read(chain)


@given(st.integers(0, 3), st.integers(0, 3))
def test_no_statement_can_be_dropped_moved_or_doubled(one, other):
    dropped, moved, doubled = links(), links(), links()
    del dropped[one]
    moved.insert(other, moved.pop(one))
    doubled.insert(other, doubled[one])
    for chain in (dropped, doubled, *([moved] if one != other else [])):
        with pytest.raises(BadMembership):
            read(chain)


@given(st.binary(max_size=30), st.integers(0, len(CHAIN.dump()) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_refused_or_means_the_same(junk, place, by):
    data = bytearray(CHAIN.dump())
    data[place] ^= by
    for raw in (bytes(data), bytes(data[:place]), junk):
        with contextlib.suppress(BadMembership):
            assert membership.load(raw, VAULT) == CHAIN


@pytest.mark.parametrize("by", [STRANGER, B, PAPER], ids=["nobody", "a revoked one", "foreign key"])
def test_a_statement_by_anybody_else_counts_nothing(by):
    n, prev = CHAIN.tip
    claims = C.id if by is PAPER else by.id
    plain = Statement(n + 1, prev, "add", D.device, 2, claims, 1)
    forged = replace(plain, sig=by.sign(plain.signed()))
    with pytest.raises(BadMembership):
        CHAIN.extended(forged)


def test_a_server_cannot_found_another_vault_under_the_pinned_name():
    theirs = membership.found(STRANGER.device, sign=STRANGER.sign, at=100)
    with pytest.raises(BadMembership, match="another vault"):
        membership.load(theirs.dump(), VAULT)


def signed(action, device, *, epoch, by=A, last=None, n=5):
    plain = Statement(n, CHAIN.tip[1], action, device, epoch, by.id, 1, last)
    return replace(plain, sig=by.sign(plain.signed()))


TWIN = Device("twin", D.device.sign, A.device.box)


@pytest.mark.parametrize(
    "statement",
    [
        signed("found", D.device, epoch=2),
        signed("join", D.device, epoch=2),
        signed("add", D.device, epoch=3),
        signed("add", D.device, epoch=2, last=(1, "")),
        signed("add", A.device, epoch=2),
        signed("add", B.device, epoch=2),
        signed("add", TWIN, epoch=2),
        signed("revoke", D.device, epoch=3),
        signed("revoke", B.device, epoch=3),
        signed("revoke", C.device, epoch=2),
        signed("revoke", C.device, epoch=4),
        signed("revoke", A.device, epoch=3),
        signed("revoke", Device("other", C.device.sign, C.device.box), epoch=3),
        signed("add", D.device, epoch=2, n=6),
    ],
    ids=lambda s: f"{s.action}-{s.device.name}-{s.epoch}",
)
def test_a_member_cannot_break_the_rules_either(statement):
    with pytest.raises(BadMembership):
        CHAIN.extended(statement)


def test_whoever_is_no_member_is_not_revoked():
    with pytest.raises(BadMembership):
        CHAIN.revoke(D.id, by=A.id, sign=A.sign, at=1)


def test_a_recovery_code_founds_nothing():
    with pytest.raises(BadMembership):
        membership.found(PAPER.device, sign=PAPER.sign, at=1)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"v":1}', b'{"v":1,"chain":[]}', b'{"v":1,"chain":7}', b"\xff",
             b"[" * 100_000, b'{"v":1,"chain":[3]}', b'{"v":1,"chain":[{"device":3}]}']
)  # fmt: skip
def test_what_is_no_chain_is_refused(data):
    with pytest.raises(BadMembership):
        membership.load(data, VAULT)


def test_a_chain_of_a_later_version_is_refused():
    with pytest.raises(BadMembership, match="version"):
        membership.load(CHAIN.dump().replace(b'"v":1', b'"v":2'), VAULT)


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x1b[2J", "\u202eabc", 7, None])
def test_a_name_that_could_not_be_shown_is_refused(name):
    with pytest.raises(BadMembership):
        Device.load(A.device.dump() | {"name": name})


@pytest.mark.parametrize("key", ["", "AAAA", "no base64!", 3])
def test_a_key_of_another_length_is_refused(key):
    with pytest.raises(BadMembership):
        Device.load(A.device.dump() | {"sign": key})


def test_what_is_refused_repeats_nothing_of_what_stands_there():
    chain = links()
    chain[0]["device"]["name"] = "cAnArY"
    with pytest.raises(BadMembership) as refused:
        read(chain)
    assert "cAnArY" not in str(refused.value)
