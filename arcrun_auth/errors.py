"""Every error this library raises, and the one place where they are told apart.

    AuthError                     .service  .hint (the next command to type)
    ├ UnknownService              .similar
    ├ RecipeError                 .path .line
    ├ MissingSecret               .key .help_url
    ├ LoginRequired               .why: never | revoked | expired
    ├ MissingScope                .scope
    ├ NoToken                     the service has no single token to give
    ├ LoginFailed                 .error .description .uri          RFC 6749 §4.1.2.1
    ├ TokenRefused                .error .description .uri          RFC 6749 §5.2, permanent
    ├ ProviderUnavailable         .status .retry_after .sent        retryable
    ├ ConsentRequired             .changes: what the recipe changed
    ├ HostNotAllowed              .host
    ├ PolicyRefused               .rule
    ├ StoreError ├ StoreLocked ├ StoreCorrupt ├ StoreConflict └ NoStore
    ├ RefreshBusy
    ├ SyncConflict                .mine .theirs
    └ SyncAlarm                   .what .device .count

Transient and permanent failures are different types on purpose: only a
`TokenRefused` that a second reading of the store confirms may mark a grant dead.
No error ever carries a secret, and its text is safe to print on a terminal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    Why = Literal["never", "revoked", "expired"]
    Tampering = Literal["swapped", "damaged", "rolled back", "forked", "withheld", "unknown device"]

# C0 and C1 controls, the marks that reorder text, and halves of UTF-16 pairs: what a provider
# or a recipe says must not move the cursor, swap two words (CVE-2021-42574) or fail to print.
_UNPRINTABLE = {
    code: None
    for span in (
        (0x00, 0x20),
        (0x7F, 0xA0),
        (0x200B, 0x2010),
        (0x202A, 0x202F),
        (0x2060, 0x2070),
        (0xD800, 0xE000),
    )
    for code in range(*span)
} | {0xFEFF: None, 0x061C: None, 0x0A: " ", 0x09: " "}


# The same for a text of ours that somebody else's words are part of: its lines stay lines.
_UNTRUSTED = {code: to for code, to in _UNPRINTABLE.items() if code != 0x0A}  # noqa: PLR2004


def clean_lines(text: str) -> str:
    """`text` fit for a terminal, whole and line by line."""
    return text.translate(_UNTRUSTED)


def printable(text: str, limit: int = 300) -> str:
    """`text` from somebody else, cut to `limit` characters, fit for a terminal or a log."""
    clean = text[: limit * 4].translate(_UNPRINTABLE)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


_LATER = (408, 425, 429)  # RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4
_SERVER_ERROR = 500


def may_pass(status: int) -> bool:
    """Whether an HTTP status says that the same request may succeed later."""
    return status in _LATER or status >= _SERVER_ERROR


class AuthError(Exception):
    """The root of the tree. `hint` is the next command to type, or what to do instead."""

    def __init__(
        self, message: str, *, service: str | None = None, hint: str | None = None
    ) -> None:
        # A recipe's words are in it as often as not: its labels, what it says of an error.
        super().__init__(clean_lines(message))
        self.service = service
        self.hint = hint

    @property
    def hint(self) -> str | None:
        """The next command to type."""
        return self._hint

    @hint.setter
    def hint(self, text: str | None) -> None:
        self._hint = None if text is None else clean_lines(text)

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message}\n  → {self.hint}" if self.hint else message

    @property
    def message(self) -> str:
        """What happened, without the hint."""
        return str(self.args[0])


class UnknownService(AuthError):
    """No recipe has this name. `similar` lists the names that come close."""

    def __init__(
        self, service: str, *, similar: Sequence[str] = (), hint: str | None = None
    ) -> None:
        self.similar = tuple(similar)
        name = printable(service, 80)
        text = f"There is no recipe for {name!r}."
        if self.similar:
            text += " Did you mean " + " or ".join(repr(s) for s in self.similar) + "?"
            hint = hint or f"arcrun setup {self.similar[0]}"
        super().__init__(text, service=service, hint=hint or "arcrun list --all")


class RecipeError(AuthError):
    """A recipe is not valid. `path` is the file, `line` the line in it (from 1), `field` where."""

    def __init__(
        self,
        message: str,
        *,
        service: str | None = None,
        hint: str | None = None,
        path: str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        super().__init__(message, service=service, hint=hint)
        self.path = path
        self.line = line
        self.field = field

    @property
    def message(self) -> str:
        path = None if self.path is None else printable(self.path, len(self.path) + 1)
        where = ":".join(str(part) for part in (path, self.line) if part is not None)
        return ": ".join(part for part in (where, self.field, str(self.args[0])) if part)

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class MissingSecret(AuthError):
    """A secret that the recipe needs is nowhere. `key` is its name, `help_url` where to get it."""

    def __init__(
        self, message: str, *, key: str, service: str, help_url: str | None = None,
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, service=service, hint=hint or f"arcrun setup {service}")
        self.key = key
        self.help_url = help_url


class LoginRequired(AuthError):
    """A person has to log in, and nobody is reachable here.

    `why` is `never` (not connected yet), `revoked` (the provider refused the
    grant, twice read) or `expired`.
    """

    def __init__(
        self, message: str, *, service: str, why: Why = "never", hint: str | None = None
    ) -> None:
        super().__init__(message, service=service, hint=hint or f"arcrun setup {service}")
        self.why: Why = why


class MissingScope(AuthError):
    """The grant does not cover what was asked. `scope` is what is missing, space-separated."""

    def __init__(self, message: str, *, scope: str, service: str, hint: str | None = None) -> None:
        super().__init__(message, service=service, hint=hint or f"arcrun setup {service}")
        self.scope = scope


class NoToken(AuthError):
    """The service has no single token to hand out (several secrets, or a signature)."""


class _OAuthError(AuthError):
    """What an authorization server said of a failure: RFC 6749 §4.1.2.1 and §5.2."""

    def __init__(
        self,
        message: str,
        *,
        service: str | None = None,
        hint: str | None = None,
        error: str | None = None,
        description: str | None = None,
        uri: str | None = None,
        meaning: str | None = None,
    ) -> None:
        super().__init__(message, service=service, hint=hint)
        self.meaning = meaning
        """What the recipe says that this error means; None where it says nothing."""
        self.error = None if error is None else printable(error, 80)
        self.description = None if description is None else printable(description)
        self.uri = None if uri is None else printable(uri)


class LoginFailed(_OAuthError):
    """The login ended without a grant: refused, cancelled, timed out or not understood."""


class TokenRefused(_OAuthError):
    """The token endpoint refused for good (`invalid_grant`, `invalid_client`, ...)."""


class ProviderUnavailable(AuthError):
    """Time-out, 5xx, 429 or garbage: worth another try. `retry_after` is in seconds.

    `sent` is True where the request may have reached the server and its fate is unknown:
    a read that timed out, a connection that broke.
    """

    def __init__(
        self,
        message: str,
        *,
        service: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = False,
    ) -> None:
        super().__init__(message, service=service, hint=hint)
        self.status = status
        self.retry_after = retry_after
        self.sent = sent


class ConsentRequired(AuthError):
    """The recipe is not the one that was agreed to. `changes` says what differs, in words."""

    def __init__(
        self, message: str, *, service: str, changes: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message, service=service, hint=hint or f"arcrun setup {service}")
        self.changes = tuple(changes)


class HostNotAllowed(AuthError):
    """A request would have taken a secret to a host that was not agreed to. Nothing was sent."""

    def __init__(
        self, message: str, *, host: str, service: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, service=service, hint=hint)
        self.host = printable(host, 253)


class PolicyRefused(AuthError):
    """A policy forbids this here. `rule` names it."""

    def __init__(
        self, message: str, *, rule: str, service: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, service=service, hint=hint)
        self.rule = rule


class StoreError(AuthError):
    """A place that keeps credentials failed. What it held before is untouched."""


class StoreLocked(StoreError):
    """The store exists, and its key is not at hand: unlock it."""


class StoreCorrupt(StoreError):
    """A record or file failed its check. It was set aside, never deleted."""


class StoreConflict(StoreError):
    """Somebody else wrote the record since it was read: read again, then decide."""


class NoStore(StoreError):
    """No store can serve here, and none was chosen in silence."""


class RefreshBusy(AuthError):
    """Another process or device is renewing this grant, or may hold its successor. Try again."""


class SyncConflict(AuthError):
    """Two machines changed one credential. `mine` and `theirs` describe them, without values."""

    def __init__(
        self, message: str, *, mine: str, theirs: str, service: str | None = None,
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, service=service, hint=hint)
        self.mine = mine
        self.theirs = theirs


class SyncAlarm(AuthError):
    """The server shows something that no device of this vault has written. Nothing was applied.

    `what` is `swapped`, `damaged`, `rolled back`, `forked`, `withheld` or `unknown device`;
    `device` is the id of the device whose rows it is about, where that is known; `count` is how
    many rows are not as they should be.
    """

    def __init__(
        self, message: str, *, what: Tampering, device: str | None = None, count: int = 1,
        hint: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.what: Tampering = what
        self.device = device
        self.count = count
