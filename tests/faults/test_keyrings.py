"""Rows 18 and 19: a keyring that takes little, and a machine that has none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.errors import NoStore, StoreLocked
from arcrun_auth.stores.keyring_backend import OSKeyring
from arcrun_auth.stores.keyring_items import KeyringItems
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from tests import canary
from tests.faults.desk import GUARD, PATHS
from tests.faults.test_hosts import recipe
from tests.needs import needs
from tests.world import Told, home_with

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault

ITEM_BYTES = 2560
SECRET_BYTES = 10_240


class SmallKeyring:
    """As the Windows Credential Manager: an item holds 2,560 bytes, and a letter takes two.

    A stand-in, since that keyring exists on Windows alone.
    """

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > ITEM_BYTES:
            raise OSError(1783, "The stub received bad data")  # as CredWrite does
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[service, username]


@pytest.mark.parametrize("where", ["vault", "keyring"])
def test_row_18_a_long_secret_fits_a_small_keyring(tmp_path, provider, board, where) -> None:
    small = SmallKeyring()
    keyring = OSKeyring(lambda: small)
    home = home_with(tmp_path, provider, probe_header=recipe("header", "https://api.example.com"))

    def store():
        if where == "vault":
            keys = Keys(environ={}, keyring=lambda: keyring)
            return Vault(os.path.join(home, "secrets.db"), keys=keys)
        return KeyringItems(
            os.path.join(home, "locks"), keyring=lambda: keyring, limit=ITEM_BYTES // 2 - 80
        )

    secret = canary.fresh("k" * SECRET_BYTES)
    with pytest.raises(OSError, match="bad data"):
        small.set_password("control", "control", secret)
    Broker(home=home, store=store(), person=Told(), environ={}).setup("probe_header", key=secret)
    # Another broker reads it from disk and keyring: nothing of the first is in memory.
    again = Broker(home=home, store=store(), person=Told(), environ={})
    kept = again.get_token("probe_header", interactive=False).access_token == secret
    largest = max(len(text.encode("utf-16-le")) for text in small.items.values())
    board.note(
        18,
        f"10 KB secret, {where} store",
        injected=f"a keyring of {ITEM_BYTES} bytes an item",
        must_hold="stored and read back",
        figure=f"{len(secret)} bytes {'stored' if kept else 'LOST'}; {len(small.items)} items, "
        f"the largest {largest} bytes",
        held=kept and largest <= ITEM_BYTES,
    )


REFUSALS = (NoStore.__name__, StoreLocked.__name__)

PLAIN = """
    import json, os
    from keyring.backend import KeyringBackend

    class PlaintextKeyring(KeyringBackend):
        priority = 0.5
        path = os.path.expanduser("~/keyring_pass.cfg")
        def _all(self):
            return json.load(open(self.path)) if os.path.exists(self.path) else {}
        def get_password(self, service, username):
            return self._all().get(service + "/" + username)
        def set_password(self, service, username, password):
            everything = self._all() | {service + "/" + username: password}
            json.dump(everything, open(self.path, "w"))
        def delete_password(self, service, username):
            everything = self._all()
            del everything[service + "/" + username]
            json.dump(everything, open(self.path, "w"))
"""
"""Stands for `keyrings.alt` where that is not installed: the same name, priority and folly."""


def _with_keyrings_alt(folder: Path) -> str:
    """What to put on PYTHONPATH so that the keyring library finds a plain-text backend."""
    if importlib.util.find_spec("keyrings") and importlib.util.find_spec("keyrings.alt"):
        return ""
    package = folder / "given" / "keyrings" / "alt"
    package.mkdir(parents=True)
    (package / "file.py").write_text(textwrap.dedent(PLAIN))
    about = folder / "given" / "keyrings_alt-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: keyrings.alt\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[keyring.backends]\nfile = keyrings.alt.file\n")
    return str(folder / "given")


CHOSEN = """
import json, keyring
chosen = keyring.get_keyring()
among = [type(each).__module__ for each in getattr(chosen, "backends", [])]
print(json.dumps([type(chosen).__module__, among]))
"""

KEEP = """
import json, sys
from arcrun_auth.broker import Broker
from arcrun_auth.errors import AuthError
from arcrun_auth.people import Nobody
try:
    Broker(person=Nobody()).setup("openai", key=sys.stdin.read())
except AuthError as error:
    print(json.dumps([type(error).__name__, str(error)]))
else:
    print(json.dumps(["stored", ""]))
"""


@pytest.mark.parametrize("store", ["vault", "keyring"])
def test_row_19_a_headless_machine_encrypts_or_refuses(tmp_path, board, store) -> None:
    needs(sys.platform == "linux", "Linux (a machine without a desktop)")
    home = tmp_path / "user"
    home.mkdir(mode=0o700)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join((PATHS, _with_keyrings_alt(tmp_path))),
        "ARCRUN_STORE": store,
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent",
    }

    def run(program: str, given: str = ""):
        ended = subprocess.run(
            [sys.executable, "-c", program], input=given, env=environ, text=True,
            capture_output=True, timeout=GUARD,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    module, among = run(CHOSEN)
    assert "keyrings.alt" in "".join([module, *among]), "keyring itself must fall for it"
    said, _ = run(KEEP, canary.fresh())
    found = canary.files_with_hits(home)
    environ["ARCRUN_MASTER_KEY"] = "k" * 43
    if store == "vault":
        assert run(KEEP, canary.fresh()) == ["stored", ""]
    found += canary.files_with_hits(home)
    board.note(
        19,
        f"headless Linux, {store} store",
        injected="no D-Bus, keyrings.alt installed",
        must_hold="encrypted or refused, 0 bytes in clear",
        figure=f"{said}, {len(found)} files in clear"
        + ("; encrypted where a key is given" if store == "vault" else ""),
        held=not found and said in REFUSALS,
    )


def test_row_19_the_stand_in_is_found_out_where_it_is_used(tmp_path) -> None:
    """The control: whoever asks the keyring library leaves the secret in clear."""
    home = tmp_path / "given" / "user"
    home.mkdir(parents=True)
    path = _with_keyrings_alt(tmp_path / "given")
    # Without the backends that ask for a password: the benchmarks bring them into this place.
    program = (
        "import sys; sys.modules.update(dict.fromkeys(('keyrings.cryptfile', 'Crypto'))); "
        "import keyring; keyring.set_password('s', 'u', sys.stdin.read())"
    )
    subprocess.run(
        [sys.executable, "-c", program], input=canary.fresh(), text=True, check=True, timeout=GUARD,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": path,
             "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"},
    )  # fmt: skip
    assert canary.files_with_hits(home, given="-")
