"""Answers of token endpoints, spoilt in every way we could think of; and who must read them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import msgspec

from arcrun_auth.recipe import OAuth2
from tests import canary

if TYPE_CHECKING:
    from random import Random

TOKEN_URL = "https://id.example.com/token"

# A provider's settings, its good answer and its refusal; {at} and {rt} stand for the tokens.
PROVIDERS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "by the book": (
        {},
        {"access_token": "{at}", "refresh_token": "{rt}", "expires_in": 3600, "scope": "a b",
         "token_type": "bearer"},
        {"error": "invalid_grant", "error_description": "no {old}", "error_uri": "https://x.y/z"},
    ),
    "a root, a list of scopes": (
        {"token_response": {"root": "data.user", "scope": "scopes"}},
        {"data": {"user": {"access_token": "{at}", "refresh_token": "{rt}", "expires_in": "3600",
                           "scopes": ["a", "b"]}}},
        {"error": "invalid_grant"},
    ),
    "200 to everything": (
        {"token_response": {"ok": {"path": "ok"}}, "scope_separator": ","},
        {"ok": True, "access_token": "{at}", "refresh_token": "{rt}", "scope": "a,b"},
        {"ok": False, "error": "invalid_grant"},
    ),
    "errors elsewhere": (
        {"token_response": {"error": "error.code || fault[0].code || error",
                            "error_description": "error.message"}},
        {"access_token": "{at}", "expires_in": 3600},
        {"error": {"code": "invalid_grant", "message": "no {old}"}},
    ),
    "an end in milliseconds": (
        {"token_response": {"expires_at": "expiresAt", "expires_in": "", "expires_unit": "ms"}},
        {"access_token": "{at}", "refresh_token": "{rt}", "expiresAt": 1800003600000},
        {"error": "invalid_grant"},
    ),
    "an end as a date": (
        {"token_response": {"expires_at": "expires", "default_expires_in": 600}},
        {"access_token": "{at}", "refresh_token": "{rt}", "expires": "2027-01-15T09:00:00Z"},
        {"error": "invalid_grant"},
    ),
    "names of its own, values to keep": (
        {"token_response": {"access_token": "accessToken || access.token",
                            "refresh_token": "refreshToken", "expires_in": "ttl",
                            "keep": {"realm": "realmId", "trace": "header:x-trace"}}},
        {"accessToken": "{at}", "refreshToken": "{rt}", "ttl": 3600, "realmId": 42},
        {"error": "invalid_grant"},
    ),
    "refresh tokens that end": (
        {"refresh": {"idle_s": 3600, "lifetime_s": 86400}, "scope_separator": "+"},
        {"access_token": "{at}", "refresh_token": "{rt}", "expires_in": 3600,
         "refresh_token_expires_in": 86400, "scope": "a+b"},
        {"error": "invalid_grant"},
    ),
}  # fmt: skip

STATUSES = (200, 200, 200, 200, 200, 200, 201, 400, 400, 400, 401, 403, 404, 408, 429, 500, 502,
            503, 302, 204, 418, 599)  # fmt: skip
TYPES = ("application/json", "application/json; charset=utf-8", "text/html", "text/plain", "",
         "application/x-www-form-urlencoded", "Application/JSON;;", "a/b, c/d", "\xff\x00",
         "application/x-www-form-urlencoded; charset=utf-16")  # fmt: skip
WAITS = ("", "0", "30", "-1", "1e9", "999999999", "99999999999999", "soon", "\u0663",
         "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 99 Xxx 9999 99:99:99 GMT",
         "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359", "\x00")  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3600, 1 << 63, -(1 << 70), 10**400, 1e308, -1e308, 5e-324,
    float("nan"), float("inf"), float("-inf"), "", " ", "0", "-1", "3600", "1e999", "nan",
    "\x00", "a\r\nX: y", "\ud800", "é" * 300, "a" * 100_000, "\u202e", [], [[]], [None], {},
    {"": {}}, {"error": "invalid_grant"}, ["invalid_grant"], "invalid_grant", "INVALID_GRANT",
    "server_error", "invalid_client", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59",
    "2027-13-45", "1" * 5000,
)  # fmt: skip
PAGES = (
    b"", b" ", b"null", b"[]", b"{}", b"0", b'"x"', b"NaN", b"{", b"\xef\xbb\xbf{}", b"\x00",
    b"<html>invalid_grant</html>", b"access_token=x&scope=a", b"error=invalid_grant",
    b"access_token=%ff", b"a=1&" * 200, b"error=invalid_grant&error=x", b"[" * 100_000,
    b'{"a":' * 5_000, b"{" + b'"error":"invalid_grant",' * 3 + b'"x":1}', b"1" * 5000,
)  # fmt: skip
"""Instead of the answer."""
ENCODINGS = ("utf-8-sig", "utf-16", "utf-32", "utf-16-le", "latin-1", "utf-7")


def settings() -> dict[str, OAuth2]:
    base = {"token_endpoint": TOKEN_URL}
    return {name: msgspec.convert(base | own, OAuth2) for name, (own, _, _) in PROVIDERS.items()}


class Spoiler:
    """Makes answers, one after the other, all of them from one seed."""

    def __init__(self, chance: Random, old: str) -> None:
        self.chance = chance
        self._old = old
        self._made = 0

    def answer(self, provider: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of one answer."""
        _, good, bad = PROVIDERS[provider]
        chance, self._made = self.chance, self._made + 1
        failed = chance.random() < 0.3
        data = self._filled(bad if failed else good)
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            data = self._spoil_value(data)
        body = self._encoded(data)
        for _ in range(chance.choice((0, 0, 0, 0, 1, 2))):
            body = chance.choice(_ON_BYTES)(chance, body)
        status = chance.choice(STATUSES) if chance.random() < 0.3 else 400 if failed else 200
        return status, self._headers(), body

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner) for inner in value]
        if not isinstance(value, str) or "{" not in value:
            return value
        n, word = self._made, canary.WORD
        return value.format(at=f"{word}-at-{n}", rt=f"{word}-rt-{n}", old=self._old)

    def _spoil_value(self, data: Any) -> Any:
        """One field somewhere in it deleted, retyped, moved, nested or doubled."""
        chance = self.chance
        if not isinstance(data, dict) or not data:
            return chance.choice(ODD)
        name = chance.choice(list(data))
        if isinstance(data[name], dict) and data[name] and chance.random() < 0.7:
            return data | {name: self._spoil_value(data[name])}
        value, how = data[name], chance.randrange(8)
        if how == 0:
            return {key: value for key, value in data.items() if key != name}
        if how == 1:
            return {"data": data}
        if how == 2:
            name = chance.choice(("error", "ok", "scope", "expires_in"))
        other = {3: {name: value}, 4: [value]}.get(how, chance.choice(ODD))
        return data | {name: other}

    def _encoded(self, data: Any) -> bytes:
        chance, how = self.chance, self.chance.random()
        if how < 0.08:
            return chance.choice(PAGES)
        if how < 0.16 and isinstance(data, dict):
            return "&".join(f"{name}={value}" for name, value in data.items()).encode(
                errors="replace"
            )
        if how < 0.2:
            return json.dumps(data).encode(chance.choice(ENCODINGS), errors="replace")
        if how < 0.24 and isinstance(data, dict) and data:  # a field that stands there twice
            more = json.dumps({chance.choice(list(data)): chance.choice(ODD)})
            return (json.dumps(data)[:-1] + ", " + more[1:]).encode()
        return json.dumps(data).encode()

    def _headers(self) -> dict[str, str]:
        chance, headers = self.chance, {}
        kind = chance.choice(TYPES) if chance.random() < 0.4 else TYPES[0]
        if kind or chance.random() < 0.5:
            headers["content-type"] = kind
        if chance.random() < 0.3:
            headers["retry-after"] = chance.choice(WAITS)
        if chance.random() < 0.2:
            headers[chance.choice(("x-trace", "", "location", "www-authenticate"))] = "\x1b[2Jé" * 9
        return headers


def _truncated(chance: Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _flipped(chance: Random, body: bytes) -> bytes:
    if not body:
        return body
    at = chance.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]


def _noise(chance: Random, body: bytes) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + chance.randbytes(chance.randrange(9)) + body[at:]


def _twice(chance: Random, body: bytes) -> bytes:
    return body + body


def _deep(chance: Random, body: bytes) -> bytes:
    times = chance.choice((1, 50, 3000))
    return b'{"a":' * times + body + b"}" * times


def _zipped(chance: Random, body: bytes) -> bytes:
    return gzip.compress(body, 1)


_ON_BYTES = (_truncated, _truncated, _flipped, _flipped, _flipped, _noise, _noise, _twice, _deep,
             _zipped)  # fmt: skip
