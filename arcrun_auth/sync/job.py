"""The key of a CI job: for its identity token, which the platform takes for some minutes' key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.forks import Mutex

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.settings import Settings
    from arcrun_auth.tokens import Secret

EARLY = 60.0
"""How many seconds before its end is a key asked for anew?"""


class JobKey:
    """Gives the key, and asks for a new one when it ends. Safe to share between threads."""

    def __init__(
        self, server: str, vault: str, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._server = server
        self._vault = vault
        self._settings = settings
        self._clock = clock
        self._held: tuple[Secret, float] | None = None
        self._mutex = Mutex()

    def __call__(self) -> Secret:
        with self._mutex:
            if self._held is None or self._held[1] - EARLY <= self._clock():
                self._held = job_key(self._server, self._vault, self._settings, self._clock)
            return self._held[0]


def job_key(
    server: str, vault: str, settings: Settings, clock: Callable[[], float]
) -> tuple[Secret, float]:
    """A key for this job, and when it ends. AuthError where the job has no identity token, or the
    platform does not take it; ProviderUnavailable, HostNotAllowed."""
    from arcrun_auth.ci_identity import identity_token
    from arcrun_auth.cloud import Cloud
    from arcrun_auth.moments import epoch_of
    from arcrun_auth.platform_api import api_key
    from arcrun_auth.tokens import Secret

    allow = settings.allow_hosts
    # For this very platform: another one that saw it could use it nowhere else.
    token = identity_token(server, environ=settings.environ, allow=allow, clock=clock)
    shown = Secret(token.access_token)
    with Cloud(server, None, allow=allow, now=clock) as cloud:
        body: dict[str, Any] = {"vault": vault, "token": shown.reveal()}
        answer = cloud.ask("POST", "/auth/ci", body, secrets=(shown,))
    key, ends = answer.get("api_key"), epoch_of(answer.get("expires_at"))
    if not isinstance(key, str) or ends is None:
        raise AuthError(f"{printable(server, 100)} answered without a key for this job.")
    return api_key(key), ends
