"""A login by one or more calls, of which the last one answers the token."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, ProviderUnavailable, TokenRefused, may_pass, printable
from arcrun_auth.primitives.base import Primitive
from arcrun_auth.primitives.signed_jwt import check_key
from arcrun_auth.tokens import Grant, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Final

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall
    from arcrun_auth.primitives.base import Desk
    from arcrun_auth.recipe.exchange import Step
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place

TOKEN: Final = "access_token"  # noqa: S105 - what the recipe calls it
TIMES: Final = ("expires_in", "expires_at")
WORDS: Final = (
    "error_description || message || error.message || errors[0].message || detail || error || title"
)
"""Where do servers say what was wrong? There is no rule for these calls."""
MAX_SAVED: Final = 16 * 1024
"""How long may a value be that one call hands to the next?"""
_HALF: Final = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can escape and no request can hold (RFC 8259 §8.2)."""


class TokenExchange(Primitive):
    """Makes the recipe's calls, one after the other, and hands on what each of them saved."""

    label = "a login by calls to the service"
    method_id = "login"
    source = "grant"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        steps = way.token_exchange.steps if way.token_exchange is not None else ()
        if not steps:
            yield ("token_exchange",), "The primitive token_exchange needs the calls: steps."
        elif TOKEN not in steps[-1].save:
            last: Place = ("token_exchange", "steps", len(steps) - 1, "save")
            yield last, "The last call saves the access_token."
        keys = {secret.key for secret in way.required_secrets}
        for index, step in enumerate(steps):
            for name in sorted(keys & step.save.keys()):
                place: Place = ("token_exchange", "steps", index, "save", name)
                yield place, "A secret has this name already."
            if step.method == "GET" and step.body:
                yield ("token_exchange", "steps", index, "body"), "GET has no body: use query."

    def servers(self, way: Method) -> Iterable[tuple[Place, str]]:
        for index, step in enumerate(way.token_exchange.steps if way.token_exchange else ()):
            yield ("token_exchange", "steps", index, "url"), step.url

    def check(self, way: Method, secrets: Mapping[str, Secret]) -> None:
        check_key(way, secrets)

    def issue(self, desk: Desk) -> Grant:
        login = _Login(desk)
        for number, step in enumerate(login.exchange.steps, 1):
            login.take(number, step)
        return login.grant()


class _Login:
    """One login on its way: what is known, and what the calls have saved so far."""

    def __init__(self, desk: Desk) -> None:
        assert desk.way.token_exchange is not None
        self.desk = desk
        self.exchange = desk.way.token_exchange
        self.known = {name: dict(values) for name, values in desk.values().items()}
        self.secrets = list(desk.secrets.values())
        self.saved: dict[str, Secret] = {}
        self.last: dict[str, str] = {}
        if desk.way.jwt is not None:
            from arcrun_auth.primitives.assertions import assertion

            audience = self._filled_url(self.exchange.steps[0].url)
            token = assertion(desk, desk.way.jwt, audience=audience, scopes=desk.scopes)
            self.known["token"] = {"jwt": token.reveal()}
            self.secrets.append(token)

    def take(self, number: int, step: Step) -> None:
        """Makes one call. TokenRefused and ProviderUnavailable say which one it was."""
        which = f"{self.desk.name}: call {number} of {len(self.exchange.steps)} of the login"
        try:
            answer = self.desk.send(self._call(step))
        except ProviderUnavailable as error:
            raise ProviderUnavailable(
                f"{which} failed. {error.args[0]}",
                service=self.desk.service,
                hint=error.hint,
                status=error.status,
                retry_after=error.retry_after,
                sent=error.sent,
            ) from None
        self.last = _Reader(self.desk, which, step, answer, self.secrets).data()
        values = {name: Secret(value) for name, value in self.last.items()}
        self.known[f"step{number}"] = {name: value.reveal() for name, value in values.items()}
        self.secrets += values.values()
        self.saved |= values

    def grant(self) -> Grant:
        from arcrun_auth.moments import epoch_of
        from arcrun_auth.recipe.parts import injected
        from arcrun_auth.server_words import MAX_LIFETIME, as_seconds

        now, seconds = self.desk.now, as_seconds(self.last.get("expires_in"))
        end = epoch_of(self.last.get("expires_at"))
        seconds = seconds or self.exchange.default_expires_in
        if end is None or not 0 < end - now <= MAX_LIFETIME:
            end = None if seconds is None else now + seconds
        wanted = injected(self.desk.way, "token", "runtime") - {TOKEN, *TIMES}
        return Grant(
            access_token=self.saved[TOKEN],
            issued=now,
            since=now,
            expires=end,
            requested=tuple(self.desk.scopes),
            secrets={name: self.saved[name] for name in sorted(wanted & self.saved.keys())},
        )

    def _call(self, step: Step) -> TokenCall:
        from urllib.parse import urlencode

        from arcrun_auth.answers import put
        from arcrun_auth.oauth.call import TokenCall, with_query

        headers = {"accept": "application/json", **self._filled(step.headers, header=True)}
        body, content = self._filled(step.body), None
        if body and step.body_format == "json":
            data: dict[str, Any] = {}
            for path, value in body.items():
                put(data, path, value)
            content = json.dumps(data).encode()
            headers.setdefault("content-type", "application/json")
        elif body:
            content = urlencode(body).encode()
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        return TokenCall(
            with_query(self._filled_url(step.url), self._filled(step.query)),
            method=step.method,
            headers=headers,
            content=content,
            secrets=tuple(self.secrets),
        )

    def _filled(self, fields: Mapping[str, str], *, header: bool = False) -> dict[str, str]:
        """The fields that have a value; names of headers in small letters."""
        from arcrun_auth.template import Template, render_header

        found = {}
        for name, text in fields.items():
            template = Template.parse(text, strict=True)
            try:
                value = (
                    render_header(name, template, self.known)
                    if header
                    else template.render(self.known)
                )
            except ValueError as error:  # names the place, never the value
                raise self._unfit(str(error)) from None
            if value:
                found[name.lower() if header else name] = value
        return found

    def _filled_url(self, url: str) -> str:
        """What an answer put into a path stays in its place there."""
        from urllib.parse import quote, urlsplit

        from arcrun_auth.template import Template

        params = self.known["param"]
        known = {
            space: {name: quote(value, safe="") for name, value in values.items()}
            for space, values in self.known.items()
        }
        try:
            filled = Template.parse(url, strict=True).render({**known, "param": params})
        except ValueError as error:
            raise self._unfit(str(error)) from None
        if not {".", ".."}.isdisjoint(urlsplit(filled).path.split("/")):  # RFC 3986 §5.2.4
            raise self._unfit("an answer would have led to another path of the server")
        return filled

    def _unfit(self, why: str) -> AuthError:
        name = self.desk.name
        return AuthError(f"{name}: {why}.", service=self.desk.service, hint=f"arcrun setup {name}")


