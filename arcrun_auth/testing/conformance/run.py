"""The steps of a conformance run, for one way in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from arcrun_auth.broker import Broker
from arcrun_auth.errors import (
    AuthError,
    HostNotAllowed,
    LoginRequired,
    TokenRefused,
    printable,
)
from arcrun_auth.primitives import load
from arcrun_auth.recipe.parts import injected, signing_keys
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing.conformance import OK, cast, diagnoses
from arcrun_auth.testing.conformance.given import Given
from arcrun_auth.testing.conformance.issuer import IDENTITY
from arcrun_auth.testing.conformance.played import Service
from arcrun_auth.testing.conformance.rendered import filled
from arcrun_auth.testing.conformance.stage import Reply
from arcrun_auth.tokens import Credential, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from arcrun_auth.login.plan import Wish
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.testing.conformance.stage import Stage

PATH = "/conformance/7"
ELSEWHERE = "elsewhere.example.org"


class Broken(Exception):
    """Something did not happen as the recipe says."""


def run(
    recipe: Recipe, way: Method, stage: Stage, folder: str, *, plays: Method | None = None
) -> dict[str, str]:
    """What was tried of one way in, each `ok` or what failed. `folder` is for what has to be a
    file; `plays` is what the service is, where that is other than what the recipe says."""
    try:
        return _Run(recipe, way, stage, folder, plays or way).steps()
    except (ValueError, AuthError) as error:  # nobody could give what it asks for
        return {"made up": printable(_told(error), 600)}


class _Run:
    """One way in of a recipe, and everything it has to do with."""

    def __init__(
        self, recipe: Recipe, way: Method, stage: Stage, folder: str, plays: Method
    ) -> None:
        self.recipe = recipe
        self.way = way
        self.stage = stage
        self.now = 1_800_000_000.0
        self.given = Given.for_(plays, lambda: self.now)
        self.service = Service(self.given)
        self.person = cast.Ada(self.service)
        self.broker = Broker(
            home=folder,
            store=Memory(),
            recipes=cast.Only(recipe, folder),
            person=self.person,
            clock=lambda: self.now,
            environ=cast.environ(self.given, folder),
        )

    def steps(self) -> dict[str, str]:
        """What was tried, in order, each `ok` or what failed. The rest needs the first."""
        found: dict[str, str] = {}
        self.stage.answer = self.service.answer
        with self.stage.leads():
            for name, step in self._plan():
                found[name] = self._tried(step)
                if name == "set up" and found[name] != OK:
                    break
        return found

    def _plan(self) -> Iterator[tuple[str, Callable[[], None]]]:
        oauth2 = self.way.oauth2
        if self.recipe.status == "closed":
            yield "closed", self.closed
            return
        yield "set up", self.set_up
        yield "called", self.called
        yield "used", self.used
        yield "hosts", self.hosts
        if self.way.test is not None or (oauth2 is not None and oauth2.userinfo_endpoint):
            yield "tested", self.tested
        if self.service.live:
            yield "renewed", self.renewed
        yield "refused", self.refused
        if self.way.diagnose:
            yield "explained", self.explained
        if oauth2 is not None and oauth2.revocation_endpoint:
            yield "ended", self.ended
        if oauth2 is not None and "device_code" in oauth2.grants[1:]:
            yield "device", self.by_device

    def _tried(self, step: Callable[[], None]) -> str:
        self.given.faults.clear()
        try:
            step()
        except (AuthError, Broken) as error:
            self.given.faults.append(_told(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the recipe brought it about
            self.given.faults.append(f"{type(error).__name__}: {error}")
        return printable("; ".join(self.given.faults), 600) or OK

    # -- steps ---------------------------------------------------------------------------------

    def closed(self) -> None:
        """Nobody gets in any more, and the successor is named."""
        try:
            self.broker.setup(self.recipe.service)
        except AuthError as error:
            self.given.expect(self.recipe.successor in str(error), "no successor is named")
        else:
            raise Broken("a closed service was set up")

    def set_up(self) -> None:
        self._keep_app()
        asked = {n: v for n, v in self.given.params.items() if self.way.params[n].source == "user"}
        secrets = {s.key: self.given.secrets[s.key] for s in self.way.required_secrets
                   if not s.ambient}  # fmt: skip
        oauth2 = self.way.oauth2
        if oauth2 is not None and oauth2.grants[0] == "device_code":
            self._login("device", asked, secrets)
        elif oauth2 is not None and oauth2.grants[0] == "authorization_code":
            self._login("paste", asked, secrets)
        else:
            self._login(None, asked, secrets)
        self._check_said()

    def called(self) -> None:
        """A call, and one below each root path: each carries what the recipe says."""
        braces = "".join(f"/x{{{name}}}" for name in self.way.inject.path)
        with self._bound() as client:
            for path in (
                PATH + braces,
                *(f"{root.rstrip('/')}{PATH}" for root in self.way.root_paths),
            ):
                self._call(client, "GET", path, self.service.url(path))
            if self.way.inject.body:
                self._call(client, "POST", PATH, self.service.url(PATH), json={"mine": 1})

    def used(self) -> None:
        """What is asked for, or got, goes somewhere."""
        way, text = self.way, msgspec.json.encode(self.way).decode()
        keys = [*load(way.primitive).uses(way), *(key for _, key in signing_keys(way))]
        used = {key.partition(".")[0] for key in keys}
        used |= {p.key or name for name, p in way.params.items() if p.source == "secret"}
        for secret in way.required_secrets:
            named = any(f"secret.{secret.key}{end}" in text for end in ("}", "|", "."))
            of_account = secret.ambient and way.service_account is not None
            fault = f"{secret.key} is asked for, and goes nowhere"
            self.given.expect(named or of_account or secret.key in used, fault)
        if any(self.service.live):
            self.given.expect(injected(way, "token", "runtime"), "the token goes nowhere")

    def hosts(self) -> None:
        """Every agreed host gets the credential, and no other host so much as a connection."""
        with self._bound() as client:
            for pattern in self.way.allowed_hosts:
                host = filled(pattern, self.given.known).replace("*.", "any.")
                self._call(client, "GET", f"https://{host}{PATH}", f"https://{host}{PATH}")
            home = urlsplit(self.service.url("/")).hostname
            for host in (ELSEWHERE, f"{home}.{ELSEWHERE}"):
                before = len(self.stage.dialled)
                try:
                    client.get(f"https://{host}/")
                except HostNotAllowed:
                    self.given.expect(len(self.stage.dialled) == before, f"{host} was dialled")
                else:
                    raise Broken(f"a request went to {host}")

    def tested(self) -> None:
        test = self.way.test
        checked = self.broker.test(self.recipe.service)
        if test is None or test.identity:
            whose = checked.identity
            self.given.expect(whose == IDENTITY, f"the test request tells another account: {whose}")

    def renewed(self) -> None:
        """The token has ended: one renewal, as the recipe says, and the call goes through."""
        then = self.now
        self._end_tokens()
        before = len(self.service.asked)
        renewable = self.way.renewal.mode != "no"
        try:
            with self._bound() as client:
                self._call(client, "GET", PATH, self.service.url(PATH))
        except (LoginRequired, Broken):
            if renewable:
                raise
            self.given.expect(len(self.service.asked) == before, "a renewal was tried")
            self.service.dead.clear()
            self.now = then
            return
        asked = self.service.asked[before:]
        self.given.expect(len(asked) == 1, f"{len(asked)} renewals, and one is enough")
        wanted = {"yes": "refresh_token", "exchange": "exchange"}.get(self.way.renewal.mode)
        if wanted is not None:
            self.given.expect(asked[:1] == [wanted], f"renewed by {asked[:1]}, not {wanted}")

    def refused(self) -> None:
        """The service says no, and repeats the key: the error tells what to do, and no key."""
        if self.way.test is None:
            return
        secret = max(self.service.carried(), key=len, default="")
        rule = next(
            (r for r in self.way.diagnose if r.when.status in (None, 401) and not r.when.error
             and not r.when.age_s and not self._lets_in(diagnoses.words(r))), None)  # fmt: skip
        words = diagnoses.words(rule) if rule is not None else "no"
        # Of an answer that is looked for with its quotes, the very text; else as APIs word it.
        said = f"{words} {secret}"
        message = said if '"' in words else {"error": {"message": said}, "message": said}
        self.service.fails = Reply(401, message)
        try:
            self.broker.test(self.recipe.service)
        except TokenRefused as error:
            self._check_error(error)
            self.given.expect(error.meaning is not None, "nobody says what it means")
            if rule is not None:
                shown = f"{error.message} {error.hint}"
                first = diagnoses.first(self.way.diagnose, status=401, text=str(message))
                told = first is None or (first.say in shown and (first.do or "") in shown)
                self.given.expect(told, "the diagnosis does not show")
        except LoginRequired as error:  # it could not be renewed after that
            self._check_error(error)
        else:
            raise Broken("the test request was refused, and nobody was told")
        finally:
            self.service.fails = None

    def _lets_in(self, words: str) -> bool:
        """Whether such an answer proves the connection: only this request is not allowed."""
        denied = self.way.test.denied if self.way.test is not None else ""
        return bool(denied) and re.search(denied, words) is not None

    def explained(self) -> None:
        """Each rule of `diagnose` is the one that speaks, on some answer."""
        self.given.faults += diagnoses.faults(self.way.diagnose)

    def ended(self) -> None:
        """The login is revoked at its provider, and forgotten here."""
        removed = self.broker.remove(self.recipe.service, revoke=True)
        if removed.error is not None:
            raise removed.error
        self.given.expect(removed.told, "the provider was not told")
        issuer = self.service.issuer
        ended = issuer is not None and issuer.families_revoked
        self.given.expect(ended, "the login lives on at its provider")

    def by_device(self) -> None:
        self.broker.remove(self.recipe.service)
        asked = {n: v for n, v in self.given.params.items() if self.way.params[n].source == "user"}
        self._login("device", asked, {})
        with self._bound() as client:
            self._call(client, "GET", PATH, self.service.url(PATH))

    # -- tools ---------------------------------------------------------------------------------

    def _end_tokens(self) -> None:
        """Time passes until a token has ended; one that only a live one is had for, nearly."""
        lasts = self.service.lifetime
        if self.way.renewal.mode == "exchange":
            self.now += lasts * 0.9
            return
        self.now += lasts + 1
        if self.way.renewal.mode != "no":  # else it is over here, and nobody asks the service
            self.service.expire()

    def _login(
        self, wish: Wish | None, params: Mapping[str, str], secrets: Mapping[str, str]
    ) -> None:
        given: dict[str, Any] = dict(secrets)
        service, way = self.recipe.service, self.way.id
        self.broker.setup(service, method=way, params=params, login=wish, **given)

    def _bound(self) -> httpx.Client:
        return self.broker.bind(self.recipe.service)

    def _call(
        self, client: httpx.Client, method: str, url: str, wanted: str, **options: object
    ) -> None:
        """One call, which arrives at `wanted` with all that it should carry."""
        before = len(self.service.calls)
        answer = client.request(method, url, **options)  # type: ignore[arg-type]
        if answer.status_code >= 400:  # noqa: PLR2004
            raise Broken(f"a call to {urlsplit(wanted).netloc} was answered {answer.status_code}")
        arrived = self.service.calls[before:]
        if not arrived:
            raise Broken(f"a call to {urlsplit(wanted).netloc} did not arrive")
        there = arrived[-1].url == self.given.url(wanted)
        self.given.expect(there, "a call went to another address")

    def _check_said(self) -> None:
        text = "\n".join((*self.person.said, *self.person.asked))
        shown = [t for t in (*self.given.hidden(), *self.service.live) if t and t in text]
        self.given.expect(not shown, "a secret was shown to the person")

    def _check_error(self, error: AuthError) -> None:
        text = f"{error!r} {error} {error.hint} {vars(error)}"
        hidden = (*self.given.hidden(), *self.service.live)
        self.given.expect(not any(t and t in text for t in hidden), "an error shows a secret")
        self.given.expect(error.hint, "an error does not say what to do")

    def _keep_app(self) -> None:
        """One's own OAuth app, where this way in takes one."""
        oauth2, issuer = self.way.oauth2, self.service.issuer
        takes = oauth2 is not None and not oauth2.client.id and oauth2.client.registration != "dcr"
        if takes and issuer is not None:
            assert oauth2 is not None
            name = oauth2.client.app or self.recipe.service
            record = Credential(Key("app", name), secrets=cast.app(issuer))
            self.broker.store.put(record, expect=0)


def _told(error: Exception) -> str:
    return getattr(error, "message", None) or str(error)
