"""One request through the private client: in a thread of its own, with an end to everything.

The client itself is in `_http`: this is how it is used where a secret goes to a token
endpoint, and where something is fetched that nobody may make endless.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from arcrun_auth import _http, network
from arcrun_auth.errors import AuthError, HostNotAllowed, ProviderUnavailable
from arcrun_auth.unpacking import known, unpacked

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from arcrun_auth._http import Answer, Call, Guard
    from arcrun_auth.tokens import Secret


def perform(exchange: Exchange) -> Answer:
    """Send it and read its answer, whatever its status; see `_http.send_token`."""
    from arcrun_auth import threads

    exchange.check_url()
    # The time limits of a socket are per operation: a server that sends a byte now and
    # then outlives all of them. A thread can be left behind; its socket is shut down.
    try:
        threads.start(exchange.run, "arcrun-token")
        ended = exchange.done.wait(exchange.total)
    finally:
        if not exchange.done.is_set():
            exchange.abandon()
    if not ended:
        raise exchange.failure(f"did not answer within {exchange.total:g} seconds")
    if exchange.error is not None:
        raise exchange.error
    assert exchange.answer is not None
    return exchange.answer


class Exchange:
    """One token request in its own thread, with its own short-lived client.

    A new client each time: nothing to share with a child after fork, no cookie kept, and
    the proxies of the environment as they are now.
    """

    noun = "token endpoint"
    """What is asked, in the words of an error."""
    limit = _http.MAX_ANSWER
    connection = "close"
    """What becomes of the connection after the answer."""

    def __init__(self, call: Call, guard: Guard, total: float) -> None:
        self.httpx = _http.library("httpx")
        self.call = call
        self.secrets: tuple[Secret | str, ...] = call.secrets
        self.guard = guard
        self.total = total
        self.url = self._parse(call.url)
        self.watch = _http.AddressWatch(self.url, guard)
        self.done = threading.Event()
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.sent = False
        self._lock = threading.Lock()
        self._abandoned = False
        self.stream: Any = None
        """The connection below it, once there is one."""

    def _parse(self, url: str) -> Any:
        try:
            return self.httpx.URL(url)
        except (self.httpx.InvalidURL, UnicodeEncodeError):
            raise HostNotAllowed(f"The {self.noun} is no valid URL.", host="") from None

    @property
    def origin(self) -> tuple[str, bytes, int | None]:
        return self.url.scheme, self.url.raw_host, self.url.port

    @property
    def host(self) -> str:
        return str(self.url.raw_host.decode("ascii", "replace"))

    def failure(self, what: str, *, status: int | None = None) -> ProviderUnavailable:
        hint = None if self.sent else "check the network, then try again"
        return ProviderUnavailable(f"{self.host} {what}.", sent=self.sent, status=status, hint=hint)

    def check_url(self) -> None:
        if self.url.userinfo or not self.guard.permits(*self.origin):
            raise HostNotAllowed(
                f"The {self.noun} is on {self.host}, which was not agreed to. Nothing was sent.",
                host=self.host,
            )

    def abandon(self) -> None:
        """Give up now: nothing more is sent, and a thread that waits for the server wakes."""
        import socket
        from contextlib import suppress

        with self._lock:
            self._abandoned = True
            stream = self.stream
        sock = stream.get_extra_info("socket") if stream is not None else None
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            self.answer = self._send()
        except AuthError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - whatever the library raises becomes one of ours
            # Its text may hold the URL, its attributes hold the body: neither goes on.
            self.error = self.failure(self._reason(error))
        finally:
            self.done.set()

    def _reason(self, error: Exception) -> str:
        from arcrun_auth.mtls import was_refused

        httpx = self.httpx
        if was_refused(error):
            return "did not take the client certificate, or wants one"
        for kind, reason in (
            (httpx.ConnectTimeout, f"took no connection within {_http.CONNECT_SECONDS:g} seconds"),
            (httpx.ConnectError, "could not be reached (no such host, nobody listens, or TLS)"),
            (ImportError, "needs a SOCKS proxy, and: pip install 'httpx[socks]'"),
            (httpx.ProxyError, "could not be reached through the proxy"),
            (httpx.TimeoutException, f"did not answer within {self.total:g} seconds"),
        ):
            if isinstance(error, kind):
                return reason
        return f"gave no complete answer ({type(error).__name__})"

    def _send(self) -> Answer:
        from arcrun_auth import scrub

        scrub.watch(self)  # a query with a token in it stands in the library's log
        headers: dict[str, Any] = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": _http.USER_AGENT,
            "connection": self.connection,
            **{name.lower(): value.encode() for name, value in self.call.headers.items()},
        }
        with (
            self.client() as client,
            client.stream(
                self.call.method,
                self.url,
                content=self.call.content,
                headers=headers,
                extensions={"trace": self._trace},
            ) as response,
        ):
            body = self._read(response)
            return _http.Answer(response.status_code, dict(response.headers), body)

    def client(self) -> AbstractContextManager[Any]:
        """The client that sends it, for as long as the answer takes."""
        tls = self._context()
        timeout = self.httpx.Timeout(self.total, connect=min(_http.CONNECT_SECONDS, self.total))
        client: AbstractContextManager[Any] = self.httpx.Client(
            verify=tls, timeout=timeout, follow_redirects=False, **network.options(tls)
        )
        return client

    def _context(self) -> ssl.SSLContext:
        if self.call.certificate is None:
            return _http.ssl_context()
        from arcrun_auth.mtls import present

        # Never the shared one: it would show the certificate to whoever asks.
        context = _http.own_context()
        present(context, *self.call.certificate)
        return context

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's documented `trace` extension: what happens on the connection, in order."""
        if event == "connection.connect_tcp.complete":
            with self._lock:
                self.stream = info["return_value"]
        if event.endswith("receive_response_headers.complete"):
            from arcrun_auth.scrub import unusual

            # They are logged next, and some services answer a token in a header.
            self.secrets = (*self.secrets, *unusual(info["return_value"]))
        error = self.watch(event, info)
        if error is not None:
            info["return_value"].close()
            raise error
        # A proxy's CONNECT carries nothing of the request itself.
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self._about_to_send()

    def _about_to_send(self) -> None:
        with self._lock:
            self._check_wanted()
            self.sent = True

    def _check_wanted(self) -> None:
        """Under the lock: whether somebody still waits for the answer."""
        if self._abandoned:
            raise self.failure("was given up before anything was sent")

    def _read(self, response: Any) -> bytes:
        """The decoded body. Both sides of the decompression are capped (RFC 9110 §8.4)."""
        encoding, body = response.headers.get("content-encoding", ""), bytearray()
        if not known(encoding):
            raise self.failure("answered in an encoding nobody asked for")
        for piece in unpacked(self._capped(response), encoding):
            body += piece
            if len(body) > self.limit:
                raise self._too_much(response)
        return bytes(body)

    def _capped(self, response: Any) -> Iterator[bytes]:
        raw = 0
        for chunk in response.iter_raw():
            raw += len(chunk)
            if raw > self.limit:
                raise self._too_much(response)
            yield chunk

    def _too_much(self, response: Any) -> ProviderUnavailable:
        more = f"answered with more than {self.limit >> 20} MB"
        return self.failure(more, status=response.status_code)
