"""What `arcrun demo` plays: a provider, a stranger, a person who agrees, and the scenes.

Nothing is told that did not happen: the figures in each line are the provider's own.
"""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from arcrun_auth.broker import Broker
from arcrun_auth.errors import AuthError, HostNotAllowed, printable
from arcrun_auth.people import Person
from arcrun_auth.tokens import Key
from arcrun_cli import ui

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from arcrun_auth.people import Reach
    from arcrun_auth.testing import Provider

THREADS = 200
PATIENCE = 120
"""How many seconds does the demo's login wait for somebody at the browser?"""

LOGIN, KEY = "demo", "demo_static"
OK = 200


class DoesNotHold(Exception):
    """A claim of the demo that turned out false."""


def claim(holds: object, otherwise: str) -> None:
    if not holds:
        raise DoesNotHold(otherwise)


class Guest(Person):
    """Agrees to the demo's own recipes, and reads what the login says if it is for eyes."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads

    @property
    def reach(self) -> Reach | None:
        return "desktop"

    def say(self, text: str) -> None:
        if self._reads:
            ui.tell(f"  {printable(text, 2000)}")

    def ask(self, question: str, *, hidden: bool = False) -> str | None:
        del question, hidden
        return None

    def confirm(self, question: str) -> bool:
        del question
        return True


class Stage:
    """Everything the scenes share. `close` lets go of the vault."""

    def __init__(
        self, home: str, provider: Provider, stranger: Provider, *, no_browser: bool
    ) -> None:
        from arcrun_auth import browser

        self.home = home
        self.provider = provider
        self.stranger = stranger
        self.by_itself = no_browser or not browser.available()
        self.secrets: list[str] = []
        _write_recipes(home, provider)
        self.broker = Broker(
            home=home,
            person=Guest(reads=not self.by_itself),
            open_url=self._follow if self.by_itself else browser.open_url,
            allow_hosts=[provider.issuer],
            environ={
                "ARCRUN_MASTER_KEY": b64encode(os.urandom(32)).decode(),
                "ARCRUN_KEYRING": "off",
                "ARCRUN_PROJECT": "0",
                "ARCRUN_LOGIN_TIMEOUT": str(PATIENCE),
                "ARCRUN_DEMO_CLIENT_ID": "demo",
            },
        )
        self.client: httpx.Client | None = None

    def _follow(self, url: str) -> None:
        threading.Thread(target=self.provider.follow, args=(url,), daemon=True).start()

    def get(self, path: str) -> httpx.Response:
        assert self.client is not None
        return self.client.get(path)

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        self.broker.close()


def _write_recipes(home: str, provider: Provider) -> None:
    folder = os.path.join(home, "recipes")
    os.mkdir(folder, 0o700)
    for service, primitive in ((LOGIN, "oauth2"), (KEY, "static_key")):
        text = provider.recipe_yaml(service, primitive=primitive)  # type: ignore[arg-type]
        with open(os.path.join(folder, f"{service}.yaml"), "w", encoding="utf-8") as file:
            file.write(text)


# -- The scenes ------------------------------------------------------------------------


def log_in(stage: Stage) -> str:
    found = stage.broker.setup(LOGIN, method="oauth")
    whose = found.instances["default"].identity
    sent = stage.provider.authorizations[-1]
    claim(sent.get("code_challenge_method") == "S256", "the login was sent without PKCE")
    claim(stage.provider.token_requests["authorization_code"] == 1, "the code was not redeemed")
    how = "no browser: I followed the page myself" if stage.by_itself else "in the browser"
    return f"as {whose} ({how})"


def store(stage: Stage) -> str:
    stage.secrets += _tokens(stage)
    return "both tokens lie in the vault, sealed with AES-256-GCM"


def _tokens(stage: Stage) -> list[str]:
    """What the vault holds of the login now."""
    record = stage.broker.store.get(Key("credential", LOGIN))
    grant = record.grant if record is not None else None
    if grant is None or grant.refresh_token is None:
        raise DoesNotHold("the login is not in the vault")
    return [grant.access_token.reveal(), grant.refresh_token.reveal()]


def bind(stage: Stage) -> str:
    stage.client = stage.broker.bind(LOGIN)
    answer = stage.get("/me")
    claim(answer.status_code == OK, f"GET /me was answered {answer.status_code}")
    return f'auth.bind("{LOGIN}").get("/me") is answered {answer.status_code}'


def expire(stage: Stage) -> str:
    import urllib.error
    import urllib.request

    stage.provider.authority.expire_access_tokens()
    request = urllib.request.Request(  # noqa: S310 - the demo's own provider
        f"{stage.provider.issuer}/api/me", headers={"Authorization": f"Bearer {stage.secrets[0]}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    claim(status == 401, f"the old token is answered {status}")  # noqa: PLR2004
    return f"the provider ends the access token: it is answered {status} now"


def renew(stage: Stage) -> str:
    before = stage.provider.refreshes
    answer = stage.get("/me")
    renewals = stage.provider.refreshes - before
    claim(answer.status_code == OK, f"GET /me was answered {answer.status_code}")
    claim(renewals == 1, f"the provider saw {renewals} renewals")
    return f"the same call is answered {answer.status_code}; the provider saw {renewals} renewal"


def storm(stage: Stage) -> str:
    stage.provider.authority.expire_access_tokens()
    before = stage.provider.token_requests["refresh_token"]
    together = threading.Barrier(THREADS)

    def call(_: int) -> int:
        # A client each: what they share is the connection's token and its one renewal.
        with stage.broker.bind(LOGIN) as client:
            client.timeout = PATIENCE  # so many at once on a small machine: slow is no fault
            together.wait(PATIENCE)
            try:
                return client.get("/me").status_code
            except AuthError:
                return 0

    with ThreadPoolExecutor(THREADS) as pool:
        statuses = list(pool.map(call, range(THREADS)))
    good = statuses.count(OK)
    renewals = stage.provider.token_requests["refresh_token"] - before
    claim(good == THREADS, f"only {good} of {THREADS} calls were answered")
    claim(renewals == 1, f"the provider saw {renewals} renewals")
    claim(stage.provider.reuses == 0, "a refresh token was used twice")
    return f"all with the dead token at once: {good} answered, {renewals} renewal"


def foreign(stage: Stage) -> str:
    url = f"{stage.stranger.issuer}/api/echo"
    try:
        stage.get(url)
    except HostNotAllowed:
        pass
    else:
        raise DoesNotHold(f"a request to {url} was sent")
    seen = stage.stranger.requests.total()
    claim(seen == 0, f"the other host saw {seen} requests")
    return f"a call to another host is refused; that host saw {seen} requests"


def static_key(stage: Stage) -> str:
    stage.broker.setup(KEY, key=stage.provider.static_key)
    stage.secrets.append(stage.provider.static_key)
    with stage.broker.bind(KEY) as client:
        status = client.get("/static").status_code
    claim(status == OK, f"GET /static was answered {status}")
    return f"a second service, by a key instead of a login: answered {status}"


def at_rest(stage: Stage) -> str:
    stage.secrets += _tokens(stage)
    data = b""
    for folder, _, names in os.walk(stage.home):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                data += file.read()
    shown = [secret for secret in stage.secrets if secret.encode() in data]
    claim(not shown, f"{len(shown)} secrets lie in clear in {stage.home}")
    vault = os.path.join(stage.home, "secrets.db")
    return (
        f"{len(stage.secrets)} secrets looked for in {len(data):,} bytes on disk: 0 found\n"
        + _sample(vault)
    )


def _sample(path: str) -> str:
    """Some bytes of a sealed record, as they lie on the disk."""
    import sqlite3

    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        (sealed,) = connection.execute("SELECT ct FROM rec LIMIT 1").fetchone()
    finally:
        connection.close()
    return f"all there is to see: {sealed[:12].hex(' ')} …"


SCENES: Sequence[tuple[str, Callable[[Stage], str]]] = (
    ("log in", log_in),
    ("store", store),
    ("bind, call", bind),
    ("expire", expire),
    ("renew", renew),
    (f"{THREADS} threads", storm),
    ("foreign host", foreign),
    ("static key", static_key),
    ("on disk", at_rest),
)
"""What is played, in this order: each gives the line to show."""
