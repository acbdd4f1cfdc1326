"""A broker, the embedded provider and somebody who answers: what most tests begin with."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

from arcrun_auth.broker import Broker
from arcrun_auth.people import Person
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from arcrun_auth.testing import Provider


class Told(Person):
    """Somebody who types the given lines; keeps what was said, and what was asked hidden."""

    def __init__(self, *lines: str | None, yes: bool = True) -> None:
        self.lines = list(lines)
        self.yes = yes
        self.said: list[str] = []
        self.asked: list[str] = []
        self.hidden: list[str] = []

    @property
    def reach(self):
        return "terminal"

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        self.asked.append(question)
        if hidden:
            self.hidden.append(question)
        return self.lines.pop(0) if self.lines else None

    def paste(self, stop: threading.Event) -> str | None:
        stop.wait(60)
        return None

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.yes


def master_key() -> dict[str, str]:
    """An environment whose vault opens by a key of its own."""
    return {"ARCRUN_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(), "ARCRUN_KEYRING": "off"}


def home_with(folder: Path, provider: Provider, **recipes: str) -> str:
    """A home whose local recipes are `demo` (OAuth), `keyed` (static key) and those given."""
    home = folder / "home"
    (home / "recipes").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    texts = {
        "demo": provider.recipe_yaml("demo"),
        "keyed": provider.recipe_yaml("keyed", primitive="static_key"),
        **recipes,
    }
    for name, text in texts.items():
        (home / "recipes" / f"{name}.yaml").write_text(text)
    return str(home)


def broker_for(home: str, provider: Provider, person: Person | None = None, **settings) -> Broker:
    """A broker that may talk to the provider; its person logs in by following the pages."""
    broker = Broker(
        home=home,
        person=person or Told(),
        allow_hosts=[provider.issuer],
        open_url=settings.pop("open_url", provider.follow),
        **settings,
    )
    if broker.store.get(Key("app", "demo")) is None:
        app = Credential(Key("app", "demo"), secrets={"client_id": Secret("demo")})
        broker.store.put(app, expect=0)
    return broker
