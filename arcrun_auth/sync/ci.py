"""CI vaults: some connections for some jobs, sealed under a key of their own.

What is known of one lies in this home's store: its key, which connections it holds, and by
which API key or identity tokens jobs may fetch its row.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, LoginRequired, StoreLocked
from arcrun_auth.protocol import ci_vault
from arcrun_auth.protocol.portable import portable
from arcrun_auth.stores.cloud_store import VARIABLE as SEALED_BY
from arcrun_auth.stores.cloud_store import CloudStore
from arcrun_auth.stores.memory import Memory
from arcrun_auth.sync.account import VARIABLE, account, required
from arcrun_auth.sync.logins import Logins, primary
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.cloud import Cloud
    from arcrun_auth.protocol.ci_vault import Bodies
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.settings import Settings
    from arcrun_auth.stores.base import Store

ACCOUNT = "ci"
"""Under which account of kind `device` do the records of CI vaults lie?"""
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
"""What may a CI vault be called?"""


class CiVault:
    """One CI vault, as this home knows it. Its `repr` shows no key."""

    __slots__ = ("_record",)

    def __init__(self, record: Credential) -> None:
        self._record = record

    @property
    def name(self) -> str:
        return self._record.key.instance

    @property
    def services(self) -> tuple[str, ...]:
        """The connections that it holds, as they are typed."""
        return tuple(self._record.params.get("services", "").split())

    @property
    def server(self) -> str:
        return self._record.params.get("server", "")

    @property
    def key_id(self) -> str:
        """The id of the API key that jobs have; empty where they show an identity token."""
        return self._record.params.get("key_id", "")

    @property
    def vault_id(self) -> str:
        """Its id at the platform, for jobs that show an identity token; else empty."""
        return self._record.params.get("vault_id", "")

    @property
    def subject(self) -> str:
        """Which jobs may, by the subject of their identity tokens."""
        return self._record.params.get("subject", "")

    @property
    def created(self) -> float:
        """In epoch seconds."""
        return self._record.created

    @property
    def key(self) -> Secret:
        """What opens it, in hex."""
        return self._record.secrets["key"]

    @property
    def raw(self) -> bytes:
        """The same, as bytes."""
        return bytes.fromhex(self.key.reveal())

    def __repr__(self) -> str:
        return f"CiVault({self.name!r})"


class Made:
    """A CI vault that was made, and what its jobs need: variables, to be shown once."""

    __slots__ = ("variables", "vault")

    def __init__(self, vault: CiVault, variables: dict[str, str | Secret]) -> None:
        self.vault = vault
        self.variables = variables


class CiVaults:
    """The CI vaults of one home.

    Its methods raise LoginRequired where nobody is logged in to a platform, and what the
    platform's client raises: ProviderUnavailable, TokenRefused, AuthError.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._store = primary(resolver.store)

    def listed(self) -> list[CiVault]:
        """All of them, by name. Sends nothing."""
        keys = sorted(key for key in self._store.keys() if _is_ours(key))
        return [CiVault(record) for key in keys if (record := self._store.get(key)) is not None]

    def create(
        self, name: str, services: Sequence[str], *, issuer: str = "", subject: str = ""
    ) -> Made:
        """A new one. With `issuer` and `subject` jobs show the token of their CI system.

        AuthError for a name that is taken or none, for a connection that is not stored here, and
        for a login that would end if two used it.
        """
        if not NAME.fullmatch(name):
            raise AuthError(
                "A CI vault's name is up to 40 lower-case letters, digits and . _ -",
                hint="arcrun ci create deploy --services notion",
            )
        if self._store.get(_key(name)) is not None:
            raise AuthError(
                f"There is a CI vault {name} already.",
                hint=f"arcrun ci update {name}, or arcrun ci remove {name}",
            )
        text = ci_vault.text_of(self._bodies(services))
        here = required(self._store, self._resolver.settings)
        params = {"services": " ".join(services), "server": here.server}
        if subject:
            params |= {"issuer": issuer, "subject": subject}
        # Kept before anything is sent: what lies at the platform can be removed by it.
        record = self._store.put(
            Credential(_key(name), secrets={"key": Secret(os.urandom(32).hex())}, params=params),
            expect=0,
        )
        vault = CiVault(record)
        variables: dict[str, str | Secret] = {
            "ARCRUN_SERVER": here.server,
            "ARCRUN_STORE": "cloud",
            SEALED_BY: vault.key,
        }
        with here.cloud() as cloud:
            self._send(cloud, vault, text)
            if subject:
                id_ = cloud.create_ci(name, [self._row(vault)], issuer=issuer, subject=subject)
                variables["ARCRUN_CI_VAULT"] = id_
                kept = {"vault_id": id_}
            else:
                made = cloud.create_key("ci", f"CI: {name}", rows=[self._row(vault)])
                variables[VARIABLE] = Secret(made.api_key)
                kept = {"key_id": made.id}
        fresh = record.replace(params={**params, **kept, "mac": ci_vault.mac(vault.raw, text)})
        self._resolver.audit.note("ci create", name)
        return Made(CiVault(self._store.put(fresh, expect=record.generation)), variables)

    def update(self, name: str | None = None) -> list[str]:
        """Seals anew what has changed here since; the names of those that had.

        One that cannot be stops no other: what it raised is raised at the end.
        """
        changed, failed = [], None
        for vault in self.listed() if name is None else [self._vault(name)]:
            try:
                if self._update(vault):
                    changed.append(vault.name)
            except AuthError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return changed

    def _update(self, vault: CiVault) -> bool:
        text = ci_vault.text_of(self._bodies(vault.services))
        record, mac = self._store.get(_key(vault.name)), ci_vault.mac(vault.raw, text)
        if record is None or record.params.get("mac") == mac:
            return False
        with required(self._store, self._resolver.settings).cloud() as cloud:
            self._send(cloud, vault, text)
        fresh = record.replace(params={**record.params, "mac": mac})
        self._store.put(fresh, expect=record.generation)
        return True

    def remove(self, name: str) -> CiVault:
        """Ends it: no job fetches it any more, and its row is gone.

        What a job had fetched before it has: the secrets are ended at their providers alone.
        """
        vault = self._vault(name)
        with required(self._store, self._resolver.settings).cloud() as cloud:
            if vault.key_id:
                cloud.remove_key(vault.key_id)
            if vault.vault_id:
                cloud.remove_ci(vault.vault_id)
            cloud.delete_row(self._row(vault))
        record = self._store.get(_key(name))
        if record is not None:
            self._store.delete(record.key, expect=record.generation)
        self._resolver.audit.note("ci remove", name)
        return vault

    def _vault(self, name: str) -> CiVault:
        record = self._store.get(_key(name)) if NAME.fullmatch(name) else None
        if record is None:
            raise AuthError("There is no CI vault of that name here.", hint="arcrun ci list")
        return CiVault(record)

    @staticmethod
    def _row(vault: CiVault) -> str:
        return ci_vault.row_name(vault.raw)

    def _send(self, cloud: Cloud, vault: CiVault, text: bytes) -> None:
        cloud.put_row(self._row(vault), *ci_vault.seal(vault.raw, text).wire)

    def _bodies(self, services: Sequence[str]) -> Bodies:
        """The records of these connections, and of the apps that renew them."""
        logins, found = Logins(self._resolver.catalog), {}
        for name in services:
            connection = self._resolver.find(name, None)
            record = self._store.get(connection.key)
            if record is None:
                raise LoginRequired(
                    f"{connection.name} is not stored here: there is nothing to give to a job.",
                    service=connection.service, hint=connection.setup,
                )  # fmt: skip
            login = logins.of(record)
            if record.grant is not None and login == "stays":
                raise _refused(connection)
            found[record.key] = portable(record.replace(shared=False), login)
            app = self._app(connection)
            if app is not None:
                found[app.key] = portable(app, "stays")
        return found

    def _app(self, connection: Connection) -> Credential | None:
        """The person's own OAuth app, where the connection is renewed by one."""
        from arcrun_auth import apps

        _, way = self._resolver.way(connection)
        if way.oauth2 is None:
            return None
        return self._store.get(
            apps.key_for(self._store, connection.service, way, connection.instance)
        )


