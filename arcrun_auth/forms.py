"""What a page on this machine takes from its form, and from no other: used by every such page.

Another program here can send what it likes, and any web page can send a form to 127.0.0.1. So a
form carries 256 random bits that only its page shows, and comes with its own origin.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from arcrun_auth import landing
from arcrun_auth.http1 import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.http1 import Request

MAX_BODY = 64 * 1024
"""How long may an answer be? Certificates and key files have some kilobytes."""
MAX_FIELDS = 50
"""How many values may it have?"""

TYPE = "application/x-www-form-urlencoded"
_SITE = "sec-fetch-site"


def read(request: Request, token: str) -> Mapping[str, str] | Reply:
    """What a form of ours sent, by name and without `token`, which proves it; else a refusal."""
    headers = request.headers
    # The listener has refused a foreign one; a browser never leaves it out of a POST.
    if "origin" not in headers or headers.get(_SITE, "same-origin") != "same-origin":
        return Reply(403)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != TYPE:
        return Reply(415)
    values = pairs(request.body)
    if values is None:
        return Reply(400)
    if not compare_digest(values.pop(landing.TOKEN, "").encode(), token.encode()):
        return Reply(403)
    return values


def shown(page: bytes, status: int = 200, *, policy: str = landing.FORM_POLICY) -> Reply:
    """A page with a form. Under `no-referrer` a browser would send that with `Origin: null`."""
    return Reply(status, page, policy=policy, referrer="same-origin")


def pairs(text: bytes) -> dict[str, str] | None:
    """The values of a form or a query; None where it is malformed, or says something twice."""
    try:
        found = parse_qsl(
            text.decode("ascii"), keep_blank_values=True, strict_parsing=True,
            errors="strict", max_num_fields=MAX_FIELDS,
        )  # fmt: skip
    except ValueError:
        return None
    values = dict(found)
    return values if len(values) == len(found) else None
