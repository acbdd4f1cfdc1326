"""An OpenID issuer of a few lines, which signs whatever a test wants signed."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qsl, urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests import canary
from tests.servers import Recorder, Reply

CLIENT = "the-server"
KEY = RSAKey.generate_key(2048, {"kid": "one"})


class Issuer:
    """On a `Recorder`. `claims` and `header` change the next tokens; `user` is who logs in."""

    def __init__(self, server: Recorder) -> None:
        self.server, self.issuer = server, server.origin
        self.key = KEY
        self.keys = [self.key.as_dict(private=False)]
        self.user, self.claims, self.header = "ada", {}, {}
        self.client_secret = canary.fresh("client")
        self.document, self.nonces = {}, {}
        self.code_used = []
        server.answer = self._answer

    def token(self, *, audience=CLIENT, key=None, alg="RS256", **claims):
        """A signed identity token."""
        now = int(time.time())
        body = {
            "iss": self.issuer, "aud": audience, "sub": self.user, "iat": now, "exp": now + 300,
            "email": f"{self.user}@example.com", "name": self.user.title(), **self.claims, **claims,
        }  # fmt: skip
        body = {name: value for name, value in body.items() if value is not None}
        header = {"alg": alg, "kid": "one", **self.header}
        return jwt.encode(header, body, key or self.key, algorithms=[alg])

    def _answer(self, seen):
        path, _, query = seen.target.partition("?")
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token",
                     "jwks_uri": "keys"}  # fmt: skip
            found = {name: f"{self.issuer}/{place}" for name, place in names.items()}
            return _json({"issuer": self.issuer, **found, **self.document})
        if path == "/keys":
            return _json({"keys": self.keys})
        if path == "/authorize":
            return self._authorize(dict(parse_qsl(query)))
        if path == "/token":
            return self._token(dict(parse_qsl(seen.body.decode())))
        return Reply(status=404)

    def _authorize(self, asked):
        code = canary.fresh("code")
        self.nonces[code] = asked.get("nonce")
        back = {"code": code, "state": asked["state"], "iss": self.issuer}
        return Reply(status=302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    def _token(self, form):
        self.code_used.append(form["code"])
        if form.get("client_secret") != self.client_secret or form["code"] not in self.nonces:
            return Reply(status=400, body=b'{"error": "invalid_grant"}')
        token = self.token(nonce=self.nonces.pop(form["code"]))
        return _json({
            "access_token": canary.fresh("access"), "token_type": "Bearer", "id_token": token,
        })  # fmt: skip


def _json(data):
    return Reply(headers={"Content-Type": "application/json"}, body=json.dumps(data).encode())
