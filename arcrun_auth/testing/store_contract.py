"""What every store must do, as tests to inherit.

    from arcrun_auth.testing import StoreContract

    class TestMine(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return Mine(tmp_path)

A read-only store inherits `StoreReadContract` and also gives a `held` fixture: one
credential that the store has, as it has it. Both need pytest and nothing else of ours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import StoreConflict, StoreError
from arcrun_auth.tokens import Credential, Grant, Key, Secret

if TYPE_CHECKING:
    from arcrun_auth.stores.base import Store

ABSENT = Key("credential", "nobody_has_this", "ever")


class StoreReadContract:
    """The read part. Fixtures: `store`, and `held`, a credential that lies in it."""

    def test_it_gives_what_it_holds(self, store: Store, held: Credential) -> None:
        found = store.get(held.key)
        assert found is not None
        assert found.dump()["key"] == held.key.parts
        assert {name: value.reveal() for name, value in found.secrets.items()} == {
            name: value.reveal() for name, value in held.secrets.items()
        }

    def test_an_absent_record_is_none(self, store: Store) -> None:
        assert store.get(ABSENT) is None

    def test_its_keys_are_those_it_can_give(self, store: Store, held: Credential) -> None:
        keys = list(store.keys())
        assert held.key in keys
        assert ABSENT not in keys
        assert all(store.get(key) is not None for key in keys)

    def test_it_has_a_name_and_says_that_it_can_serve(self, store: Store) -> None:
        assert store.name
        assert store.why_not() is None

    def test_it_shows_no_secret(self, store: Store, held: Credential) -> None:
        shown = repr(store) + repr(store.get(held.key)) + str(vars(store))
        assert not any(value.reveal() in shown for value in held.secrets.values())

    def test_it_opens_again_after_close(self, store: Store, held: Credential) -> None:
        store.close()
        assert store.get(held.key) is not None

    def test_a_read_only_store_refuses_to_write(self, store: Store, held: Credential) -> None:
        assert not store.writable
        with pytest.raises(StoreError):
            store.prepare()
        with pytest.raises(StoreError):
            store.put(held, expect=held.generation)
        with pytest.raises(StoreError):
            store.delete(held.key, expect=held.generation)
        assert store.get(held.key) is not None


class StoreContract(StoreReadContract):
    """Both parts. Fixture: `store`, empty and writable."""

    key = Key("credential", "contract", "default")
    test_a_read_only_store_refuses_to_write = None  # type: ignore[assignment]

    @pytest.fixture
    def held(self, store: Store) -> Credential:
        return store.put(_credential(self.key, "canary-secret"), expect=0)

    def test_an_empty_store_holds_nothing(self, store: Store) -> None:
        assert list(store.keys()) == []
        assert store.get(self.key) is None

    def test_what_is_prepared_can_be_written_and_holds_nothing(self, store: Store) -> None:
        store.prepare()
        assert list(store.keys()) == []
        assert store.put(_credential(self.key, "canary-secret"), expect=0).generation == 1
        store.prepare()
        assert store.get(self.key) is not None

    def test_a_record_comes_back_whole(self, store: Store) -> None:
        put = store.put(_credential(self.key, "ü-秘密\n\x00", extra={"later": [1]}), expect=0)
        assert put.generation == 1
        assert put.created == put.updated > 0
        found = store.get(self.key)
        assert found is not None
        assert found.dump() == _plain(put)

    def test_each_write_counts_one_generation(self, store: Store, held: Credential) -> None:
        second = store.put(held.replace(identity="ann"), expect=1)
        assert second.generation == 2  # noqa: PLR2004
        assert second.created == held.created
        assert second.updated >= held.updated
        found = store.get(self.key)
        assert found is not None
        assert (found.generation, found.identity) == (2, "ann")

    @pytest.mark.parametrize("expect", [0, 2, 99])
    def test_a_write_over_another_generation_changes_nothing(
        self, store: Store, held: Credential, expect: int
    ) -> None:
        with pytest.raises(StoreConflict):
            store.put(_credential(self.key, "other"), expect=expect)
        with pytest.raises(StoreConflict):
            store.delete(self.key, expect=expect)
        found = store.get(self.key)
        assert found is not None
        assert _content(found) == _content(held)
        assert found.generation == 1

    def test_a_first_write_expects_none(self, store: Store) -> None:
        with pytest.raises(StoreConflict):
            store.put(_credential(self.key, "x"), expect=1)
        with pytest.raises(StoreConflict):
            store.delete(self.key, expect=1)
        assert store.get(self.key) is None

    def test_a_deleted_record_is_gone_and_may_come_again(
        self, store: Store, held: Credential
    ) -> None:
        store.delete(self.key, expect=held.generation)
        assert store.get(self.key) is None
        assert list(store.keys()) == []
        assert store.put(held, expect=0).generation == 1

    def test_kind_account_and_instance_all_tell_records_apart(self, store: Store) -> None:
        keys = [
            Key("credential", "a", "b"),
            Key("app", "a", "b"),
            Key("credential", "ab", "b"),
            Key("credential", "a", "bb"),
            Key("credential", "author/a", "b"),
        ]
        for number, key in enumerate(keys):
            store.put(_credential(key, f"secret-{number}"), expect=0)
        assert sorted(store.keys()) == sorted(keys)
        for number, key in enumerate(keys):
            found = store.get(key)
            assert found is not None
            assert found.secrets["token"].reveal() == f"secret-{number}"

    def test_a_large_secret_is_kept(self, store: Store) -> None:
        large = "0123456789abcdef" * 1024
        store.put(_credential(self.key, large, grant=False), expect=0)
        found = store.get(self.key)
        assert found is not None
        assert found.secrets["token"].reveal() == large

    def test_of_many_writers_at_once_one_wins_each_generation(self, store: Store) -> None:
        store.put(_credential(self.key, "first"), expect=0)

        def write(number: int) -> bool:
            try:
                store.put(_credential(self.key, f"writer-{number}"), expect=1)
            except StoreConflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = [number for number, ok in enumerate(pool.map(write, range(8))) if ok]
        found = store.get(self.key)
        assert len(won) == 1
        assert found is not None
        assert found.secrets["token"].reveal() == f"writer-{won[0]}"
        assert found.generation == 2  # noqa: PLR2004


def _credential(
    key: Key, secret: str, *, extra: dict[str, object] | None = None, grant: bool = True
) -> Credential:
    return Credential(
        key,
        method="oauth",
        secrets={"token": Secret(secret)},
        params={"region": "eu"},
        grant=Grant(
            access_token=Secret("at"), refresh_token=Secret("rt"), issued=1.0, scopes=["read"]
        )
        if grant
        else None,
        incomplete=grant,
        untested=not grant,
        extra=extra,
    )


def _content(record: Credential) -> dict[str, object]:
    """What it holds, whatever its generation and times."""
    times = ("generation", "created", "updated")
    return {name: value for name, value in record.dump().items() if name not in times}


def _plain(record: Credential) -> dict[str, object]:
    """As it is after a journey through JSON, where tuples are lists."""
    import json

    plain = json.loads(json.dumps(record.dump()))
    return Credential.load(plain).dump()
