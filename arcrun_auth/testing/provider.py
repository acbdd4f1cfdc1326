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
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote

from arcrun_auth.testing import _recipe, _visit
from arcrun_auth.testing._authority import Authority
from arcrun_auth.testing._quirks import Quirks
from arcrun_auth.testing._records import DEVICE, EXCHANGE, JWT_BEARER, App
from arcrun_auth.testing._web import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arcrun_auth.testing._recipe import GrantName
    from arcrun_auth.testing._records import Auth

Fault = int | Literal["drop", "garbage", "hang", "lost"]
"""What goes wrong at the token endpoint: a status; no answer; HTML under 200; no answer ever;
or all goes well there and the answer is lost, so that the client cannot know."""


class Provider:
    """An authorization server with a small API behind it, on a free port of 127.0.0.1.

    `lifetime`: seconds that an access token lives. `latency`: seconds that the token endpoint
    takes. `rotates`: each renewal brings a new refresh token, and a second use of an old one
    revokes the family, unless it comes within `reuse_grace` seconds. `clock`: the provider's
    time, in epoch seconds. `device_interval`: seconds that a device waits between two polls.
    `quirks`: what it does otherwise than the RFCs. While it runs, `latency` can be changed
    here, the others on `authority`.

    Registered are `demo` (public), `demo-post`, `demo-basic` and `demo-client_secret_jwt`
    (with `client_secret`) and `demo-private_key_jwt` (with `private_key`); `register` adds
    more. `private_key` also signs the assertions of `robot`, which needs no client.
    """

    robot = "robot@demo.example"
    """Who may log in by an assertion (RFC 7523 §2.1)."""

    def __init__(
        self,
        *,
        lifetime: float = 3600,
        latency: float = 0.0,
        rotates: bool = True,
        reuse_grace: float = 0.0,
        clock: Callable[[], float] = time.time,
        device_interval: float = 5.0,
        quirks: Quirks | None = None,
    ) -> None:
        self.quirks = quirks or Quirks()
        self.latency = latency
        self.issuer = ""
        """Its URL, while it runs."""
        self.authorities: tuple[str, ...] = ()
        self.authority = Authority(
            clock=clock, lifetime=lifetime, rotates=rotates, reuse_grace=reuse_grace,
            quirks=self.quirks, device_interval=device_interval,
        )  # fmt: skip
        self.api_host = ""
        """Where its API stands, while it runs: another host than the issuer's for some quirks."""
        self.client_secret = secrets.token_urlsafe(24) + "&=+%:é"
        self.static_key = f"demo_{secrets.token_urlsafe(18)}"
        self.token_requests: Counter[str] = Counter()
        """Requests that reached the token endpoint, by grant type, failed ones included."""
        self.requests: Counter[str] = Counter()
        """All requests, by path."""
        self.authorizations: list[dict[str, str]] = []
        """The parameters of every authorization request, in order."""
        self.resources: list[tuple[str, str]] = []
        """Path and `resource` (RFC 8707) of every request that could name one, in order."""
        self._faults: deque[Fault] = deque()
        self._lock = threading.Lock()
        self._server: Server | None = None
        self.register("demo")
        self.register("demo-post", auth="post")
        self.register("demo-basic", auth="basic")
        self.register("demo-client_secret_jwt", auth="client_secret_jwt")

    def __enter__(self) -> Self:
        self._server = Server(self)
        port = self._server.server_address[1]
        self.issuer = self.authority.issuer = f"http://127.0.0.1:{port}"
        self.authorities = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.api_host = self.authority.api_host = self.authorities[bool(self.quirks.api_host)]
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
        auth: Auth = "none",
        redirect_uris: tuple[str, ...] | None = None,
        key: str | None = None,
    ) -> App:
        """Register an OAuth app. For a loopback redirect URI the port does not count.

        `key`: the PEM that verifies it, for `private_key_jwt`; ours if not given.
        """
        secret = self.client_secret if auth in ("post", "basic", "client_secret_jwt") else None
        if auth == "private_key_jwt":
            key = key or self.private_key
        uris = self.quirks.redirect_uris if redirect_uris is None else redirect_uris
        app = self.authority.apps[client_id] = App(client_id, secret, auth, uris, key)
        return app

    @cached_property
    def private_key(self) -> str:
        """A PEM, for ES256: what `demo-private_key_jwt` and `robot` sign with."""
        from joserfc.jwk import ECKey

        pem = ECKey.generate_key("P-256").as_pem(private=True).decode()
        self.authority.keys[self.robot] = pem
        self.register("demo-private_key_jwt", auth="private_key_jwt", key=pem)
        return pem

    def subject_token(self, user: str = "ada") -> str:
        """A token of another authority that may be exchanged for one of ours (RFC 8693)."""
        token = self.authority.fresh("st_")
        self.authority.subjects[token] = user
        return token

    @property
    def device_polls(self) -> list[float]:
        """Seconds between the polls of devices; a first one counts from when its code was given."""
        return self.authority.device_polls

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
        """RFC 8414 §2, with what the quirks make of it."""
        quirks, issuer = self.quirks, self.issuer
        elsewhere = f"http://{self.authorities[1]}" if quirks.foreign_token_endpoint else issuer
        found: dict[str, object] = {
            "issuer": f"{issuer}/other" if quirks.wrong_issuer else issuer,
            **{name: f"{issuer}/{path}" for name, path in _recipe.PATHS.items()},
            "token_endpoint": f"{elsewhere}/token",
            "scopes_supported": ["read", "write"],
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code", *(["refresh_token"] if quirks.renewal == "yes" else []),
                DEVICE, "client_credentials", JWT_BEARER, EXCHANGE,
            ],
            "token_endpoint_auth_methods_supported": [
                "none", "client_secret_post", "client_secret_basic", "private_key_jwt",
                "client_secret_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": [
                "RS256", "PS256", "ES256", "EdDSA", "HS256",
            ],
            "authorization_response_iss_parameter_supported": True,
        }  # fmt: skip
        if quirks.pkce in ("required", "optional") and not quirks.hides_pkce:
            found["code_challenge_methods_supported"] = ["S256"]
        return found

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

    def note_resource(self, path: str, given: Mapping[str, str]) -> None:
        """What a request said about the API it wants a token for; for the server behind this."""
        with self._lock:
            self.resources.append((path, given.get("resource", "")))

    def recipe_yaml(
        self,
        service: str = "demo",
        *,
        primitive: Literal["oauth2", "static_key"] = "oauth2",
        auth: Auth = "none",
        grant: GrantName = "authorization_code",
        discovery: bool = False,
        registration: Literal["static", "dcr"] = "static",
    ) -> str:
        """A recipe that fits this provider and its quirks. Its URLs are http on 127.0.0.1:
        whoever uses it has to allow that host (and `api_host`, where it is another).

        `discovery`: without endpoints, for the metadata to name them. `registration`: `dcr`
        for a client that registers itself.
        """
        import yaml

        if primitive == "static_key":
            recipe = _recipe.with_key(self, service)
        else:
            recipe = _recipe.with_oauth(
                self, service, auth=auth, grant=grant, discovery=discovery,
                registration=registration,
            )  # fmt: skip
        return str(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=100))

    def redirected(self, url: str, *, user: str = "ada", allow: bool = True) -> str:
        """Log in at the provider's pages as a person would: the URL the browser is sent to.

        Where a provider takes https redirects alone, this is what the user pastes.
        """
        return _visit.decided(url, user=user, allow=allow)[0]

    def follow(self, url: str, *, user: str = "ada", allow: bool = True) -> str:
        """`redirected`, and then the redirect itself: the text of the page it ends on.

        With this for a browser a whole login runs by itself; that of a device too, by its
        `verification_uri_complete`.
        """
        location, page = _visit.decided(url, user=user, allow=allow)
        return _visit.page_at(location) if location else page

    def approve(self, user_code: str, *, user: str = "ada", allow: bool = True) -> str:
        """Type a device's code at `/activate` and decide: the text of the page that follows."""
        url = f"{self.issuer}/activate?user_code={quote(user_code)}"
        return _visit.decided(url, user=user, allow=allow)[1]
