"""URLs that carry their own permission: one request, for some time, by whoever holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth._http import library
from arcrun_auth.client import bound_client
from arcrun_auth.flow import Rules

if TYPE_CHECKING:
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source


def presigned_url(binding: Binding, source: Source, url: str, *, method: str, expires: int) -> str:
    """See `Broker.presigned_url`. Sends nothing, but for a renewal that is due."""
    rules = Rules(library(), binding, source)
    with bound_client(binding, source) as client:
        target = client.build_request(method, url).url
    rules.check(target)
    return rules.signer.presign(
        method=method, url=str(target), expires=expires, token=source.token()
    )
