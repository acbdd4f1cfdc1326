"""`auth=` for httpx clients that are not ours: one object for httpx and httpx2, sync and async.

The rules are those of the bound client (`flow.Rules`). Their place is not: it lies above
event hooks and redirects, so the guarantee is weaker. What is left of it is in the docstring
of `httpx_auth`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from arcrun_auth import _http
from arcrun_auth.adapters.access import Access
from arcrun_auth.flow import Failed, Rules
from arcrun_auth.tokens import Token
from arcrun_auth.transport import token_from

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    import httpx
    import httpx2
    from httpx import Request, Response

    from arcrun_auth.adapters.access import Scopes
    from arcrun_auth.broker import Broker
    from arcrun_auth.errors import HostNotAllowed
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source

    class HttpxAuth(httpx.Auth, httpx2.Auth):  # type: ignore[misc]  # what `_kit` makes
        """An `auth=` for clients of httpx and of httpx2."""


class _Auth:
    """The two drivers: blocking and awaiting, as those of the bound client's transports."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._made: dict[Any, Rules] = {}

    def __repr__(self) -> str:
        return f"HttpxAuth({self._access.service!r})"

    def _call(self, request: Request, parts: tuple[Binding, Source]) -> _Call:
        lib = _http.library_of(request)
        rules = self._made.get(lib)
        if rules is None or rules.binding is not parts[0]:
            rules = self._made[lib] = Rules(lib, *parts)
        return _Call(rules, request)

    def sync_auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        parts = self._access.parts()
        call = self._call(request, parts)
        given: Any = None
        try:
            while (asked := call.next(given)) is not None:
                if asked[0] == "token":
                    given = parts[1].token(rejected=asked[1])
                else:
                    given = yield call.watched(asked[1], call.trace)
        finally:
            call.conceal()

    async def async_auth_flow(self, request: Request) -> AsyncGenerator[Request, Response]:
        parts = await self._access.aparts()
        call = self._call(request, parts)
        given: Any = None
        try:
            while (asked := call.next(given)) is not None:
                if asked[0] == "token":
                    given = await token_from(parts[1], asked[1])
                else:
                    given = yield call.watched(asked[1], call.atrace)
        finally:
            call.conceal()


class _Call:
    """One call of the user's: at most two requests of ours, and what redirects make of them."""

    def __init__(self, rules: Rules, request: Request) -> None:
        rules.check(request.url)
        self._rules = rules
        self._original = request
        self._flow = rules.flow(request)
        self._theirs = request.extensions.get("trace")
        self._address = rules.watch(request)
        self._sent: list[Request] = []
        self._answers: list[Response] = []

    def next(self, given: Token | Response | None) -> tuple[str, Any] | None:
        """What is to be done: ("token", the refused one or None), ("send", request); None: no more.

        `given` is what came of it, None for the first time.
        """
        if given is not None and not isinstance(given, Token):
            self._answers.append(given)
            if not self._carried(given):
                return None
        try:
            what, it = self._flow.send(given)
            while what == "close":  # the library closes it by itself
                what, it = self._flow.send(None)
        except StopIteration as end:
            if isinstance(end.value, Failed):
                raise end.value.error from None
            return None
        return what, (it.access_token if what == "token" and it is not None else it)

    def _carried(self, answer: Response) -> bool:
        """Whether what was answered is our request; of one that lost its signature to a
        redirect a refusal says nothing about the token."""
        ours, answered, names = self._sent[-1], answer.request, self._rules.signer.headers
        if answered is ours:
            return True
        return bool(names) and all(answered.headers.get(n) == ours.headers.get(n) for n in names)

    def watched(self, request: Request, trace: Any) -> Request:
        """`request`, judged once more for each hop: httpcore's `trace` extension goes along."""
        request.extensions = {**request.extensions, "trace": trace}
        self._sent.append(request)
        return request

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        if self._theirs is not None:
            self._theirs(event, info)
        error = self._judge(event, info)
        if error is not None:
            info["return_value"].close()
            raise error

    async def atrace(self, event: str, info: Mapping[str, Any]) -> None:
        if self._theirs is not None:
            await self._theirs(event, info)
        error = self._judge(event, info)
        if error is not None:
            await info["return_value"].aclose()
            raise error

    def _judge(self, event: str, info: Mapping[str, Any]) -> HostNotAllowed | None:
        """What is wrong with a new connection's address. Raises for a hop, which has none."""
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self._check_hop(info["request"])
        return self._address(event, info) if self._address is not None else None

    def _check_hop(self, request: Any) -> None:
        """HostNotAllowed where a redirect would take what we put in to another host.

        `Authorization` and `Cookie` the library takes away by itself; no other header, no body.
        """
        rules, target = self._rules, request.url.target.decode("latin-1")
        host = request.url.host.decode("latin-1")
        origin = f"[{host}]" if ":" in host else host
        origin = f"{request.url.scheme.decode()}://{origin}:{request.url.port or ''}"
        # To a plain proxy the target is the whole URL (RFC 9112 §3.2.2).
        url = rules.lib.URL(target if target.startswith("http") else origin + target)
        names = {name.decode("latin-1").lower() for name, _ in request.headers}
        carries = rules.signer.in_body or names & rules.signer.headers
        if carries or rules.signer.shows(target):
            rules.check(url)

    def conceal(self) -> None:
        """Afterwards `response.request`, `history` and errors hold what the caller made."""
        for request in self._sent:
            request.url, request.headers = self._original.url, self._original.headers
            request.stream, request.extensions = self._original.stream, self._original.extensions
        followed = [each for answer in self._answers for each in (answer, *answer.history)]
        for request in (answer.request for answer in followed):
            if request not in self._sent:
                request.extensions.pop("trace", None)
                for name in self._rules.signer.headers:
                    request.headers.pop(name, None)


@cache
def _kit() -> Any:
    bases = tuple(lib.Auth for lib in _http.installed())
    return type("HttpxAuth", (_Auth, *bases), {})


def httpx_auth(
    service: str,
    instance: str | None = None,
    *,
    scopes: Scopes = None,
    broker: Broker | None = None,
) -> HttpxAuth:
    """`httpx.Client(auth=auth.httpx_auth("notion"))`, for a client that is not ours.

    The object serves httpx and httpx2, sync and async, for any number of clients. It signs as
    the bound client does, refuses URLs off the consented hosts (HostNotAllowed), and renews
    once after a 401. Prefer `auth.bind` where you can: here event hooks see the signed request,
    a redirect to another host is refused where the secret would go along instead of followed
    without it, and the address of a new connection is judged only by httpx's own transport.
    The client's `base_url` and the recipe's fixed headers are yours to set.

    >>> import httpx
    >>> isinstance(httpx_auth("notion"), httpx.Auth)
    True
    """
    access = Access(service, instance, scopes=scopes, broker=broker)
    return cast("HttpxAuth", _kit()(access))
