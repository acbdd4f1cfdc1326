"""boto3: a session whose clients sign with a connection's access key, or with its role."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from arcrun_auth.adapters.aws import expiry, signing
from arcrun_auth.adapters.sdk import load
from arcrun_auth.primitives.aws_sigv4 import KEY_ID, SECRET_KEY, SESSION_TOKEN
from arcrun_auth.sources import EARLY

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker
    from arcrun_auth.sources import Source

METHOD = "custom-arcrun"
"""What are we called among botocore's providers? Its own rule for others begins with `custom-`."""


def boto3_session(
    service: str = "aws",
    instance: str | None = None,
    *,
    region_name: str | None = None,
    broker: Broker | None = None,
) -> Any:
    """A `boto3.Session`: `auth.boto3_session("aws").client("s3")`.

    The region is the connection's, unless you name one. A role's session is renewed before its
    end, by one request for all who use the connection. botocore signs and sends: it goes
    wherever its clients go, and no host is checked.

    Raises what `bind` raises, and AuthError where boto3 is not installed or the service has
    no access key.

    >>> boto3_session("aws").client("s3")  # doctest: +SKIP
    <botocore.client.S3 object at 0x7f2b1c0d3e50>
    """
    boto3, core = load("boto3", "boto3"), load("botocore.session", "boto3")
    binding, source = signing(service, instance, broker=broker)
    session = core.Session()
    provider = _provider()(source)
    session.get_component("credential_provider").insert_before("env", provider)
    return boto3.Session(
        botocore_session=session, region_name=region_name or binding.params.get("region")
    )


@cache
def _provider() -> type[Any]:
    """The class, whose base botocore has."""
    credentials = load("botocore.credentials", "boto3")

    class Provider(credentials.CredentialProvider):  # type: ignore[misc,name-defined]  # untyped
        """Gives botocore the keys that the connection has at the moment."""

        METHOD = METHOD
        CANONICAL_NAME = METHOD

        def __init__(self, source: Source) -> None:
            super().__init__()
            self._source = source

        def load(self) -> Any:
            found = self._metadata()
            if found["expiry_time"] is None:
                names = ("access_key", "secret_key", "token")
                return credentials.Credentials(*(found[n] for n in names), method=METHOD)
            # One clock decides when a session is renewed, and it is ours: without this botocore
            # would ask for a new one at every request of the last quarter of an hour.
            return credentials.RefreshableCredentials.create_from_metadata(
                found, self._metadata, METHOD, advisory_timeout=EARLY, mandatory_timeout=EARLY
            )

        def _metadata(self) -> dict[str, str | None]:
            token = self._source.token()
            session = token.secrets.get(SESSION_TOKEN)
            return {
                "access_key": token.secrets[KEY_ID].reveal(),
                "secret_key": token.secrets[SECRET_KEY].reveal(),
                "token": session.reveal() if session else None,
                "expiry_time": expiry(token),
            }

    return Provider
