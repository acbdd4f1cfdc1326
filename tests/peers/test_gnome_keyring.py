"""The real Secret Service: GNOME Keyring on a D-Bus of its own, with a home of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import needs

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]
# A daemon that is left alone before it has its name would meet one that D-Bus starts for it.
NAMED = "timeout 60 gdbus wait --session org.freedesktop.secrets"
UNLOCK = (
    "printf %s {password} | gnome-keyring-daemon --unlock --components=secrets >/dev/null\n" + NAMED
)
START = "gnome-keyring-daemon --start --components=secrets >/dev/null\n" + NAMED


@pytest.fixture
def environ(tmp_path):
    needs(sys.platform == "linux", "Linux")
    for program in ("gnome-keyring-daemon", "dbus-run-session", "secret-tool", "gdbus"):
        needs(shutil.which(program), program)
    (tmp_path / "run").mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PYTHONPATH": str(ROOT),
    }


def session(environ, *commands, bus=()):
    """The commands in one shell on one bus; its output. The daemon ends with the bus."""
    script = "\n".join(["set -e", *commands])
    done = subprocess.run(
        ["dbus-run-session", *bus, "--", "bash", "-c", script],
        env=environ, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(code):
    return f"{sys.executable} - <<'END'\n{code}\nEND"


def alone(environ, code):
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PUT = """
from tests.unit.stores_kit import *
vault = Vault(os.environ["HOME"] + "/home/secrets.db", keys=Keys(environ={}))
vault.put(record(secret="canary"), expect=0)
print(vault.status()["opened_by"], vault.status()["vault_id"])
"""
GET = """
from tests.unit.stores_kit import *
from arcrun_auth.errors import StoreError
vault = Vault(os.environ["HOME"] + "/home/secrets.db",
              keys=Keys(environ={}, unlocked=lambda _: None))
try:
    print(vault.get(NOTION).secrets["token"].reveal())
except StoreError as error:
    print(type(error).__name__, error.message)
"""
WHY = """
from arcrun_auth.stores.keyring_backend import OSKeyring
print(OSKeyring().probe())
"""


def test_a_vaults_key_lies_in_an_unlocked_keyring(environ):
    out = session(
        environ, UNLOCK.format(password="pw"), python(PUT), python(GET),
        "secret-tool search --all service arcrun-auth 2>&1",
    )  # fmt: skip
    opened, vault_id = out.splitlines()[0].split()
    assert opened == "keyring"
    assert out.splitlines()[1] == "canary"
    assert out.count("attribute.username = ") == 1
    assert vault_id in out
    # Another login: the keyring is unlocked anew, and the key is still there.
    assert session(environ, UNLOCK.format(password="pw"), python(GET)) == "canary\n"


def test_the_keyring_library_and_we_find_each_others_items(environ):
    code = """
from keyring.backends.SecretService import Keyring
from arcrun_auth.stores.keyring_backend import OSKeyring
ours, theirs = OSKeyring(), Keyring()
ours.set("a", "\\u00fc\\u79d8\\u5bc6" + "x" * 100_000)
print(theirs.get_password("arcrun-auth", "a") == ours.get("a"))
theirs.set_password("arcrun-auth", "a", "theirs")
print(ours.get("a"))
ours.delete("a")
print(ours.get("a"), theirs.get_password("arcrun-auth", "a"))
"""
    out = session(environ, UNLOCK.format(password="pw"), python(code))
    assert out.split() == ["True", "theirs", "None", "None"]


def test_items_of_their_own_are_kept_there(environ):
    code = """
