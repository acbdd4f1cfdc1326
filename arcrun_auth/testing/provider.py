"""An OAuth provider in a `with` statement: for tests, for recipes, and for `arcrun demo`.

    >>> from arcrun_auth.testing import Provider
    >>> with Provider(lifetime=60) as provider:
    ...     provider.issuer.startswith("http://127.0.0.1:")
    True

It is a real one as far as it goes: it checks what RFC 6749, 7636, 8252 and 9700 want
checked, and it forgets everything at the end. It listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Literal, Self
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from arcrun_auth.testing._authority import App, Authority
from arcrun_auth.testing._web import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPMessage
    from typing import IO

Fault = int | Literal["drop", "garbage", "hang", "lost"]
"""What goes wrong at the token endpoint: a status; no answer; HTML under 200; no answer ever;
or all goes well there and the answer is lost, so that the client cannot know."""

FOLLOW_SECONDS = 60.0
"""How long does `follow` wait for a page? The landing page waits for the token exchange."""


class Provider:
    """An authorization server with a small API behind it, on a free port of 127.0.0.1.

    `lifetime`: seconds that an access token lives. `latency`: seconds that the token endpoint
    takes. `rotates`: each renewal brings a new refresh token, and a second use of an old one
    revokes the family, unless it comes within `reuse_grace` seconds. `clock`: the provider's
    time, in epoch seconds. While it runs, `latency` can be changed here, the others on
    `authority`.

    Registered are `demo` (public), `demo-post` and `demo-basic` (with `client_secret`);
    `register` adds more.
    """

    def __init__(
        self,
        *,
        lifetime: float = 3600,
        latency: float = 0.0,
        rotates: bool = True,
        reuse_grace: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.latency = latency
        self.issuer = ""
        """Its URL, while it runs."""
        self.authorities: tuple[str, ...] = ()
        self.authority = Authority(
            clock=clock, lifetime=lifetime, rotates=rotates, reuse_grace=reuse_grace
        )
        self.client_secret = secrets.token_urlsafe(12) + "&=+%:é"
        self.static_key = f"demo_{secrets.token_urlsafe(18)}"
        self.token_requests: Counter[str] = Counter()
        """Requests that reached the token endpoint, by grant type, failed ones included."""
        self.requests: Counter[str] = Counter()
        """All requests, by path."""
        self.authorizations: list[dict[str, str]] = []
        """The parameters of every authorization request, in order."""
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._server: Server | None = None
        self.register("demo")
        self.register("demo-post", auth="post")
        self.register("demo-basic", auth="basic")

    def __enter__(self) -> Self:
        self._server = Server(self)
        port = self._server.server_address[1]
        self.issuer = self.authority.issuer = f"http://127.0.0.1:{port}"
        self.authorities = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="demo-provider",
            daemon=True,
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
            self._thread.join()
            self._server = None

    def register(
        self,
        client_id: str,
        *,
        auth: Literal["none", "post", "basic"] = "none",
        redirect_uris: tuple[str, ...] = App.redirect_uris,
    ) -> App:
        """Register an OAuth app. For a loopback redirect URI the port does not count."""
        secret = None if auth == "none" else self.client_secret
        app = self.authority.apps[client_id] = App(client_id, secret, auth, redirect_uris)
        return app

    @property
    def refreshes(self) -> int:
        """Renewals that succeeded."""
        return self.authority.refreshes

    @property
    def reuses(self) -> int:
        """Refresh tokens that came a second time, outside the grace."""
        return self.authority.reuses

    @property
    def families_revoked(self) -> int:
        """Logins that ended, by reuse or by revocation."""
        return self.authority.families_revoked

    @property
    def metadata(self) -> dict[str, object]:
        """RFC 8414 §2."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [
                "none", "client_secret_post", "client_secret_basic",
            ],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip

    def fail_next(self, count: int, fault: Fault) -> None:
        """The next `count` requests to the token endpoint end in this `fault`."""
        with self._lock:
            self._faults.extend([fault] * count)

    def count(self, path: str) -> None:
        """One more request for `path`; for the server behind this."""
        with self._lock:
            self.requests[path] += 1

    def count_token(self, grant_type: str) -> Fault | None:
        """One more token request, and the fault that it shall end in."""
        with self._lock:
            self.token_requests[grant_type] += 1
            return self._faults.popleft() if self._faults else None

    def recipe_yaml(
        self,
        service: str = "demo",
        *,
        primitive: Literal["oauth2", "static_key"] = "oauth2",
        auth: Literal["none", "post", "basic"] = "none",
    ) -> str:
        """A recipe that fits this provider. Its URLs are http on 127.0.0.1: whoever uses it
        has to allow that host."""
        text = _KEY_RECIPE if primitive == "static_key" else _OAUTH_RECIPE
        required = str(auth != "none").lower()
        return text.format(service=service, issuer=self.issuer, auth=auth, secret_required=required)

    def redirected(self, url: str, *, user: str = "ada", allow: bool = True) -> str:
        """Log in at the provider's pages as a person would: the URL the browser is sent to."""
        opener = build_opener(ProxyHandler({}), _NoRedirect())
        with opener.open(url, timeout=FOLLOW_SECONDS) as page:
            if page.status in _REDIRECTS:
                return str(page.headers["Location"])
            form = _Form(page.read().decode())
        decision = "allow" if allow else "cancel"
        body = urlencode({**form.fields, "user": user, "decision": decision}).encode()
        request = Request(urljoin(url, form.action), data=body)  # noqa: S310 - our own page
        with opener.open(request, timeout=FOLLOW_SECONDS) as answer:
            return str(answer.headers["Location"])

    def follow(self, url: str, *, user: str = "ada", allow: bool = True) -> str:
        """`redirected`, and then the redirect itself: the text of the page it ends on.

        With this for a browser a whole login runs by itself.
        """
        target = self.redirected(url, user=user, allow=allow)
        try:
            with build_opener(ProxyHandler({})).open(target, timeout=FOLLOW_SECONDS) as page:
                return str(page.read().decode())
        except HTTPError as page:
            with page:
                return page.read().decode()


