"""Row 14: an answer that another authorization server had a hand in (RFC 9207)."""

from __future__ import annotations

from itertools import product

import pytest

from arcrun_auth.errors import LoginFailed
from arcrun_auth.oauth.callback import read_callback
from tests.faults.desk import DEMO

pytestmark = pytest.mark.fault

ISSUER = "https://id.example.com"
NAMES = {
    "match": ISSUER,
    "mismatch": "https://id.evil.example",
    "trailing slash": ISSUER + "/",
    "case": "https://ID.example.com",
}
ANSWERS = {
    "code": "code=c&iss={iss}",
    "error": "error=access_denied&error_description=LIES&error_uri=https://lies.example&iss={iss}",
    "missing iss": "code=c&issuer={iss}",
    "duplicated iss": "code=c&iss={iss}&iss=" + ISSUER,
}


def _outcome(answer: str, iss: str, *, advertised: bool) -> str:
    """What becomes of it: the code goes on, its error is shown, or nothing of it is believed."""
    query = f"/callback?state=st&{ANSWERS[answer].format(iss=iss)}"
    try:
        read_callback(query, state="st", issuer=ISSUER, iss_required=advertised)
    except LoginFailed as error:
        shown = f"{error} {error.description} {error.uri}".lower()
        if error.error == "issuer_mismatch" and "lies" not in shown:
            return "refused"
        return "shown" if error.error == "access_denied" and error.description else repr(error)
    return "code"


def _due(answer: str, name: str, *, advertised: bool) -> str:
    """RFC 9207 §2.4: what is there is compared as it stands, what was promised has to be there."""
    if answer == "missing iss":
        return "refused" if advertised else "code"
    if answer == "duplicated iss" or name != "match":
        return "refused"
    return "shown" if answer == "error" else "code"


def test_row_14_an_answer_is_believed_by_its_issuer_alone(board) -> None:
    table = list(product(NAMES, ANSWERS, (False, True)))
    wrong = [
        (name, answer, advertised, found)
        for name, answer, advertised in table
        for found in [_outcome(answer, NAMES[name], advertised=advertised)]
        if found != _due(answer, name, advertised=advertised)
    ]
    board.note(
        14,
        "mix-up of authorization servers",
        injected=f"iss {', '.join(NAMES)} x {', '.join(ANSWERS)}; promised by the metadata or not",
        must_hold="the row of RFC 9207 §2.4; nothing of a refused answer is shown",
        figure=f"{len(wrong)} wrong of {len(table)}" + (f": {wrong[0]}" if wrong else ""),
        held=not wrong and len(table) == 32,
    )


def test_row_14_the_code_of_a_mixed_up_login_goes_nowhere(desk, board) -> None:
    """A whole login each, whose redirect names another issuer than the recipe."""
    provider, ended = desk.provider, []
    issuer, before = provider.issuer, desk.grant.refresh_token
    sent = provider.token_requests.total()
    for iss, allow in product((issuer + "/", issuer.upper(), NAMES["mismatch"]), (True, False)):
        provider.authority.issuer = iss
        broker = desk.another(
            open_url=lambda url, allow=allow: provider.follow(url, allow=allow) and True
        )
        try:
            broker.setup("demo")
            ended.append("connected")
        except LoginFailed as error:
            ended.append(error.error)
    provider.authority.issuer = issuer
    sent = provider.token_requests.total() - sent
    kept = desk.broker.store.get(DEMO).grant.refresh_token == before
    board.note(
        14,
        "mix-up in a whole login",
        injected=f"{len(ended)} logins, half of them cancelled",
        must_hold="refused, the code sent nowhere, the login of before untouched",
        figure=f"{ended.count('issuer_mismatch')} refused of {len(ended)}, {sent} token requests",
        held=set(ended) == {"issuer_mismatch"} and sent == 0 and kept,
    )
