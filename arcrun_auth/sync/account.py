"""Who is logged in here, to which platform: by `arcrun login`, or by what a CI job is given."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, LoginRequired, StoreConflict
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.cloud import Cloud
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store

KEY = Key("device", "platform")
"""Under which name is the login kept?"""
VARIABLE = "ARCRUN_API_KEY"
"""Which variable holds an API key that stands before the stored login?"""


class Account:
    """One account at one platform, and the key to it. Its `repr` shows no key."""

    __slots__ = ("_allow", "_key", "account", "email", "ends", "server", "source")

    def __init__(
        self,
        server: str,
        key: Callable[[], Secret],
        *,
        allow: tuple[str, ...],
        account: str = "",
        email: str = "",
        ends: float | None = None,
        source: str = "",
    ) -> None:
        self.server = server
        """The address of the platform."""
        self.account = account
        """Its id there; empty where only the platform knows."""
        self.email = email
        self.ends = ends
        """When the key ends, in epoch seconds; None where it does not, or nobody knows."""
        self.source = source
        """Where the key comes from: the store's name, or a variable."""
        self._key = key
        self._allow = allow

    def api_key(self) -> Secret:
        """The key. That of a CI job is asked for here: AuthError, ProviderUnavailable."""
        return self._key()

    def cloud(self) -> Cloud:
        """A client of the platform with it: to be closed, or used in a `with` statement."""
        from arcrun_auth.cloud import Cloud

        return Cloud(self.server, self.api_key(), allow=self._allow)

    def __repr__(self) -> str:
        return f"Account({self.server!r}, {self.account!r})"


def account(
    store: Store, settings: Settings, *, clock: Callable[[], float] = time.time
) -> Account | None:
    """Who is logged in; None where nobody is. Sends nothing.

    ARCRUN_API_KEY, or the setting `ci_vault`, count with the setting `server`, before what
    `arcrun login` has stored. AuthError where one of them stands there without it.
    """
    given, vault = settings.environ.get(VARIABLE, ""), settings.get("ci_vault")
    server = str(settings.get("server") or "").rstrip("/")
    if given or vault:
        if not server:
            raise AuthError(
                f"There is {'an API key' if given else 'a CI vault'}, and no platform it is for.",
                hint="set ARCRUN_SERVER to the address of the platform",
            )
        if given:
            from arcrun_auth.platform_api import api_key

            key, source = api_key(given), VARIABLE
            return Account(server, lambda: key, allow=settings.allow_hosts, source=source)
        from arcrun_auth.sync.job import JobKey

        job = JobKey(server, str(vault), settings, clock)
        return Account(server, job, allow=settings.allow_hosts, source="the CI job")
    return of_record(store.get(KEY), settings, store.name)


def of_record(record: Credential | None, settings: Settings, source: str = "") -> Account | None:
    """The account of a stored login; None where there is none, or only a half."""
    key = record.secrets.get("api_key") if record is not None else None
    if record is None or key is None:
        return None
    params = record.params
    return Account(
        params.get("server", ""), lambda: key, allow=settings.allow_hosts,
        account=params.get("account", ""), email=params.get("email", ""), ends=record.ends,
        source=source,
    )  # fmt: skip


def required(store: Store, settings: Settings) -> Account:
    """The same, and LoginRequired where nobody is logged in."""
    found = account(store, settings)
    if found is None:
        raise LoginRequired(
            "Nobody is logged in to a platform here.", service="", hint="arcrun login"
        )
    return found


def keep(
    store: Store, server: str, key: Secret, *, account: str, email: str, ends: float | None = None
) -> None:
    """Stores a login, in place of another."""
    record = Credential(
        KEY,
        secrets={"api_key": key},
        params={"server": server, "account": account, **({"email": email} if email else {})},
        ends=ends,
    )
    while True:
        held = store.get(KEY)
        created, generation = (held.created, held.generation) if held else (0.0, 0)
        try:
            store.put(record.replace(created=created), expect=generation)
        except StoreConflict:  # two logins at once: the later word counts
            continue
        return


def replace_key(store: Store, old: Secret, new: Secret) -> None:
    """The new text of a key that was rotated, in place of the old one and of no other."""
    while True:
        held = store.get(KEY)
        if held is None or held.secrets.get("api_key") != old:
            return
        try:
            store.put(held.replace(secrets={"api_key": new}), expect=held.generation)
        except StoreConflict:
            continue
        return


def forget(store: Store) -> bool:
    """Deletes the stored login. Whether there was one."""
    while True:
        held = store.get(KEY)
        if held is None or not held.generation:
            return False
        try:
            store.delete(KEY, expect=held.generation)
        except StoreConflict:
            continue
        return True
