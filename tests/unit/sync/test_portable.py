"""What of a record travels, and what is made of it elsewhere."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth.protocol import portable
from arcrun_auth.protocol.words import canonical
from arcrun_auth.tokens import Consent, Credential, Grant, Intent, Key, Secret
from tests import canary

FEW = settings(max_examples=40)
"""Each example seals and opens something: a few of many kinds find what many find."""

words = st.text("abcdef", min_size=1, max_size=6)
secrets = st.dictionaries(words, st.text(max_size=9).map(Secret), max_size=3)
times = st.none() | st.floats(0, 4e9)
consents = st.dictionaries(
    words,
    st.builds(
        Consent, digest=words, projection=st.dictionaries(words, words, max_size=2),
        hosts=st.lists(words, max_size=2), tier=words, release=words,
    ),
    max_size=2,
)  # fmt: skip
grants = st.builds(
    Grant, access_token=st.text(max_size=9).map(Secret), issued=st.floats(0, 4e9),
    refresh_token=st.none() | st.text(max_size=9).map(Secret), expires=times,
    refresh_expires=times, scopes=st.lists(words, max_size=2),
    requested=st.lists(words, max_size=2),
    kept=st.dictionaries(words, words, max_size=2), secrets=secrets, client=st.none() | words,
    relay=st.none() | words.map(Secret), dead=st.none() | st.just("revoked"),
    intent=st.none() | st.builds(Intent, refresh_hash=words, time=st.floats(0, 4e9), pid=st.just(1),
                                 boot_id=words),
)  # fmt: skip
records = st.builds(
    Credential, st.builds(Key, st.sampled_from(["credential", "app"]), words, words),
    method=words, secrets=secrets, params=st.dictionaries(words, words, max_size=2),
    grant=st.none() | grants, consents=consents, identity=st.none() | words,
    endpoints=st.dictionaries(words, words, max_size=2), ends=times, incomplete=st.booleans(),
    shared=st.booleans(), extra=st.dictionaries(st.just("later"), words, max_size=1),
    generation=st.integers(0, 9),
)  # fmt: skip
logins = st.sampled_from(["travels", "stays", "anew"])


@FEW
@given(records, logins)
def test_what_travels_makes_the_same_body_where_it_arrives(record, login):
    body = json.loads(canonical(portable.portable(record, login)))
    there = portable.merged(None, record.key, body)
    again = json.loads(canonical(portable.portable(there, login)))
    assert portable.content(again) == portable.content(body)
    assert there.generation == 0
    assert portable.merged(there, record.key, body).dump() == there.dump()


@FEW
@given(records, logins)
def test_generation_times_and_a_renewal_under_way_never_travel(record, login):
    body = portable.portable(record, login)
    assert not {"key", "generation", "created", "updated"} & set(body)
    assert not {"intent", "dead"} & set(body.get("grant", {}))
    if login != "travels" and not record.shared:
        assert "grant" not in body


@FEW
@given(records, records, logins, st.booleans())
def test_a_grant_of_this_device_is_never_lost_to_a_body_without_one(local, other, login, own):
    body = portable.portable(other.replace(grant=None), login)
    joined = portable.merged(local, local.key, body, own=own)
    assert (joined.grant is None) == (local.grant is None)
    if local.grant is not None:
        assert joined.grant.dump() == local.grant.dump()
    assert joined.generation == local.generation


def test_of_a_shared_grant_the_newer_one_stays() -> None:
    key = Key("credential", "drive")
    old, new = (
        Grant(access_token=Secret(canary.fresh()), refresh_token=Secret(canary.fresh()), issued=at)
        for at in (1.0, 2.0)
    )
    local, told = (Credential(key, shared=True, grant=grant) for grant in (old, new))
    body = portable.portable(told, "stays")
    assert portable.merged(local, key, body).grant.access_token == new.access_token
    back = portable.portable(local, "stays")
    assert portable.merged(told, key, back).grant.access_token == new.access_token


def test_a_renewal_changes_nothing_and_a_new_login_does() -> None:
    key, refresh = Key("credential", "drive"), Secret(canary.fresh())
    grant = Grant(access_token=Secret(canary.fresh()), refresh_token=refresh, issued=1.0)
    record = Credential(key, grant=grant)
    renewed = grant.replace(
        access_token=Secret(canary.fresh()), issued=2.0, expires=3.0, refresh_expires=4.0,
        dead="revoked",
    )  # fmt: skip

    def content(grant: Grant) -> bytes:
        return portable.content(portable.portable(record.replace(grant=grant), "travels"))

    assert content(renewed) == content(grant)
    assert content(grant.replace(refresh_token=Secret(canary.fresh()))) != content(grant)
    assert content(grant.replace(scopes=("more",))) != content(grant)
