"""Whatever lies in what is fetched or kept: it is read, or refused in words of ours."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import RecipeError
from arcrun_auth.remote import bundle, lockfile, platform, state
from arcrun_auth.remote.download import Budget
from tests.mirror import recipe

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.text(st.sampled_from("ab/\\.._-%yaml\0\n"), max_size=12) | st.just("one.yaml")
TEXTS = st.text(max_size=30) | st.just(recipe("one"))


@given(st.binary(max_size=60) | JSON.map(lambda data: json.dumps(data).encode()))
def test_what_is_no_set_is_refused(data: bytes) -> None:
    with contextlib.suppress(RecipeError):
        bundle.unpack(data)


@given(st.dictionaries(NAMES, TEXTS, max_size=3), st.integers(-1, 3))
def test_a_set_that_is_taken_has_names_that_lead_nowhere(texts, version) -> None:
    try:
        found = bundle.unpack(json.dumps({"version": version, "recipes": texts}).encode())
    except RecipeError:
        return
    assert found.version > 0
    for name in found.recipes:
        assert not set(name) & set("/\\\0\n%")
        assert name.endswith(".yaml")
        assert not name.startswith(".")


@given(st.binary(max_size=80) | JSON.map(lambda data: json.dumps(data).encode()))
def test_a_lock_is_read_or_refused_and_a_state_is_a_fresh_one(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("home")
    (folder / "recipes.lock").write_bytes(data)
    with contextlib.suppress(RecipeError):
        lockfile.read(str(folder))
    place = folder / ".fetched" / "official"
    place.mkdir(parents=True)
    (place / "state.json").write_bytes(data)
    assert isinstance(state.read(str(folder), "official"), state.State)


@given(st.lists(JSON, max_size=4))
def test_a_list_of_a_platform_gives_recipes_and_reasons(listed) -> None:
    texts, unusable = platform._texts(listed, Budget(600), "a.example")
    assert len(texts) + len(unusable) <= len(listed)
    assert all(name.endswith(".yaml") for name in texts)
