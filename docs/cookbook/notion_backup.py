"""Every page that a Notion integration sees, each as a JSON file of its own.

python notion_backup.py backup/
"""

import json
import sys
from pathlib import Path

from arcrun import auth

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
with auth.bind("notion") as notion:
    query = {"filter": {"property": "object", "value": "page"}}
    while True:
        found = notion.post("/search", json=query).raise_for_status().json()
        for page in found["results"]:
            blocks = notion.get(f"/blocks/{page['id']}/children").raise_for_status().json()
            text = json.dumps({**page, "blocks": blocks["results"]}, indent=1)
            (folder / f"{page['id']}.json").write_text(text, encoding="utf-8")
        if not found["has_more"]:
            break
        query["start_cursor"] = found["next_cursor"]
print(len(list(folder.glob("*.json"))), "pages")
