"""One small signed request of ours to a service, and its answer as JSON."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from arcrun_auth._http import library
from arcrun_auth.client import bound_client
from arcrun_auth.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source

MAX_BODY = 1 << 20
"""How much of the answer do we read? One that needs more is no test request."""
MAX_SECONDS = 30.0
"""For how long do we read it? The time limits of a socket are for each piece, however small."""


class Reply(NamedTuple):
    """What the service said. `data` is None where that is no JSON."""

    status: int
    headers: Mapping[str, str]
    data: Any
    text: str

    def __repr__(self) -> str:  # some services repeat the key
        return f"Reply(status={self.status}, {len(self.text)} characters)"

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Self:
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        return cls(status, headers, data, body.decode(errors="replace"))


def fetch(
    binding: Binding,
    source: Source,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Reply:
    """Sends it. ProviderUnavailable where the service cannot be reached."""
    until = time.monotonic() + MAX_SECONDS
    try:
        with (
            bound_client(binding, source) as client,
            client.stream(method, url, headers=dict(headers or {}), content=content) as answer,
        ):
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    break
                if time.monotonic() > until:
                    raise _unreachable(binding.service, f"no end within {MAX_SECONDS:g} seconds")
            status, given = int(answer.status_code), dict(answer.headers)
    except library().RequestError as error:
        raise _unreachable(binding.service, type(error).__name__) from None
    return Reply.of(status, given, bytes(body))


def _unreachable(service: str, why: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{service} cannot be reached ({why}).",
        service=service,
        hint=f"check the network, then: arcrun test {service}",
    )
