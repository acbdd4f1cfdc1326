"""The signer: where in a request the secrets go. Pure, and the same for sync and async.

It works on values (URL, headers, body as text and bytes) and knows no HTTP library. What
a token renders to is kept with the token, so that signing again costs a look-up.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode

from arcrun_auth.answers import put
from arcrun_auth.errors import AuthError, HostNotAllowed
from arcrun_auth.hosts import Fence, is_public_name
from arcrun_auth.scrub import MASK, SHORTEST, scrub
from arcrun_auth.template import Template, render_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from arcrun_auth.recipe.model import Inject, Method
    from arcrun_auth.tokens import Secret, Token

# RFC 3986 §3.3: what may stand in a path segment beside letters and digits.
_PATH_SAFE = "-._~!$&'()*+,;=:@"
# RFC 6265 §4.1.1, cookie-octet: all visible ASCII but " , ; and the backslash.
_COOKIE_SAFE = "!#$%&'()*+-./:<=>?@[]^_`{|}~"
# The methods whose missing body may become one that carries the secret (RFC 9110 §9.3).
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
PLACES = ("header", "query", "body", "path", "cookie")


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a service is, and where in a request its secrets stand. Holds no secret.

    `fence` are the hosts consented to; `root_paths` the prefixes of relative URLs that
    stand at the origin instead of below `base_url`.
    """

    service: str
    base_url: str
    fence: Fence
    inject: Inject
    root_paths: tuple[str, ...] = ()
    static_headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""
    """The id of the app, where the recipe sends it along with each request."""
    way: Method | None = None
    """The way in of the recipe that it was made of."""
    signer: Callable[[Binding], Signer] | None = None
    """What signs for it; a `Signer` if not given."""

    def refusal(self, origin: str, host: str, why: str) -> HostNotAllowed:
        """What to say of a request that would leave the consented hosts."""
        return HostNotAllowed(
            f"{origin} {why}. The credential of {self.service} goes to "
            f"{', '.join(self.fence.hosts)} only. Nothing was sent.",
            host=host,
            service=self.service,
            hint="use a client of your own for other hosts",
        )


def bind_method(
    way: Method,
    *,
    service: str,
    params: Mapping[str, str],
    allow: Iterable[str] = (),
    client_id: str = "",
    signer: Callable[[Binding], Signer] | None = None,
) -> Binding:
    """The binding of a recipe's method with the user's params filled in.

    `allow` are the origins that the user allows by himself (`allow_hosts`). ValueError
    where a param is missing or does not fit.
    """
    from arcrun_auth.consent import hosts

    values = way.values(params)

    def render(text: str) -> str:
        return Template.parse(text, strict=True).render({"param": values})

    return Binding(
        service=service,
        base_url=render(way.base_url),
        fence=Fence(hosts(way, params), allow),
        inject=way.inject,
        root_paths=tuple(way.root_paths),
        static_headers={name: render(text) for name, text in way.static_headers.items()},
        params=values,
        client_id=client_id,
        way=way,
        signer=signer,
    )


