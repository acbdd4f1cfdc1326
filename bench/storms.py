"""Rows 1 and 2: many callers, one expired token, a provider that rotates and revokes."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import select
import statistics
import subprocess
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import ProxyHandler, build_opener

from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from bench import place, storm_caller
from bench.board import Line, Row
from bench.measure import Samples
from bench.processes import PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

LATENCY = 0.15
"""How many seconds does the token endpoint take?"""

PEER_ROUNDS = 5
"""How often is a peer's storm repeated? Its counts hardly differ; a lost login takes time."""

GUARD = 120.0
"""After how many seconds is a caller taken for hung?"""

OURS = "arcrun"
RAW = "httpx, token valid"
SYNC = ("authlib", "google-auth", "requests-oauthlib")
DEMO = Key("credential", "demo")


@dataclass(frozen=True)
class Shape:
    """So many processes, each with so many threads or tasks."""

    name: str
    processes: int
    each: int = 1
    do: str = "threads"
    killed: bool = False
    """A process that holds the lock is killed before it has sent anything."""


@dataclass
class Outcome:
    """What the rounds of one storm gave."""

    calls: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    callers: int = 0

    def figure(self, of: Any, *, survival: bool) -> str:
        text = f"{of(self.calls):g} / {of(self.failed):g}"
        return text + (f" / {'no' if any(self.lost) else 'yes'}" if survival else "")