_REDIRECTS = (302, 303)


class _NoRedirect(HTTPRedirectHandler):
    """Hands a redirect back as an answer instead of following it."""

    def http_error_302(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> IO[bytes]:
        del req, code, msg, headers
        return fp

    http_error_303 = http_error_302


class _Form(HTMLParser):
    """The first form of a page: where it goes, and what its inputs hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form":
            self.action = found.get("action") or ""
        elif tag == "input" and found.get("name"):
            self.fields[str(found["name"])] = found.get("value") or ""


_OAUTH_RECIPE = """\
service: {service}
primitive: oauth2
display_name: Demo
description: The demo provider on this machine.
base_url: {issuer}/api
inject:
  header: {{Authorization: "Bearer {{{{token.access_token}}}}"}}
oauth2:
  issuer: {issuer}
  authorization_endpoint: {issuer}/authorize
  token_endpoint: {issuer}/token
  revocation_endpoint: {issuer}/revoke
  userinfo_endpoint: {issuer}/userinfo
  scopes: [read, write]
  redirect: {{policy: any_port}}
  client: {{auth: {auth}, secret_required: {secret_required}}}
  refresh: {{rotates: maybe}}
test: {{path: /me, identity: email}}
"""

_KEY_RECIPE = """\
service: {service}
primitive: static_key
display_name: Demo with a key
description: The demo provider on this machine, by a static key.
base_url: {issuer}/api
required_secrets:
  - {{key: {service}_key, label: Demo key, type: password, pattern: "^demo_"}}
inject:
  header: {{Authorization: "Bearer {{{{secret.{service}_key}}}}"}}
test: {{path: /static, identity: name}}
"""
