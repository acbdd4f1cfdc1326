"""A program that uses every store and every way to a token, to be watched by strace.

Says `open URL` where a browser would be shown one, and `expire` when its access token shall
be refused; reads the static key, and what it waits for, from stdin.
"""

from __future__ import annotations

import asyncio
import os
import sys

import arcrun_auth as auth
from arcrun_auth import shared
from arcrun_auth.broker import Broker
from arcrun_auth.people import Person
from arcrun_auth.stores import export
from arcrun_auth.stores.keyring_backend import OSKeyring
from arcrun_auth.stores.keyring_items import KeyringItems
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret
from tests.unit.stores_kit import FakeBackend


class Agrees(Person):
    @property
    def reach(self):
        return "terminal"

    def say(self, text):
        pass

    def ask(self, question, *, hidden=False):
        return None

    def confirm(self, question):
        return True


def tell(text):
    print(text, flush=True)


def wait_for(what):
    tell(what)
    sys.stdin.readline()


def log_in(here):
    here.store.put(Credential(Key("app", "demo"), secrets={"client_id": Secret("demo")}), expect=0)
    here.setup("demo")


def use(here, key):
    """Set up, call, renew, by sync and async, by the client and by the token."""
    log_in(here)
    with here.bind("demo") as client:
        client.get("/me").raise_for_status()
        wait_for("expire")
        client.get("/me").raise_for_status()
    here.get_token("demo")
    here.setup("keyed", key=key)
    with here.bind("keyed") as client:
        client.get("/static").raise_for_status()
    here.test("demo")
    here.why("demo")
    here.list_services()

    async def later():
        async with here.bind_async("demo") as client:
            (await client.get("/me")).raise_for_status()
        await here.get_token_async("demo")

    asyncio.run(later())


def main():
    key = sys.stdin.readline().strip()
    settings = {"person": Agrees(), "open_url": lambda url: tell(f"open {url}")}
    backend = FakeBackend()
    stores = [
        None,
        Memory(),
        KeyringItems(os.environ["ARCRUN_HOME"], keyring=lambda: OSKeyring(lambda: backend)),
    ]
    for store in stores:
        here = Broker(store=store, **settings)
        use(here, key)
        if store is None:
            path = os.path.join(here.settings.home, "secrets.enc")
            vault = here.store.primary
            export.write(vault, path)
            assert export.EncFile(path, keys=Keys()).get(Key("credential", "keyed"))
        here.close()
    environ = {**os.environ, "ARCRUN_KEYED__CI__KEY": key}
    with Broker(environ=environ, **settings).bind("keyed@ci") as client:
        client.get("/static").raise_for_status()
    shared._default = Broker(**settings)
    with auth.bind("keyed", secret={"key": key}) as client:
        client.get("/static").raise_for_status()
    auth.remove("keyed")
    auth.setup("keyed", key=key)  # for the commands, which find all of it connected
    tell("done")


if __name__ == "__main__":
    main()