from tests.unit.stores_kit import *
from arcrun_auth.stores.keyring_items import KeyringItems
store = KeyringItems(os.environ["HOME"] + "/locks")
print(store.why_not(), store.put(record(), expect=0).generation, list(store.keys()))
store.delete(NOTION, expect=1)
print(store.get(NOTION), list(store.keys()))
"""
    out = session(environ, UNLOCK.format(password="pw"), python(code))
    assert out.splitlines() == [
        "None 1 [Key('credential', 'notion@default')]",
        "None []",
    ]


@pytest.mark.parametrize("start", [START, UNLOCK.format(password="wrong")], ids=["never", "wrong"])
def test_a_locked_keyring_is_told_and_nothing_hangs(environ, start):
    session(environ, UNLOCK.format(password="pw"), python(PUT))
    out = session(environ, f"{start} || true", python(GET))
    assert out.startswith("StoreLocked ")
    assert "locked" in out
    assert "canary" not in out


HANGS_UP = """
import sys
from jeepney import message_bus
from jeepney.io.blocking import open_dbus_connection
bus = open_dbus_connection()
bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.secrets"))
print("ready", flush=True)
while bus.receive().header.fields.get(3) != "Get":
    pass
"""


def test_a_daemon_that_hangs_up_in_between_is_followed_by_the_next(environ):
    """Several start at a login; D-Bus starts the next one by itself when it is called."""
    first = f"mkfifo $HOME/up; {sys.executable} -c '{HANGS_UP}' >$HOME/up & read _ <$HOME/up"
    out = session(environ, first, python(WHY))
    assert "no default keyring" in out


def test_a_keyring_that_was_never_made_is_told(environ):
    out = session(environ, START, python(WHY))
    assert "no default keyring" in out


def test_a_bus_without_a_secret_service_is_told(environ, tmp_path):
    # A bus that knows no service files cannot start the daemon by itself either.
    config = tmp_path / "bus.conf"
    config.write_text(
        "<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>"
        "<policy context='default'><allow send_destination='*'/><allow own='*'/>"
        "<allow eavesdrop='false'/></policy></busconfig>"
    )
    out = session(environ, python(WHY), bus=["--config-file", str(config)])
    assert "no Secret Service" in out


TRAP = """
import keyring
from arcrun_auth.stores.keyring_backend import OSKeyring
print(keyring.get_keyring().__class__.__name__)
print(OSKeyring().probe())
"""


def test_without_d_bus_no_plain_text_keyring_is_taken(environ, tmp_path):
    """The trap: with keyrings.alt installed the keyring library picks a plain-text file.

    A stand-in of that package, found by the same entry point, is put on the path: the real
    one would have to be fetched from the network, and what is tested is that it is not asked.
    """
    site = tmp_path / "site"
    info = site / "keyrings_alt_stand_in-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: keyrings-alt-stand-in\nVersion: 1\n"
    )
    (info / "entry_points.txt").write_text("[keyring.backends]\ntrap = plain_trap\n")
    (site / "plain_trap.py").write_text(
        "import os\nfrom keyring.backend import KeyringBackend\n"
        "class PlaintextKeyring(KeyringBackend):\n"
        "    priority = 0.5\n"
        "    def get_password(self, service, username): return None\n"
        "    def set_password(self, service, username, password):\n"
        "        open(os.environ['HOME'] + '/plain', 'w').write(password)\n"
        "    def delete_password(self, service, username): pass\n"
    )
    trapped = {
        **environ,
        "PYTHONPATH": f"{site}:{ROOT}",
        "PYTHON_KEYRING_BACKEND": "plain_trap.PlaintextKeyring",
    }
    chosen, ours = alone(trapped, TRAP).splitlines()
    assert chosen == "PlaintextKeyring"
    assert "no D-Bus session" in ours
    assert not (tmp_path / "plain").exists()


def test_without_d_bus_no_vault_is_made(environ, tmp_path):
    code = """
from tests.unit.stores_kit import *
from arcrun_auth.errors import NoStore
try:
    Vault(os.environ["HOME"] + "/home/secrets.db", keys=Keys(environ={})).put(record(), expect=0)
except NoStore as error:
    print(error)
"""
    out = alone(environ, code)
    assert "no D-Bus session" in out
    assert "ARCRUN_MASTER_KEY_FILE" in out
    assert not (tmp_path / "home").exists()