@dataclass(frozen=True, slots=True, repr=False)
class Signed:
    """What signing changes: the URL, the headers to set, and the body (None: as it was)."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None = None


class _Rendered:
    """What one token renders to, place by place."""

    __slots__ = ("body", "cookie", "header", "path", "query", "secrets", "token")

    def __init__(self, token: Token) -> None:
        self.token = token
        self.header: tuple[tuple[str, str], ...] = ()
        self.query: dict[str, str] = {}
        self.body: dict[str, str] = {}
        self.path: dict[str, str] = {}
        self.cookie: dict[str, str] = {}
        self.secrets: tuple[str, ...] = ()


class Signer:
    """Signs requests of one binding. Safe to share between threads and tasks."""

    def __init__(self, binding: Binding) -> None:
        """ValueError for a template that is too long; all else was refused with the recipe."""
        self.binding = binding
        inject = binding.inject
        self._templates: dict[str, dict[str, Template]] = {
            place: {
                name: Template.parse(text, strict=False)
                for name, text in getattr(inject, place).items()
            }
            for place in PLACES
        }
        self.headers = frozenset(name.lower() for name in inject.header)
        self.in_body = self.reads_body = bool(inject.body)
        self._only_headers = not (inject.query or inject.body or inject.path or inject.cookie)
        self._braces = re.compile(
            r"%7[Bb](" + "|".join(map(re.escape, inject.path)) + r")%7[Dd]" if inject.path else "$^"
        )
        self._latest: _Rendered | None = None
        self._before: _Rendered | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show now: of the token in use, and of the one before."""
        kept = (self._latest, self._before)
        return tuple(secret for each in kept if each is not None for secret in each.secrets)

    def only_headers(self, token: Token) -> tuple[tuple[str, str], ...] | None:
        """The headers to set, where signing is no more than that; None where it is `sign`.

        Most recipes need no more, and every request goes through here. Raises as `sign`.
        """
        return self._render(token).header if self._only_headers else None

    def sign(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes | None, token: Token
    ) -> Signed:
        """What this request becomes. `headers` answers to any case of a name; `body` is
        None where it is a stream.

        Raises AuthError where a secret does not fit its place: a line break in a header,
        or a body that is neither a JSON object nor a form.
        """
        ready = self._render(token)
        if self._only_headers:
            return Signed(url, ready.header)
        changed = list(ready.header)
        if ready.cookie:
            changed.append(("Cookie", _with_cookies(headers.get("cookie", ""), ready.cookie)))
        signed_body = None
        if ready.body:
            kind = headers.get("content-type", "")
            signed_body, kind = self._with_body(method, kind, body, ready.body)
            if signed_body is not None:
                changed.append(("Content-Type", kind))
                changed.append(("Content-Length", str(len(signed_body))))
        return Signed(self._with_url(url, ready), tuple(changed), signed_body)

    asks_more = ""
    """What it takes beside the change of a request, as clients of somebody else do not give it."""
    proves = False
    """Whether TLS shows the service who the client is, by a certificate (RFC 8705)."""

    def proof(self, token: Token) -> tuple[Secret, Secret, Secret | None]:
        """The certificate, its key, and what unlocks that. Asked for only where it `proves`."""
        raise NotImplementedError

    def challenged(self, offered: Sequence[str]) -> bool:
        """Told of the `WWW-Authenticate` headers of a 401: whether signing once more, by what
        they say, is worth a try."""
        del offered
        return False

    def presign(self, *, method: str, url: str, expires: int, token: Token) -> str:
        """`url` with a permission in it, where this kind of signature has one. AuthError here."""
        del method, url, expires, token
        raise AuthError(
            f"{self.binding.service} has no URLs that carry their own permission.",
            service=self.binding.service,
            hint=f"use auth.bind({self.binding.service!r}), which signs every request",
        )

    def unsigned_url(self, url: str) -> str:
        """`url` from somebody else (a `Location`), with every injected value taken out.

        A value of the path turns back into its `{name}`, a query parameter that holds one
        is removed, anywhere else `***` stands in its place.
        """
        for ready in (self._latest, self._before):
            if ready is not None:
                url = self._without(url, ready)
        return url

    def bars(self, scheme: str, host: str, port: int | None, *, body: bool) -> str | None:
        """Why a redirect to another host is not followed even without the secret; None if it is.

        `body`: whether the request would take a body along. Who redirects is the service: to
        private addresses it leads only where the user allows them.
        """
        public = scheme == "https" and is_public_name(host)
        if not (public or self.binding.fence.allows(scheme, host, port)):
            return "is where the service redirects to, and is no public https"
        if self.in_body and body:
            return "would have got the body that carries the secret"
        return None

    def shows(self, text: str) -> bool:
        """Whether `text` holds one of the secrets, in any encoding that we know."""
        return _shows(text, self.secrets)

    def _render(self, token: Token) -> _Rendered:
        latest = self._latest
        if latest is not None and latest.token is token:
            return latest
        try:
            ready = self._rendered(token)
        except ValueError as error:
            fault = str(error)  # names the place, never the value
        else:
            self._before, self._latest = latest, ready
            return ready
        raise AuthError(
            f"{self.binding.service}: {fault}.",
            service=self.binding.service,
            hint=f"arcrun setup {self.binding.service}",
        )

    def _rendered(self, token: Token) -> _Rendered:
        ready = _Rendered(token)
        secrets = {name: secret.reveal() for name, secret in token.secrets.items()}
        values = {
            "secret": secrets,
            "runtime": {"access_token": token.access_token, **secrets},
            "token": {
                **secrets,  # what came with it
                **token.kept,
                "access_token": token.access_token,
                "token_type": token.token_type,
            },
            "param": self.binding.params,
            "client": {"id": self.binding.client_id},
        }
        seen = {token.access_token, *secrets.values()}
        for place, templates in self._templates.items():
            rendered = {}
            for name, template in templates.items():
                # What an optional secret that was not given would fill is left out.
                named = template.placeholders
                if named and all(ns == "secret" and not secrets.get(key) for ns, key, _ in named):
                    continue
                in_header = place == "header"
                value = rendered[name] = (
                    render_header(name, template, values) if in_header else template.render(values)
                )
                if any(
                    ns in ("secret", "runtime", "token") and key != "token_type"
                    for ns, key, _ in named
                ):
                    seen.add(value)
            if place == "header":
                ready.header = tuple(rendered.items())
            else:
                setattr(ready, place, rendered)
        ready.secrets = tuple(value for value in seen if len(value) >= SHORTEST)
        return ready

    def _with_url(self, url: str, ready: _Rendered) -> str:
        head, mark, fragment = url.partition("#")
        path, _, query = head.partition("?")
        if ready.path:
            path = self._braces.sub(
                lambda found: quote(ready.path.get(found[1], ""), safe=_PATH_SAFE), path
            )
        if ready.query:
            pairs = [pair for pair in query.split("&") if pair and _key(pair) not in ready.query]
            pairs.append(urlencode(ready.query, quote_via=quote, safe=""))
            query = "&".join(pairs)
        return path + (f"?{query}" if query else "") + mark + fragment

    def _with_body(
        self, method: str, kind: str, body: bytes | None, values: dict[str, str]
    ) -> tuple[bytes | None, str]:
        """The body with the values in it, and its content type; None where none is due."""
        name = kind.partition(";")[0].strip().lower()
        if body == b"" and not name:
            if method.upper() not in _WITH_BODY:
                return None, kind
            name = kind = "application/json"
            body = b"{}"
        if body is not None and name == "application/x-www-form-urlencoded":
            pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            kept = [pair for pair in pairs if pair[0] not in values]
            return urlencode([*kept, *values.items()]).encode(), kind
        if body is not None and (name == "application/json" or name.endswith("+json")):
            return self._with_json(body or b"{}", values), kind
        raise self._body_fault("a stream cannot take it" if body is None else f"not as {name}")

    def _with_json(self, body: bytes, values: dict[str, str]) -> bytes:
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self._body_fault("this one is no JSON object")
        for path, value in values.items():
            put(data, path, value)
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()

    def _body_fault(self, why: str) -> AuthError:
        return AuthError(
            f"{self.binding.service} wants its secret in the request body, as a JSON object "
            f"or a form: {why}. Nothing was sent.",
            service=self.binding.service,
            hint="pass json={...} or data={...}",
        )

    def _without(self, url: str, ready: _Rendered) -> str:
        head, mark, fragment = url.partition("#")
        path, _, query = head.partition("?")
        pairs = [
            pair for pair in query.split("&") if pair and not self._holds(pair, ready)
        ]  # fmt: skip
        query = "&".join(pairs)
        for name, value in ready.path.items():
            if len(value) >= SHORTEST:
                for form in (value, quote(value, safe=_PATH_SAFE), quote(value, safe="")):
                    path = path.replace(form, f"{{{name}}}")
        path = "/".join(self._segment(part, ready) for part in path.split("/"))
        if _shows(fragment, ready.secrets):
            fragment = MASK
        return scrub(path + (f"?{query}" if query else "") + mark + fragment, ready.secrets)

    def _holds(self, pair: str, ready: _Rendered) -> bool:
        key, _, value = pair.partition("=")
        plain = unquote_plus(value)
        if plain and plain in (ready.query.get(unquote_plus(key)), *ready.path.values()):
            return True
        return _shows(pair, ready.secrets)

    def _segment(self, text: str, ready: _Rendered) -> str:
        plain = unquote(text)
        clean = plain
        for name, value in ready.path.items():
            if len(value) >= SHORTEST or plain == value:
                clean = clean.replace(value, f"{{{name}}}")
        clean = scrub(clean, ready.secrets)
        return text if clean == plain else quote(clean, safe=_PATH_SAFE + "{}" + MASK)


def _shows(text: str, secrets: Iterable[str]) -> bool:
    # Encoded once more than usual, or only in part: look at what it decodes to.
    texts = (text, unquote_plus(text), unquote(unquote_plus(text)))
    return any(scrub(each, secrets) != each for each in texts)


def _key(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _with_cookies(given: str, values: dict[str, str]) -> str:
    """The Cookie header (RFC 6265 §4.2.1) with ours in it, theirs of the same name removed."""
    crumbs = [crumb.strip() for crumb in given.split(";")]
    kept = [crumb for crumb in crumbs if crumb and crumb.partition("=")[0].strip() not in values]
    ours = (f"{name}={quote(value, safe=_COOKIE_SAFE)}" for name, value in values.items())
    return "; ".join([*kept, *ours])
