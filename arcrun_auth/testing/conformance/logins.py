"""Logins without an authorization server of their own: by calls, for a role, of a workload."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from arcrun_auth.testing.conformance import answers, proofs
from arcrun_auth.testing.conformance.issuer import LIFETIME, assertion, fresh
from arcrun_auth.testing.conformance.rendered import UNSURE, basic, filled
from arcrun_auth.testing.conformance.stage import Arrived, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.recipe.exchange import Step
    from arcrun_auth.testing.conformance.given import Given

    Issued = Callable[[str, dict[str, str]], None]
    Role = Callable[[Arrived], Reply]

MARK = "\0"


class Steps:
    """The calls of `token_exchange`: each looked at, and answered with what it saves."""

    def __init__(self, given: Given, issued: Issued) -> None:
        self.given = given
        self.issued = issued
        self.asked: list[str] = []
        """What was asked for, in order: one entry for each whole login."""
        exchange = given.way.token_exchange
        assert exchange is not None
        self.steps = exchange.steps
        self.known = given.known
        self.saved: dict[str, str] = {}
        self.next = 0

    def expects(self, arrived: Arrived) -> bool:
        """Whether this is the next call: its path may hold what a call before has saved."""
        step = self.steps[self.next]
        return (arrived.origin, arrived.path) == self.given.place(step.url, self.known)

    def answer(self, arrived: Arrived) -> Reply:
        if self.next == 0:
            self.known, self.saved = self.given.known, {}
        step, expect = self.steps[self.next], self.given.expect
        number = self.next + 1
        self.next = number % len(self.steps)
        origin, path = self.given.place(step.url, self.known)
        expect((arrived.origin, arrived.path) == (origin, path), f"call {number} went elsewhere")
        expect(arrived.method == step.method, f"call {number} came by {arrived.method}")
        self._compare(number, "header", step.headers, arrived.headers)
        self._compare(number, "query", step.query, arrived.query)
        self._compare(number, "body", step.body, arrived.fields)
        if step.body:
            expect(arrived.kind.endswith(step.body_format) or step.body_format == "form",
                   f"call {number} came as {arrived.kind}")  # fmt: skip
        answer = self._saved(number, step)
        if self.next == 0:
            self.asked.append("login")
            self.issued(self.saved["access_token"], self.saved)
        return Reply(200, answer.data, answer.headers)

    def _compare(
        self, number: int, kind: str, wanted: dict[str, str], there: dict[str, str]
    ) -> None:
        for name, text in wanted.items():
            seen = there.get(name.lower() if kind == "header" else name, "")
            if "{{token.jwt}}" in text:
                known = {**self.known, "token": {"jwt": MARK}}
                before, _, after = filled(text, known).partition(MARK)
                token = seen.removeprefix(before).removesuffix(after)
                assertion(self.given, token)
            elif UNSURE.search(text):
                self.given.expect(seen, f"call {number}: the {kind} {name} is missing")
            else:
                value = filled(text, self.known)
                value = basic(name, value) if kind == "header" else value
                fault = f"call {number}: the {kind} {name} is another one"
                self.given.expect(seen == value, fault)

    def _saved(self, number: int, step: Step) -> answers.Answer:
        answer, values = answers.Answer(), {}
        for name, path in step.save.items():
            value: object = fresh(f"{name[:2]}_")
            if name == "expires_in":
                value = int(LIFETIME)
            elif name == "expires_at":
                value = filled("{{now|iso}}", {"now": {"": str(self.given.clock() + LIFETIME)}})
            values[name] = str(value)
            answer.put(path, value)
        if step.ok is not None:
            answer.put(step.ok.path, step.ok.equals)
        self.known = {**self.known, f"step{number}": values}
        self.saved |= values
        return answer


def role_session(given: Given, issued: Issued, asked: list[str]) -> Role:
    """AssumeRole of STS: a session for whoever signs with the given key."""
    role, aws = given.way.assume_role, given.way.aws
    assert role is not None
    assert aws is not None

    def answer(arrived: Arrived) -> Reply:
        known, form = given.known, arrived.fields
        region = filled(aws.region, known)
        fault = proofs.sigv4(arrived, given.secrets, service="sts", region=region)
        given.expect(not fault, f"STS: {fault}")
        wanted = {
            "Action": "AssumeRole",
            "RoleArn": filled(role.role_arn, known),
            "RoleSessionName": filled(role.session_name, known),
            "ExternalId": filled(role.external_id, known),
            "DurationSeconds": str(role.duration_s),
        }
        for name, value in wanted.items():
            given.expect(form.get(name, "") == value, f"STS: {name} is another one")
        session = {
            "access_key_id": "ASIA" + secrets.token_hex(8).upper(),
            "secret_access_key": secrets.token_hex(20),
            "session_token": fresh("st_"),
        }
        asked.append("role")
        issued("", session)
        end = filled("{{now|iso}}", {"now": {"": str(given.clock() + role.duration_s)}})
        return Reply(
            200,
            "<R><Credentials>"
            f"<AccessKeyId>{session['access_key_id']}</AccessKeyId>"
            f"<SecretAccessKey>{session['secret_access_key']}</SecretAccessKey>"
            f"<SessionToken>{session['session_token']}</SessionToken>"
            f"<Expiration>{end}</Expiration></Credentials></R>",
        )

    return answer


class Workload:
    """A platform that gives its jobs a token, and the exchange of that for one of the service."""

    def __init__(self, given: Given, issued: Issued, asked: list[str]) -> None:
        self.given = given
        self.issued = issued
        self.asked = asked
        self.subject = fresh("wl_")

    def roles(self) -> dict[tuple[str, str], Role]:
        account = self.given.way.service_account
        if account is None or account.federation is None or not account.document:
            return {}
        source: Any = account.document.get("credential_source", {})
        return {
            self.given.place(source.get("url", "")): self.for_workload,
            self.given.place(account.federation.endpoint): self.for_exchange,
        }

    def for_workload(self, arrived: Arrived) -> Reply:
        account = self.given.way.service_account
        assert account is not None
        source: Any = account.document["credential_source"]
        for name, text in source.get("headers", {}).items():
            there = arrived.headers.get(name.lower())
            fault = f"the workload's token was asked for without {name}"
            self.given.expect(there == filled(text, self.given.known), fault)
        form = source.get("format", {})
        if form.get("type") == "json":
            return Reply(200, {form["subject_token_field_name"]: self.subject})
        return Reply(200, self.subject)

    def for_exchange(self, arrived: Arrived) -> Reply:
        account = self.given.way.service_account
        assert account is not None
        form, document = arrived.fields, account.document
        wanted = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": self.subject,
            "audience": filled(str(document.get("audience", "")), self.given.known),
            "subject_token_type": str(document.get("subject_token_type", "")),
        }
        for name, value in wanted.items():
            self.given.expect(form.get(name) == value, f"the exchange came without its {name}")
        token = fresh("at_")
        self.asked.append("exchange")
        self.issued(token, {})
        return Reply(
            200, {"access_token": token, "token_type": "Bearer", "expires_in": int(LIFETIME)}
        )


def found_in(template: str, seen: str, known: dict[str, dict[str, str]]) -> str:
    """The token in a value that arrived, at the place where the recipe's template has it."""
    spaces = {"token": {"access_token": MARK}, "runtime": {"access_token": MARK}}
    whole = {name: {**known.get(name, {}), **spaces.get(name, {})} for name in {*known, *spaces}}
    before, _, after = filled(template, whole).partition(MARK)
    match = re.fullmatch(re.escape(before) + "(.*?)" + re.escape(after), unquote(seen), re.DOTALL)
    return match[1] if match else ""
