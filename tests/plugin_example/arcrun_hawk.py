"""Hawk: a MAC over each request (https://github.com/mozilla/hawk/blob/main/API.md)."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth.primitives.base import Primitive
from arcrun_auth.signing import Signed, Signer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Secret, Token

PORTS = {"https": 443, "http": 80}


def authorization(method: str, url: str, key_id: str, key: Secret, *, now: int, nonce: str) -> str:
    """The value of the header `Authorization` for this request."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or PORTS[parts.scheme]
    lines = ["hawk.1.header", now, nonce, method.upper(), target, parts.hostname, port, "", "", ""]
    text = "\n".join(map(str, lines)).encode()
    mac = base64.b64encode(hmac.digest(key.reveal().encode(), text, "sha256")).decode()
    return f'Hawk id="{key_id}", ts="{now}", nonce="{nonce}", mac="{mac}"'


class HawkSigner(Signer):
    """Signs what the recipe's `inject` made of a request."""

    def __init__(self, binding: Binding) -> None:
        super().__init__(binding)
        self.options = binding.way.options
        self.headers |= {"authorization"}  # taken off a request that is led to another host

    def only_headers(self, token: Token) -> None:
        """None: each request has a signature of its own."""

    def sign(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None, token: Token
    ) -> Signed:
        ready = super().sign(method=method, url=url, headers=headers, body=body, token=token)
        header = authorization(
            method,
            ready.url,
            token.secrets[self.options["id"]].reveal(),
            token.secrets[self.options["key"]],
            now=int(time.time()),
            nonce=secrets.token_urlsafe(6),
        )
        return Signed(ready.url, (*ready.headers, ("Authorization", header)), ready.body)


class Hawk(Primitive):
    """What a recipe means by `primitive: hawk`."""

    label = "a key that signs each request (Hawk)"

    def faults(self, way: Method) -> Iterable[tuple[tuple[str, ...], str]]:
        """What is wrong with a recipe, told to whoever writes it."""
        keys = {secret.key for secret in way.required_secrets}
        for name in ("id", "key"):
            if way.options.get(name) not in keys:
                yield ("options", name), "This names one of required_secrets."

    def uses(self, way: Method) -> Iterable[str]:
        """The secrets that `inject` need not name, since they are used here."""
        return way.options.values()

    def signer(self, binding: Binding) -> HawkSigner:
        return HawkSigner(binding)
