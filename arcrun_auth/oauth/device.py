"""What a device authorization endpoint answers, and how long to wait between two polls. Pure."""

from __future__ import annotations

import json

from arcrun_auth.answers import pick
from arcrun_auth.errors import LoginFailed, printable
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth import recipe

# RFC 8628 §3.2: how often do we ask where the provider does not say?
INTERVAL = 5.0
# §3.5: how many seconds more after each slow_down?
SLOWER = 5.0
# How long do we believe a code to live where the provider does not say?
LIFETIME = 600.0
MAX_CODE = 100


class DeviceCode:
    """A login on another device, under way (RFC 8628 §3.2). Times are seconds."""

    __slots__ = ("complete_uri", "device_code", "expires_in", "interval", "uri", "user_code")

    def __init__(
        self,
        device_code: Secret,
        *,
        user_code: str,
        uri: str,
        complete_uri: str,
        expires_in: float,
        interval: float,
    ) -> None:
        self.device_code = device_code
        self.user_code = user_code
        self.uri = uri
        self.complete_uri = complete_uri
        """The address that brings the code along; empty where there is none."""
        self.expires_in = expires_in
        self.interval = interval


def read_device_code(oauth2: recipe.OAuth2, status: int, body: bytes) -> DeviceCode:
    """The code in an answer. LoginFailed with what the provider said where there is none."""
    data = _object(body)
    device_code, user_code = data.get("device_code"), data.get("user_code")
    # `verification_url` is older than the standard, and still answered.
    uri = pick(data, "verification_uri || verification_url")
    if not all(isinstance(v, str) and v and v.isprintable() for v in (device_code, user_code, uri)):
        raise _refused(oauth2, status, data)
    complete = pick(data, "verification_uri_complete || verification_url_complete")
    return DeviceCode(
        Secret(str(device_code)),
        user_code=printable(str(user_code), MAX_CODE),
        uri=str(uri),
        complete_uri=complete if isinstance(complete, str) else "",
        expires_in=_positive(data.get("expires_in"), LIFETIME),
        interval=_positive(data.get("interval"), INTERVAL),
    )


def _refused(oauth2: recipe.OAuth2, status: int, data: dict[str, object]) -> LoginFailed:
    error, said = (
        value if isinstance(value := pick(data, path), str) else None
        for path in (oauth2.token_response.error, oauth2.token_response.error_description)
    )
    why = printable(said or error or f"it answered {status}")
    return LoginFailed(
        f"The provider gives no code for another device: {why}.", error=error, description=said
    )


def _object(body: bytes) -> dict[str, object]:
    from urllib.parse import parse_qsl

    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        try:
            data = dict(parse_qsl(body.decode(), max_num_fields=100))
        except ValueError:
            data = {}
    return data if isinstance(data, dict) else {}


def _positive(value: object, otherwise: float) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return otherwise
    return number if 0 < number < 1e6 else otherwise  # noqa: PLR2004 - no code lives for days
