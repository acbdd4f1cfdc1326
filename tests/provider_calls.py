"""The embedded provider, asked by a plain client: what most of its tests are made of."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

HANG = 30.0
VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1:1/callback"


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


def http_call(provider, method, path, body=None, headers=None):
    url = urlsplit(provider.issuer)
    connection = http.client.HTTPConnection(url.netloc, timeout=HANG)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def post(provider, path, form, headers=None):
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | (headers or {})
    status, _, body = http_call(provider, "POST", path, urlencode(form), headers)
    return status, json.loads(body)


def authorization_url(provider, **changes):
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": "demo",
        "redirect_uri": REDIRECT,
        "scope": "read write",
        "state": "st",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    } | changes
    query = {name: value for name, value in query.items() if value is not None}
    return f"{provider.issuer}/authorize?{urlencode(query)}"


def answer_of(location):
    return dict(parse_qsl(urlsplit(location).query))


def code(provider, **changes):
    return answer_of(provider.redirected(authorization_url(provider, **changes)))["code"]


def redeem(provider, code_, *, headers=None, **changes):
    form = {
        "grant_type": "authorization_code",
        "code": code_,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        "client_id": "demo",
    } | changes
    form = {name: value for name, value in form.items() if value is not None}
    return post(provider, "/token", form, headers)


def refresh(provider, token, **changes):
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "demo"} | changes
    return post(provider, "/token", form)


def grant(provider):
    status, answer = redeem(provider, code(provider))
    assert status == 200
    return answer


def me(provider, token):
    return http_call(provider, "GET", "/api/me", headers={"Authorization": f"Bearer {token}"})[0]
