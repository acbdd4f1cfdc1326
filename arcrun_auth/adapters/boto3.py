"""boto3: a session whose clients sign with a connection's access key, or with its role."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from arcrun_auth.adapters.access import Access
from arcrun_auth.adapters.aws import Signing, checked
from arcrun_auth.adapters.sdk import load
from arcrun_auth.primitives.aws_sigv4 import KEY_ID, SECRET_KEY, SESSION_TOKEN

if TYPE_CHECKING:
    from arcrun_auth.broker import Broker

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
    access = Access(service, instance, scopes=None, broker=broker)
    binding = checked(Signing(*access.parts()), service).binding
    session = core.Session()
    provider = _provider()(access)
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

        def __init__(self, access: Access) -> None:
            super().__init__()
            self._access = access

        def load(self) -> Any:
            return Keys(self._access)

    class Keys(credentials.Credentials):  # type: ignore[misc,name-defined]  # untyped
        """The keys, taken anew for each signature: botocore keeps its own till the process ends,
        and one clock is to decide when a session is renewed."""

        method = METHOD
        account_id = None

        def __init__(self, access: Access) -> None:
            self._access = access

        @property
        def access_key(self) -> str:
            return str(self.get_frozen_credentials().access_key)

        @property
        def secret_key(self) -> str:
            return str(self.get_frozen_credentials().secret_key)

        @property
        def token(self) -> str | None:
            found: str | None = self.get_frozen_credentials().token
            return found

        def get_frozen_credentials(self) -> Any:
            secrets = self._access.token().secrets
            session = secrets.get(SESSION_TOKEN)
            return credentials.ReadOnlyCredentials(
                secrets[KEY_ID].reveal(),
                secrets[SECRET_KEY].reveal(),
                session.reveal() if session else None,
            )

    return Provider