class _Reader:
    """One answer, and what of it is to be saved."""

    def __init__(
        self, desk: Desk, which: str, step: Step, answer: Answer, secrets: Iterable[Secret]
    ) -> None:
        from urllib.parse import urlsplit

        from arcrun_auth.server_words import Censor

        self.desk = desk
        self.which = which
        self.step = step
        self.answer = answer
        self.censor = Censor(secrets)
        self.host = urlsplit(step.url).hostname or ""
        try:
            self.body: Any = json.loads(answer.body)
        except (ValueError, RecursionError):
            self.body = None  # what matters may stand in a header

    def data(self) -> dict[str, str]:
        """The values to save. TokenRefused, or ProviderUnavailable where trying again may help."""
        status, ok = self.answer.status, self.step.ok
        if may_pass(status):
            raise self._unavailable(f"answered {status}")
        if status in range(300, 400):
            raise self._unavailable(f"answered {status}, a redirect, and none is followed")
        if status not in range(200, 300) or (ok is not None and self._at(ok.path) != ok.equals):
            raise self._refused()
        values = {name: self._value(name, path) for name, path in self.step.save.items()}
        return {name: value for name, value in values.items() if value is not None}

    def _value(self, name: str, path: str) -> str | None:
        from arcrun_auth.server_words import ACCESS, as_secret

        value = self._at(path)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            if name in TIMES:  # not every server tells
                return None
            raise self._unavailable(f"answered {self.answer.status}, but without its {name}")
        text = str(value)
        unfit = len(text) > MAX_SAVED or _HALF.search(text)
        if unfit or (name == TOKEN and as_secret(text, ACCESS) is None):
            raise self._unavailable(f"answered a {name} that cannot be one")
        return text

    def _at(self, path: str) -> Any:
        from arcrun_auth.answers import pick

        return pick(self.body, path, self.answer.headers)

    def _refused(self) -> TokenRefused:
        from arcrun_auth import diagnosis, usual
        from arcrun_auth.token_answer import MAX_TEXT

        said, code = self._at(WORDS), self._at("error.code || error || code")
        words = printable(self.censor(said)) if isinstance(said, str) else ""
        error = self.censor(str(code)) if isinstance(code, str | int) else ""
        text = f"{self.which} was refused by {self.host} (status {self.answer.status})"
        text += f": {words}." if words else "."
        meant = diagnosis.find(
            (*self.desk.way.diagnose, *usual.of_api(self.desk.way)),
            status=self.answer.status,
            error=error,
            text=self.answer.body[:MAX_TEXT].decode(errors="replace"),
        )
        return TokenRefused(
            f"{text} {meant.say}" if meant is not None else text,
            service=self.desk.service,
            hint=(meant and meant.do) or f"arcrun setup {self.desk.name}",
            error=error or str(self.answer.status),
            description=words or None,
            meaning=meant.say if meant is not None else None,
        )

    def _unavailable(self, what: str) -> ProviderUnavailable:
        from arcrun_auth.server_words import unavailable

        return unavailable(
            f"{self.which} failed: {self.host} {what}.",
            status=self.answer.status,
            headers=self.answer.headers,
            now=self.desk.now,
            service=self.desk.service,
        )
