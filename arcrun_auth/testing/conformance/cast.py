"""Who and what takes part in a conformance run beside the service: a person, their app, the
machine, and a catalogue of one recipe.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth import ambient
from arcrun_auth.catalog import Catalog
from arcrun_auth.catalog.entry import Entry
from arcrun_auth.catalog.rows import entry_row
from arcrun_auth.errors import UnknownService
from arcrun_auth.testing._grants import decide_device
from arcrun_auth.testing.conformance import certificates
from arcrun_auth.testing.conformance.issuer import USER
from arcrun_auth.testing.somebody import Somebody
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.testing.conformance.given import Given
    from arcrun_auth.testing.conformance.issuer import Issuer
    from arcrun_auth.testing.conformance.played import Service

LOGIN_SECONDS = "20"
"""After how long does a login that hangs fail?"""


class Ada(Somebody):
    """The person: agrees at the page, types the code of a device."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    def show_link(self, url: str, text: str) -> None:
        super().show_link(url, text)
        if self._service.issuer is not None and "code" not in text:
            self.pastes(self._service.issuer.visited(url))

    def say(self, text: str) -> None:
        super().say(text)
        issuer = self._service.issuer
        if issuer is not None and text.startswith("and enter the code: "):
            decide_device(issuer, text.rpartition(" ")[2], user=USER, allow=True)


class Only(Catalog):
    """A catalogue of one recipe, as if it came with us."""

    def __init__(self, recipe: Recipe, home: str) -> None:
        super().__init__(home)
        self._it = recipe
        row = entry_row(recipe, tier="bundled", release="", path=f"{recipe.service}.yaml")
        self._its = Entry(row)

    def entry(self, service: str) -> Entry:
        if service != self._it.service:
            raise UnknownService(service)
        return self._its

    def recipe(self, service: str) -> Recipe:
        self.entry(service)
        return self._it

    def entries(self) -> list[Entry]:
        return [self._its]


def app(issuer: Issuer) -> dict[str, Secret]:
    """What one's own OAuth app at this issuer consists of."""
    found = {"client_id": Secret(issuer.app.id)}
    if issuer.app.secret is not None:
        found["client_secret"] = Secret(issuer.app.secret)
    if issuer.app.key is not None:
        found["private_key"] = Secret(issuer.app.key)
    if issuer.oauth2.client.auth == "tls_client_auth":
        chain, key = certificates.identity()
        found |= {"certificate": Secret(chain), "private_key": Secret(key)}
    return found


def environ(given: Given, folder: str) -> dict[str, str]:
    """What this machine has, where a recipe looks for secrets there; `folder` is its home."""
    found = {"ARCRUN_PROJECT": "off", "ARCRUN_LOGIN_TIMEOUT": LOGIN_SECONDS, "HOME": folder}
    for secret in given.way.required_secrets:
        value = given.secrets[secret.key]
        if secret.ambient and secret.env:
            found[secret.env[0]] = value
        elif secret.ambient and secret.files:
            pattern = secret.files[0]
            if pattern.startswith("${"):
                name, _, rest = pattern[len("${") :].partition("}")
                found[name] = folder if rest else os.path.join(folder, "ambient.json")
            _write(ambient.expanded(pattern, found), value)
    return found


def _write(path: str | None, text: str) -> None:
    assert path is not None
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
