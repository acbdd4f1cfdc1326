"""AWS Signature Version 4: a request's headers, or its URL, signed with an access key. Pure.

The specification is "Signature Version 4 signing process" of the AWS General Reference,
cited here by the names it gives to its parts. A server computes the signature again from
what it received, and there are two opinions of what that is: the bytes on the wire, or what
they decode to, encoded anew. So the URL is rewritten in the strict encoding, in which both
are the same, and only then signed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from arcrun_auth.errors import AuthError
from arcrun_auth.signing import Signed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from arcrun_auth.tokens import Secret

    Pairs = Iterable[tuple[str, str]]

ALGORITHM: Final = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
MAX_EXPIRES: Final = 7 * 24 * 3600
"""For how many seconds may a presigned URL hold? More is refused by the servers."""

_OBJECT_STORES: Final = frozenset({"s3", "s3-object-lambda", "s3-outposts"})
"""Which signing names have the path rules of S3, and want the hash of the body as a header?"""
_NEVER_SIGNED: Final = frozenset({
    "accept-encoding", "authorization", "baggage", "cache-control", "connection", "expect",
    "forwarded", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent",
    "via", "x-amz-date", "x-amz-security-token", "x-amzn-trace-id", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto",
})  # fmt: skip
"""Which headers may a client, proxy or tracer between change, or are set by the signature?"""
_DEFAULT_PORT: Final = {"https": ":443", "http": ":80"}
_STRICT_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]*")
_DOT_SEGMENT: Final = re.compile(r"(?<=/)\.\.?(?=/|$)")
_VISIBLE: Final = re.compile(r"[!-~]+")


class AccessKey:
    """What AWS gives to who may sign: the key's id and secret, and for a session its token.

    ValueError for a character that none of them can have; the text shows none of them.
    """

    __slots__ = ("id", "secret", "session_token")

    def __init__(self, id: str, secret: Secret, session_token: Secret | None = None) -> None:  # noqa: A002 - what AWS calls it
        token = session_token.reveal() if session_token else "-"
        for what, text in (("access key's id", id), ("session token", token)):
            if not _VISIBLE.fullmatch(text):
                raise ValueError(f"the {what} has a character that no header may carry")
        if not _VISIBLE.fullmatch(secret.reveal()):
            raise ValueError("the secret access key has a character that it cannot have")
        self.id = id
        self.secret = secret
        self.session_token = session_token


class SigV4:
    """Signs for one service in one region. Safe to share between threads and tasks.

    >>> from arcrun_auth.tokens import Secret
    >>> signer = SigV4(AccessKey("AKIDEXAMPLE", Secret("key")), service="sts", region="us-east-1")
    >>> signed = signer.sign(method="GET", url="https://sts.amazonaws.com/", now=1440938160)
    >>> signed.headers[0]
    ('X-Amz-Date', '20150830T123600Z')
    """

    def __init__(self, key: AccessKey, *, service: str, region: str) -> None:
        self.service = service
        self.region = region
        self._key = key
        self._is_store = self._path_as_is = service in _OBJECT_STORES
        self._day: tuple[str, bytes] = ("", b"")

    def sign(
        self, *, method: str, url: str, now: float, headers: Pairs = (), body: bytes | None = b""
    ) -> Signed:
        """The URL as it must be sent, and the headers to set (the Authorization header method).

        `headers` are those that are sent, several of a name included; `now` is in seconds
        since the epoch. `body` is None where it is a stream: S3 takes it unsigned over https,
        any other service wants its SHA-256 in a header `X-Amz-Content-SHA256` of the caller's.

        AuthError where the body cannot be signed; nothing may be sent then.
        """
        target = _Target(url, as_is=self._path_as_is)
        stamp = _timestamp(now)
        canonical = _canonical_headers(headers, target.host)
        given = canonical.pop("x-amz-content-sha256", None)
        payload = given or self._payload(body, url)
        added = [("X-Amz-Date", stamp)]
        if self._key.session_token:
            added.append(("X-Amz-Security-Token", self._key.session_token.reveal()))
        if given or self._is_store:
            added.append(("X-Amz-Content-SHA256", payload))
        canonical |= {name.lower(): value for name, value in added}
        canonical = dict(sorted(canonical.items()))
        request = _canonical_request(method, target, target.pairs, canonical, payload)
        authorization = (
            f"{ALGORITHM} Credential={self._key.id}/{self._scope(stamp)}, "
            f"SignedHeaders={';'.join(canonical)}, Signature={self._signature(request, stamp)}"
        )
        added.append(("Authorization", authorization))
        return Signed(target.url(), tuple(added))

    def presign(
        self,
        *,
        method: str,
        url: str,
        now: float,
        expires: int = 3600,
        headers: Pairs = (),
        body: bytes = b"",
    ) -> str:
        """A URL that anybody may use for `expires` seconds (query string authentication).

        `headers` must be sent along exactly as they are here, and so must `body`, which only
        S3 leaves open. The URL is as good as the access key, for the one thing it names.

        ValueError unless `expires` is 1 to 604800.
        """
        if not 1 <= expires <= MAX_EXPIRES:
            raise ValueError(f"a presigned URL holds 1 to {MAX_EXPIRES} seconds, not {expires}")
        target = _Target(url, as_is=self._path_as_is)
        stamp = _timestamp(now)
        canonical = dict(sorted(_canonical_headers(headers, target.host).items()))
        added = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", f"{self._key.id}/{self._scope(stamp)}"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", ";".join(canonical)),
        ]
        if self._key.session_token:
            added.append(("X-Amz-Security-Token", self._key.session_token.reveal()))
        pairs = [(name, quote(value, safe="~")) for name, value in added]
        payload = UNSIGNED_PAYLOAD if self._is_store else hashlib.sha256(body).hexdigest()
        request = _canonical_request(method, target, [*target.pairs, *pairs], canonical, payload)
        return target.url([*pairs, ("X-Amz-Signature", self._signature(request, stamp))])

    def _payload(self, body: bytes | None, url: str) -> str:
        if body is not None:
            return hashlib.sha256(body).hexdigest()
        if not self._is_store:
            raise AuthError(
                f"{self.service} wants the whole body signed, and this one is a stream. "
                "Nothing was sent.",
                hint="pass the body as bytes, or its SHA-256 as the header X-Amz-Content-SHA256",
            )
        if not url.startswith("https:"):
            raise AuthError(
                "A stream is sent unsigned, which only https protects. Nothing was sent.",
                hint="pass the body as bytes, or use https",
            )
        return UNSIGNED_PAYLOAD

    def _signature(self, canonical_request: str, stamp: str) -> str:
        digest = hashlib.sha256(canonical_request.encode()).hexdigest()
        string_to_sign = f"{ALGORITHM}\n{stamp}\n{self._scope(stamp)}\n{digest}"
        key = self._signing_key(stamp[:8])
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def _signing_key(self, date: str) -> bytes:
        """The key derived for a day; that of the day in use is kept."""
        kept, key = self._day
        if kept != date:
            key = b"AWS4" + self._key.secret.reveal().encode()
            for part in (date, self.region, self.service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day = (date, key)
        return key


class _Target:
    """A URL in its parts, strictly encoded: all but the unreserved characters of RFC 3986 §2.3."""

    __slots__ = ("_fragment", "_origin", "_path", "_query", "canonical_path", "host")

    def __init__(self, url: str, *, as_is: bool) -> None:
        head, mark, fragment = url.partition("#")
        base, _, query = head.partition("?")
        scheme, _, rest = base.partition("://")
        authority, slash, path = rest.partition("/")
        self._fragment = mark + fragment
        self._origin = f"{scheme}://{authority}"
        self.host = authority.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORT.get(scheme, ""))
        self._query = [_strict_pair(pair) for pair in query.split("&") if pair]
        path = slash + path
        if as_is:
            self.canonical_path = _strict(path) or "/"
            # A client would take a key named `..` for a step up, unless its dots are encoded.
            self._path = _DOT_SEGMENT.sub(_encoded_dots, self.canonical_path)
        else:
            self._path = "/".join([_strict_segment(part) for part in path.split("/")]) or "/"
            self.canonical_path = quote(_normalized(self._path), safe="/~")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(name, value) for name, _, value in self._query]

    def url(self, added: Iterable[tuple[str, str]] = ()) -> str:
        query = "&".join(
            [name + equals + value for name, equals, value in self._query]
            + [f"{name}={value}" for name, value in added]
        )
        return self._origin + self._path + (f"?{query}" if query else "") + self._fragment


def _canonical_request(
    method: str,
    target: _Target,
    pairs: list[tuple[str, str]],
    headers: dict[str, str],
    payload: str,
) -> str:
    """What is signed, line by line; `headers` are in order already."""
    lines = [
        method.upper(),
        target.canonical_path,
        "&".join([f"{name}={value}" for name, value in sorted(pairs)]),
        *[f"{name}:{value}" for name, value in headers.items()],
        "",
        ";".join(headers),
        payload,
    ]
    return "\n".join(lines)


def _timestamp(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def _canonical_headers(headers: Pairs, host: str) -> dict[str, str]:
    """CanonicalHeaders by name: trimmed, white space folded, several of a name joined."""
    found: dict[str, str] = {}
    for given, value in headers:
        name = given.lower()
        if name not in _NEVER_SIGNED:
            folded = " ".join(value.split())
            found[name] = f"{found[name]},{folded}" if name in found else folded
    found.setdefault("host", host)
    return found


def _strict(text: str) -> str:
    """The path `text`, decoded and encoded anew."""
    if _STRICT_PATH.fullmatch(text):
        return text
    return quote(unquote_to_bytes(text), safe="/~")


def _strict_segment(text: str) -> str:
    """The same for what stands between two slashes: one that is encoded stays so."""
    if _STRICT_PATH.fullmatch(text):
        return text
    return _DOT_SEGMENT.sub(_encoded_dots, "/" + quote(unquote_to_bytes(text), safe="~"))[1:]


def _strict_pair(text: str) -> tuple[str, str, str]:
    """Name, `=` if it was there, value. A plus is a space, as in every form (WHATWG URL §5.1)."""
    name, equals, value = text.replace("+", "%20").partition("=")
    return (
        quote(unquote_to_bytes(name), safe="~"),
        equals,
        quote(unquote_to_bytes(value), safe="~"),
    )


def _encoded_dots(found: re.Match[str]) -> str:
    return found[0].replace(".", "%2E")


def _normalized(path: str) -> str:
    """RFC 3986 §5.2.4, "Remove Dot Segments"; slashes in a row are one."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")
