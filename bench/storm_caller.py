"""One of many callers with the same expired token: `storm_caller.py LIBRARY CONFIG.json`.

Reads orders from stdin, one line of JSON each, and answers on stdout. Every library is
used as its documentation says, with the token in a file that all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import sys
import threading
import time

CONFIG: dict[str, str] = {}


def load() -> dict:
    with open(CONFIG["token_file"], encoding="utf-8") as file:
        return json.load(file)


def save(token, **_) -> None:
    """What an application does with a renewed token."""
    path = CONFIG["token_file"]
    temporary = f"{path}.{os.getpid()}.{threading.get_ident()}"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(dict(token), file)
    os.replace(temporary, path)


class Arcrun:
    def __init__(self) -> None:
        from arcrun_auth.broker import Broker

        self.broker = Broker()
        self.client = self.broker.bind("demo")

    def call(self) -> int:
        return self.client.get("/me", timeout=60).status_code

    @contextlib.asynccontextmanager
    async def calling(self):
        async with self.broker.bind_async("demo") as client:

            async def call() -> int:
                return (await client.get("/me", timeout=60)).status_code

            yield call

    def hold(self) -> None:
        """Takes the lock that a renewal takes, and keeps it."""
        from arcrun_auth.locks import CredentialLock
        from arcrun_auth.tokens import Key

        self.lock = CredentialLock(CONFIG["locks"], Key("credential", "demo")).acquire()
        self.lock.__enter__()


class Authlib:
    def __init__(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()):  # it calls httpx deprecated
            from authlib.integrations import httpx_client
        how = {
            "client_id": "demo", "token_endpoint": CONFIG["token_endpoint"],
            "token_endpoint_auth_method": "none", "timeout": 60,
        }  # fmt: skip
        self.client = httpx_client.OAuth2Client(**how, token=load(), update_token=save)

        async def save_async(token, **more) -> None:
            save(token, **more)

        self.make = lambda: httpx_client.AsyncOAuth2Client(
            **how, token=load(), update_token=save_async
        )

    def call(self) -> int:
        return self.client.get(CONFIG["api"]).status_code

    @contextlib.asynccontextmanager
    async def calling(self):
        async with self.make() as client:

            async def call() -> int:
                return (await client.get(CONFIG["api"])).status_code

            yield call


class Raw:
    """Plain httpx with a token that is valid: what the requests alone take."""

    @contextlib.asynccontextmanager
    async def calling(self):
        import httpx

        header = {"Authorization": f"Bearer {load()['access_token']}"}
        async with httpx.AsyncClient(headers=header, timeout=60) as client:

            async def call() -> int:
                return (await client.get(CONFIG["api"])).status_code

            yield call


class Google:
    def __init__(self) -> None:
        from datetime import UTC, datetime

        from google.auth.transport.requests import AuthorizedSession
        from google.oauth2.credentials import Credentials

        token = load()
        credentials = Credentials(
            token["access_token"],
            refresh_token=token["refresh_token"],
            token_uri=CONFIG["token_endpoint"],
            client_id="demo-post",
            client_secret=CONFIG["client_secret"],
            expiry=datetime.fromtimestamp(token["expires_at"], UTC).replace(tzinfo=None),
        )
        self.session = AuthorizedSession(credentials)

    def call(self) -> int:
        return self.session.get(CONFIG["api"], timeout=60).status_code


class Oauthlib:
    def __init__(self) -> None:
        from requests_oauthlib import OAuth2Session

        self.session = OAuth2Session(
            "demo",
            token=load(),
            auto_refresh_url=CONFIG["token_endpoint"],
            auto_refresh_kwargs={"client_id": "demo"},
            token_updater=save,
        )

    def call(self) -> int:
        return self.session.get(CONFIG["api"], timeout=60).status_code


class Msal:
    """With msal-extensions' persisted cache. MSAL wants https and an account in the answer.

    Both are given to it by the HTTP client that its constructor takes: it maps an https
    name to the provider and adds `client_info`, as Microsoft's endpoint does.
    """

    AUTHORITY = "https://login.example.com/tenant"

    def __init__(self) -> None:
        import msal
        import msal_extensions
        import requests

        self.requests = requests
        cache = msal_extensions.PersistedTokenCache(
            msal_extensions.FilePersistence(CONFIG["token_file"])
        )
        self.app = msal.PublicClientApplication(
            "demo", oidc_authority=self.AUTHORITY, http_client=self, token_cache=cache
        )

    def seed(self, refresh_token: str) -> None:
        found = self.app.acquire_token_by_refresh_token(refresh_token, ["read"])
        assert "access_token" in found, found.get("error")

    def call(self) -> int:
        (account,) = self.app.get_accounts()
        found = self.app.acquire_token_silent(["read"], account)
        if not found or "access_token" not in found:
            raise RuntimeError("no token")
        header = {"Authorization": f"Bearer {found['access_token']}"}
        return self.requests.get(CONFIG["api"], headers=header, timeout=60).status_code

    def get(self, _url, **_):
        return Answer(200, {
            "issuer": self.AUTHORITY,
            "authorization_endpoint": f"{self.AUTHORITY}/authorize",
            "token_endpoint": f"{self.AUTHORITY}/token",
        })  # fmt: skip

    def post(self, _url, *, data=None, headers=None, **_):
        answer = self.requests.post(
            CONFIG["token_endpoint"], data=data, headers=headers, timeout=60
        )
        found = answer.json()
        if answer.status_code == 200:
            found["client_info"] = "eyJ1aWQiOiJhZGEiLCJ1dGlkIjoidGVuYW50In0"
        return Answer(answer.status_code, found)

    def close(self) -> None:
        pass


class Answer:
    def __init__(self, status: int, data: dict) -> None:
        self.status_code, self.text, self.headers = status, json.dumps(data), {}

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise RuntimeError(self.status_code)


LIBRARIES = {
    "arcrun": Arcrun, "authlib": Authlib, "google-auth": Google, "requests-oauthlib": Oauthlib,
    "msal + extensions": Msal,
    "httpx, token valid": Raw,
}  # fmt: skip


def judged(work) -> str:
    try:
        status = work()
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is a failure
        return type(error).__name__
    return "ok" if status == 200 else str(status)


def in_threads(user, number: int) -> list[str]:
    outcomes: list[str] = []
    barrier = threading.Barrier(number)

    def one() -> None:
        barrier.wait()
        outcomes.append(judged(user.call))

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def in_tasks(user, number: int) -> list[str]:
    async def one(call) -> str:
        try:
            status = await call()
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is a failure
            return type(error).__name__
        return "ok" if status == 200 else str(status)

    async def run() -> list[str]:
        async with user.calling() as call:
            return await asyncio.gather(*(one(call) for _ in range(number)))

    return asyncio.run(run())


def answer(what) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(library: str, config: str) -> None:
    with open(config, encoding="utf-8") as file:
        CONFIG.update(json.load(file))
    user = None
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "ready":  # holds the expired token, stands before the barrier
            user = LIBRARIES[library]()
            answer("ready")
        elif order["do"] == "seed":
            LIBRARIES[library]().seed(order["refresh_token"])
            answer("seeded")
        elif order["do"] == "hold":
            user.hold()
            answer("holding")
        else:
            started = time.perf_counter()
            run = in_tasks if order["do"] == "tasks" else in_threads
            outcomes = run(user, order["number"])
            answer({"outcomes": outcomes, "seconds": time.perf_counter() - started})


if __name__ == "__main__":
    main(*sys.argv[1:])
