"""A user with files that other programs keep, and `arcrun import` run in this process.

In this process, since what is asked has to be answered by somebody.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

import arcrun_cli
from arcrun_auth.broker import Broker
from arcrun_auth.testing import Provider
from arcrun_auth.testing._records import Family
from arcrun_cli import agents, hardening
from arcrun_cli.commands import importing
from tests import canary
from tests.world import Told, home_with, master_key

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def provider():
    with Provider() as running:
        yield running


FOREIGN = (
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "CLOUDSDK_CONFIG", "GH_CONFIG_DIR",
    "GOOGLE_APPLICATION_CREDENTIALS", "NETRC", "RCLONE_CONFIG", "XDG_CONFIG_HOME",
)  # fmt: skip
"""Which variables lead to files of whoever runs the tests?"""


def drive_recipe(provider) -> str:
    """As the real one: its own scopes, and a refresh token that stays."""
    text = provider.recipe_yaml("google_drive", auth="post")
    text = text.replace("- read", "- drive.read").replace("- write", "- drive.write")
    return text.replace("rotates: maybe", "rotates: 'no'").replace(
        "rotates: 'yes'", "rotates: 'no'"
    )


class Desk:
    """A user with files, recipes for the provider, and a person who answers.

    `run` gives the exit code; `out` and `err` are what it printed then.
    """

    def __init__(self, tmp_path, provider, monkeypatch, capsys) -> None:
        self.folder = tmp_path
        self.provider = provider
        self.capsys = capsys
        self.user, self.work = tmp_path / "given" / "user", tmp_path / "given" / "work"
        self.user.mkdir(parents=True)
        self.work.mkdir()
        self.home = home_with(
            tmp_path,
            provider,
            demo=provider.recipe_yaml("demo", auth="post"),
            **{
                "github.override": provider.recipe_yaml("github", primitive="static_key"),
                "google_drive.override": drive_recipe(provider),
            },
        )
        self.environ = master_key()
        self.person = Told()
        self.out = self.err = ""
        for name in agents.MARKERS:
            monkeypatch.delenv(name, raising=False)
        for name in FOREIGN:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(self.user))
        monkeypatch.chdir(self.work)
        monkeypatch.setattr(importing, "broker", self.broker)
        # What it does to a process cannot be taken back, and this one runs other tests.
        monkeypatch.setattr(hardening, "apply", lambda: None)

    def broker(self, *, interactive: bool | None = None) -> Broker:
        return Broker(
            home=self.home,
            person=None if interactive is False else self.person,
            allow_hosts=[self.provider.issuer],
            environ={
                **self.environ,
                **({"ARCRUN_INTERACTIVE": "0"} if interactive is False else {}),
            },
        )

    def run(self, *args: str, yes: bool | None = None, no: tuple[str, ...] = ()) -> int:
        """`yes`: what is answered to all but the questions that have one of `no` in them."""
        self.person = Answers(no) if yes is None else Told(yes=yes)
        code = arcrun_cli.main(["import", *args])
        printed = self.capsys.readouterr()
        self.out, self.err = printed.out, "\n".join([*self.person.said, printed.err])
        assert not canary.hits(self.out + self.err), "a secret was shown"
        return code

    def data(self) -> list[dict]:
        return json.loads(self.out)["found"]

    def env(self, text: str = "", name: str = ".env") -> Path:
        path = self.work / name
        path.write_text(text or f"A=1\nARCRUN_KEYED_KEY={self.provider.static_key}\nB=2\n")
        return path

    def login(self, client: str = "demo-post") -> dict:
        authority = self.provider.authority
        with authority.lock:
            return authority.issue(Family(authority.apps[client], "ada", "read write"))

    def token_json(self, name: str = "token.json", **changes) -> Path:
        answer = self.login()
        path = self.work / name
        fields = {
            "token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "token_uri": f"{self.provider.issuer}/token",
            "client_id": "demo-post",
            "client_secret": self.provider.client_secret,
            "scopes": ["read", "write"],
            "expiry": "2020-01-01T00:00:00Z",
        }
        path.write_text(json.dumps(fields | changes))
        return path

    def state(self) -> dict[str, str]:
        """Every file there is, by its content and its mode."""
        return {
            str(path.relative_to(self.folder)): f"{path.stat().st_mode:o} "
            + hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and "recipes" not in path.parts
        }


class Answers(Told):
    """Says yes, but to what has one of these words in it."""

    def __init__(self, no: tuple[str, ...]) -> None:
        super().__init__()
        self.no = no

    def confirm(self, question: str) -> bool:
        super().confirm(question)
        return not any(word in question for word in self.no)


@pytest.fixture
def desk(tmp_path, provider, monkeypatch, capsys) -> Desk:
    return Desk(tmp_path, provider, monkeypatch, capsys)


def full(desk) -> None:
    """Something of every kind."""
    desk.env()
    desk.token_json()
    (desk.user / ".config" / "gh").mkdir(parents=True)
    (desk.user / ".config" / "gh" / "hosts.yml").write_text(
        f"github.com:\n    user: ada\n    oauth_token: {desk.provider.static_key}\n"
    )
    answer = desk.login()
    (desk.user / ".rclone.conf").write_text(
        "[backup]\ntype = drive\nclient_id = demo-post\n"
        f"client_secret = {desk.provider.client_secret}\ntoken = {json.dumps(answer)}\n"
    )
    (desk.work / "token.pickle").write_bytes(b"\x80\x04K\x01.")
