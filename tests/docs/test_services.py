"""The pages of the services: one each, whole by itself, and nothing of a recipe is markup."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import pytest

from arcrun_auth.finding import Card
from arcrun_auth.recipe import read
from tests.docs.pages import DOCS

sys.path.insert(0, str(DOCS))
import services

EVIL = '<script>alert("x")</script>'


class Tags(HTMLParser):
    """The tags of a page with their attributes, and whether each was closed."""

    VOID = ("meta", "br", "input")

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    count = services.write(folder)
    pages = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert len(pages) == count + 1
    return pages


def test_every_service_of_the_index_has_its_page_and_each_leads_back(site):
    listed = re.findall(r'<a href="(\w+\.html)">', site["index.html"])

    assert set(listed) | {"index.html"} == set(site)
    assert all('href="index.html"' in text for name, text in site.items() if name != "index.html")


def test_a_page_is_well_formed_and_loads_nothing(site):
    for name, text in site.items():
        tags = Tags(text)
        assert tags.open == [], name
        for tag, attributes in tags.found:
            assert tag not in ("link", "img", "iframe"), name
            assert not {"src", "srcset", "style", "onclick"} & set(attributes), name
            if attributes.get("href", "").startswith("http"):
                assert attributes["rel"] == "noreferrer", name
                assert attributes["href"].startswith("https://"), name


def test_what_two_sources_could_not_confirm_is_marked_in_both(site):
    assert "unconfirmed</span>" in site["index.html"]
    assert "not confirmed by two sources" in site["tailscale.html"]
    row = next(row for row in services.table().split("\n") if row.startswith("| `tailscale` |"))
    assert row.endswith("*unconfirmed* |")


def test_a_text_of_a_recipe_is_text():
    recipe = read(f"""
        service: evil
        display_name: '{EVIL}'
        description: '{EVIL}'
        primitive: static_key
        base_url: https://evil.example
        docs_url: https://evil.example/"onmouseover="x
        required_secrets: [{{key: evil_key, label: '{EVIL}', help: '{EVIL}'}}]
        inject: {{header: {{X: "{{{{secret.evil_key}}}}"}}}}
    """)
    card = Card("evil", EVIL, EVIL, (EVIL,), (EVIL,), EVIL, True)

    for text in (services.service(recipe), services.index([card])):
        tags = Tags(text)
        assert EVIL not in text
        assert sum(tag == "script" for tag, _ in tags.found) == ('type="search"' in text)
        assert not any("onmouseover" in attributes for _, attributes in tags.found)
