"""What the stage is furnished with: who answers what, what is typed, who clicks."""

from __future__ import annotations

ACCOUNTS, TOKENS = "accounts.google.com", "oauth2.googleapis.com"
LOGIN_PATHS = {"/o/oauth2/v2/auth": "/authorize"}

KEYS = {
    "Internal integration token": "ntn_example0000",
    "Personal access token": "github_pat_example0000",
    "API key": "sk-proj-example0000",
    "Passphrase of the keys": "seven-words-example0000",
    "Once more": "seven-words-example0000",
    "API token": "tok-example0000",
}
"""What a person types where a key is asked for: any question that ends in one of these. They
are the examples of the recipes, since some pages show one."""

FILES = {
    "files": [{"id": "1a", "name": "report.pdf"}, {"id": "2b", "name": "photo.jpg"}],
}
API: dict[tuple[str, str, str], object] = {
    ("GET", "www.googleapis.com", "/drive/v3/files"): FILES,
    ("GET", "www.googleapis.com", "/drive/v3/about"): {
        "user": {"displayName": "You", "emailAddress": "you@example.com"}
    },
    ("POST", "www.googleapis.com", "/upload/drive/v3/files"): {"id": "3c", "name": "notes.txt"},
    ("GET", "api.notion.com", "/v1/users/me"): {
        "name": "My integration",
        "bot": {"workspace_name": "My workspace"},
    },
    ("POST", "api.notion.com", "/v1/search"): {
        "results": [{"object": "page", "id": "59833787"}],
        "has_more": False,
    },
    ("PATCH", "api.notion.com", "/v1/pages/59833787"): {
        "object": "page",
        "id": "59833787",
        "archived": True,
    },
    ("GET", "api.github.com", "/user"): {"login": "you"},
    ("GET", "api.github.com", "/user/repos"): [{"full_name": "you/project"}],
    ("GET", "api.openai.com", "/v1/models"): {"data": [{"id": "gpt-5"}]},
    ("GET", "api.example.com", "/v1/me"): {"account": {"name": "you"}},
    ("GET", "api.example.com", "/v1/orders"): {"orders": [{"id": 1}, {"id": 2}]},
}
"""Who answers what. Each wants a credential, as the real one does."""

FORGE = "github.com"
REFS = "5983378759833787598337875983378759833787\trefs/heads/main\n"
"""What git reads of a repository there, at `info/refs` (gitprotocol-http(5), the plain form)."""

SITE = "recipes.example.com"
"""A web server that gives out the folder that the examples run in, to anybody."""

HOSTS = sorted({host for _, host, _ in API} | {ACCOUNTS, TOKENS, FORGE, SITE})

BROWSER = """\
import re, sys, urllib.parse, urllib.request

with urllib.request.urlopen(sys.argv[1]) as page:
    text = page.read().decode()
action = re.search(r'<form[^>]* action="([^"]+)"', text)[1]
ticket = re.search(r'name="ticket" value="([^"]+)"', text)[1]
answer = {"ticket": ticket, "user": "you", "decision": "allow"}
form = urllib.parse.urlencode(answer).encode()
with urllib.request.urlopen(urllib.parse.urljoin(sys.argv[1], action), form) as page:
    page.read()
"""
"""Agrees at the provider's page, and follows the redirect back to this machine."""

ROBOT = "robot@demo-project.iam.gserviceaccount.com"
"""Whose key lies in Downloads."""

SDK = """\
import json, urllib.request

class OpenAI:
    def __init__(self, api_key):
        self.api_key, self.models = api_key, self

    def list(self):
        request = urllib.request.Request(
            "https://api.openai.com/v1/models",
            headers={"Authorization": "Bearer " + self.api_key()},
        )
        with urllib.request.urlopen(request) as answer:
            return [type("Model", (), model) for model in json.load(answer)["data"]]
"""
"""Stands for an official SDK: takes a callable that gives the key, as that one does."""
