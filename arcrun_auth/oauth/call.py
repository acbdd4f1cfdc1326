"""One request to an authorization server, as a value, and how it is put together. Pure."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlencode, urlsplit, urlunsplit

from arcrun_auth.tokens import Secret, _Unsharable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from arcrun_auth.oauth.app import App
    from arcrun_auth.template import Template

    HttpMethod = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    Encoding = Literal["form", "json", "query"]
    Values = Mapping[str, Mapping[str, str]]
    """What fills templates: namespace -> name -> value."""

# Which namespaces hold what must not show?
_SECRET = ("secret", "token")


class TokenCall(_Unsharable):
    """A request that is ready to be sent once. Its `repr` shows only the host.

    `headers` have lower-case names; `content` is the body, None for none. `secrets` are the
    values in it that must not come back in the text of an error. `certificate` is the chain
    and the key that the client presents (RFC 8705), both PEM.
    """

    __slots__ = ("certificate", "content", "headers", "method", "secrets", "url")

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        secrets: tuple[Secret, ...],
        method: HttpMethod = "POST",
        certificate: tuple[Secret, Secret] | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.content = content
        self.secrets = secrets
        self.certificate = certificate

    def __repr__(self) -> str:
        return f"TokenCall({self.method!r}, host={urlsplit(self.url).hostname!r})"


class Draft:
    """A request on its way to be one: fields that may be secret, under their standard names."""

    __slots__ = ("certificate", "fields", "headers", "secrets", "url")

    def __init__(self, url: str, fields: Mapping[str, str | Secret]) -> None:
        self.url = url
        self.fields = dict(fields)
        self.headers = {"accept": "application/json"}
        self.secrets: list[Secret] = []
        self.certificate: tuple[Secret, Secret] | None = None

    def call(
        self, method: HttpMethod, encoding: Encoding, names: Mapping[str, str] | None = None
    ) -> TokenCall:
        """The request: fields with a value, under the provider's `names`, in its encoding."""
        plain: dict[str, str] = {}
        for name, value in self.fields.items():
            if isinstance(value, Secret):
                self.secrets.append(value)
            text = value.reveal() if isinstance(value, Secret) else value
            if text:
                plain[(names or {}).get(name, name)] = text
        url, content = self.url, None
        if method == "GET" or encoding == "query" or not plain:
            url = with_query(url, plain)
        elif encoding == "json":
            import json

            self.headers["content-type"] = "application/json"
            content = json.dumps(plain).encode()
        else:
            self.headers["content-type"] = "application/x-www-form-urlencoded"
            content = urlencode(plain).encode()
        return TokenCall(
            url,
            method=method,
            headers=self.headers,
            content=content,
            secrets=tuple(self.secrets),
            certificate=self.certificate,
        )


def with_query(url: str, query: Mapping[str, str]) -> str:
    """`url` with further parameters; a query that it brings along is kept (RFC 6749 §3.1)."""
    parts = urlsplit(url)
    together = "&".join(part for part in (parts.query, urlencode(query)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, together, ""))


def values(
    params: Mapping[str, str],
    *,
    secrets: Mapping[str, Secret] | None = None,
    app: App | None = None,
    access_token: Secret | None = None,
) -> Values:
    """What the templates of a recipe's requests may name."""
    found = {"param": dict(params), "client": {"id": app.client_id if app else ""}}
    found["secret"] = {name: value.reveal() for name, value in (secrets or {}).items()}
    if access_token is not None:
        found["token"] = {"access_token": access_token.reveal()}
    return found


def filled(text: str, known: Values) -> str | Secret:
    """A template filled in; a `Secret` if anything in it is one."""
    if "{{" not in text:
        return text
    template = _parsed(text)
    rendered = template.render(known)
    hidden = any(namespace in _SECRET for namespace, _, _ in template.placeholders)
    return Secret(rendered) if hidden else rendered


@lru_cache(maxsize=256)
def _parsed(text: str) -> Template:
    from arcrun_auth.template import Template

    return Template.parse(text, strict=True)


def plain(text: str, known: Values) -> str:
    """A template filled in, whatever is in it: whoever calls this answers for where it goes."""
    return _parsed(text).render(known) if "{{" in text else text
