"""Signing in the innermost transport: the rules, and their two drivers.

Secrets are put in here, on every hop, into a copy of the request. All that lies above
(event hooks, redirects, `response.history`, `response.request`, the library's log and
its exceptions) only ever holds the request as the caller made it.

The rules are one generator, `Rules.flow`. It does no I/O: it asks for a token, for a
request to be sent or a response to be closed, and two thin drivers do that, one
blocking, one awaiting.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from arcrun_auth import _http, scrub
from arcrun_auth.errors import AuthError
from arcrun_auth.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Final, Protocol, Self, TypeVar

    from httpx import URL, AsyncBaseTransport, BaseTransport, Request, Response

    from arcrun_auth.errors import HostNotAllowed
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Token

    T = TypeVar("T")
    Pairs = Iterable[tuple[str, str]]

    class Source(Protocol):
        """Where tokens come from: see `sources.Source`."""

        def token(self, *, rejected: str | None = None) -> Token: ...
        def peek(self) -> Token | None: ...

else:  # at run time these are mixins: the library's own classes are joined to them
    BaseTransport = AsyncBaseTransport = object

THREADS: Final = 16
"""How many token requests of async callers may block threads at a time, per event loop?"""

REPLAY: Final = "arcrun_replay"
"""The request extension that marks a multipart body whose files can all be rewound."""

_TELLING: Final = frozenset({b"location", b"content-location", b"link", b"refresh", b"set-cookie"})
"""In which headers of an answer may our values come back?"""
_URL_IN_HEADER: Final = re.compile(r"(?<=<)[^>]*(?=>)|(?<=url=)\S+", re.IGNORECASE)


async def in_thread(work: Callable[[], T]) -> T:
    """Run blocking `work` in a thread, without taking one of those that the user counts on.

    Cancelling waits for its end: a renewal that is cut off could lose a rotated token.
    """
    from anyio import CapacityLimiter, to_thread

    limiter = _limiters().get(None)
    if limiter is None:
        limiter = CapacityLimiter(THREADS)
        _limiters().set(limiter)
    return await to_thread.run_sync(work, limiter=limiter)


async def token_from(source: Source, rejected: str | None = None) -> Token:
    """`source.token(rejected=...)`: from memory at once, else in a thread."""
    held = source.peek()
    if held is not None and held.access_token != rejected:
        return held
    return await in_thread(lambda: source.token(rejected=rejected))


@cache
def _limiters() -> Any:
    from anyio.lowlevel import RunVar

    return RunVar("arcrun_auth_threads")  # one per event loop


class Failed(NamedTuple):
    """An error on its way through the generator, as a value: raised where nothing secret is."""

    error: BaseException


class Rules:
    """All that the sync and the async client have in common. Does no I/O."""

    def __init__(self, lib: Any, binding: Binding, source: Source) -> None:
        self.lib = lib
        self.binding = binding
        self.source = source
        self.signer = (binding.signer or Signer)(binding)
        self._origin = lib.URL(binding.base_url).copy_with(raw_path=b"/")
        self._root_paths = binding.root_paths or ("\0",)  # which no URL begins with
        scrub.watch(self.signer)

    def permits(self, url: URL) -> bool:
        return not url.userinfo and self.binding.fence.permits(url.scheme, url.raw_host, url.port)

    def bars(self, url: URL, *, body: bool) -> str | None:
        """See `Signer.bars`."""
        host = url.raw_host.decode("latin-1")
        return self.signer.bars(url.scheme, host, url.port, body=body)

    def check(self, url: URL) -> None:
        if not self.permits(url):
            raise self._refusal(url, "was not agreed to")

    def absolute(self, url: URL | str) -> URL | str:
        """`url` of the caller; one that begins with a root path is put to the origin."""
        if isinstance(url, str) and self._is_plain(url):
            return url  # the library parses it anyway, and once is enough
        parsed: URL = self.lib.URL(url)
        if parsed.is_absolute_url:
            return parsed
        if parsed.scheme or parsed.host:  # //host/path, https:path: httpx would drop a part
            raise self._refusal(parsed, "is named by half a URL")
        if parsed.path.startswith(self._root_paths):
            return cast("URL", self._origin.copy_with(raw_path=parsed.raw_path))
        return parsed

    def _is_plain(self, url: str) -> bool:
        """Whether it is `/path...`, with nothing encoded, and below no root path."""
        rooted = url[:1] == "/" != url[1:2]  # //host is no path
        return rooted and "%" not in url and not url.startswith(self._root_paths)

    def flow(self, request: Request) -> Generator[tuple[str, Any], Any, Any]:
        """Sign, send, and after a 401 renew and send once more. Yields what is to be done:
        ("token", the one that was refused or None), ("send", request), ("close", response).
        """
        try:
            if not self.permits(request.url):
                return (yield "send", self._unsigned(request))
            token = yield "token", None
            if isinstance(token, Failed):
                return token
            response = yield "send", self._signed(request, token)
            if not isinstance(response, Failed) and response.status_code == 401:  # noqa: PLR2004
                response = yield from self._again(request, response, token)
            if not isinstance(response, Failed):
                self._cleanse(response)
        except AuthError as error:
            return Failed(_bare(error))
        return response

    def _again(
        self, request: Request, response: Response, token: Token
    ) -> Generator[tuple[str, Any], Any, Any]:
        """The answer to a second try with a new token; the 401 where there is none to be had."""
        if not (isinstance(request.stream, self.lib.ByteStream) or REPLAY in request.extensions):
            return response
        fresh = yield "token", token
        if isinstance(fresh, Failed):
            yield "close", response
            return fresh
        if fresh.access_token == token.access_token and fresh.secrets == token.secrets:
            return response
        yield "close", response
        return (yield "send", self._signed(request, fresh))

    def _signed(self, request: Request, token: Token) -> Request:
        headers = self.signer.only_headers(token)
        if headers is not None:
            return self._copy(request, request.url, headers)
        body = None
        if self.signer.reads_body and isinstance(request.stream, self.lib.ByteStream):
            body = request.read()
        url = str(request.url)
        signed = self.signer.sign(
            method=request.method, url=url, headers=request.headers, body=body, token=token
        )
        copy = self._copy(request, signed.url, signed.headers)
        if signed.body is not None:
            copy.stream = self.lib.ByteStream(signed.body)
        return copy

    def _unsigned(self, request: Request) -> Request:
        """A redirect to another host, without anything that the recipe injects.

        The caller's own URLs were checked before: what gets here was sent by a service.
        """
        url = request.url
        barred = "names a user" if url.userinfo else self.bars(url, body=not _is_empty(request))
        if barred:
            raise self._refusal(url, barred)
        copy = self._copy(request, url)
        for name in self.signer.headers:
            copy.headers.pop(name, None)
        return copy

    def _copy(self, request: Request, url: URL | str, headers: Pairs = ()) -> Request:
        copy = self.lib.Request(
            request.method, url, headers=request.headers, stream=request.stream,
            extensions=request.extensions,
        )  # fmt: skip
        for name, value in headers:
            copy.headers[name] = value
        return cast("Request", copy)

    def _cleanse(self, response: Response) -> None:
        """Take our values out of the headers that end up in a next request, a log or the jar."""
        if _TELLING.isdisjoint([name.lower() for name, _ in response.headers.raw]):
            return
        clean = []
        for name, value in response.headers.multi_items():
            if name == "set-cookie" and self.signer.shows(value):
                continue
            clean.append((name, self._clean_header(name, value)))
        response.headers = self.lib.Headers(clean)

    def _clean_header(self, name: str, value: str) -> str:
        if name in ("location", "content-location"):
            return self.signer.unsigned_url(value)
        if name in ("link", "refresh"):
            return _URL_IN_HEADER.sub(lambda found: self.signer.unsigned_url(found[0]), value)
        return value

    def watch(self, request: Request) -> _http.AddressWatch | None:
        """Who judges the address of a new connection; None where the user allowed the origin."""
        url, fence = request.url, self.binding.fence
        if fence.allows(url.scheme, url.raw_host, url.port):
            return None
        return _http.AddressWatch(url, fence)

    def failed(self, error: BaseException) -> Failed:
        """An error of the library, without frames that hold the signed request.

        h11 quotes a header value that it finds illegal, so the text is scrubbed too.
        """
        return Failed(_bare(error, self.signer.secrets))

    def _refusal(self, url: URL, why: str) -> HostNotAllowed:
        host = url.raw_host.decode("ascii", "replace")
        where = f"{url.scheme}://{host}" + (f":{url.port}" if url.port else "")
        return self.binding.refusal(where, host, why)


def _is_empty(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length == "0" and "transfer-encoding" not in request.headers


def _bare(error: BaseException, secrets: Iterable[str] = ()) -> BaseException:
    """`error` and all that it came from, without tracebacks, whose frames hold secrets."""
    waiting: list[BaseException | None] = [error]
    known: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in known:
            continue
        known.add(id(each))
        each.__traceback__ = None
        each.args = tuple(
            scrub.scrub(part, secrets) if isinstance(part, str) else part for part in each.args
        )
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return error


class Transport(BaseTransport):
    """A transport of the library, with the rules in front. The blocking driver."""

    def __init__(self, rules: Rules, inner: BaseTransport) -> None:
        self._rules = rules
        self._inner = inner

    def handle_request(self, request: Request) -> Response:
        flow = self._rules.flow(request)
        outcome: Any = None
        while True:
            try:
                outcome = self._perform(*flow.send(outcome))
            except StopIteration as end:
                outcome = end.value
                break
        if isinstance(outcome, Failed):
            raise outcome.error
        return cast("Response", outcome)

    def _perform(self, what: str, it: Any) -> Any:
        if what == "token":
            return self._token(it)
        try:
            return self._send(it) if what == "send" else it.close()
        except BaseException as error:  # noqa: BLE001 - raised again, where no secret is in sight
            return self._rules.failed(error)

    def _token(self, refused: Token | None) -> Any:
        try:
            return self._rules.source.token(rejected=refused.access_token if refused else None)
        except BaseException as error:  # noqa: BLE001 - raised again by the driver
            return Failed(error)

    def _send(self, request: Request) -> Response:
        watch = self._rules.watch(request)
        if watch is None:
            return self._inner.handle_request(request)
        extensions = request.extensions
        theirs = extensions.get("trace")

        def trace(event: str, info: Mapping[str, Any]) -> None:
            if theirs is not None:
                theirs(event, info)
            error = watch(event, info)
            if error is not None:
                info["return_value"].close()
                raise error
            if event.endswith("send_request_headers.started"):
                _step_back(extensions, theirs)

        extensions["trace"] = trace
        return self._inner.handle_request(request)

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)  # type: ignore[arg-type]  # three of them, passed on

    def close(self) -> None:
        self._inner.close()


class AsyncTransport(AsyncBaseTransport):
    """The awaiting driver: the same, for asyncio and trio."""

    def __init__(self, rules: Rules, inner: AsyncBaseTransport) -> None:
        self._rules = rules
        self._inner = inner

    async def handle_async_request(self, request: Request) -> Response:
        flow = self._rules.flow(request)
        outcome: Any = None
        while True:
            try:
                outcome = await self._perform(*flow.send(outcome))
            except StopIteration as end:
                outcome = end.value
                break
        if isinstance(outcome, Failed):
            raise outcome.error
        return cast("Response", outcome)

    async def _perform(self, what: str, it: Any) -> Any:
        if what == "token":
            return await self._token(it)
        try:
            return await (self._send(it) if what == "send" else it.aclose())
        except BaseException as error:  # noqa: BLE001 - raised again, where no secret is in sight
            return self._rules.failed(error)

    async def _token(self, refused: Token | None) -> Any:
        try:
            return await token_from(self._rules.source, refused.access_token if refused else None)
        except BaseException as error:  # noqa: BLE001 - raised again by the driver
            return Failed(error)

    async def _send(self, request: Request) -> Response:
        watch = self._rules.watch(request)
        if watch is None:
            return await self._inner.handle_async_request(request)
        extensions = request.extensions
        theirs = extensions.get("trace")

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            if theirs is not None:
                await theirs(event, info)
            error = watch(event, info)
            if error is not None:
                await info["return_value"].aclose()
                raise error
            if event.endswith("send_request_headers.started"):
                _step_back(extensions, theirs)

        extensions["trace"] = trace
        return await self._inner.handle_async_request(request)

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._inner.__aexit__(*error)  # type: ignore[arg-type]  # as above

    async def aclose(self) -> None:
        await self._inner.aclose()


def _step_back(extensions: dict[str, Any], theirs: Any) -> None:
    """The connection was judged: no need to be told of every further event."""
    if theirs is None:
        extensions.pop("trace", None)
    else:
        extensions["trace"] = theirs
