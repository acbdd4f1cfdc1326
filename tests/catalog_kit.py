"""Recipes for catalogues of a test."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[1]


NOTION = """\
service: notion
display_name: Notion
category: productivity
aliases: [notion_so]
primitive: static_key
base_url: https://api.notion.com/v1
required_secrets: [{key: notion_token, env: [NOTION_TOKEN]}]
inject: {header: {Authorization: "Bearer {{secret.notion_token}}"}}
methods:
  - primitive: oauth2
    label: With a browser
    oauth2: {token_endpoint: "https://api.notion.com/v1/oauth/token", refresh: {rotates: "yes"}}
"""
GONE = """\
service: gone
primitive: static_key
status: closed
successor: notion
account: shared
"""


def key(service, **more):
    extra = "".join(f"{name}: {json.dumps(value)}\n" for name, value in more.items())
    return (
        f"service: {service}\nprimitive: static_key\nbase_url: https://api.{service}.example\n"
        f"required_secrets: [{{key: {service}_key, env: [THEIRS]}}]\n"
        f"inject: {{header: {{Authorization: 'Bearer {{{{secret.{service}_key}}}}'}}}}\n{extra}"
    )


def names_of(home, bundled, barrier, queue):
    """In a process of its own, which imports this module and no other of the tests."""
    from arcrun_auth.catalog import Catalog

    barrier.wait(60)
    catalog = Catalog(home, bundled=bundled)
    queue.put((catalog.names(), [str(problem) for problem in catalog.problems]))
