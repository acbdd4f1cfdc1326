"""The services of the cookbook, as far as its programs use them: they keep what they are sent.

Each answers by the vendor's documentation: paging, uploads in two steps, errors under 200.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Seen

HOSTS = (
    "api.github.com", "api.notion.com", "api.openai.com", "api.stripe.com", "gmail.googleapis.com",
    "openidconnect.googleapis.com", "sheets.googleapis.com", "slack.com", "uploads.github.com",
    "www.googleapis.com",
)  # fmt: skip

UPLOAD = "/upload/drive/v3/files"


def _json(data: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(
        status,
        {"content-type": "application/json", **headers},
        json.dumps(data).encode(),
    )


class Cloud:
    """What is there, and what was sent. `answer(seen)` is None for what nobody knows."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, Any]] = {}
        self.uploads: list[tuple[str, str]] = []
        self.sessions: dict[str, tuple[str, str]] = {}
        self.rows: list[list[str]] = []
        self.mails: list[bytes] = []
        self.posted: list[dict[str, Any]] = []
        self.pages: list[dict[str, Any]] = []
        self.statuses: list[tuple[str, str]] = []
        self.assets: dict[str, bytes] = {}

    def answer(self, seen: Seen) -> Reply | None:
        url = urlsplit(seen.target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        host = seen.headers["host"]
        play: Callable[[Seen, str, dict[str, str]], Reply | None] = {
            "www.googleapis.com": self._google,
            "openidconnect.googleapis.com": lambda *_: _json({"email": "you@example.com"}),
            "sheets.googleapis.com": self._sheets,
            "gmail.googleapis.com": self._gmail,
            "slack.com": self._slack,
            "api.notion.com": self._notion,
            "api.github.com": self._github,
            "uploads.github.com": self._github_upload,
            "api.openai.com": self._openai,
            "api.stripe.com": self._stripe,
        }[host]
        return play(seen, unquote(url.path), query)

    # -- Google ------------------------------------------------------------------------

    def add(self, name: str, content: bytes, **about: Any) -> str:
        """A file in Drive; its id."""
        id_ = about.pop("id", f"f{len(self.files)}")
        digest = hashlib.md5(content).hexdigest()
        self.files[id_] = {"id": id_, "name": name, "md5Checksum": digest, **about}
        self.files[id_]["content"] = content
        return id_

    def _google(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path.startswith(UPLOAD):
            return self._upload(seen, path.removeprefix(UPLOAD), query)
        if path == "/calendar/v3/calendars/primary/events":
            start = {"dateTime": "2026-03-01T15:00:00+01:00"}
            items = [{"start": start, "summary": "Dentist"}, {"start": {"date": "2026-03-01"}}]
            return _json({"items": items})
        if path == "/drive/v3/files":
            return self._make(seen) if seen.method == "POST" else self._list(query)
        file = self.files.get(path.removeprefix("/drive/v3/files/"))
        if file is None:
            return None
        if query.get("alt") == "media":
            return Reply(200, {"content-type": "application/octet-stream"}, file["content"])
        return _json({"id": file["id"], "name": file["name"]})

    def _make(self, seen: Seen) -> Reply:
        about = json.loads(seen.body)
        return _json({"id": self.add(about.pop("name"), b"", **about)})

    def _list(self, query: dict[str, str]) -> Reply:
        wanted = query.get("q", "")
        found = [
            {k: v for k, v in file.items() if k in ("id", "name", "md5Checksum")}
            for file in self.files.values()
            if self._fits(file, wanted)
        ]
        size = int(query.get("pageSize", 2))
        start = int(query.get("pageToken", 0))
        page: dict[str, Any] = {"files": found[start : start + size]}
        if len(found) > start + size:
            page["nextPageToken"] = str(start + size)
        return _json(page)

    @staticmethod
    def _fits(file: dict[str, Any], wanted: str) -> bool:
        if " in parents" in wanted:
            return wanted.partition("'")[2].partition("'")[0] in file.get("parents", ())
        if wanted.startswith("name = "):
            return f"name = '{file['name']}'" in wanted and "mimeType" in file
        return not wanted

    def _upload(self, seen: Seen, rest: str, query: dict[str, str]) -> Reply | None:
        if seen.method == "PUT":
            kind, about = self.sessions.pop(query["upload_id"])
            if kind == "new":
                known = json.loads(about)
                self.add(known.pop("name"), seen.body, **known)
            else:
                old = self.files[about]
                self.add(old["name"], seen.body, id=about, parents=old.get("parents", []))
            self.uploads.append((kind, self.files[about]["name"] if kind == "old" else about))
            return _json({})
        session = f"s{len(self.sessions)}-{len(self.uploads)}"
        old_id = rest.strip("/")
        self.sessions[session] = ("old", old_id) if old_id else ("new", seen.body.decode())
        place = f"https://www.googleapis.com{UPLOAD}?uploadType=resumable&upload_id={session}"
        return _json({}, location=place)

    def _sheets(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path.endswith(":append"):
            self.rows += json.loads(seen.body)["values"]
            return _json(
                {"updates": {"updatedRange": f"Sheet1!A{len(self.rows)}:C{len(self.rows)}"}}
            )
        return _json({"values": [["name", "age"], ["Ada", "36"], ["Grace", "85"]]})

    def _gmail(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path == "/gmail/v1/users/me/messages/send":
            self.mails.append(base64.urlsafe_b64decode(json.loads(seen.body)["raw"]))
            return _json({"id": f"m{len(self.mails)}"})
        if path == "/gmail/v1/users/me/messages":
            return _json({"messages": [{"id": "1"}, {"id": "2"}]})
        subject = f"Letter {path.rpartition('/')[2]}"
        headers = [
            {"name": "From", "value": "a@example.com"},
            {"name": "Subject", "value": subject},
        ]
        return _json({"payload": {"headers": headers}})

    # -- the others --------------------------------------------------------------------

    def _slack(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path == "/api/chat.postMessage":
            said = json.loads(seen.body)
            if said["channel"] != "#builds":
                return _json({"ok": False, "error": "channel_not_found"})
            self.posted.append(said)
            return _json({"ok": True})
        if query.get("cursor"):
            return _json({"ok": True, "messages": [{"text": "second"}]})
        more = {"next_cursor": "c2"}
        return _json({"ok": True, "messages": [{"text": "first"}], "response_metadata": more})

    def _notion(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path == "/v1/pages":
            self.pages.append(json.loads(seen.body))
            return _json({"url": "https://www.notion.so/p1"})
        if path == "/v1/search":
            if json.loads(seen.body).get("start_cursor") == "n2":
                return _json({"results": [{"id": "p2"}], "has_more": False, "next_cursor": None})
            return _json({"results": [{"id": "p1"}], "has_more": True, "next_cursor": "n2"})
        return _json({"results": [{"type": "paragraph"}]})

    def _github(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path == "/repos/you/thing/issues":
            issue = {"user": {"login": "ada"}, "title": "It, is broken"}
            if query.get("page") == "2":
                return _json([{"number": 1, **issue}])
            more = "<https://api.github.com/repos/you/thing/issues?per_page=100&page=2>"
            pull = {"number": 3, "pull_request": {}, **issue}
            return _json([pull, {"number": 2, **issue}], link=f'{more}; rel="next"')
        if path == "/repos/you/thing/releases":
            place = "https://uploads.github.com/repos/you/thing/releases/1/assets{?name,label}"
            return _json({"upload_url": place}, 201)
        if path.startswith("/repos/you/thing/statuses/"):
            state = json.loads(seen.body)["state"]
            self.statuses.append((path.rpartition("/")[2], state))
            return _json({"state": state}, 201)
        return None

    def _github_upload(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        self.assets[query["name"]] = seen.body
        url = f"https://github.com/you/thing/releases/download/v1/{query['name']}"
        return _json({"browser_download_url": url}, 201)

    def _openai(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        if path == "/v1/models":
            return _json({"data": [{"id": "gpt-5"}]})
        question = json.loads(seen.body)["input"]
        content = [{"type": "output_text", "text": f"You asked: {question.splitlines()[0]}"}]
        return _json({"output": [{"type": "reasoning"}, {"type": "message", "content": content}]})

    def _stripe(self, seen: Seen, path: str, query: dict[str, str]) -> Reply | None:
        return _json({"available": [{"amount": 12345, "currency": "eur"}]})
