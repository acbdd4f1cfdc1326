"""One service on both databases, watched for statements that forget whose rows they are about."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from arcrun_auth.server import accounts, keys
from arcrun_auth.server.config import Config
from arcrun_auth.server.database import open_database
from arcrun_auth.server.running import application
from arcrun_auth.server.shapes import Register
from tests.platform_desk import FREE
from tests.postgres_desk import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.server.keys import Caller

OF_ACCOUNT = ("api_keys", "ci_vaults", "credentials", "leases", "enrolments",
              "enrolment_messages", "audit")  # fmt: skip
"""The tables whose rows belong to an account each."""
TELLS = ("WHERE k.hash = ?", "FROM ci_vaults WHERE id = ?", "FROM accounts WHERE subject = ?")
"""How a key, a job's vault and a person at an issuer are looked up: that tells the account."""


def forgets_the_account(sql: str) -> bool:
    """Whether a statement reads or changes rows of accounts without saying of which."""
    text = " ".join(sql.split())
    if text.startswith(("INSERT INTO", "CREATE")) or any(part in text for part in TELLS):
        return False
    if re.search(rf"\b({'|'.join(OF_ACCOUNT)})\b", text):
        return "account = ?" not in text
    return (
        bool(re.search(r"\baccounts\b", text))
        and "WHERE id = ?" not in text
        and (text != "SELECT id FROM accounts LIMIT 1")
    )


class _Watched:
    """A transaction that refuses such a statement."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tx, name)
        if name in ("now", "shared_now"):
            return found

        def checked(sql: str, *values: Any) -> Any:
            assert not forgets_the_account(sql), sql
            return found(sql, *values)

        return checked


class Watched:
    """A database whose transactions are watched."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.inline = database.inline

    def read(self, work):
        return self.database.read(lambda tx: work(_Watched(tx)))

    def write(self, work):
        return self.database.write(lambda tx: work(_Watched(tx)))

    async def reading(self, work):
        return await self.database.reading(lambda tx: work(_Watched(tx)))

    async def writing(self, work):
        return await self.database.writing(lambda tx: work(_Watched(tx)))

    def close(self) -> None:
        self.database.close()


@dataclass
class Clock:
    """A clock that stands still until it is turned."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def postgres():
    with cluster() as found:
        yield found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def database_url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "server" / "server.db")
    found = request.getfixturevalue("postgres")
    found.empty()
    return found.url


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(database_url, clock) -> Iterator[Watched]:
    found = Watched(open_database(database_url, clock))
    yield found
    found.close()


def account(database, **more: Any) -> Caller:
    """A new account, as its first key sees it."""
    made = database.write(lambda tx: accounts.register(tx, Register(**more), "open"))
    return database.read(lambda tx: keys.authenticate(tx, made.api_key))


@pytest.fixture
def anna(database) -> Caller:
    return account(database, email="anna@example.com")


@pytest.fixture
def bob(database) -> Caller:
    return account(database)


@dataclass
class Web:
    """The application, asked without a network."""

    database: Any
    config: Config
    keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runner = asyncio.Runner()
        self.app = application(self.database, self.config)
        transport = httpx.ASGITransport(self.app, client=("192.0.2.1", 4711))
        self.client = httpx.AsyncClient(transport=transport, base_url="https://server.test")

    def __call__(self, method: str, path: str, body: Any = None, *, key: str = "", **more: Any):
        headers = dict(more.pop("headers", {}))
        if key:
            headers["x-arcrun-api-key"] = self.keys.get(key, key)
        if body is not None:
            more["json"] = body
        request = self.client.request(method, path, headers=headers, **more)
        return self.runner.run(request)

    def register(self, name: str, **more: Any) -> None:
        """A new account whose key goes by `name` from now on."""
        made = self("POST", "/register", more)
        assert made.status_code == 201, made.text
        self.keys[name] = made.json()["api_key"]

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


@pytest.fixture
def web(database) -> Iterator[Web]:
    found = Web(database, Config(registration="open", url="https://server.test", limits=FREE))
    found.register("anna")
    found.register("bob")
    yield found
    found.close()
