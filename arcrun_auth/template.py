"""The templates of recipes: `{{ns.name}}` and `{{ns.name|filter}}`, and nothing more.

No expressions, no spaces, one pass: the text that a value contains is never expanded
again. What is not exactly a placeholder (`{{a}}`, `{x}`, `{{ secret.x }}`) is literal text,
as it is on the platform.

    >>> t = Template.parse("Bearer {{secret.notion_token}}", strict=True)
    >>> t.placeholders
    (('secret', 'notion_token', None),)
    >>> t.render({"secret": {"notion_token": "ntn_1"}})
    'Bearer ntn_1'
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Values = Mapping[str, Mapping[str, str]]
    Placeholder = tuple[str, str, str | None]

MAX_PLACEHOLDERS = 20
"""How many placeholders may one template have?"""
MAX_BYTES = 8 * 1024
"""How long may a template be, in UTF-8?"""

NAMESPACES = ("secret", "runtime", "param", "client", "token")
"""Where do named values come from?"""
STEPS = ("step1", "step2", "step3", "step4")
"""And of a login by several calls? What each of them saved. The platform has none such."""
AMBIENT = ("now", "uuid")
"""Which placeholders have no name: `{{now|iso}}`, `{{uuid}}`?"""

_KEY = r"[A-Za-z0-9_.-]+"
_PLACEHOLDER = re.compile(
    r"\{\{(?:(now|uuid)|([A-Za-z][A-Za-z0-9]*)\.(" + _KEY + r"))"
    r"(?:\|([A-Za-z0-9_]+)(?:\((" + _KEY + r")\))?)?\}\}"
)
_FORBIDDEN_IN_HEADER = re.compile(r"[\r\n\x00]")


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()


def _base64url(text: str) -> str:
    import base64

    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")  # RFC 7515 §2


def _urlencode(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")  # RFC 3986 §2.3: only the unreserved stay


def _hex(text: str) -> str:
    return text.encode().hex()


def _sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _iso(text: str) -> str:
    from datetime import UTC, datetime

    try:
        return datetime.fromtimestamp(float(text), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        raise ValueError("the filter iso wants seconds since the epoch") from None


def _epoch(text: str) -> str:
    from datetime import UTC, datetime

    try:
        return str(int(float(text)))
    except (ValueError, OverflowError):
        pass
    try:
        when = datetime.fromisoformat(text)
        return str(int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()))
    except (ValueError, OverflowError):
        raise ValueError("the filter epoch wants a time as in RFC 3339") from None


def _fingerprint(text: str) -> str:
    from arcrun_auth.signing_key import fingerprint
    from arcrun_auth.tokens import Secret

    return fingerprint(Secret(text))


FILTERS: dict[str, Callable[[str], str]] = {
    "base64": _base64,
    "base64url": _base64url,
    "urlencode": _urlencode,
    "hex": _hex,
    "sha256": _sha256,
    "iso": _iso,
    "epoch": _epoch,
    "lower": str.lower,
    "upper": str.upper,
    "fingerprint": _fingerprint,
}
"""What can be done to a value? Beside these there is `hmac_sha256(key)`, with a secret's key."""


def _hmac_sha256(text: str, key: str) -> str:
    import hashlib
    import hmac

    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _now() -> str:
    import time

    return str(int(time.time()))


def _uuid() -> str:
    import uuid

    return str(uuid.uuid4())


class _Slot:
    """One placeholder between two pieces of literal text."""

    __slots__ = ("argument", "filter", "name", "ns")

    def __init__(self, ns: str, name: str, filter_: str | None, argument: str | None) -> None:
        self.ns = ns
        self.name = name
        self.filter = filter_
        self.argument = argument

    def why_unknown(self, *, strict: bool) -> str | None:
        """What this version does not know about it; None if it knows all."""
        known = self.ns in NAMESPACES or self.ns in AMBIENT or (strict and self.ns in STEPS)
        if not known:
            return f"there is no namespace {self.ns!r} (there are: {', '.join(NAMESPACES)})"
        if self.filter is None:
            return None
        if self.filter == "hmac_sha256":
            return None if self.argument else "hmac_sha256 wants a key: hmac_sha256(secret_key)"
        if self.filter not in FILTERS or self.argument:
            return f"there is no filter {self.filter!r} (there are: {', '.join(FILTERS)})"
        return None

    def value(self, values: Values) -> str:
        found = self._lookup(values)
        if self.filter is None:
            return found
        if self.argument is not None:
            return _hmac_sha256(found, values.get("secret", {}).get(self.argument, ""))
        return FILTERS[self.filter](found)

    def _lookup(self, values: Values) -> str:
        found = values.get(self.ns, {}).get(self.name)
        if found is not None:
            return found
        if self.ns == "now":
            return _now()
        if self.ns == "uuid":
            return _uuid()
        # An optional secret that was not given, and any unknown one on the platform, is
        # empty. A hole in a URL or a token is not: `https://.example.com` helps nobody.
        if self.ns in ("secret", "runtime"):
            return ""
        raise ValueError(f"there is no value for {self.ns}.{self.name}")


