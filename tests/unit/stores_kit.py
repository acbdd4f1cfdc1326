"""What the tests of the stores share: fake keyrings, cheap passphrases, ready vaults."""

from __future__ import annotations

import os
from base64 import b64encode

from arcrun_auth.stores.keyring_backend import OSKeyring
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Credential, Key, Secret

NOTION = Key("credential", "notion")


class FakeBackend:
    """A keyring in memory: the operating system's own is not there on a test machine."""

    def __init__(self):
        self.items = {}

    def get_password(self, service, username):
        return self.items.get((service, username))

    def set_password(self, service, username, password):
        self.items[service, username] = password

    def delete_password(self, service, username):
        del self.items[service, username]


def keyring(backend=None):
    found = OSKeyring(lambda: backend or FakeBackend())
    return lambda: found


def no_keyring():
    return None


def record(name="notion", secret="canary", **more):
    return Credential(Key("credential", name), secrets={"token": Secret(secret)}, **more)


def env_keys(key=None, **more):
    text = b64encode(key or os.urandom(32)).decode()
    return Keys(environ={"ARCRUN_MASTER_KEY": text}, keyring=no_keyring, **more)


def vault_at(path, keys=None):
    return Vault(str(path / "home" / "secrets.db"), keys=keys or env_keys())


class Typist:
    """Somebody who types the same thing at every question, and remembers the questions."""

    def __init__(self, answer):
        self.answer = answer
        self.questions = []

    def __call__(self, question, *, confirm):
        self.questions.append((question, confirm))
        return self.answer
