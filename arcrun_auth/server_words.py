"""What a server said, made fit to be shown, believed or used. Pure."""

from __future__ import annotations

import math
import re

from arcrun_auth.errors import ProviderUnavailable, may_pass, printable
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

# What lifetime is not believed? Over a hundred years, "it does not expire" is meant.
MAX_LIFETIME = 100 * 366 * 86400.0

ACCESS = re.compile(r"[\x21-\x7e]+")  # RFC 6749 Appendix A.12, and no blank either
REFRESH = re.compile(r" *[\x21-\x7e][\x20-\x7e]*")  # Appendix A.17; it never is in a header


class Censor:
    """Strikes secrets out of a server's words, as sent and in the encodings they travel in."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._forms = sorted(
            {form for secret in secrets for form in self._encodings(secret.reveal())},
            key=len,
            reverse=True,
        )

    @staticmethod
    def _encodings(value: str) -> Iterator[str]:
        from urllib.parse import quote, quote_plus

        from arcrun_auth import scrub

        if value:
            yield from (value, quote(value, safe=""), quote_plus(value))
            yield from scrub.forms(value)  # a server may quote a header, base64 and all

    def __call__(self, text: str) -> str:
        clean = printable(text, limit=len(text) + 1)
        for form in self._forms:
            clean = clean.replace(form, "***")
        return clean


def as_secret(value: Any, shape: re.Pattern[str]) -> Secret | None:
    """A token of that shape: a line break in it could forge a header."""
    return Secret(value) if isinstance(value, str) and shape.fullmatch(value) else None


def as_seconds(value: Any) -> float | None:
    """A positive number of seconds, written in whatever way; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds <= MAX_LIFETIME else None


def check_now(
    what: str, status: int, headers: Mapping[str, str], *, now: float, service: str
) -> None:
    """ProviderUnavailable where the status of another endpoint says to come back later."""
    if may_pass(status):
        raise ProviderUnavailable(
            f"{what} (HTTP {status}).",
            service=service,
            hint=f"arcrun setup {service}",
            status=status,
            retry_after=retry_after(headers, now),
        )


def unavailable(
    what: str, *, status: int, headers: Mapping[str, str], now: float, service: str | None
) -> ProviderUnavailable:
    """The error for an answer that is none yet: worth another try, and when."""
    wait = retry_after(headers, now)
    when = "in a while" if wait is None else f"in {math.ceil(wait)} s"
    return ProviderUnavailable(
        what,
        service=service,
        hint=f"Try again {when}; what is stored is untouched.",
        status=status,
        retry_after=wait,
    )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """`Retry-After` as seconds from now: a number or a date (RFC 9110 §10.2.3)."""
    value = headers.get("retry-after", "")
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
