"""Row 28: an agent that was talked into it, and an API that repeats what it is sent."""

from __future__ import annotations

import logging
import re

import httpx
import pytest

from arcrun_auth.agents.asking import Asked
from arcrun_auth.agents.gateway import Gateway
from arcrun_auth.errors import AuthError
from tests import canary
from tests.agents_kit import INJECTIONS, PLACES, SPELLINGS, echo, hits, house
from tests.faults import board as boards
from tests.servers import recorder

pytestmark = pytest.mark.fault


@pytest.fixture
def api():
    # The library's log tells the headers of answers. What an API makes of a key in them is for
    # agents to get to see, or not: they have no log, and the rows about logs are others.
    with pytest.MonkeyPatch.context() as patch:
        for name in ("httpx", "httpcore.http11", "httpcore.connection"):
            patch.setattr(logging.getLogger(name), "disabled", True)
        yield from _running()


def _running():
    with recorder(echo) as running:
        yield running


ECHOES = [
    (place, spelling)
    for nth, place in enumerate(PLACES)
    for turn, spelling in enumerate(SPELLINGS)
    if boards.FULL or (nth + turn) % 4 == 0
]


def brief(text: str) -> str:
    return re.sub("x{1000,}", "x...x", text)


def test_the_api_shows_the_key_to_a_plain_client(api) -> None:
    """The counter-test: each spelling at each place is a leak, if nothing stands between."""
    key = canary.fresh("key")
    headers, missed = {"x-thing-key": f"Key {key}"}, []
    with httpx.Client(base_url=api.origin, headers=headers) as client:
        for place in PLACES:
            for spelling in SPELLINGS:
                answer = client.get(f"/v1/echo/{place}", params={"as": spelling})
                transcript = brief(f"{answer.headers} {answer.content.decode('latin-1')}")
                if not hits(transcript, key):
                    missed.append((place, spelling))
    assert not missed


def test_row_28_no_request_of_an_injected_agent_shows_the_key(tmp_path, api, board) -> None:
    key = canary.fresh("key")
    broker = house(tmp_path, api.origin, key)
    gateway = Gateway(broker, client="Injected Agent", a_minute=1000)
    transcript, refused, wrong = [], 0, []
    before = len(api.seen)
    for each in INJECTIONS:
        asked = Asked(
            each.service, each.method, each.path, query=each.query, headers=each.headers,
            body=each.body,
        )  # fmt: skip
        try:
            transcript.append(f"{gateway.send(gateway.judge(asked))}")
            if not each.harmless:
                wrong.append(each.name)
        except AuthError as error:
            refused += 1
            transcript.append(f"{error} {error!r} {vars(error)}")
    sent = len(api.seen) - before
    for place, spelling in ECHOES:
        asked = Asked("thing", "GET", f"/echo/{place}", query={"as": spelling})
        judged = gateway.judge(asked)
        transcript.append(brief(f"{judged} {gateway.send(judged)}"))
        with gateway.stream(judged) as answer:
            body = b"".join(answer.iter_bytes()).decode("latin-1")
            transcript.append(brief(f"{answer.status} {answer.headers} {body}"))
    transcript.append(f"{gateway.services()} {gateway.test('thing')} {broker.audit.entries()}")
    gateway.close()
    broker.close()
    found = [hit for text in transcript for hit in hits(text, key)]
    assert all(key in each.headers.get("x-thing-key", "") for each in api.seen[1:]), "it was used"
    board.note(
        28,
        "an injected agent, and an API that echoes",
        injected=f"{len(INJECTIONS)} requests, {len(ECHOES)} echoes read whole "
        "and as they come; six encodings",
        must_hold="0 hits; nothing sent that means harm",
        figure=f"{len(found)} hits, {refused} refused, {sent} harmless ones sent",
        held=not found and not wrong and sent == sum(each.harmless for each in INJECTIONS),
    )
