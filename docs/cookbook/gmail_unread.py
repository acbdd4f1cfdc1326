"""The senders and subjects of unread mail in Gmail."""

from arcrun import auth

with auth.bind("gmail", scopes="readonly") as gmail:
    found = gmail.get("/users/me/messages", params={"q": "is:unread", "maxResults": 10})
    for message in found.raise_for_status().json().get("messages", []):
        answer = gmail.get(
            f"/users/me/messages/{message['id']}",
            params={"format": "metadata", "metadataHeaders": ["From", "Subject"]},
        )
        headers = {
            h["name"]: h["value"] for h in answer.raise_for_status().json()["payload"]["headers"]
        }
        print(f"{headers['From']}: {headers['Subject']}")
