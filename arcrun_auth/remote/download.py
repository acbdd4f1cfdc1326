"""Files from the network that hold no secret and get none: small, in bounded time, over https.

Redirects are followed, as a release page sends its downloads elsewhere: each hop is https
to a public host, or an origin that the user allowed. What arrives is trusted for nothing:
who asked for it checks its signature or its place.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable, printable
from arcrun_auth.exchange import Exchange, perform
from arcrun_auth.hosts import fence_of
from arcrun_auth.oauth.call import TokenCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.hosts import Fence

MAX_HOPS = 5
"""How many redirects of one download do we follow?"""
MAX_DOWNLOAD = 4 << 20
"""How large may one file be, in bytes?"""

_REDIRECTS = (301, 302, 303, 307, 308)


class Budget:
    """The seconds that are left for all of one update: its requests, and reading what came."""

    __slots__ = ("_end", "total")

    def __init__(self, total: float) -> None:
        self.total = total
        self._end = time.monotonic() + total

    def left(self, host: str, failed: str = "did not answer") -> float:
        """ProviderUnavailable once there are none; `failed` is what `host` then did."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise ProviderUnavailable(f"{host} {failed} within {self.total:g} seconds.")
        return left


class _Download(Exchange):
    noun = "source of recipes"
    limit = MAX_DOWNLOAD


def download(
    url: str,
    budget: Budget,
    *,
    allow: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    hops: int = MAX_HOPS,
) -> Answer:
    """Get `url` and read the answer, whatever its status; up to `hops` redirects are followed.

    `allow` are the origins that may be private or plain http. Raises HostNotAllowed (nothing
    was sent there), and ProviderUnavailable for what does not answer, in time or whole.
    """
    for _ in range(hops + 1):
        call = TokenCall(
            url, method="GET", headers={"accept": "*/*", **(headers or {})}, content=None,
            secrets=(),
        )  # fmt: skip
        fence = _fence(url, allow)
        answer = perform(_Download(call, fence, budget.left(fence.hosts[0])))
        target = answer.headers.get("location")
        if answer.status not in _REDIRECTS or not target or not hops:
            return answer
        url = _joined(url, target)
    raise ProviderUnavailable(f"{host_of(url)} redirects in a circle.", status=answer.status)


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise ProviderUnavailable(f"{host_of(url)} redirects to what is no valid URL.") from None


def _fence(url: str, allow: Sequence[str]) -> Fence:
    try:
        return fence_of(url, allow)
    except ValueError:
        raise HostNotAllowed("The source of recipes is no valid URL.", host="") from None


def host_of(url: str) -> str:
    """The host and port of a URL, for messages: no user, and no password of one."""
    return printable(urlsplit(url).netloc.rpartition("@")[2], 100)


def base(setting: str, value: object) -> str:
    """The URL that a setting names, with one slash at its end. AuthError where it is none.

    One with a user in it is none: that is a password often, and these places take none.
    """
    text = str(value).strip()
    parts = urlsplit("")
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or "@" in parts.netloc or parts.query or parts.fragment:
        raise AuthError(
            f"The setting {setting!r} is no URL of the form https://host/path.",
            hint=f"set ARCRUN_{setting.upper()} to one, or unset it",
        )
    return text.rstrip("/") + "/"
