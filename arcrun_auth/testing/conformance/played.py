"""A service as its recipe describes it: the API, what it tells, and where its tokens come from.

What arrives is compared with the recipe, rendered a second time (`_rendered`); what differs is
noted in `Given.faults`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth.testing._records import Refusal
from arcrun_auth.testing.conformance import answers, certificates, proofs, rendered
from arcrun_auth.testing.conformance.issuer import IDENTITY, LIFETIME, Issuer, assertion
from arcrun_auth.testing.conformance.logins import Steps, Workload, found_in, role_session
from arcrun_auth.testing.conformance.rendered import filled
from arcrun_auth.testing.conformance.stage import Arrived, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.recipe.model import Discover
    from arcrun_auth.testing.conformance.given import Given

    Role = Callable[[Arrived], Reply]

REFUSED = Reply(401, {"error": "unauthorized", "message": "This credential is not valid."})
_PLACES = ("header", "query", "body", "cookie", "path")
_TOKENS = ("{{token.access_token}}", "{{runtime.access_token}}")


class Service:
    """Everything that stands behind the addresses of one way in."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.way = given.way
        self.calls: list[Arrived] = []
        """What came to the API and was taken, in order."""
        self.live: dict[str, dict[str, str]] = {}
        """The tokens that are good, each with what came beside it."""
        self.dead: set[str] = set()
        self.fails: Reply | None = None
        """What the API answers instead, as long as this is set."""
        self.asked: list[str] = []
        """What tokens were asked for, in order."""
        self.issuer: Issuer | None = None
        self._steps: Steps | None = None
        self._roles = self._all_roles()

    def _all_roles(self) -> dict[tuple[str, str], Role]:
        way, found = self.way, dict[tuple[str, str], "Role"]()
        if way.oauth2 is not None:
            self.issuer = Issuer(way.oauth2, self.given, self.issued)
            self.asked = self.issuer.asked
            found |= self.issuer.roles()
            found |= Workload(self.given, self.issued, self.asked).roles()
        if way.token_exchange is not None and way.token_exchange.steps:
            self._steps = Steps(self.given, self.issued)
            self.asked = self._steps.asked
        if way.assume_role is not None:
            at = self.given.place(way.assume_role.endpoint)
            found[at] = role_session(self.given, self.issued, self.asked)
        return found

    def issued(self, token: str, beside: dict[str, str]) -> None:
        self.live[token] = beside
        self.dead.discard(token)

    @property
    def lifetime(self) -> float:
        """How long a token lives here, in seconds."""
        way = self.way
        told = way.oauth2.token_response.default_expires_in if way.oauth2 is not None else None
        exchange = way.token_exchange
        jwt = way.jwt.ttl_s if way.jwt is not None and way.primitive == "signed_jwt" else None
        return float(told or (exchange and exchange.default_expires_in) or jwt or LIFETIME)

    def carried(self) -> list[str]:
        """The secrets that a request to the API carries."""
        named = " ".join(
            text for kind in _PLACES for text in getattr(self.way.inject, kind).values()
        )
        found = [text for key, text in self.given.secrets.items() if f".{key}" in named]
        return [*found, next(reversed(self.live), "")]

    def expire(self) -> None:
        """Every token given out so far is dead from now on; the logins live."""
        self.dead |= set(self.live)
        self.live.clear()
        if self.issuer is not None:
            self.issuer.expire_access_tokens()

    # -- requests ------------------------------------------------------------------------------

    def answer(self, arrived: Arrived) -> Reply:
        host = urlsplit(arrived.origin).netloc
        self.given.expect(arrived.headers.get("host") == host, f"{host} was asked for another host")
        self.given.expect(arrived.origin.startswith("https:"), f"{host} was asked without TLS")
        try:
            if self._steps is not None and self._steps.expects(arrived):
                return self._steps.answer(arrived)
            role = self._roles.get((arrived.origin, arrived.path))
            if role is None or self._is_for_api(arrived):
                return self._api(arrived)
            return role(arrived)
        except Refusal as refusal:
            self.given.expect(False, str(refusal))
            return REFUSED
        except Exception as error:  # noqa: BLE001 - what came was nothing that could be read
            self.given.expect(False, f"{type(error).__name__}: {error}")
            return Reply(500)

    def _is_for_api(self, arrived: Arrived) -> bool:
        """Some APIs stand where their tokens come from: it tells whose account it is, too."""
        if self.way.assume_role is not None:
            return arrived.fields.get("Action") != "AssumeRole"
        return self.is_test(arrived)

    def _api(self, arrived: Arrived) -> Reply:
        if self.way.digest is not None and "authorization" not in arrived.headers:
            return Reply(401, None, {"www-authenticate": proofs.CHALLENGE})
        if not self._is_taken(arrived):
            return REFUSED
        self.calls.append(arrived)
        if self.fails is not None:
            return self.fails
        answer, status = answers.Answer(), 200
        answer.data = {"fine": True}
        if steps := self._discovers(arrived):
            self._discovered(steps, arrived, answer)
        if self.is_test(arrived):
            status = self._tested(arrived, answer)
        return Reply(status, answer.data, answer.headers)

    def _discovers(self, arrived: Arrived) -> list[Discover]:
        """The steps that this request may be, by which the login finds its params."""
        known = self.given.known
        return [
            step
            for step in self.way.discover
            if self.given.url(filled(step.url, known)) == arrived.url
        ]

    def _is_taken(self, arrived: Arrived) -> bool:
        """Whether the request carries what the recipe says, and that is still good."""
        token = self._token(arrived)
        if token in self.dead:
            return False
        if token is not None and token not in self.live and not self._is_made(token):
            self.given.expect(False, "it came with a token that nobody gave")
            return False
        known = self.known(token)
        wanted = rendered.places(self.way, known)
        for name in self._own_headers(arrived):
            wanted.header.pop(name, None)
        if not arrived.body:  # there is none that it could stand in
            wanted.body = {}
        faults = rendered.differences(wanted, arrived.places)
        if faults and self._discovers(arrived):  # what it is to find cannot be in it yet
            faults = rendered.differences(rendered.before_found(self.way, wanted), arrived.places)
        faults += [fault for fault in self._proof(arrived) if fault]
        for fault in faults:
            self.given.expect(False, fault)
        return not faults

    def _own_headers(self, arrived: Arrived) -> set[str]:
        """The headers that this very request sets otherwise, which is looked at elsewhere."""
        asked = [step.headers for step in self._discovers(arrived)]
        if self.way.test is not None and self.is_test(arrived):
            asked.append(self.way.test.headers)
        return {name.lower() for headers in asked for name in headers}

    def known(self, token: str | None = None) -> dict[str, dict[str, str]]:
        """What templates may name, with this token; the latest if none is given."""
        known = self.given.known
        if token is None:
            token = next(reversed(self.live), None)
        if token is not None:
            beside = self.live.get(token, {})
            own = {"access_token": token, "token_type": "Bearer"}
            known["token"] = {**known["secret"], **beside, **own}
            known["runtime"] = {**known["secret"], "access_token": token}
        else:
            known["runtime"] = known["secret"]
        return known

    def _token(self, arrived: Arrived) -> str | None:
        """The token that a request carries; None where the recipe has it carry none."""
        known, places = self.given.known, arrived.places
        for kind in _PLACES[:-1]:  # of a path it is seen where a call arrives
            for name, text in getattr(self.way.inject, kind).items():
                if not any(each in text for each in _TOKENS):
                    continue
                seen = getattr(places, kind).get(name.lower() if kind == "header" else name, "")
                if text.startswith("Basic ") and ":" in text and seen.startswith("Basic "):
                    seen = "Basic " + base64.b64decode(seen[len("Basic ") :]).decode()
                return found_in(text, seen, known)
        return None

    def _is_made(self, token: str) -> bool:
        """A JWT that was signed here: there is no telling it before."""
        if self.way.primitive != "signed_jwt":
            return False
        assertion(self.given, token)
        self.issued(token, {})
        self.asked.append("made")
        return True

    def _proof(self, arrived: Arrived) -> list[str]:
        """What is wrong with the request's own signature, where there is one."""
        way, secrets = self.way, self.given.secrets
        found = []
        if way.aws is not None:
            session = self.live[next(reversed(self.live))] if way.assume_role else secrets
            region = filled(way.aws.region, self.given.known)
            found.append(proofs.sigv4(arrived, session, service=way.aws.service, region=region))
        if way.oauth1 is not None:
            how = way.oauth1
            names = (how.consumer_key, how.consumer_secret, how.token, how.token_secret)
            one, two, three, four = (secrets.get(name, "") for name in names)
            realm = filled(how.realm, self.given.known)
            method = how.signature_method
            found.append(
                proofs.oauth1(arrived, (one, two, three, four), method=method, realm=realm)
            )
        if way.digest is not None:
            who = way.digest
            found.append(proofs.digest(arrived, secrets[who.username], secrets[who.password]))
        if way.mtls is not None:
            good = arrived.shown == certificates.shown()
            found.append("" if good else "the certificate was not shown")
        return found

    # -- what it tells ---------------------------------------------------------------------------

    def url(self, path: str) -> str:
        """Where a relative URL of a caller stands, its braces filled in."""
        base = filled(self.way.base_url, self.given.known)
        if any(path.startswith(root) for root in self.way.root_paths):
            parts = urlsplit(base)
            base = f"{parts.scheme}://{parts.netloc}"
        for name, value in rendered.places(self.way, self.known()).path.items():
            path = path.replace(f"{{{name}}}", value)
        return base.rstrip("/") + "/" + path.lstrip("/")

    @property
    def test_url(self) -> str:
        test = self.way.test
        if test is None:
            return ""
        if test.url:
            return filled(test.url, self.given.known)
        return self.url(filled(test.path, self.given.known))

    def is_test(self, arrived: Arrived) -> bool:
        return self.way.test is not None and arrived.url == self.given.url(self.test_url)

    def _tested(self, arrived: Arrived, answer: answers.Answer) -> int:
        """The test request: looked at, and answered as the recipe expects. The status."""
        test, known, expect = self.way.test, self.given.known, self.given.expect
        assert test is not None
        expect(arrived.method == test.method, "the test request came by another method")
        for name, text in test.headers.items():
            there = arrived.headers.get(name.lower())
            expect(there == filled(text, known), f"the test request came without {name}")
        if test.body and not self.way.inject.body:
            expect(arrived.body.decode() == filled(test.body, known), "another body was sent")
        answer.put(test.identity, IDENTITY)
        if test.ok is not None:
            answer.put(test.ok.path, test.ok.equals)
        return test.expect[0]

    def _discovered(self, steps: list[Discover], arrived: Arrived, answer: answers.Answer) -> None:
        """What the service tells of a login."""
        item, choose = answers.Answer(), None
        for step in steps:
            for name, text in step.headers.items():
                there = arrived.headers.get(name.lower())
                fault = f"discover came without {name}"
                self.given.expect(there == filled(text, self.given.known), fault)
            for name, path in step.save.items():
                item.put(path, self.given.told(name))
            if step.choose is not None:
                choose = step.choose
                item.put(choose.label, "One of them")
        answer.headers |= item.headers
        answer.data = item.data if choose is None else [item.data]
        if choose is not None and choose.items:
            answer.data = {}
            answer.put(choose.items, [item.data])
