"""The whole way of a user: `arcrun setup` in a terminal, the login in a real browser."""

from __future__ import annotations

import json
import os
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest

from tests.peers import drive_chromium
from tests.peers.oidc_server import OidcProvider

pytestmark = pytest.mark.peer

HANG = 60
RECIPE = """\
service: peer
primitive: oauth2
display_name: Peer
base_url: {issuer}
oauth2:
  issuer: {issuer}
  authorization_endpoint: {issuer}/auth
  token_endpoint: {issuer}/token
  scopes: [openid, offline_access]
  authorize_params: {{prompt: consent}}
  client: {{auth: none, secret_required: false}}
  refresh: {{rotates: "yes"}}
test: {{path: /me, identity: sub}}
"""
BY_DEVICE = """\
service: device
primitive: oauth2
display_name: Peer
base_url: {issuer}
oauth2:
  issuer: {issuer}
  discovery: true
  grants: [device_code, refresh_token]
  scopes: [openid, offline_access]
  client: {{auth: none, registration: dcr}}
"""


@pytest.fixture
def issuer(with_chromium):
    with OidcProvider() as server:
        yield server.issuer


@pytest.fixture
def env(tmp_path, issuer):
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    recipes.parent.chmod(0o700)
    (recipes / "peer.yaml").write_text(RECIPE.format(issuer=issuer))
    (recipes / "device.yaml").write_text(BY_DEVICE.format(issuer=issuer))
    given = tmp_path / "given"
    given.mkdir()
    (given / "key").write_bytes(b64encode(os.urandom(32)))
    (given / "key").chmod(0o600)
    driver = Path(__file__).with_name("drive_chromium.py")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "DISPLAY": ":9",  # a desktop; $BROWSER comes first
        "ARCRUN_HOME": str(tmp_path / "home"),
        "ARCRUN_KEYRING": "off",
        "ARCRUN_MASTER_KEY_FILE": str(given / "key"),
        "ARCRUN_ALLOW_HOSTS": issuer,
        "BROWSER": f"{sys.executable} {driver} {tmp_path / 'page.txt'} %s",
    }


def seen(path: Path) -> str:
    """What the browser has shown last; the command does not wait until it has."""
    end = time.monotonic() + HANG
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end, "the browser told nothing"
        time.sleep(0.05)
    return path.read_text()


def test_setup_logs_in_with_chromium_and_the_connection_works(env, tmp_path) -> None:
    pexpect = pytest.importorskip("pexpect")
    arcrun = [sys.executable, "-m", "arcrun_cli"]
    terminal = pexpect.spawn(
        arcrun[0], [*arcrun[1:], "setup", "peer"], env=env, timeout=HANG, encoding="utf-8",
        dimensions=(24, 80),
    )  # fmt: skip
    terminal.expect("Do you agree")
    terminal.sendline("y")
    terminal.expect("Client ID")
    terminal.sendline("public")
    terminal.expect("Connected as ada")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert seen(tmp_path / "page.txt").startswith("You are connected to Peer")

    import subprocess

    listed = subprocess.run(
        [*arcrun, "test", "peer", "--json"], env=env, capture_output=True, text=True, timeout=HANG
    )
    assert listed.returncode == 0, listed.stderr
    assert "ada" in json.dumps(json.loads(listed.stdout))


def test_setup_by_a_code_that_is_typed_in_chromium(env, issuer) -> None:
    pexpect = pytest.importorskip("pexpect")
    segno = pytest.importorskip("segno")
    terminal = pexpect.spawn(
        sys.executable, ["-m", "arcrun_cli", "setup", "device", "--device"],
        env=env, timeout=HANG, encoding="utf-8", dimensions=(40, 80),
    )  # fmt: skip
    terminal.expect("Do you agree")
    terminal.sendline("y")
    terminal.expect(
        rf"go to this address on any device:\s+({issuer}/device)\s+and enter the code: "
    )
    address = terminal.match[1]
    terminal.expect(r"([A-Z]{4}-[A-Z]{4})\r\n((?:[ \u2580-\u2588]+\r\n){19})")
    code, picture = terminal.match[1], terminal.match[2].replace("\r", "")
    seen = segno.make(f"{address}?user_code={code}", error="l", micro=False)
    assert modules(picture) == [list(row) for row in seen.matrix_iter(border=4)]

    assert "Success" in drive_chromium.type_code(address, code)
    terminal.expect("Connected as ada")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def modules(picture):
    """Which modules are dark, row by row: a character is two, one above the other."""
    light = {"\u2588": (0, 0), "\u2580": (0, 1), "\u2584": (1, 0), " ": (1, 1)}
    lines = picture.splitlines()
    rows = [[light[char][half] for char in line] for line in lines for half in (0, 1)]
    return rows[: len(lines[0])]  # a code is a square: the last half may be nothing
