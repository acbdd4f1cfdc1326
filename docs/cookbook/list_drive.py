"""The newest ten files of Google Drive: what Google's own quickstart does."""

from arcrun import auth

with auth.bind("google_drive", scopes="readonly") as drive:
    answer = drive.get("/files", params={"pageSize": 10, "fields": "files(id,name)"})
    for file in answer.raise_for_status().json()["files"]:
        print(f"{file['name']} ({file['id']})")
