"""The rules of a bound client: what is signed, sent, refused, and sent once more.

They are one generator, `Rules.flow`. It does no I/O: it asks for a token, for a request to
be sent or a response to be closed, and the two drivers of `transport.py` do that.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from arcrun_auth import _http, scrub
from arcrun_auth.errors import AuthError
from arcrun_auth.signing import Signer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Iterable
    from typing import Final, Protocol

    from httpx import URL, Request, Response

    from arcrun_auth.errors import HostNotAllowed
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Token

    Pairs = Iterable[tuple[str, str]]

    class Source(Protocol):
        """Where tokens come from: see `sources.Source`."""

        def token(self, *, rejected: str | None = None) -> Token: ...
        def peek(self) -> Token | None: ...


REPLAY: Final = "arcrun_replay"
"""The request extension that marks a multipart body whose files can all be rewound."""

_TELLING: Final = frozenset({b"location", b"content-location", b"link", b"refresh", b"set-cookie"})
"""In which headers of an answer may our values come back?"""
_URL_IN_HEADER: Final = re.compile(r"(?<=<)[^>]*(?=>)|(?<=url=)\S+", re.IGNORECASE)


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
        self.tls: ssl.SSLContext | None = None
        """The client's own, which shows the certificate; None where there is none to show."""
        self._shown: Token | None = None
        self._showing = Lock()
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
        ("token", the one that was refused or None), ("show", the token whose certificate is to
        be shown), ("send", request), ("close", response).
        """
        try:
            if not self.permits(request.url):
                return (yield "send", self._unsigned(request))
            token = yield "token", None
            if isinstance(token, Failed):
                return token
            if failed := (yield from self._shown_first(token)):
                return failed
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
        if self._challenged(response):
            yield "close", response
            second: Any = yield "send", self._signed(request, token)
            if isinstance(second, Failed) or second.status_code != 401:  # noqa: PLR2004
                return second
            response = second
        fresh = yield "token", token
        if isinstance(fresh, Failed):
            yield "close", response
            return fresh
        if fresh.access_token == token.access_token and fresh.secrets == token.secrets:
            return response
        self._challenged(response)
        yield "close", response
        if failed := (yield from self._shown_first(fresh)):
            return failed
        return (yield "send", self._signed(request, fresh))

    def _shown_first(self, token: Token) -> Generator[tuple[str, Any], Any, Any]:
        """Has connections from now on show the certificate that came with `token`."""
        if not self.signer.proves or self._shown is token:
            return None
        if self.tls is None:
            service = self.binding.service
            raise AuthError(
                f"{service} {self.signer.asks_more}, which takes a client of ours.",
                service=service,
                hint=f"use auth.bind({service!r})",
            )
        return (yield "show", token)

    def show(self, token: Token) -> None:
        """Reads the certificate, which may take a while. AuthError if it cannot be used."""
        from arcrun_auth.mtls import present

        assert self.tls is not None
        with self._showing:
            present(self.tls, *self.signer.proof(token))
            self._shown = token

    def _challenged(self, response: Response) -> bool:
        return self.signer.challenged(response.headers.get_list("www-authenticate"))

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
        self.check(copy.url)  # a plug-in's signer chooses no other host
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
        response.headers = self.lib.Headers(clean, encoding=response.headers.encoding)

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
