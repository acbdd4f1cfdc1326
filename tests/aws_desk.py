"""AWS on this machine: moto's server with its check of signatures on, and the shipped recipes
with its address in place of AWS's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlencode

import httpx

from arcrun_auth.catalog import Catalog
from arcrun_auth.sigv4 import AccessKey, SigV4
from arcrun_auth.tokens import Secret

RECIPES = Path(__file__).parents[1] / "recipes"
HOST = re.compile(r"https://[a-z0-9-]+\.\{\{param\.region\}\}\.\{\{param\.domain\}\}")
ACCOUNT = "123456789012"
ANYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
TRUSTED = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}],
})  # fmt: skip
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Keys(NamedTuple):
    """An access key of a user who may do everything."""

    access_key_id: str
    secret_access_key: str


class Moto:
    """Starts the server; `keys` is a user's, `role` one that this user may assume."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p0"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.origin = found[0]
                break
        # What it logs of each request is nobody's business, but the pipe must not fill up.
        log = self._process.stderr
        self._reader = threading.Thread(target=lambda: [None for _ in log], daemon=True)
        self._reader.start()
        self.client = httpx.Client()
        self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
        self._reader.join(20)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _begin(self) -> None:
        self._iam("CreateUser", UserName="ada")
        answer = self._iam("CreateAccessKey", UserName="ada")
        self.keys = Keys(
            *(re.search(f"<{tag}>(.*?)<", answer)[1] for tag in ("AccessKeyId", "SecretAccessKey"))
        )
        named = {"PolicyName": "all", "PolicyDocument": ANYTHING}
        self._iam("PutUserPolicy", UserName="ada", **named)
        self._iam("CreateRole", RoleName="backup", AssumeRolePolicyDocument=TRUSTED)
        self._iam("PutRolePolicy", RoleName="backup", **named)
        self.role = f"arn:aws:iam::{ACCOUNT}:role/backup"
        httpx.post(
            f"{self.origin}/moto-api/reset-auth",
            content=b"0",
            headers={"content-type": "text/plain"},
        ).raise_for_status()

    def _iam(self, action: str, **fields: str) -> str:
        body = urlencode({"Action": action, "Version": "2010-05-08", **fields}).encode()
        root = Keys("ROOT", "nothing")
        return self._send("POST", "/", "iam", root, headers=FORM, body=body)

    def put(self, path: str) -> str:
        """Makes a bucket, or an empty object."""
        return self._send("PUT", path, "s3", self.keys)

    def _send(
        self, method: str, path: str, service: str, keys: Keys, *, headers=None, body: bytes = b""
    ) -> str:
        key = AccessKey(keys.access_key_id, Secret(keys.secret_access_key))
        signed = SigV4(key, service=service, region="us-east-1").sign(
            method=method, url=self.origin + path, headers=(headers or {}).items(), body=body,
            now=time.time(),
        )  # fmt: skip
        sent = {**(headers or {}), **dict(signed.headers)}
        answer = self.client.request(method, signed.url, headers=sent, content=body)
        assert answer.status_code == 200, answer.text
        return answer.text


def catalog(folder: Path, origin: str) -> Catalog:
    """The shipped AWS recipes, as bundled ones, at `origin`; STS too."""
    recipes = folder / "recipes"
    recipes.mkdir(parents=True)
    for path in RECIPES.glob("*aws*.yaml"):
        text = path.read_text()
        host = origin.removeprefix("http://")
        text = re.sub(
            r"^allowed_hosts: .*$", f"allowed_hosts: ['{host}']", text, flags=re.MULTILINE
        )
        changed, count = HOST.subn(origin, text)
        assert count == 1, path.name
        (recipes / path.name).write_text(changed)
    return Catalog(folder / "home", bundled=recipes)
