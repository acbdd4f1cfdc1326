"""Signing in the innermost transport: the drivers of the rules in `flow.py`.

Secrets are put in here, on every hop, into a copy of the request. All that lies above
(event hooks, redirects, `response.history`, `response.request`, the library's log and
its exceptions) only ever holds the request as the caller made it.

Two thin drivers do what the rules ask for, one blocking, one awaiting.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from arcrun_auth.flow import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Final, Self, TypeVar

    from httpx import AsyncBaseTransport, BaseTransport, Request, Response

    from arcrun_auth.flow import Rules, Source
    from arcrun_auth.tokens import Token

    T = TypeVar("T")

else:  # at run time these are mixins: the library's own classes are joined to them
    BaseTransport = AsyncBaseTransport = object

THREADS: Final = 16
"""How many token requests of async callers may block threads at a time, per event loop?"""


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


class _Driver:
    """What both have in common. `others` takes what goes to a host that is not the
    service's, where `inner` would show it the certificate."""

    def __init__(self, rules: Rules, inner: Any, others: Any = None) -> None:
        self._rules = rules
        self._inner = inner
        self._others = others if others is not inner else None

    def _both(self) -> tuple[Any, ...]:
        return (self._inner,) if self._others is None else (self._inner, self._others)

    def _for(self, request: Request) -> Any:
        if self._others is None or self._rules.permits(request.url):
            return self._inner
        return self._others


class Transport(_Driver, BaseTransport):
    """A transport of the library, with the rules in front. The blocking driver."""

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
            if what == "show":
                return self._rules.show(it)
            return self._send(it) if what == "send" else it.close()
        except BaseException as error:  # noqa: BLE001 - raised again, where no secret is in sight
            return self._rules.failed(error)

    def _token(self, refused: Token | None) -> Any:
        try:
            return self._rules.source.token(rejected=refused.access_token if refused else None)
        except BaseException as error:  # noqa: BLE001 - raised again by the driver
            return Failed(error)

    def _send(self, request: Request) -> Response:
        inner = self._for(request)
        watch = self._rules.watch(request)
        if watch is None:
            return cast("Response", inner.handle_request(request))
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
        return cast("Response", inner.handle_request(request))

    def __enter__(self) -> Self:
        for each in self._both():
            each.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for each in self._both():
            each.__exit__(*error)

    def close(self) -> None:
        for each in self._both():
            each.close()


class AsyncTransport(_Driver, AsyncBaseTransport):
    """The awaiting driver: the same, for asyncio and trio."""

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
            if what == "show":
                return await in_thread(lambda: self._rules.show(it))
            return await (self._send(it) if what == "send" else it.aclose())
        except BaseException as error:  # noqa: BLE001 - raised again, where no secret is in sight
            return self._rules.failed(error)

    async def _token(self, refused: Token | None) -> Any:
        try:
            return await token_from(self._rules.source, refused.access_token if refused else None)
        except BaseException as error:  # noqa: BLE001 - raised again by the driver
            return Failed(error)

    async def _send(self, request: Request) -> Response:
        inner = self._for(request)
        watch = self._rules.watch(request)
        if watch is None:
            return cast("Response", await inner.handle_async_request(request))
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
        return cast("Response", await inner.handle_async_request(request))

    async def __aenter__(self) -> Self:
        for each in self._both():
            await each.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for each in self._both():
            await each.__aexit__(*error)

    async def aclose(self) -> None:
        for each in self._both():
            await each.aclose()


def _step_back(extensions: dict[str, Any], theirs: Any) -> None:
    """The connection was judged: no need to be told of every further event."""
    if theirs is None:
        extensions.pop("trace", None)
    else:
        extensions["trace"] = theirs
