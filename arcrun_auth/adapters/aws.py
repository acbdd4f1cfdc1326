"""The access key of a connection, in the shapes that AWS's own tools take it in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from arcrun_auth.errors import AuthError
from arcrun_auth.primitives.aws_sigv4 import KEY_ID, SECRET_KEY, SESSION_TOKEN

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker
    from arcrun_auth.signing import Binding
    from arcrun_auth.sources import Source
    from arcrun_auth.tokens import Token

VERSION = 1
"""Which version of the answer of `credential_process` is this?"""


class Signing(NamedTuple):
    """Where a connection's requests go, and where its keys come from."""

    binding: Binding
    source: Source


def signing(
    service: str, instance: str | None, *, broker: Broker | None, interactive: bool | None = None
) -> Signing:
    """The connection, which has to be one that signs with an access key. AuthError otherwise.

    Reads the store, and asks somebody as `Broker.bind` does.
    """
    if broker is None:
        from arcrun_auth.shared import default

        broker = default()
    return checked(Signing(*broker.prepare(service, instance, interactive=interactive)()), service)


def checked(found: Signing, service: str) -> Signing:
    """The same. AuthError where it signs with no access key."""
    if found.binding.way is None or found.binding.way.aws is None:
        raise AuthError(
            f"{service} signs with no access key of AWS.",
            service=service,
            hint=f"use auth.bind({service!r})",
        )
    return found


def expiry(token: Token) -> str | None:
    """When its session ends (ISO 8601, UTC); None for a key that holds on."""
    if token.expires is None:
        return None
    return datetime.fromtimestamp(token.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def process_credentials(
    service: str = "aws", instance: str | None = None, *, broker: Broker | None = None
) -> dict[str, str | int]:
    """What a `credential_process` of AWS's tools prints as JSON. The keys in it are in clear.

    Asks nobody: its caller is a program. A session is renewed first, if it is about to end.

    Raises what `Broker.bind` raises, and AuthError for a service that has no access key.
    """
    token = signing(service, instance, broker=broker, interactive=False).source.token()
    secrets = token.secrets
    found: dict[str, str | int] = {
        "Version": VERSION,
        "AccessKeyId": secrets[KEY_ID].reveal(),
        "SecretAccessKey": secrets[SECRET_KEY].reveal(),
    }
    if SESSION_TOKEN in secrets:
        found["SessionToken"] = secrets[SESSION_TOKEN].reveal()
    if (end := expiry(token)) is not None:
        found["Expiration"] = end
    return found
