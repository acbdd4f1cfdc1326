"""A service is found by what people call it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.finding import Card, ranked


def card(*texts):
    return Card(*texts, True)


CARDS = [
    card("gmail", "Gmail", "google", ("google_mail",), (), "Messages and labels."),
    card("mailgun", "Mailgun", "email", (), (), "Sends messages."),
    card("outlook", "Outlook", "microsoft", (), ("mail", "calendar"), "A mailbox."),
    card("graph", "Microsoft Graph", "microsoft", (), (), "Mail, files and calendars."),
    card("google_drive", "Google Drive", "google", ("gdrive",), (), "Files and folders."),
    card("notion", "Notion", "productivity", (), (), "Pages and databases."),
]


def names(text, cards=CARDS):
    return [found.service for found in ranked(cards, text)]


def test_the_very_name_comes_first_and_an_alias_is_one():
    assert names("gdrive") == ["google_drive"]
    assert names("Google Drive")[0] == "google_drive"
    assert names("NOTION") == ["notion"]


def test_a_name_counts_more_than_a_tag_and_a_tag_more_than_the_description():
    assert names("mail") == ["gmail", "mailgun", "outlook", "graph"]


def test_a_word_that_is_a_whole_word_comes_before_a_part_of_one():
    assert names("google")[:2] == ["gmail", "google_drive"]
    assert names("drive")[0] == "google_drive"


def test_all_words_have_to_fit_in_any_order_and_place():
    assert names("files google") == ["google_drive"]
    assert names("microsoft calendar") == ["outlook", "graph"]
    assert names("google pages") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("notoin", "notion"), ("gogle_drive", "google_drive"), ("outlok", "outlook")],
)
def test_where_nothing_fits_a_name_that_comes_close_is_found(typed, meant):
    assert names(typed)[0] == meant


def test_nothing_is_found_for_what_nobody_could_mean():
    assert names("qqqqqq") == []
    assert names("mail", cards=[]) == []


@given(st.text(max_size=40))
def test_any_text_is_answered_with_some_of_the_cards_each_once(text):
    found = names(text)

    assert len(found) == len(set(found))
    assert set(found) <= {each.service for each in CARDS}


@given(st.sampled_from(CARDS), st.randoms())
def test_the_order_of_the_cards_changes_nothing(wanted, random):
    mixed = list(CARDS)
    random.shuffle(mixed)

    assert names(wanted.display_name, mixed) == names(wanted.display_name)
    assert names(wanted.service, mixed)[0] == wanted.service
