"""Post to a Slack channel: the last line of a long job.

long-job && python slack_post.py "#builds" "done"
"""

import sys

from arcrun import auth

channel, text = sys.argv[1:]
with auth.bind("slack") as slack:
    answer = slack.post("/chat.postMessage", json={"channel": channel, "text": text})
    said = answer.raise_for_status().json()
    sys.exit(None if said["ok"] else f"Slack says: {said['error']}")
