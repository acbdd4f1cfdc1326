"""Back a folder up to Google Drive: what is new or changed goes up, nothing is deleted.

python backup_to_drive.py ~/Documents/taxes
"""

import hashlib
import sys
from pathlib import Path

from arcrun import auth

FOLDER = "application/vnd.google-apps.folder"
source = Path(sys.argv[1]).resolve()

with auth.bind("google_drive") as drive:

    def call(method, url, **options):
        return drive.request(method, url, **options).raise_for_status()

    def files(query):
        params = {"q": query, "fields": "nextPageToken,files(id,name,md5Checksum)"}
        while True:
            page = call("GET", "/files", params=params).json()
            yield from page["files"]
            if not (token := page.get("nextPageToken")):
                return
            params["pageToken"] = token

    name = f"Backup of {source.name}".replace("'", "\\'")
    folder = next(files(f"name = '{name}' and mimeType = '{FOLDER}' and trashed = false"), None)
    folder = folder or call("POST", "/files", json={"name": name, "mimeType": FOLDER}).json()
    there = {
        file["name"]: file for file in files(f"'{folder['id']}' in parents and trashed = false")
    }

    for path in sorted(path for path in source.iterdir() if path.is_file()):
        old, content = there.get(path.name), path.read_bytes()
        if old and old["md5Checksum"] == hashlib.md5(content).hexdigest():
            continue
        method, url = ("PATCH", f"/{old['id']}") if old else ("POST", "")
        about = {} if old else {"name": path.name, "parents": [folder["id"]]}
        # A resumable upload: Drive answers with the address that takes the bytes.
        begun = call(
            method, f"/upload/drive/v3/files{url}", params={"uploadType": "resumable"}, json=about
        )
        call("PUT", begun.headers["location"], content=content)
        print("updated" if old else "uploaded", path.name)
