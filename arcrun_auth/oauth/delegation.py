"""Requests by which one identity gets a token of another: one function each. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.call import Draft, TokenCall
from arcrun_auth.oauth.clients import by_basic
from arcrun_auth.oauth.requests import UNATTENDED
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of RFC 8693 §3


def exchange_request(
    endpoint: str, document: Mapping[str, Any], subject_token: Secret, scopes: Sequence[str]
) -> TokenCall:
    """A workload's own token for an access token (RFC 8693 §2.1), as its document says."""
    draft = Draft(
        endpoint,
        {
            "grant_type": UNATTENDED["token_exchange"],
            "audience": str(document.get("audience", "")),
            "scope": " ".join(scopes),
            "requested_token_type": ACCESS_TOKEN,
            "subject_token": subject_token,
            "subject_token_type": str(document.get("subject_token_type", "")),
        },
    )
    app = app_in(document)
    payer = document.get("workforce_pool_user_project")
    if app.client_secret is not None:
        by_basic(draft, app)
    elif app.client_id:
        draft.fields["client_id"] = app.client_id
    elif payer:  # whom the exchange is counted to, where no client says it
        from urllib.parse import quote

        draft.fields["options"] = quote(json.dumps({"userProject": str(payer)}))
    return draft.call("POST", "form")


def app_in(document: Mapping[str, Any]) -> App:
    """The OAuth client that a document names; one without an id where it names none."""
    client_id, secret = (document.get(name) for name in ("client_id", "client_secret"))
    found = Secret(secret) if isinstance(secret, str) and secret else None
    return App(client_id if isinstance(client_id, str) else "", found)


def json_request(url: str, token: Secret, body: Mapping[str, Any]) -> TokenCall:
    """A POST of JSON by whoever holds `token` (RFC 6750 §2.1)."""
    return TokenCall(
        url,
        headers={
            "accept": "application/json",
            "content-type": "application/json",
            "authorization": f"Bearer {token.reveal()}",
        },
        content=json.dumps(dict(body)).encode(),
        secrets=(token,),
    )