class Caller:
    """A process that does what it is told, by lines of JSON."""

    def __init__(self, library: str, config: str, env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [PYTHON, storm_caller.__file__, library, config],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env,
        )  # fmt: skip

    def tell(self, **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], GUARD)[0]:
            raise TimeoutError("a caller hangs")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a caller died")
        return json.loads(line)

    def ask(self, **order: Any) -> Any:
        self.tell(**order)
        return self.hear()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Desk:
    """The provider, a home with a vault, and a token file for the peers."""

    def __init__(self, provider: Provider, home: place.Home) -> None:
        self.provider = provider
        self.home = home
        self.token_file = os.path.join(home.folder, "token.json")
        self.config = os.path.join(home.folder, "config.json")
        config = {
            "api": f"{provider.issuer}/api/me",
            "token_endpoint": f"{provider.issuer}/token",
            "client_secret": provider.client_secret,
            "token_file": self.token_file,
            "locks": os.path.join(home.folder, "locks"),
        }
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(config, file)
        os.mkdir(os.path.join(home.folder, "recipes"), 0o700)
        path = os.path.join(home.folder, "recipes", "demo.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(provider.recipe_yaml())
        self.vault = home.vault()
        app = Credential(Key("app", "demo"), secrets={"client_id": Secret("demo")})
        self.vault.put(app, expect=0)
        self.env = {
            **home.environ,
            "ARCRUN_ALLOW_HOSTS": provider.issuer,
            "AUTHLIB_INSECURE_TRANSPORT": "1",
            "OAUTHLIB_INSECURE_TRANSPORT": "1",
        }

    def expire(self, library: str) -> None:
        """A fresh login whose access token is over, stored where `library` looks for it."""
        app = "demo-post" if library == "google-auth" else "demo"
        token = login(self.provider, app)
        now = time.time()
        if library == OURS:
            grant = Grant(
                access_token=Secret(token["access_token"]),
                refresh_token=Secret(token["refresh_token"]),
                issued=now - 7200, expires=now - 3600, scopes=("read",),
            )  # fmt: skip
            held = self.vault.get(DEMO)
            record = Credential(DEMO, method="oauth", grant=grant)
            self.vault.put(record, expect=held.generation if held else 0)
        elif library == "msal + extensions":
            self._seed_msal(token["refresh_token"])
        else:
            token |= {"expires_in": -3600, "expires_at": int(now - 3600)}
            with open(self.token_file, "w", encoding="utf-8") as file:
                json.dump(token, file)

    def _seed_msal(self, refresh_token: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.token_file)
        seconds, self.provider.authority.lifetime = self.provider.authority.lifetime, 1
        caller = Caller("msal + extensions", self.config, self.env)
        try:
            assert caller.ask(do="seed", refresh_token=refresh_token) == "seeded"
        finally:
            caller.close()
            self.provider.authority.lifetime = seconds


def login(provider: Provider, client_id: str) -> dict[str, Any]:
    """A login at the provider's pages: the token endpoint's answer (RFC 6749 §5.1)."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    redirect_uri = "http://127.0.0.1/callback"
    query = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri,
        "scope": "read openid profile offline_access", "state": secrets.token_urlsafe(8),
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }  # fmt: skip
    target = provider.redirected(f"{provider.issuer}/authorize?{urlencode(query)}")
    form = {
        "grant_type": "authorization_code", "client_id": client_id, "redirect_uri": redirect_uri,
        "code": parse_qs(urlsplit(target).query)["code"][0], "code_verifier": verifier,
    }  # fmt: skip
    if client_id == "demo-post":
        form["client_secret"] = provider.client_secret
    data = urlencode(form).encode()
    with build_opener(ProxyHandler({})).open(f"{provider.issuer}/token", data) as answer:
        return json.load(answer)


@contextlib.contextmanager
def desk() -> Iterator[Desk]:
    with Provider() as provider, place.home() as home:
        made = Desk(provider, home)
        yield made
        made.vault.close()


def storm(at: Desk, library: str, shape: Shape, times: int) -> Outcome:
    """`times` rounds of one storm, after one that is thrown away."""
    found = Outcome(callers=shape.processes * shape.each)
    callers = [Caller(library, at.config, at.env) for _ in range(shape.processes)]
    try:
        for number in range(times + 1):
            at.expire(library)
            one = _round(at, library, shape, callers)
            if number:
                found.calls.append(one[0])
                found.failed.append(one[1])
                found.lost.append(one[2])
                found.seconds.append(one[3])
    finally:
        for caller in callers:
            caller.close()
    return found


def _round(
    at: Desk, library: str, shape: Shape, callers: list[Caller]
) -> tuple[int, int, int, float]:
    provider = at.provider
    for caller in callers:
        caller.tell(do="ready")
    for caller in callers:
        assert caller.hear() == "ready"
    holder = _holder(at, library) if shape.killed else None
    calls, lost = provider.token_requests["refresh_token"], provider.families_revoked
    provider.latency = LATENCY
    started = time.perf_counter()
    for caller in callers:
        caller.tell(do=shape.do, number=shape.each)
    if holder is not None:
        time.sleep(0.2)  # until they wait at its lock
        started = time.perf_counter()
        holder.close()
    outcomes = [each for caller in callers for each in caller.hear()["outcomes"]]
    wall = time.perf_counter() - started
    provider.latency = 0.0
    failed = sum(outcome != "ok" for outcome in outcomes)
    return (
        provider.token_requests["refresh_token"] - calls,
        failed,
        provider.families_revoked - lost,
        wall,
    )


def _holder(at: Desk, library: str) -> Caller:
    holder = Caller(library, at.config, at.env)
    assert holder.ask(do="ready") == "ready"
    assert holder.ask(do="hold") == "holding"
    return holder


def row_1(runs: int) -> Row:
    """32 threads of one process."""
    row = Row(1, "refresh storm in one process: token requests / failed callers")
    with desk() as at:
        _against(row, at, Shape("32 threads", 1, 32), SYNC, runs, most=3.0, survival=False)
    return row


def row_2(runs: int) -> Row:
    """Processes that share a login, tasks of one process, and a dead holder of the lock."""
    row = Row(2, "refresh storm across processes: token requests / failed callers / login survives")
    row.notes += [
        "100 tasks: google-auth, requests-oauthlib and msal have no async client for a login",
        "lock holder killed: the peers take no lock around a renewal, so there is none to hold",
    ]
    every = (*SYNC, "msal + extensions")
    with desk() as at:
        for shape, peers in (
            (Shape("8 processes", 8), every),
            (Shape("8 processes x 4 threads", 8, 4), every),
            (Shape("100 tasks", 1, 100, do="tasks"), ("authlib", RAW)),
            (Shape("8 processes, lock holder killed", 8, killed=True), ()),
        ):
            _against(row, at, shape, peers, runs, most=2.0, survival=True)
    return row


def _against(
    row: Row,
    at: Desk,
    shape: Shape,
    peers: tuple[str, ...],
    runs: int,
    *,
    most: float,
    survival: bool,
) -> None:
    mine = storm(at, OURS, shape, runs)
    good = (max(mine.calls), max(mine.failed), max(mine.lost)) == (1, 0, 0)
    ours = mine.figure(max, survival=survival)  # the worst round
    goal = "1/0/yes" if survival else "1 / 0"
    why = "a round of ours did not hold" if not good else ""
    number = str(row.number)
    if not peers:
        row.lines.append(Line(number, shape.name, ours, goal=goal, met=good, why=why))
    for peer in peers:
        alone = storm(at, peer, replace(shape, processes=1, each=1), 1)
        if alone.calls + alone.failed + alone.lost != [0 if peer == RAW else 1, 0, 0]:
            row.notes.append(f"{peer}: against this provider even one caller alone has no success")
            continue
        theirs = storm(at, peer, shape, min(runs, PEER_ROUNDS))
        text = theirs.figure(statistics.median, survival=survival)
        row.samples[f"{shape.name}, {peer}"] = {peer: Samples(theirs.seconds)}
        times = statistics.median(mine.seconds) / statistics.median(theirs.seconds)
        row.lines.append(
            Line(number, shape.name, ours, peer, text, times, goal=goal, met=good, why=why)
        )
    wall = statistics.median(mine.seconds) / LATENCY
    row.samples[shape.name] = {OURS: Samples(mine.seconds)}
    row.lines.append(
        Line(
            number, f"{shape.name}: wall", f"{wall:.2f}x", f"latency of {LATENCY * 1e3:.0f} ms",
            goal=f"<={most:g}x", met=wall <= most, why=_SLOW if wall > most else "",
        )
    )  # fmt: skip


_SLOW = (
    "the renewal takes its latency once; the rest is the callers' own requests on so few cores (a "
    "hundred plain ones, which renew nothing: the line of httpx)"
)
