"""What a token endpoint said, as a `Grant` or as the error it amounts to. Pure.

The line between the two kinds of failure is drawn here. `TokenRefused` is what the server
itself said, in the words of RFC 6749 §5.2 or of the recipe's `token_response.error`: the
same request will fail again. All else is `ProviderUnavailable`: a proxy's page, half an
answer, a status nobody explained. In doubt it is the latter, since it never costs a grant.

Some providers number their errors. A number has no word in it that would tell what passes from
what does not, so it refuses only where the status blames the request as well (4xx); and it is
never `invalid_grant`, which alone ends a grant.
"""

from __future__ import annotations

import re

from arcrun_auth import diagnosis
from arcrun_auth.answers import pick
from arcrun_auth.errors import TokenRefused, may_pass, printable
from arcrun_auth.moments import epoch_of
from arcrun_auth.server_words import (
    ACCESS,
    MAX_LIFETIME,
    REFRESH,
    Censor,
    as_seconds,
    as_secret,
    unavailable,
)
from arcrun_auth.tokens import Grant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    from arcrun_auth import recipe
    from arcrun_auth.recipe import Diagnosis
    from arcrun_auth.tokens import Secret

# Which of the errors that a server names pass by themselves? RFC 6749 §4.1.2.1 has the
# first two, RFC 8628 §3.5 the third; the others are what APIs answer under load.
PASSING = frozenset(
    (
        "server_error", "temporarily_unavailable", "slow_down",
        "internal_error", "internal_server_error", "fatal_error", "service_unavailable",
        "rate_limited", "ratelimited", "rate_limit_exceeded", "request_timeout",
        "timeout", "too_many_requests",
    )
)  # fmt: skip

# How long may a value be that the recipe keeps (a realm, an instance's URL)?
MAX_KEPT = 2048

# How much of an answer do the recipe's rules on errors look at, in bytes?
MAX_TEXT = 16 * 1024

_SUCCESS, _CLIENT_ERROR = 2, 4  # the first digit of a status
_STATUSES = range(100, 600)
_SCOPE_BREAK = re.compile(r"[\s,]+")


def read_token(
    oauth2: recipe.OAuth2,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    previous: Grant | None = None,
    requested: Iterable[str] = (),
    secrets: Iterable[Secret] = (),
    rules: Sequence[Diagnosis] = (),
    service: str | None = None,
) -> Grant:
    """The grant in an answer: its `status`, its `headers` (lower-case names), its `body`.

    `now` is the time of receipt in epoch seconds; `previous` the grant that was renewed, from
    which the answer's silence is filled; `requested` the scopes asked for; `secrets` what the
    request carried (`TokenCall.secrets`), to be struck out of what the server says; `rules`
    say what this provider's errors mean.

    Raises TokenRefused (for good) and ProviderUnavailable (worth another try).
    """
    reader = _Reader(
        oauth2, status, headers, now=now, censor=Censor(secrets), rules=rules, service=service
    )
    return reader.grant(body, previous, tuple(requested))


def error_in(oauth2: recipe.OAuth2, headers: Mapping[str, str], body: bytes) -> str:
    """The error code in an answer, whatever its status; empty where there is none."""
    data = _parse(body, headers.get("content-type", ""))
    found = pick(data, oauth2.token_response.error, headers) if data else None
    return found if isinstance(found, str) else ""


