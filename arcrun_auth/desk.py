"""One connection as its primitive sees it: what it knows, and the one road for its requests."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, MissingSecret, RecipeError
from arcrun_auth.tokens import split_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall, Values
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.tokens import Credential, Grant, Secret


def open_desk(resolver: Resolver, name: str, way: Method, record: Credential) -> Desk:
    """The desk of a way in: that of its authorization server, where it has one.

    `name` is the connection as it is typed, which is what errors tell to type again.
    """
    if way.oauth2 is not None:
        from arcrun_auth.authority import Authority

        return Authority(resolver, name, way, record)
    return Desk(resolver, name, way, record)


class Desk:
    """One way in with the params and secrets of one record: see `primitives.base.Desk`."""

    def __init__(self, resolver: Resolver, name: str, way: Method, record: Credential) -> None:
        self.resolver = resolver
        self.name = name
        self.service = split_name(name)[0]
        self.way = way
        self.record = record
        self.scopes: Sequence[str] = way.scopes

    @property
    def now(self) -> float:
        return self.resolver.clock()

    @property
    def params(self) -> Mapping[str, str]:
        from arcrun_auth import rendering

        given = self.resolver.params(self.way, self.record)
        return rendering.values_of(self.way, given, self.name)

    @cached_property
    def secrets(self) -> Mapping[str, Secret]:
        from arcrun_auth.members import flattened

        return flattened(self.way, {**self._of_this_machine(), **self.record.secrets})

    def _of_this_machine(self) -> dict[str, Secret]:
        """The secrets that are looked up at each use: where a recipe of ours says, no other."""
        wanted = [secret for secret in self.way.required_secrets if secret.ambient]
        if not wanted or not self._is_ours:
            return {}
        from arcrun_auth import ambient

        environ = self.resolver.settings.environ
        found = {secret.key: ambient.find(secret, environ) for secret in wanted}
        return {key: secret for key, secret in found.items() if secret is not None}

    @property
    def _is_ours(self) -> bool:
        """Whether the recipe may say by itself what is looked up on this machine."""
        return self.resolver.catalog.entry(self.service).trusted

    @property
    def checked(self) -> bool:
        ambient = any(secret.ambient for secret in self.way.required_secrets)
        return bool(self.record.generation) and not ambient

    def secret(self, key: str) -> Secret:
        found = self.secrets.get(key)
        if found is None:
            raise MissingSecret(
                f"{self.name} needs its {key}, and it is nowhere.",
                key=key,
                service=self.service,
                hint=self._cure(key),
            )
        return found

    def values(self, access_token: Secret | None = None) -> Values:
        from arcrun_auth.oauth import call

        return call.values(self.params, secrets=self.secrets, access_token=access_token)

    def _cure(self, key: str) -> str:
        """What brings a secret of this machine where it is looked for; else a setup."""
        wanted = key.partition(".")[0] if self._is_ours else ""  # a stranger's words are no command
        helps = [s.help for s in self.way.required_secrets if s.key == wanted and s.ambient]
        return next(filter(None, helps), f"arcrun setup {self.name}")

    def subject_token(self, document: Mapping[str, Any], variables: str) -> Secret:
        from arcrun_auth import workload

        account = self.way.service_account
        if account is not None and account.document and not self._is_ours:
            raise RecipeError(
                f"The recipe of {self.name} says which file, address or program of this machine "
                "gives a token, and only a bundled recipe may. Nothing was read, sent or started.",
                service=self.service,
                hint="leave service_account.document out of it, and give the document yourself",
            )
        settings = self.resolver.settings
        place = workload.Place(
            environ=settings.environ,
            now=self.now,
            allow=self.resolver.allow,
            executables=bool(settings.flag("allow_executables")),
            prefix=variables,
        )
        try:
            return workload.subject_token(document, place)
        except AuthError as error:
            error.service = self.service
            raise

    def hosts(self) -> Sequence[str]:
        """The hosts, with their ports, that a request may go to."""
        from arcrun_auth import consent

        return consent.servers(self.way, self.record.params)

    def send(self, call: TokenCall) -> Answer:
        from arcrun_auth._http import send_token
        from arcrun_auth.hosts import Fence

        try:
            return send_token(call, guard=Fence(self.hosts(), self.resolver.allow))
        except AuthError as error:
            error.service = self.service
            raise

    # -- what the sources ask of it ----------------------------------------------------

    @property
    def needs_app(self) -> bool:
        """Whether nothing can be asked for before there is an OAuth app."""
        return False

    @property
    def needs_setup(self) -> bool:
        """Whether somebody else has to be asked first where tokens are given."""
        return False

    def issue(self, scopes: Sequence[str]) -> Grant:
        """A token that needs no person. TokenRefused, ProviderUnavailable, MissingSecret."""
        from arcrun_auth.primitives import load

        self.scopes = scopes
        return load(self.way.primitive).issue(self)

    def renewed(self, grant: Grant) -> Grant:
        """A newer grant in place of `grant`."""
        fresh = self.issue(grant.requested)
        since = grant.since or fresh.since
        return fresh.replace(since=since, kept={**grant.kept, **fresh.kept})
