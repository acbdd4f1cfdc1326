"""Row 24 on paper: whatever a token endpoint may answer, read by the code that renews."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import nullcontext
from random import Random

import pytest

from arcrun_auth import custody
from arcrun_auth.errors import AuthError, LoginRequired, ProviderUnavailable, TokenRefused
from arcrun_auth.sources import GrantSource
from arcrun_auth.stores import vault
from arcrun_auth.stores.memory import Memory
from arcrun_auth.token_answer import read_token
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary
from tests.faults.answers import Spoiler, settings
from tests.faults.board import count

pytestmark = pytest.mark.fault

SEED = 24
NOW = 1_800_000_000.0
KEY = Key("credential", "demo")
OLD = canary.fresh("old-rt")
USED = canary.fresh("old-at")
HELD = Grant(
    access_token=Secret(USED), refresh_token=Secret(OLD), issued=NOW - 7200,
    expires=NOW - 3600, scopes=("a", "b"), requested=("a", "b"),
)  # fmt: skip
MOVES = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves a cursor, turns text round, or cannot be printed at all."""
PASSES = (408, 429, *range(500, 600))
"""Statuses that never cost a grant, whatever the body says: RFC 9110 §15."""


class Written(Memory):
    """Keeps what a vault would write, as it would read it again."""

    def put(self, record, *, expect):
        plain = vault.dump_record(record)
        return super().put(vault.load_record(plain, record.key), expect=expect)


class Renewal:
    """One spoilt answer, and a source that renews by it twice."""

    def __init__(self, oauth2, status: int, headers: dict[str, str], body: bytes) -> None:
        self.oauth2 = oauth2
        self.status, self.headers, self.body = status, headers, body
        self.calls = 0
        self.read: Grant | None = None
        self.outcomes: list[str] = []
        self.store = Written(clock=lambda: NOW)
        self.store._records[KEY] = Credential(KEY, grant=HELD, generation=1)

    def renew(self, record: Credential) -> Grant:
        self.calls += 1
        self.read = read_token(
            self.oauth2, self.status, self.headers, self.body, now=NOW, previous=record.grant,
            secrets=[record.grant.refresh_token], service="demo",
        )  # fmt: skip
        return self.read

    def run(self) -> str | None:
        """What is wrong with it; None if all is well."""
        source = GrantSource(
            self.store, KEY, renew=self.renew, lock=lambda _: nullcontext(), service="demo",
            rotates="maybe", clock=lambda: NOW,
        )  # fmt: skip
        for _ in range(2):
            try:
                token = source.token()
                self.outcomes.append("a token")
            except (ProviderUnavailable, TokenRefused, LoginRequired) as error:
                self.outcomes.append(type(error).__name__)
                words = str(error).replace("\n", "")
                if OLD in words or MOVES.search(words):
                    return "its words show a secret or move the cursor"
            except AuthError as error:
                return f"an error that is not of a renewal: {type(error).__name__}"
            except Exception as error:
                return f"untyped: {type(error).__name__}"
        return self._wrong_calls() or self._wrong_store(token if self.read else None)

    def _wrong_calls(self) -> str | None:
        """A refusal of the client may pass when its settings change; all else is final or waits."""
        short = self.read is not None and self.read.expires is not None
        again = self.outcomes[0] == "TokenRefused" or (short and self.read.expires < NOW + 1)
        return "too many requests" if self.calls > (2 if again else 1) else None

    def _wrong_store(self, token) -> str | None:
        left = self.store.get(KEY).grant
        said = self.body.replace(b"\0", b"").replace(b"\\", b"")  # whatever its encoding
        access, fresh = left.access_token.reveal(), left.refresh_token.reveal()
        if self.read is None:
            genuine = b"invalid_grant" in said and self.status not in PASSES
            rules = {
                "a failure has changed the grant": (access, fresh) == (USED, OLD),
                "it is given up without a refusal": genuine or not left.dead,
            }
        else:
            rules = {
                "a grant from a failure": self.status // 100 == 2,
                "the store has another token than the caller": access == token.access_token,
                "no token for a header": access.isascii() and access.isprintable(),
                "a token that is born dead": left.expires is None or left.expires >= NOW,
                "a refresh token from nowhere": fresh == OLD
                or fresh.replace("\\", "").replace("+", " ").encode() in said.replace(b"+", b" "),
            }
        return next((fault for fault, holds in rules.items() if not holds), None)


def _careless(error: str | None):
    """A reader that takes every answer for this error, or for a grant."""

    def read(*_, now, previous, **__):
        if error is not None:
            raise TokenRefused(error, error=error)
        return previous.replace(issued=now, expires=now + 60, access_token=Secret("a"))

    return read


@pytest.mark.parametrize(
    ("status", "reader", "fault"),
    [
        (503, _careless("invalid_grant"), "it is given up without a refusal"),
        (400, _careless(None), "a grant from a failure"),
        (400, _careless(f"x{OLD}"), "its words show a secret or move the cursor"),
        (200, lambda *_, **__: {}["absent"], "untyped: KeyError"),
    ],
)
def test_a_careless_reader_is_found(monkeypatch, status, reader, fault) -> None:
    monkeypatch.setattr(f"{__name__}.read_token", reader)
    assert Renewal(settings()["by the book"], status, {}, b"{}").run() == fault


def test_row_24_no_spoilt_answer_costs_the_login(board, monkeypatch) -> None:
    monkeypatch.setattr(custody, "_boot_id", lambda: "")  # a file, read once for each answer
    recipes, rounds = settings(), count(1_000_000, share=100)
    names, outcomes, wrong = list(recipes), Counter(), Counter()
    spoiler = Spoiler(Random(SEED), OLD)
    for number in range(rounds):
        name = names[number % len(names)]
        renewal = Renewal(recipes[name], *spoiler.answer(name))
        fault = renewal.run()
        outcomes[renewal.outcomes[0] if renewal.outcomes else "none"] += 1
        if fault:
            wrong[fault] += 1
            if wrong[fault] == 1:
                print(f"{number}, {name}: {fault}: {renewal.status} {renewal.headers} ", end="")
                print(repr(renewal.body[:200]).replace(canary.WORD, "..."))
    board.note(
        24,
        "token answers spoilt at random",
        injected=f"{rounds} answers of {len(names)} kinds of provider, seed {SEED}; 2 calls each",
        must_hold="0 untyped errors, 0 wipes, dead by invalid_grant alone, 1 request "
        "(again where the client was refused)",
        figure=(f"{dict(wrong)} of " if wrong else "0 faults; ")
        + ", ".join(f"{kind}: {n}" for kind, n in sorted(outcomes.items())),
        held=not wrong and min(outcomes.values()) > rounds // 100,
    )
