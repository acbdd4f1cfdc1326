"""A Slack channel as JSON lines, all pages of it.

python slack_export.py C0123456789 > channel.jsonl
"""

import json
import sys

from arcrun import auth

with auth.bind("slack") as slack:
    params = {"channel": sys.argv[1], "limit": 200}
    while True:
        page = slack.get("/conversations.history", params=params).raise_for_status().json()
        if not page["ok"]:
            sys.exit(f"Slack says: {page['error']}")
        for message in page["messages"]:
            print(json.dumps(message))
        if not (cursor := page.get("response_metadata", {}).get("next_cursor")):
            break
        params["cursor"] = cursor