class Template:
    """A parsed template: literal text and placeholders in turn. Immutable; shows no value."""

    __slots__ = ("_parts", "text")

    def __init__(self, text: str, parts: tuple[str | _Slot, ...]) -> None:
        self.text = text
        self._parts = parts

    @classmethod
    def parse(cls, text: str, *, strict: bool) -> Template:
        """Read `text`. Raises ValueError where it is too long or has too many placeholders.

        `strict`, for files of our own: an unknown namespace or filter is a ValueError. A
        recipe from the platform is read without it: what is unknown stays literal.
        """
        if (
            "{{" not in text and len(text) < MAX_BYTES // 4
        ):  # most are plain: no 4 bytes exceed 8 KB
            return cls(text, (text,))
        if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
            raise ValueError(f"a template has at most {MAX_BYTES} bytes")
        parts = tuple(_parts(text, strict=strict))
        if (
            len(parts) > MAX_PLACEHOLDERS
            and sum(isinstance(part, _Slot) for part in parts) > MAX_PLACEHOLDERS
        ):
            raise ValueError(f"a template has at most {MAX_PLACEHOLDERS} placeholders")
        return cls(text, parts)

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """`(ns, name, filter)` of each, in order; the key of an hmac is named as a secret too."""
        found: list[Placeholder] = []
        for slot in self._parts:
            if isinstance(slot, _Slot):
                found.append((slot.ns, slot.name, slot.filter))
                if slot.argument is not None:
                    found.append(("secret", slot.argument, None))
        return tuple(found)

    @property
    def literal(self) -> str:
        """The text around the placeholders, which no value changes."""
        return "\0".join(part if isinstance(part, str) else "" for part in self._parts)

    def render(self, values: Values) -> str:
        """The text with every placeholder replaced, once, by `values[ns][name]`.

        A secret or runtime value that is not there is empty; any other is a ValueError that
        names it. `now` (seconds since the epoch) and `uuid` are made here unless `values`
        has them under the name "".
        """
        return "".join([p if isinstance(p, str) else p.value(values) for p in self._parts])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.text == other.text

    def __hash__(self) -> int:
        return hash((Template, self.text))

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


def _parts(text: str, *, strict: bool) -> Iterator[str | _Slot]:
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        ambient, ns, name, filter_, argument = match.groups()
        slot = _Slot(ambient or ns, name or "", filter_, argument)
        why = slot.why_unknown(strict=strict)
        if why and strict:
            raise ValueError(f"{match[0]}: {why}")
        if why:
            continue
        if match.start() > end:
            yield text[end : match.start()]
        yield slot
        end = match.end()
    if end < len(text):
        yield text[end:]


def render_header(name: str, template: Template, values: Values) -> str:
    """The value of the header `name`. ValueError (without the value) on CR, LF and NUL.

    The platform's rule for Basic: an `Authorization` header, its name in any case, whose
    rendered value starts with exactly `Basic ` and contains a colon has everything after
    `Basic ` base64-encoded. Without a colon it is taken as encoded already.

    >>> t = Template.parse("Basic {{secret.user}}:{{secret.password}}", strict=True)
    >>> known = {"secret": {"user": "Aladdin", "password": "open sesame"}}
    >>> render_header("authorization", t, known)
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
    """
    value = template.render(values)
    if _FORBIDDEN_IN_HEADER.search(value):
        raise ValueError(f"the value of the header {name} has a line break or a NUL in it")
    scheme, credentials = value[:6], value[6:]
    if name.lower() == "authorization" and scheme == "Basic " and ":" in credentials:
        return scheme + _base64(credentials)  # RFC 7617 §2, UTF-8 as in §2.1
    return value


def in_words(text: str) -> str:
    """`text` for people: what stands in the place of a value is named.

    >>> in_words("{{param.subdomain|lower}}.zendesk.com")
    '<subdomain>.zendesk.com'
    """
    return _PLACEHOLDER.sub(lambda found: f"<{found[1] or found[3]}>", text)
