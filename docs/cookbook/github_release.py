"""Make a GitHub release and put a file into it.

python github_release.py owner/name v1.2.0 dist/thing.whl
"""

import sys
from pathlib import Path

from arcrun import auth

repository, tag, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
with auth.bind("github") as github:
    release = github.post(
        f"/repos/{repository}/releases", json={"tag_name": tag, "generate_release_notes": True}
    )
    upload = release.raise_for_status().json()["upload_url"].partition("{")[0]
    asset = github.post(
        upload,
        params={"name": path.name},
        content=path.read_bytes(),
        headers={"Content-Type": "application/octet-stream"},
    )
    print(asset.raise_for_status().json()["browser_download_url"])
