"""The platform's Python SDK: connections of this machine, rows and workflows of the platform.

    from arcrun.auth import Arcrun

    arc = Arcrun()
    arc.auth.setup("openai", api_key="sk-...")
    arc.creds.push("my_token", "value123")
    arc.workflows.run("report", {"day": "monday"})

`auth` is local: the vault of this machine, as everywhere in this package. `creds` keeps values
at the platform, sealed here (AES-256-GCM under `encryption_key`, which never leaves); names are
in clear there. A platform that keeps only plain values gets none.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arcrun_auth import platform_config
from arcrun_auth.errors import AuthError, printable
from arcrun_auth.platform_api import NOT_FOUND, Platform, understood
from arcrun_auth.platform_api import api_key as key_of
from arcrun_auth.seal import encrypt
from arcrun_auth.stores.keys import parse_key
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping

    import httpx

    from arcrun_auth.broker import Broker
    from arcrun_auth.platform_config import PlatformConfig
    from arcrun_auth.report import Service
    from arcrun_auth.sync.account import Account

_NAME = re.compile(r"\w{1,128}", re.ASCII)
_RESERVED = re.compile(r"s_", re.IGNORECASE)
"""How does no name begin that is pushed?"""
_SYNC = re.compile(r"s_[0-9a-f]+", re.IGNORECASE)
"""What are the rows of sync called, which are none of ours?"""

RUN_SECONDS = 300.0
"""How long may a workflow run while we wait?"""

_DONE = (200, 201)


class Arcrun:
    """A client of the platform. Sends nothing until one of its parts is used.

    `api_key`, `base_url` and `encryption_key` (32 bytes as hex or base64) come from the argument,
    else from ARCRUN_API_KEY, the setting `server` and ARCRUN_ENCRYPTION_KEY, else from what is
    stored in the vault (`arcrun login`), else from the platform's own `config.yaml` in the home
    of this package. Safe to share between threads.

    Requests raise TokenRefused for the API key, ProviderUnavailable for what may pass,
    HostNotAllowed, and AuthError with the platform's words for all else.

    >>> Arcrun(api_key="ak_example", base_url="https://platform.example")
    Arcrun('https://platform.example')
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        encryption_key: str | None = None,
    ) -> None:
        self._keys = _Keys(api_key, base_url, encryption_key)
        self.auth = Auth()
        self.creds = Creds(self._keys)
        self.workflows = Workflows(self._keys)

    def __repr__(self) -> str:
        return f"Arcrun({self._keys.given_url or ''!r})"

    def health(self) -> dict[str, Any]:
        """What the platform says of itself: `{"ok": True}`. Needs no key."""
        return self._keys.platform().ask("GET", "/health")


class Auth:
    """The connections of this machine: the verbs of `arcrun_auth`, in the shapes of the SDK."""

    def setup(self, service: str, instance: str | None = None, **wanted: Any) -> Service:
        """Connects a service and keeps it: `setup("openai", api_key="sk-...")`.

        See `Broker.setup`.
        """
        return _broker().setup(service, instance, **wanted)

    def bind(self, service: str, instance: str | None = None, **wanted: Any) -> httpx.Client:
        """An httpx client that is logged in to it. See `Broker.bind`."""
        return _broker().bind(service, instance, **wanted)

    def get_token(self, service: str, instance: str | None = None, **wanted: Any) -> str:
        """A valid access token, as text. See `Broker.get_token`."""
        return _broker().get_token(service, instance, **wanted).access_token

    def list_services(self) -> list[dict[str, Any]]:
        """What can be bound: `service`, `display_name`, `category`, `methods`, `connected`,
        and the names of the connections in `instances`."""
        return [
            {
                "service": each.service,
                "display_name": each.display_name,
                "category": each.category,
                "methods": list(each.methods),
                "connected": each.connected,
                "instances": list(each.instances),
            }
            for each in _broker().list_services().values()
        ]


