"""Copy a file from one Google account's Drive to another's.

python two_accounts.py FILE_ID      # from google_drive@work to google_drive@home
"""

import sys

from arcrun import auth

with (
    auth.bind("google_drive@work", scopes="readonly") as work,
    auth.bind("google_drive@home") as home,
):
    name = work.get(f"/files/{sys.argv[1]}").raise_for_status().json()["name"]
    content = work.get(f"/files/{sys.argv[1]}", params={"alt": "media"}).raise_for_status().content
    begun = home.post(
        "/upload/drive/v3/files", params={"uploadType": "resumable"}, json={"name": name}
    ).raise_for_status()
    home.put(begun.headers["location"], content=content).raise_for_status()
    print(f"copied {name}")
