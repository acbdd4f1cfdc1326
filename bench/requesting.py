"""Row 10: one authenticated request over a connection that is kept, sync and async."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
from typing import TYPE_CHECKING

import httpx

from arcrun_auth.testing import Provider
from bench import answering, place
from bench.board import Goal, Row
from bench.measure import loop, loop_async, rounds, rounds_async
from bench.processes import PYTHON, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.broker import Broker
    from bench.measure import Samples

BATCH = 50
"""How many requests make one sample?"""

TOKEN = {"access_token": "at_" + "x" * 120, "token_type": "Bearer", "expires_in": place.YEAR}

_WHY = (
    "some 15 to 20 µs of Python a request: a copy of it that holds the secret, below redirects and "
    "hooks, so that no log and no response.request ever does; the host checked on every hop; one "
    "generator for the sync and the async driver"
)


def row_10(runs: int) -> Row:
    """GET of 12 bytes on 127.0.0.1; what is compared is the time of one request."""
    row = Row(10, "one authenticated request, keep-alive on loopback")
    with _server() as origin, place.home() as home:
        broker = _broker(home, origin)
        found = _sync(broker, origin, runs)
        row.compare("request, sync", found, {"raw httpx": Goal(1.03)}, why=_WHY)
        found = asyncio.run(_async(broker, origin, runs))
        row.compare("request, async", found, {"raw httpx": Goal(1.05)}, why=_WHY)
        broker.close()
    return row


@contextlib.contextmanager
def _server() -> Iterator[str]:
    process = subprocess.Popen(
        [PYTHON, answering.__file__], stdout=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _broker(home: place.Home, origin: str) -> Broker:
    """A broker with one login, of a recipe whose API is `origin`."""
    os.mkdir(os.path.join(home.folder, "recipes"), 0o700)
    provider = Provider()
    provider.issuer = origin
    with open(os.path.join(home.folder, "recipes", "demo.yaml"), "w", encoding="utf-8") as file:
        file.write(provider.recipe_yaml())
    broker = home.broker(ARCRUN_ALLOW_HOSTS=origin)
    place.fill(home.vault(), [place.grant("demo")])
    return broker


def _sync(broker: Broker, origin: str, runs: int) -> dict[str, Samples]:
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2.credentials import Credentials

    url = f"{origin}/api/me"
    header = {"Authorization": f"Bearer {TOKEN['access_token']}"}
    with (
        broker.bind("demo") as ours,
        httpx.Client(base_url=f"{origin}/api", headers=header) as raw,
        _authlib().OAuth2Client("bench", token=dict(TOKEN)) as authlib,
        AuthorizedSession(Credentials(TOKEN["access_token"])) as google,
    ):
        subjects = {
            "bound client": loop(lambda: ours.get("/me"), BATCH),
            "raw httpx": loop(lambda: raw.get("/me"), BATCH),
            "authlib OAuth2Client": loop(lambda: authlib.get(url), BATCH),
            "google AuthorizedSession": loop(lambda: google.get(url), BATCH),
        }
        return rounds(subjects, runs)


async def _async(broker: Broker, origin: str, runs: int) -> dict[str, Samples]:
    url = f"{origin}/api/me"
    header = {"Authorization": f"Bearer {TOKEN['access_token']}"}
    async with (
        broker.bind_async("demo") as ours,
        httpx.AsyncClient(base_url=f"{origin}/api", headers=header) as raw,
        _authlib().AsyncOAuth2Client("bench", token=dict(TOKEN)) as authlib,
    ):
        subjects = {
            "bound client": loop_async(lambda: ours.get("/me"), BATCH),
            "raw httpx": loop_async(lambda: raw.get("/me"), BATCH),
            "authlib AsyncOAuth2Client": loop_async(lambda: authlib.get(url), BATCH),
        }
        return await rounds_async(subjects, runs)


def _authlib():
    with contextlib.redirect_stderr(io.StringIO()):  # it calls httpx deprecated
        from authlib.integrations import httpx_client
    return httpx_client
