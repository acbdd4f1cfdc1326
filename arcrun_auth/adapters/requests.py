"""`auth=` for requests.

It is an `AuthBase`, never a header: a header of the session is replaced where the user's
~/.netrc has an entry for the host, and goes along on a redirect unless it is Authorization.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urljoin

from arcrun_auth.adapters.access import Access, renewed
from arcrun_auth.adapters.gate import Gate
from arcrun_auth.adapters.sdk import load

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.auth import AuthBase

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Token

UNAUTHORIZED = 401

REFUSED = (401, 403, 404)
"""How does a service answer a request without a credential? 404 hides that there is something."""


class _Auth:
    """Joined to requests' own class in `_kit`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._made: Gate | None = None

    def __repr__(self) -> str:
        return f"RequestsAuth({self._access.service!r})"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign the request. HostNotAllowed for a URL off the consented hosts."""
        binding, source = self._access.parts()
        gate = self._made = Gate.of(binding, self._made)
        gate.check(str(request.url))
        chain = _Chain(gate, source, request.body)
        chain.sign(request, source.token())
        hooks: Any = request.hooks  # `register_hook` does the same, and is not typed
        hooks["response"].append(partial(self._answered, chain))
        return request

    def _answered(self, chain: _Chain, response: Response, **sending: Any) -> Response:
        """Requests' response hook: called for each hop, before a redirect is followed."""
        request = response.request
        answer = self._again(chain, response, sending)
        if answer.is_redirect:
            chain.follow(request, answer)
        else:
            chain.conceal(request)
        for each in (response, answer):
            each.url = chain.gate.signer.unsigned_url(str(each.url))
        return answer

    def _again(self, chain: _Chain, response: Response, sending: dict[str, Any]) -> Response:
        """The answer to a second try, signed with a newer token, or signed at all."""
        sent = response.request
        if response.status_code not in REFUSED or not chain.gate.permits(str(sent.url)):
            return response
        again = chain.copy(sent)
        if again is None:
            return response
        token = chain.signed.get(id(sent))
        if token is None:  # a hop: it may have kept its signature, or lost it
            token = chain.source.token()
            chain.sign(again, token)
            if not chain.alike(again, sent):
                return _sent(again, response, sending)
        refused = response.status_code == UNAUTHORIZED
        fresh = renewed(chain.source, token) if refused else None
        if fresh is None:
            return response
        chain.sign(again, fresh)
        return _sent(again, response, sending)


class _Chain:
    """One call of the user's: its request, the hops of its redirects, and their second tries."""

    def __init__(self, gate: Gate, source: Source, body: Any) -> None:
        self.gate = gate
        self.source = source
        self.signed: dict[int, Token] = {}
        """By the id of a request, the token that it was signed with."""
        self._before: dict[int, tuple[PreparedRequest, dict[str, Any]]] = {}
        """By the id of a request that we signed: itself, and what it was."""
        self._hops: list[PreparedRequest] = []
        self._body = body

    def sign(self, request: PreparedRequest, token: Token) -> None:
        if id(request) in self._before:
            self._restore(request)
        before = {"url": request.url, "headers": request.headers.copy(), "body": request.body}
        self._before[id(request)] = (request, before)
        headers: Any = request.headers
        signed = self.gate.signer.sign(
            method=str(request.method),
            url=str(request.url),
            headers=headers,
            body=_bytes(request.body),
            token=token,
        )
        request.url = signed.url
        request.headers.update(signed.headers)
        if signed.body is not None:
            request.body = signed.body
        self.signed[id(request)] = token

    def alike(self, one: PreparedRequest, other: PreparedRequest) -> bool:
        """Whether two requests carry the same credential."""
        names = {*self.gate.signer.headers, "cookie"}
        return (one.url, one.body) == (other.url, other.body) and all(
            one.headers.get(name) == other.headers.get(name) for name in names
        )

    def copy(self, request: PreparedRequest) -> PreparedRequest | None:
        """`request` as it was before it was signed, to be sent again; None where it cannot be."""
        again = request.copy()
        if id(request) in self._before:
            _, before = self._before[id(request)]
            again.__dict__.update(before | {"headers": before["headers"].copy()})
        if _bytes(again.body) is None:
            try:
                load("requests.utils", "requests").rewind_body(again)
            except load("requests.exceptions", "requests").UnrewindableBodyError:
                return None
        return again

    def follow(self, request: PreparedRequest, response: Response) -> None:
        """Before a redirect: of what requests copies into the next hop nothing of ours leaves.

        Within the consented hosts it stays, and what gets lost is put in again when the next
        hop is refused.
        """
        self._hops.append(request)
        location = self.gate.signer.unsigned_url(response.headers["location"])
        response.headers["location"] = location
        if not self.gate.permits(urljoin(str(request.url), location)):
            self._restore(request)

    def conceal(self, request: PreparedRequest) -> None:
        """Afterwards `response.request` and `history` hold what the caller made."""
        made = [signed for signed, _ in self._before.values()]
        for each in (request, *self._hops, *made):
            self._restore(each)

    def _restore(self, request: PreparedRequest) -> None:
        _, before = self._before.get(id(request), (None, {}))
        request.__dict__.update(before)
        self.signed.pop(id(request), None)
        for name in () if before else self.gate.signer.headers:
            request.headers.pop(name, None)
        if not before and self.gate.signer.in_body and request.body is not None:
            request.body = self._body
            request.headers["Content-Length"] = str(len(_bytes(self._body) or b""))


def _sent(again: PreparedRequest, response: Response, sending: dict[str, Any]) -> Response:
    _ = response.content  # frees the connection for the second try
    response.close()
    adapter: Any = vars(response)["connection"]  # whoever sent it: each adapter says so
    fresh: Response = adapter.send(again, **sending)
    fresh.history.append(response)
    fresh.request = again
    return fresh


def _bytes(body: Any) -> bytes | None:
    """A body as bytes; None for a file or a generator."""
    if isinstance(body, str):
        return body.encode()
    return (body or b"") if body is None or isinstance(body, bytes) else None


@cache
def _kit() -> Any:
    return type("RequestsAuth", (_Auth, load("requests.auth", "requests").AuthBase), {})


def requests_auth(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> AuthBase:
    """`requests.get(url, auth=auth.requests_auth("notion"))`, or `session.auth = ...`.

    Signs as the bound client does, refuses URLs off the consented hosts (HostNotAllowed), and
    renews once after a 401. A redirect to another host is followed without the secret. Prefer
    `auth.bind` where you can: here a secret that stands in the URL can show in the text of
    a connection error, and the addresses that hosts resolve to are not judged.

    >>> requests_auth("notion")  # doctest: +SKIP
    RequestsAuth('notion')
    """
    return cast("AuthBase", _kit()(Access(service, instance, scopes=scopes, broker=broker)))
