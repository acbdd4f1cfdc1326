"""A recipe against the live service: what it says, and what came back, for one connection.

The test request is that of `arcrun test`, a renewal that of every other use: through the
source of the connection, which is told that its token was refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    HostNotAllowed,
    LoginRequired,
    MissingSecret,
    StoreError,
    printable,
)
from arcrun_auth.tokens import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcrun_auth.broker import Broker
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.report import Why
    from arcrun_auth.tokens import Credential, Grant

    State = Literal["ok", "warn", "fail", "skip"]

ELSEWHERE = "https://not-allowed.invalid/"
"""An address that no recipe can name (RFC 6761 §6.4): nothing would be there to get a secret."""

_NOT_SENT = (LoginRequired, MissingSecret, ConsentRequired, HostNotAllowed, StoreError)
"""After which errors is there nothing more to try?"""

_ROTATES = {
    "yes": "each renewal brings a new refresh token",
    "no": "the refresh token stays the same",
    "maybe": "it is not known whether refresh tokens rotate",
}


TEST = "test request"
"""How is the step called that asks the service itself?"""


@dataclass(frozen=True)
class Step:
    """One thing that was tried: what the recipe says of it, and what came back."""

    name: str
    says: str
    came: str
    state: State


@dataclass(frozen=True)
class Trial:
    """How one connection did."""

    name: str
    method: str
    steps: tuple[Step, ...]
    error: AuthError | None = None
    """What the test request or the renewal ended in, where it failed."""

    @property
    def ok(self) -> bool:
        return all(step.state != "fail" for step in self.steps)

    @property
    def is_proof(self) -> bool:
        """Whether the service has answered, and all held: a recipe may say so then."""
        return self.ok and any(step.name == TEST and step.state == "ok" for step in self.steps)


def run(broker: Broker, name: str, may_renew: Callable[[str], bool]) -> Trial:
    """Tries one connection. `may_renew` is asked with its name before a login is renewed.

    Raises what `Broker.why` raises; what the service refuses is a step that failed.
    """
    why = broker.why(name)
    way = broker.recipes.recipe(why.service).way(why.method)
    error: AuthError | None = None
    steps: list[Step] = []
    try:
        steps += _tested(broker, name, way)
    except AuthError as failure:
        error = failure
        steps.append(Step(TEST, _request(way), failure.message, "fail"))
    if isinstance(error, _NOT_SENT):
        return Trial(name, why.method, tuple(steps), error)
    steps.append(_fenced(broker, name, why))
    record = broker.store.get(_key(broker, why))
    if record is not None and record.grant is not None:
        steps += _granted(why, way, record.grant)
        try:
            steps += _renewed(broker, name, way, record, may_renew) if error is None else ()
        except AuthError as failure:
            error = failure
            steps.append(Step("renewal", _renewal(way), failure.message, "fail"))
    return Trial(name, why.method, tuple(steps), error)


def _key(broker: Broker, why: Why) -> Key:
    return Key("credential", broker.recipes.entry(why.service).account, why.instance)


def _tested(broker: Broker, name: str, way: Method) -> Iterator[Step]:
    checked = broker.test(name)
    if checked.status is None:
        yield Step(TEST, _request(way), "nothing was sent", "warn")
        return
    yield Step(TEST, _request(way), f"{checked.status}", "ok")
    wanted = way.test.identity if way.test is not None else ""
    if checked.identity:
        yield Step("account", wanted or "the user's claims", checked.identity, "ok")
    elif wanted:
        yield Step("account", wanted, "nothing stands there", "fail")


def _request(way: Method) -> str:
    test = way.test
    if test is None:
        told = way.oauth2 is not None and bool(way.oauth2.userinfo_endpoint or way.oauth2.discovery)
        return "the userinfo endpoint" if told else "no test request"
    good = "" if test.ok is None else f", {test.ok.path} = {test.ok.equals}"
    return f"{test.method} {test.url or test.path}: {' or '.join(map(str, test.expect))}{good}"


def _fenced(broker: Broker, name: str, why: Why) -> Step:
    """Whether a request to another host is refused before anything is sent."""
    says = f"only {', '.join(why.hosts)}"
    with broker.bind(name, interactive=False) as client:
        try:
            client.get(ELSEWHERE)
        except HostNotAllowed:
            return Step("hosts", says, "another one was refused, and nothing was sent", "ok")
    return Step("hosts", says, "another one was asked", "fail")


def _granted(why: Why, way: Method, grant: Grant) -> Iterator[Step]:
    if way.scopes or grant.scopes:
        asked = " ".join(grant.requested or way.scopes) or "none"
        missing = ", ".join(why.missing_scopes)
        came = " ".join(grant.scopes) + (f"; not granted: {missing}" if missing else "")
        yield Step("scopes", asked, came or "none", "warn" if missing else "ok")
    told = way.oauth2.token_response if way.oauth2 is not None else None
    says = (told.expires_at or told.expires_in) if told is not None else "the primitive's own"
    if grant.expires is None:
        yield Step("end of the token", says, "nothing was told", "warn")
    else:
        lives = f"it lives {grant.expires - grant.issued:.0f} s"
        yield Step("end of the token", says, lives, "ok")


def _renewal(way: Method) -> str:
    if way.renewal.mode != "yes":
        return f"refresh: {way.renewal.mode}"
    return _ROTATES[way.renewal.rotates]


def _renewed(
    broker: Broker, name: str, way: Method, before: Credential, may_renew: Callable[[str], bool]
) -> Iterator[Step]:
    says, grant = _renewal(way), before.grant
    assert grant is not None
    if way.renewal.mode == "no":
        return
    if way.renewal.mode == "yes" and grant.refresh_token is None:
        yield Step("renewal", says, "no refresh token came with the login", "warn")
        return
    if not may_renew(name):
        yield Step("renewal", says, "not tried", "skip")
        return
    broker.get_token(name, interactive=False, rejected=grant.access_token.reveal())
    after = broker.store.get(before.key)
    assert after is not None
    assert after.grant is not None
    yield _compared(says, way, grant, after.grant)
    status = broker.test(name).status
    if status is not None:
        yield Step("test request again", _request(way), f"{status}", "ok")


def _compared(says: str, way: Method, before: Grant, after: Grant) -> Step:
    if way.renewal.mode != "yes" or before.refresh_token is None or after.refresh_token is None:
        return Step("renewal", says, "a new access token came", "ok")
    came = "no" if before.refresh_token.reveal() == after.refresh_token.reveal() else "yes"
    known = way.renewal.rotates
    state: State = "ok" if known == came else "warn" if known == "maybe" else "fail"
    write = f"; write rotates: {printable(came)}" if state != "ok" else ""
    return Step("renewal", says, f"{_ROTATES[came]}{write}", state)
