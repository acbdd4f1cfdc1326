"""curl, and the fetch of Node, through the proxy: each reads, and writes what was approved."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests import canary
from tests.needs import needs
from tests.proxy_kit import Desk

pytestmark = pytest.mark.peer

HANG = 60

FETCH = """
const [url, method, body] = process.argv.slice(2);
const answer = await fetch(url, {
  method, body: body || undefined,
  headers: {authorization: `Bearer ${process.env.FAKE_API_KEY}`, "content-type": "text/plain"},
});
let text = "";
for await (const part of answer.body) text += Buffer.from(part).toString();
console.log(JSON.stringify([answer.status, text]));
"""


@pytest.fixture
def desk(tmp_path):
    with Desk(tmp_path) as made:
        yield made


def curl(proxied, method: str, path: str, body: str = "", *, of: str = "") -> tuple[int, str]:
    needs(shutil.which("curl"), "curl")
    base = of or proxied.proxy.base_url("fake")
    more = ["--data-binary", body] if body else []
    more += ["--unix-socket", proxied.proxy.socket] if proxied.proxy.socket else []
    done = subprocess.run(
        ["curl", "-sS", "-N", "-X", method, "-w", "\n%{http_code}", "-K", "-", *more, base + path],
        input=f'header = "Authorization: Bearer {proxied.bearer}"\n',
        text=True, capture_output=True, timeout=HANG,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text, _, status = done.stdout.rpartition("\n")
    return int(status), text


@pytest.fixture
def fetch(tmp_path):
    needs(shutil.which("node"), "node")
    program = tmp_path / "fetch.mjs"
    program.write_text(FETCH)

    def run(proxied, method: str, path: str, body: str = "") -> tuple[int, str]:
        done = subprocess.run(
            ["node", str(program), proxied.proxy.base_url("fake") + path, method, body],
            env={"PATH": "/usr/bin:/bin", "FAKE_API_KEY": proxied.bearer}, text=True,
            capture_output=True, timeout=HANG,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        status, text = json.loads(done.stdout)
        return status, text

    return run


@pytest.mark.parametrize("program", ["curl", "node"])
def test_it_reads_writes_once_approved_and_streams(desk, program, request):
    ask = curl if program == "curl" else request.getfixturevalue("fetch")
    proxied = desk.proxy("fake")

    status, text = ask(proxied, "GET", "/echo?a=%20b")
    assert status == 200
    assert json.loads(text)["target"] == "/v1/echo?a=%20b"
    status, text = ask(proxied, "POST", "/pages", "words")
    assert status == 403
    request_id = json.loads(text)["request"]
    assert re.search(rf"arcrun approve {request_id}", text)
    desk.broker.policies.approve(request_id)
    assert ask(proxied, "POST", "/pages", "words")[0] == 200
    assert ask(proxied, "POST", "/pages", "words")[0] == 403
    desk.broker.policies.allow("fake", "write", paths=("/chat/completions",))
    status, text = ask(proxied, "POST", "/chat/completions", '{"stream": true}')
    assert status == 200
    assert text.endswith("data: [DONE]\n\n")
    assert not canary.hits(text)


def test_curl_takes_a_large_body_and_a_socket(desk, tmp_path):
    desk.broker.policies.allow("fake", "write")
    file = tmp_path / "large"
    file.write_bytes(b"x" * (2 << 20))  # it waits for `100 Continue` then

    assert curl(desk.proxy("fake"), "PUT", "/upload", f"@{file}")[0] == 200
    assert desk.api.seen[-1].body == file.read_bytes()
    at_socket = desk.proxy("fake", path=str(tmp_path / "run" / "s"))
    assert curl(at_socket, "GET", "/models", of="http://localhost/fake")[0] == 200


def test_curl_cannot_go_elsewhere(desk):
    proxied = desk.proxy("fake")
    count = len(desk.api.seen)
    for path in ("/../../etc/passwd", "//evil.example/", "/%2e%2e/keys"):
        needs(shutil.which("curl"), "curl")
        done = subprocess.run(
            ["curl", "-sS", "--path-as-is", "-K", "-", "-w", "\n%{http_code}",
             proxied.proxy.base_url("fake") + path],
            input=f'header = "Authorization: Bearer {proxied.bearer}"\n',
            text=True, capture_output=True, timeout=HANG,
        )  # fmt: skip
        assert done.stdout.endswith(("\n400", "\n403")), done.stdout
    assert len(desk.api.seen) == count