def says_ok(oauth2: recipe.OAuth2, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer does not say that it failed, where this provider's answers say so."""
    ok = oauth2.token_response.ok
    data = _parse(body, headers.get("content-type", ""))
    # RFC 7009 §2.2: a revocation may be answered by nothing at all.
    said = pick(data, ok.path, headers) if ok is not None else None
    return ok is None or said is None or said == ok.equals


class _Reader:
    def __init__(
        self,
        oauth2: recipe.OAuth2,
        status: int,
        headers: Mapping[str, str],
        *,
        now: float,
        censor: Censor,
        rules: Sequence[Diagnosis],
        service: str | None,
    ) -> None:
        self.oauth2 = oauth2
        self.paths = oauth2.token_response
        self.status = status
        self.success = status // 100 == _SUCCESS  # 200 by the book, 201 by some
        self.headers = headers
        self.now = now
        self.censor = censor
        self.rules = rules
        self.service = service
        self.age = 0.0
        self.text = ""

    def grant(self, body: bytes, previous: Grant | None, requested: tuple[str, ...]) -> Grant:
        status = self.status
        if previous is not None and previous.since:  # 0: a token from elsewhere, of any age
            self.age = self.now - previous.since
        if may_pass(status):
            self.unavailable(f"answered {status}")
        data = _parse(body, self.headers.get("content-type", ""))
        if self.rules:
            self.text = body[:MAX_TEXT].decode(errors="replace")
        self.check_refusal(data)
        if not self.success:
            self.unavailable(f"answered {status} without saying why")
        if data is None:
            self.unavailable(f"answered {status}, but neither JSON nor a form")
        root = self.at(data, self.paths.root) if self.paths.root else data
        access = as_secret(self.at(root, self.paths.access_token), ACCESS)
        if access is None:
            self.unavailable(f"answered {status}, but without an access token")
        refresh = as_secret(self.at(root, self.paths.refresh_token), REFRESH)
        kept = {
            name: str(value)[:MAX_KEPT]
            for name, path in self.paths.keep.items()
            if isinstance(value := self.at(data, path), str | int)
        }
        return Grant(
            access_token=access,
            issued=self.now,
            since=previous.since if previous else self.now,
            # RFC 6749 §6: without a new one, the old one goes on.
            refresh_token=refresh or (previous.refresh_token if previous else None),
            token_type=_scheme(self.at(root, "token_type")),
            expires=self.expires(root),
            refresh_expires=self.refresh_expires(refresh, previous, root),
            scopes=self.scopes(self.at(root, self.paths.scope), previous, requested),
            requested=requested or (previous.requested if previous else ()),
            kept={**(previous.kept if previous else {}), **kept},
            client=previous.client if previous else None,
            relay=previous.relay if previous else None,
        )

    def at(self, data: Any, path: str) -> Any:
        return pick(data, path, self.headers) if path else None

    def check_refusal(self, data: Any) -> None:
        """Raise what the server says went wrong, if it says anything of the kind."""
        error = self.code(self.at(data, self.paths.error))
        ok = self.paths.ok
        failed = ok is not None and self.at(data, ok.path) != ok.equals
        if not error:
            if failed and self.success:
                self.unavailable("says that it failed, but not why")
            return
        if self.success and ok is not None and not failed:
            return  # a recipe that says what success is has the last word on it
        if error.lower() in PASSING:
            self.unavailable(f"answered {self.censor(printable(error, 80))}")
        self.refused(error, data)

    def code(self, error: Any) -> str:
        """The error code in an answer, empty where there is none."""
        if isinstance(error, str):
            return error
        # 0 says that nothing went wrong, and `true` not what did.
        if self.status // 100 != _CLIENT_ERROR or type(error) is not int or not error:
            return ""
        if error in _STATUSES and may_pass(error):  # a gateway speaks, of what lies behind it
            self.unavailable(f"answered {error}")
        return str(error)

    def refused(self, error: str, data: Any) -> NoReturn:
        description, uri = (
            self.censor(value) if isinstance(value := self.at(data, path), str) else None
            for path in (self.paths.error_description, "error_uri")
        )
        error = self.censor(error)
        text = f"{self.host} refused: {printable(error, 80)}"
        text += f" ({printable(description)})." if description else "."
        meant = diagnosis.find(
            self.rules, status=self.status, error=error, text=self.text, age=self.age
        )
        if meant is not None:
            text += f" {meant.say}"
        again = f"arcrun setup {self.service}" if self.service else "Log in again."
        raise TokenRefused(
            text,
            service=self.service,
            hint=(meant and meant.do) or again,
            error=error,
            description=description,
            uri=uri,
            meaning=meant.say if meant is not None else None,
        )

    def unavailable(self, what: str) -> NoReturn:
        raise unavailable(
            f"The token endpoint of {self.host} {what}.",
            status=self.status,
            headers=self.headers,
            now=self.now,
            service=self.service,
        )

    @property
    def host(self) -> str:
        from urllib.parse import urlsplit

        return urlsplit(self.oauth2.token_endpoint).hostname or "the provider"

    def expires(self, root: Any) -> float | None:
        """When the access token ends; None where nothing believable was said.

        Zero and less is not believed either: providers that mean "never" send it, and a
        token that is born dead would be renewed at every call.
        """
        told = self.at(root, self.paths.expires_at)
        if told is not None:
            moment = epoch_of(told if self.unit == 1 else _scaled(told, self.unit))
            if moment is not None and 0 < moment - self.now <= MAX_LIFETIME:
                return moment
        seconds = self.seconds(self.at(root, self.paths.expires_in))
        seconds = seconds or self.paths.default_expires_in
        return None if seconds is None else self.now + seconds

    @property
    def unit(self) -> float:
        return 0.001 if self.paths.expires_unit == "ms" else 1

    def seconds(self, given: Any) -> float | None:
        """A lifetime, in seconds."""
        return as_seconds(_scaled(given, self.unit))

    def refresh_expires(
        self, fresh: Secret | None, previous: Grant | None, root: Any
    ) -> float | None:
        """When the refresh token ends: as the answer tells, else by the recipe.

        An old one that goes on: its use has pushed the idle limit out. Where both limits
        rule, this may be later than the truth; too early would cost a login that was good.
        """
        told = self.seconds(self.at(root, self.paths.refresh_expires_in))
        if told is not None:
            return self.now + told
        idle, lifetime = self.oauth2.refresh.idle_s, self.oauth2.refresh.lifetime_s
        if fresh is None and previous is not None and not idle:
            return previous.refresh_expires
        limits = (idle, lifetime) if fresh is not None else (idle,)
        return min((self.now + seconds for seconds in limits if seconds), default=None)

    def scopes(
        self, given: Any, previous: Grant | None, requested: tuple[str, ...]
    ) -> tuple[str, ...]:
        """What was granted. RFC 6749 §5.1: told only where it is not what was asked for."""
        if isinstance(given, str):
            if self.oauth2.scope_separator == "+":
                given = given.replace("+", " ")
            given = _SCOPE_BREAK.split(given)
        if isinstance(given, list):
            return tuple(dict.fromkeys(s for s in given if isinstance(s, str) and s))
        return previous.scopes if previous else requested


def _parse(body: bytes, content_type: str) -> dict[str, Any] | None:
    """A JSON object, or a form where the answer calls itself one (or plain text)."""
    import json
    from urllib.parse import parse_qsl

    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        if content_type.partition(";")[0].strip().lower() not in (
            "application/x-www-form-urlencoded", "text/plain", "",
        ):  # fmt: skip
            return None
        try:
            data = dict(parse_qsl(body.decode(), strict_parsing=True, max_num_fields=100))
        except ValueError:
            return None
    return data if isinstance(data, dict) else None


def _scheme(value: Any) -> str:
    """The token's type; RFC 6749 §5.1: its case means nothing."""
    if not isinstance(value, str) or not value or value.lower() == "bearer":
        return "Bearer"
    return printable(value, 40)


def _scaled(value: Any, unit: float) -> Any:
    """A number in seconds; whatever is none stays as it is."""
    if unit == 1 or isinstance(value, bool):
        return value
    try:
        return float(value) * unit
    except (ValueError, TypeError, OverflowError):
        return value