class Creds:
    """Values that the platform keeps, sealed. Whoever has the key opens them, in any language."""

    def __init__(self, keys: _Keys) -> None:
        self._keys = keys

    def push(self, name: str, value: str) -> None:
        """Seals the value here and stores it there, in place of one of that name.

        ValueError for a name that cannot be one: letters, digits and `_`, and not `s_...`.
        """
        _unreserved(_named(name))
        iv, sealed = encrypt(self._keys.encryption_key(), value.encode(), b"")
        body = {
            "name": name,
            "encrypted": b64encode(sealed).decode(),
            "iv": b64encode(iv).decode(),
        }
        try:
            self._keys.ask("POST", "/credentials", body)
        except AuthError as error:
            if error.hint is None:
                error.hint = "a platform that takes sealed values: arcrun serve runs one"
            raise

    def list(self) -> builtins.list[str]:
        """The names of the values, sorted. Rows of sync are not among them."""
        found: set[str] = set()
        asked: set[str] = set()
        after: str | None = ""
        while after is not None and after not in asked:  # pages may lead in a circle
            asked.add(after)
            path = f"/credentials?after={quote(after, safe='')}" if after else "/credentials"
            page = self._keys.ask("GET", path)
            rows = page.get("credentials")
            names = [row.get("name") for row in rows or () if isinstance(row, dict)]
            found |= {name for name in names if isinstance(name, str) and _NAME.fullmatch(name)}
            following = page.get("next")
            after = following if isinstance(following, str) else None
        return sorted(name for name in found if not _SYNC.fullmatch(name))

    def delete(self, name: str) -> bool:
        """Forgets one there; False where there was none."""
        return self._keys.there("DELETE", f"/credentials/{_named(name)}")


class Workflows:
    """Workflows that the platform runs, each with an address of its own."""

    def __init__(self, keys: _Keys) -> None:
        self._keys = keys

    def push(self, name: str, graph: Mapping[str, Any], description: str = "") -> str:
        """Stores a workflow; the URL that starts it."""
        body = {"name": name, "graph": graph, "description": description}
        found = self._keys.ask("POST", "/webhooks/named", body).get("webhook_url")
        if not isinstance(found, str):
            raise AuthError(f"{self._keys.platform().host} named no address of the workflow.")
        return found

    def run(self, name: str, context: Mapping[str, Any] | None = None) -> Any:
        """Runs one with `context`, and waits for its result: whatever JSON it gives."""
        path = f"/webhooks/named/{_part(name)}/trigger"
        platform, key = self._keys.platform(), self._keys.api_key()
        answer = platform.send("POST", path, dict(context or {}), key, seconds=RUN_SECONDS)
        try:
            result = json.loads(answer.body)
        except (ValueError, RecursionError):
            result = answer.body.decode(errors="replace")
        failed = isinstance(result, dict) and result.get("success") is False
        if answer.status not in _DONE or failed:
            understood(answer, platform.host, time.time(), (key,))
        return result

    def list(self) -> builtins.list[dict[str, Any]]:
        """The workflows: `name`, `webhook_url`, `description`, `created_at`."""
        found = self._keys.ask("GET", "/webhooks/named").get("workflows")
        return [each for each in found or () if isinstance(each, dict)]

    def delete(self, name: str) -> bool:
        """Forgets one there; False where there was none."""
        return self._keys.there("DELETE", f"/webhooks/named/{_part(name)}")