def _refused(connection: Connection) -> AuthError:
    return AuthError(
        f"{connection.name}: each renewal of this login may bring a new refresh token, and ends "
        "the one before. A job that renews it would end it here. It was not given away.",
        service=connection.service,
        hint="give the job a key, a service account, or a login of its own: "
        f"arcrun show {connection.service} lists the ways in",
    )


def _key(name: str) -> Key:
    return Key("device", ACCOUNT, name)


def _is_ours(key: Key) -> bool:
    return (key.kind, key.account) == ("device", ACCOUNT)


def cloud_store(settings: Settings, clock: Callable[[], float]) -> Store:
    """The store of a CI job: what its vault at the platform holds. Sends nothing yet.

    Reading it raises what `CloudStore` does, StoreLocked too where the job has neither an API key
    nor a CI vault that it may show its identity token for, and what the platform's client does.
    """

    def fetch(row: str) -> tuple[str, str] | None:
        found = account(Memory(), settings, clock=clock)  # nobody is logged in here
        if found is None:
            raise StoreLocked(
                "The store is `cloud`, and this job has no key to a platform.",
                hint=f"give the job ARCRUN_SERVER, and {VARIABLE} or ARCRUN_CI_VAULT",
            )
        with found.cloud() as cloud:
            there = cloud.row(row)
        return None if there is None else (there.encrypted, there.iv)

    return CloudStore(settings.environ, fetch)
