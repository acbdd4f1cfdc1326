"""Somebody whose files are made by the test, and the recipes that are shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.importers import Services, Where
from tests import canary

DRIVE = "https://www.googleapis.com/auth/drive"


@pytest.fixture(scope="session")
def services(tmp_path_factory) -> Services:
    """The recipes that are shipped."""
    return Services(Catalog(tmp_path_factory.mktemp("catalog")))


@pytest.fixture
def user(tmp_path) -> Where:
    """Somebody whose files are made by the test: what they are given is allowed to be in clear."""
    home, folder = tmp_path / "given" / "home", tmp_path / "given" / "work"
    home.mkdir(parents=True)
    folder.mkdir()
    return Where({}, str(home), str(folder), "linux")


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, newline="")
    return path


def at_home(user: Where, name: str, text: str) -> str:
    return write(os.path.join(user.home, name), text)


def here(user: Where, name: str, text: str) -> str:
    return write(os.path.join(user.folder, name), text)


def with_environ(user: Where, **environ: str) -> Where:
    return Where(environ, user.home, user.folder, user.platform)


def values(found) -> dict[str, str]:
    return {key: secret.reveal() for key, secret in found.secrets.items()}


def original(found) -> str:
    """The text that is to be taken away."""
    return "".join(found.file.text[start:end] for start, end in sorted(set(found.cut)))


def adc(**changes) -> str:
    return json.dumps(
        {
            "account": "",
            "client_id": "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
            "client_secret": canary.fresh("client"),
            "quota_project_id": "my-project",
            "refresh_token": "1//" + canary.fresh("refresh"),
            "type": "authorized_user",
            "universe_domain": "googleapis.com",
        }
        | changes,
        indent=2,
    )


def token_json(*scopes: str, **changes) -> str:
    return json.dumps(
        {
            "token": "ya29." + canary.fresh("access"),
            "refresh_token": "1//" + canary.fresh("refresh"),
            "token_uri": "https://oauth2.googleapis.com/token",
            "client_id": "1234567890-example.apps.googleusercontent.com",
            "client_secret": canary.fresh("client"),
            "scopes": list(scopes),
            "universe_domain": "googleapis.com",
            "account": "",
            "expiry": "2025-06-27T08:38:04.924450Z",
        }
        | changes
    )


def rclone_token(**changes) -> str:
    return json.dumps(
        {
            "access_token": canary.fresh("access"),
            "token_type": "Bearer",
            "refresh_token": canary.fresh("refresh"),
            "expiry": "2026-01-02T03:04:05.123456789+01:00",
        }
        | changes
    )
