"""Add a page to a Notion database.

python notion_add.py DATABASE_ID "Buy milk"
"""

import sys

from arcrun import auth

database, title = sys.argv[1:]
with auth.bind("notion") as notion:
    answer = notion.post(
        "/pages",
        json={
            "parent": {"database_id": database},
            "properties": {"title": {"title": [{"text": {"content": title}}]}},
        },
    )
    print(answer.raise_for_status().json()["url"])
