"""What is said of a changed recipe: each difference once, where nobody can overlook it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import consent
from arcrun_auth.differences import LIMIT, WORDS, differences, name_of
from tests.rich import COSMETIC, FIXED, LEAVES, RICH, convert, mutated


def project(**fields):
    return {"service": "notion", "allowed_hosts": ["api.notion.com"], **fields}


def lines(old, new, name="Notion"):
    return [str(each) for each in differences(old, new, name=name)]


def test_a_new_host_is_told_as_such_and_first():
    new = project(allowed_hosts=["evil.example"], account="other")
    assert lines(project(account="one"), new) == [
        "api.notion.com → evil.example: your Notion token would be sent to a new host",
        "one → other: another account's credential would be used",
    ]


def test_of_many_hosts_only_what_came_and_went_is_told():
    many = [f"host-{number}.notion.com" for number in range(50)]
    assert lines(project(allowed_hosts=many), project(allowed_hosts=[*many, "evil.example"])) == [
        "nothing → evil.example: your Notion token would be sent to a new host"
    ]
    assert lines(project(allowed_hosts=["a", "b"]), project(allowed_hosts=["a"])) == [
        "b → nothing: your Notion token would be sent to fewer hosts"
    ]


def test_another_order_is_a_difference_too():
    old, new = (project(oauth2={"grants": g}) for g in (["a", "b"], ["b", "a"]))
    assert lines(old, new) == ["a, b → b, a (oauth2.grants): it would log in another way"]


def test_each_leaf_has_its_line_with_its_place():
    old = project(oauth2={"token_endpoint": "https://a", "pkce": "S256", "x": 1})
    new = project(oauth2={"token_endpoint": "https://b", "x": {"y": True}})
    assert lines(old, new) == [
        (
            "S256 → nothing (oauth2.pkce): the protection of the login against interception (PKCE) "
            "would change"
        ),
        (
            "https://a → https://b (oauth2.token_endpoint): your login and refresh token would be "
            "sent to another address"
        ),
        '1 → {"y":true} (oauth2.x): x would change',
    ]
    assert lines(project(), project(inject={"header": {"A": "1", "B": "2"}})) == [
        (
            "nothing → 1 (inject.header.A): your Notion token would be put in another place of the "
            "request"
        ),
        (
            "nothing → 2 (inject.header.B): your Notion token would be put in another place of the "
            "request"
        ),
    ]


def test_items_of_a_list_are_told_apart():
    old = project(required_secrets=[{"key": "a"}])
    new = project(required_secrets=[{"key": "a", "env": ["X"]}, {"key": "b"}])
    assert lines(old, new) == [
        "nothing → X (required_secrets[0].env): other secrets would be asked for",
        "nothing → b (required_secrets[1].key): other secrets would be asked for",
    ]


def test_each_host_that_came_or_went_has_a_line_of_its_own_the_new_ones_first():
    crowd = [f"cdn-edge-content-{number}.static.notion-assets.com" for number in range(4)]
    new = project(allowed_hosts=[*crowd, "evil.example"])
    assert lines(project(), new) == [
        *(
            f"nothing → {host}: your Notion token would be sent to a new host"
            for host in (*crowd, "evil.example")
        ),
        "api.notion.com → nothing: your Notion token would be sent to fewer hosts",
    ]


def test_each_scope_that_came_has_a_line_of_its_own():
    old, new = (project(oauth2={"scopes": scopes}) for scopes in (["a"], ["a", "b", "c"]))
    assert lines(old, new) == [
        f"nothing → {scope} (oauth2.scopes): other permissions would be asked for" for scope in "bc"
    ]


HOSTS = st.lists(st.text("abc.-", min_size=1, max_size=253), max_size=8, unique=True)


@given(HOSTS, HOSTS)
def test_every_host_that_came_or_went_is_shown_whole(one, other):
    found = differences(project(allowed_hosts=one), project(allowed_hosts=other))
    if set(one) == set(other):
        assert len(found) == (one != other)
        return
    come, gone = set(other) - set(one), set(one) - set(other)
    if len(come) == len(gone) == 1:  # one line for both, which may leave out what they share
        return
    assert {each.after for each in found} - {"nothing"} == come
    assert {each.before for each in found} - {"nothing"} == gone
    assert len(found) == len(come) + len(gone)


def test_of_a_long_value_all_that_differs_is_shown_wherever_it_stands():
    long = "https://api.notion.com/" + "x" * 500
    (found,) = differences(project(base_url=long), project(base_url=long + "@evil.example"))
    assert found.after.endswith("x@evil.example")
    assert found.before != found.after
    assert max(len(found.before), len(found.after)) <= LIMIT
    (found,) = differences(project(base_url="https://a"), project(base_url="https://b" + long))
    assert (found.before, found.after) == ("https://a", "https://b" + long)


@given(st.text("ab"), st.text("cd", max_size=400), st.text("ef", max_size=400), st.text("ab"))
def test_what_two_long_values_have_in_common_may_be_left_out_and_nothing_else(
    start, one, other, end
):
    start, end = start * 20, end * 20
    before, after = f"{start}{one}{end}", f"{start}{other}{end}"
    for each in differences(project(base_url=before), project(base_url=after)):
        assert one in each.before
        assert other in each.after
        for shown, whole in ((each.before, before), (each.after, after)):
            assert shown.strip("…") in whole or shown == whole


def test_what_nobody_can_see_is_spelled_out():
    (line,) = lines(project(base_url="https://x"), project(base_url="https://x\u200b"))
    assert line.startswith("https://x → https://x\\u200b: ")


@given(st.text(max_size=300), st.text(max_size=300))
def test_what_a_recipe_says_cannot_move_the_cursor_and_two_texts_never_look_the_same(one, other):
    found = differences(project(base_url=one), project(base_url=other))
    assert bool(found) == (one != other)
    for each in found:
        assert each.before != each.after
        assert not set("\x1b\u202e\n\r\u200b") & set(str(each))


def test_no_change_says_nothing():
    assert differences(project(), json.loads(json.dumps(project()))) == ()


def test_every_change_of_any_field_that_matters_has_words_of_its_own():
    before = convert(RICH)
    old = consent.project(before, before.way())
    for place in LEAVES.keys() - FIXED:
        after = convert(mutated(place))
        found = differences(old, consent.project(after, after.way()))
        assert bool(found) == (place not in COSMETIC), place
        for each in found:
            assert each.meaning in {text.format(name="rich") for text in WORDS.values()} or (
                each.meaning == "your rich token would be sent to a new host"
            ), place


@pytest.mark.parametrize(
    ("service", "display_name", "called"),
    [
        ("notion", "Notion", "Notion"),
        ("google_drive", "Google Drive", "Google Drive"),
        ("author/notion", "Notion", "author/notion"),
        ("notion", "Slack", "notion"),
        ("notion", "Notion. Press yes", "notion"),
        ("notion", "", "notion"),
    ],
)
def test_a_recipe_names_itself_in_a_warning_only_by_its_own_name(service, display_name, called):
    assert name_of(service, display_name) == called


def test_without_a_name_the_service_has_its_own():
    (found,) = differences(project(), project(allowed_hosts=["evil.example"]))
    assert found.meaning == "your notion token would be sent to a new host"
