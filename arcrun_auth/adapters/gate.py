"""The fence and the signer for libraries whose URLs are plain text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth import scrub
from arcrun_auth.errors import AuthError
from arcrun_auth.signing import Signer

if TYPE_CHECKING:
    from arcrun_auth.signing import Binding

# RFC 3986 §3.2 without userinfo, in ASCII: an authority that all parsers read alike.
_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?")


class Gate:
    """Where requests of one connection may go, and how they are signed. Does no I/O."""

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        """AuthError for a service whose signer takes more than a request to be changed."""
        self.signer = (binding.signer or Signer)(binding)
        if self.signer.asks_more:
            raise AuthError(
                f"{binding.service} {self.signer.asks_more}, which takes a client of ours.",
                service=binding.service,
                hint=f"use auth.bind({binding.service!r})",
            )
        scrub.watch(self.signer)

    @classmethod
    def of(cls, binding: Binding, held: Gate | None) -> Gate:
        """`held`, if it is the one of this binding; else a new one."""
        return held if held is not None and held.binding is binding else cls(binding)

    def permits(self, url: str) -> bool:
        """Whether a secret may go to `url`: no, where parsers could disagree on its host."""
        scheme, host, port = _origin(url)
        return self.binding.fence.permits(scheme, host, port)

    def check(self, url: str) -> None:
        """HostNotAllowed for a URL off the consented hosts."""
        if not self.permits(url):
            raise self._refusal(url, "was not agreed to")

    def leave(self, url: str, *, body: bool) -> None:
        """HostNotAllowed where a redirect to `url` is not followed, even without the secret."""
        barred = self.signer.bars(*_origin(url), body=body)
        if barred:
            raise self._refusal(url, barred)

    def _refusal(self, url: str, why: str) -> Exception:
        scheme, host, port = _origin(url)
        where = f"{scheme}://{host}" + (f":{port}" if port else "")
        return self.binding.refusal(where if host else "This URL", host, why)


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; no host, which nothing permits, where it is not plainly one."""
    try:
        parts = urlsplit(url)
        if _AUTHORITY.fullmatch(parts.netloc):
            return parts.scheme, parts.hostname or "", parts.port
    except ValueError:  # a port beyond 65535, brackets without an address
        pass
    return "", "", None