class _Keys:
    """Where the SDK's requests go, and by which keys: looked for when they are needed."""

    def __init__(self, key: str | None, url: str | None, encryption: str | None) -> None:
        self._key = None if key is None else Secret(key)
        self._encryption = None if encryption is None else Secret(encryption)
        self.given_url = url

    def platform(self) -> Platform:
        return Platform(self._url(), _broker().settings.allow_hosts, time.time())

    def _url(self) -> str:
        settings = _broker().settings
        url = self.given_url or settings.get("server")
        url = url or (self._stored.server if self._stored is not None else "")
        url = url or (self._config.base_url if self._config is not None else "")
        if not url:
            raise AuthError(
                "No platform is named.", hint='Arcrun(base_url="https://..."), or set ARCRUN_SERVER'
            )
        return str(url).rstrip("/")

    def api_key(self) -> Secret:
        found = self._key or self._variable("ARCRUN_API_KEY")
        # What was stored for one platform is shown to no other, whoever names that.
        if found is None and self._stored is not None and self._is_for(self._stored.server):
            found = self._stored.api_key()
        if found is None and self._config is not None and self._is_for(self._config.base_url):
            found = self._of_config("api_key")
        if found is None:
            raise AuthError(
                "There is no API key for the platform.",
                hint="set ARCRUN_API_KEY, or log in: arcrun login",
            )
        return key_of(found.reveal())

    def encryption_key(self) -> bytes:
        found = self._encryption or self._variable("ARCRUN_ENCRYPTION_KEY")
        found = found or platform_config.encryption_key(_broker().store)
        found = found or self._of_config(platform_config.ENCRYPTION_KEY)
        if found is None:
            raise AuthError(
                "There is no encryption key: nothing is stored at a platform in clear.",
                hint="make one: openssl rand -hex 32, and set ARCRUN_ENCRYPTION_KEY to it",
            )
        return parse_key(found.reveal(), "The encryption key")

    def ask(self, method: Any, path: str, body: object = None) -> dict[str, Any]:
        return self.platform().ask(method, path, body, self.api_key())

    def there(self, method: Any, path: str) -> bool:
        """Whether there was what a request ended."""
        platform, key = self.platform(), self.api_key()
        answer = platform.send(method, path, key=key)
        if answer.status == NOT_FOUND:
            return False
        understood(answer, platform.host, time.time(), (key,))
        return True

    def _is_for(self, server: str) -> bool:
        return server.rstrip("/") in ("", self._url())

    def _variable(self, name: str) -> Secret | None:
        text = _broker().settings.environ.get(name, "").strip()
        return Secret(text) if text else None

    @cached_property
    def _stored(self) -> Account | None:
        """The login of this home, whatever the environment says."""
        from arcrun_auth.sync import account

        broker = _broker()
        return account.of_record(broker.store.get(account.KEY), broker.settings)

    def _of_config(self, name: str) -> Secret | None:
        return self._config.secrets.get(name) if self._config is not None else None

    @cached_property
    def _config(self) -> PlatformConfig | None:
        """The platform's own file; whoever sits at a terminal is asked whether to clear it."""
        broker = _broker()
        found = platform_config.read(broker.settings.home)
        if found is not None and found.secrets and broker.person.reach == "terminal":
            offer(broker, found)
        return found


def offer(broker: Broker, found: PlatformConfig) -> None:
    """Asks whether the keys of the platform's file shall lie in the vault instead."""
    place = platform_config.where(found)
    if not broker.person.confirm(f"The platform's keys lie in clear in {place}. Into the vault?"):
        return
    platform_config.take(broker.store, found)
    broker.audit.note("import", "platform")
    cleared = platform_config.clear(broker.store, found)
    broker.person.say(
        f"They are in the vault now, and no longer in {place}."
        if cleared
        else f"Take them out of {place} yourself: what the vault holds is not the same, or they "
        "share their lines with something else."
    )


def _named(name: str) -> str:
    """The name of a value at the platform. ValueError for what cannot be one."""
    if not _NAME.fullmatch(name):
        raise ValueError("a name is 1 to 128 letters, digits and underscores")
    if _SYNC.fullmatch(name):
        raise ValueError("this is the name of a row of sync")
    return name


def _unreserved(name: str) -> str:
    """ValueError for a name that could be mistaken for one of sync."""
    if _RESERVED.match(name):
        raise ValueError("names that begin with s_ are kept for sync")
    return name


def _part(name: str) -> str:
    """The name of a workflow as a part of a path. ValueError for what changes the path."""
    if not name or name in (".", ".."):
        raise ValueError(f"{printable(name, 20)!r} is no name of a workflow")
    return quote(name, safe="")


def _broker() -> Broker:
    from arcrun_auth.shared import default

    return default()
