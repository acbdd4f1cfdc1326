"""Connecting a service: ask for what is needed, log in, try it, keep it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import agreement, references, rendering
from arcrun_auth import consent as rules
from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    LoginFailed,
    MissingSecret,
    StoreConflict,
    TokenRefused,
    printable,
)
from arcrun_auth.fields import of_param, of_secret
from arcrun_auth.resolve import TRUSTED_TIERS, Connection
from arcrun_auth.signin import SignIn
from arcrun_auth.tokens import Credential, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arcrun_auth.landing import Field
    from arcrun_auth.login.plan import Wish
    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import Method, Recipe, RequiredSecret
    from arcrun_auth.resolve import Resolver
    from arcrun_auth.surroundings import Surroundings
    from arcrun_auth.tokens import Consent

    OpenUrl = Callable[[str], object]


_BREAKS = re.compile(r"[\r\n\0]")
"""What may stand in no header (RFC 9110 §5.5), and is no part of any key."""


def match_secrets(
    given: Mapping[str, str | Secret], known: Sequence[str], service: str
) -> dict[str, Secret]:
    """Secrets by their full names, from short or full ones: `token` finds `notion_token`.

    Raises AuthError for a name that fits none, or more than one.
    """
    found: dict[str, Secret] = {}
    for name, value in given.items():
        fits = references.named(name, known, service)
        if len(fits) != 1:
            raise AuthError(
                f"{service} has no single secret {printable(name, 80)!r}.",
                service=service,
                hint="its secrets are: " + (", ".join(known) or "none"),
            )
        found[fits[0]] = Secret((value.reveal() if isinstance(value, Secret) else value).strip())
    return found


class Enroller:
    """Makes connections for one person. `verify` tries a new one before it is kept."""

    def __init__(
        self,
        resolver: Resolver,
        person: Person,
        *,
        open_url: OpenUrl,
        here: Surroundings,
        verify: Callable[[Connection], str | None],
        port: int | None = None,
        wish: Wish | None = None,
    ) -> None:
        self._resolver = resolver
        self._person = person
        self._open_url = open_url
        self._verify = verify
        self._port = port
        self._sign_in = SignIn(resolver, person, open_url=open_url, here=here, port=port, wish=wish)

    def connect(
        self,
        connection: Connection,
        *,
        secrets: Mapping[str, str | Secret] | None = None,
        params: Mapping[str, str] | None = None,
        scopes: Sequence[str] | None = None,
        widen: bool = False,
    ) -> Connection:
        """The connection, connected: asked for, agreed to, tried, stored.

        `scopes` are what the login asks for; with `widen`, beside what it asked for before.

        Raises MissingSecret or LoginRequired where somebody would have to be asked and
        nobody is there, LoginFailed, TokenRefused where the service refuses a new key,
        ConsentRequired where the person does not agree. Nothing is stored then.
        """
        recipe, way = self._resolver.way(connection)
        record = Credential(
            connection.key,
            method=way.id,
            params=self._params(way, params or {}, connection),
        )
        self._agree(connection, recipe, way, record)
        if way.required_secrets:
            record = record.replace(secrets=self._secrets(way, secrets or {}, connection))
        if way.oauth2 is not None:
            record = self._sign_in.grant(recipe, way, record, connection, asked=scopes, widen=widen)
        record = self._with_found(way, record, connection)
        consent = agreement.made(connection.entry, recipe, way, record)
        fresh = Connection(
            connection.entry,
            connection.instance,
            connection.method,
            record.replace(consents={**_consents(connection), connection.service: consent}),
        )
        return self._keep(fresh)

    def _with_found(self, way: Method, record: Credential, connection: Connection) -> Credential:
        """The record with the params that the login itself brought."""
        if all(param.source == "user" for param in way.params.values()):
            return record
        from arcrun_auth import found

        trial = Connection(connection.entry, connection.instance, connection.method, record)
        brought = found.params(
            way,
            record
            if connection.record is None
            else record.replace(params={**connection.record.params, **record.params}),
            service=connection.name,
            source=self._resolver.trial(trial),
            person=self._person,
            allow=self._resolver.allow,
            client_id=self._resolver.id_to_send(connection.service, way),
        )
        return record.replace(params={**record.params, **brought})

    def _keep(self, fresh: Connection) -> Connection:
        """A key is tried first, and one that is refused is not kept. A grant is kept at once."""
        record = fresh.record
        assert record is not None
        if record.grant is not None:
            fresh.record = record = self._put(record)
        identity = self._tried(fresh)
        if record.grant is None or identity is not None:
            fresh.record = self._put(record.replace(identity=identity))
        self._person.say(f"Saved to the {self._resolver.store.description} as {record.key}.")
        return fresh

    def _tried(self, fresh: Connection) -> str | None:
        """Whose account it is. TokenRefused goes on for a key; all else is only told."""
        assert fresh.record is not None
        try:
            identity = self._verify(fresh)
        except TokenRefused as error:
            if fresh.record.grant is None:
                raise
            problem: AuthError = error
        except AuthError as error:
            problem = error
        else:
            whose = f" Connected as {identity}." if identity else ""
            self._person.say(f"Testing connection… OK.{whose}")
            return identity
        kept = "key" if fresh.record.grant is None else "login"
        self._person.say(f"Testing connection… {problem.message} The {kept} is kept, untested.")
        return None

    def _put(self, record: Credential) -> Credential:
        store = self._resolver.store
        while True:
            held = store.get(record.key)
            generation = held.generation if held is not None else 0
            created = held.created if held is not None else 0.0
            try:
                return store.put(record.replace(created=created), expect=generation)
            except StoreConflict:  # a renewal in another process: this login is the newer word
                continue

    # -- what is asked ---------------------------------------------------------------

    def _agree(
        self, connection: Connection, recipe: Recipe, way: Method, record: Credential
    ) -> None:
        """A recipe that is not ours: shown, and agreed to by a person."""
        if connection.entry.tier in TRUSTED_TIERS:
            return
        agreed = agreement.made(connection.entry, recipe, way, record, before_login=True)
        held = _consents(connection).get(connection.service)
        if held is not None and held.digest == agreed.digest and held.hosts == agreed.hosts:
            return
        self._person.say(
            f"The recipe of {connection.service} is {connection.entry.tier} "
            f"({connection.entry.path}). What you give it will be sent to: "
            + ", ".join(agreed.hosts)
        )
        if way.oauth2 is not None:
            self._tell_login(connection, way, record)
        if not self._person.confirm("Do you agree?"):
            raise ConsentRequired(
                f"Nobody has agreed to the {connection.entry.tier} recipe of {connection.service}.",
                service=connection.service,
                changes=tuple(f"new host {host}" for host in agreed.hosts),
                hint=f"arcrun setup {connection.name}",
            )

    def _tell_login(self, connection: Connection, way: Method, record: Credential) -> None:
        """Which page, which servers and which app a login of this recipe brings together."""
        assert way.oauth2 is not None
        page = way.oauth2.login_at
        servers = ", ".join(rules.servers(way, record.params))
        if page:
            self._person.say(f"You will log in at: {page}")
        self._person.say(f"The login, its tokens and your OAuth app will be sent to: {servers}")
        app = way.oauth2.client.app
        if app and app != connection.service:
            self._person.say(f"It uses your OAuth app {app}, its secret included.")

    def _params(
        self, way: Method, given: Mapping[str, str], connection: Connection
    ) -> dict[str, str]:
        held = connection.record.params if connection.record is not None else {}
        asked = [name for name, param in way.params.items() if param.source == "user"]
        unknown = sorted(set(given) - set(asked))
        if unknown:
            raise AuthError(
                f"{connection.service} has no parameter {printable(unknown[0], 80)!r}.",
                service=connection.service,
                hint="its parameters are: " + (", ".join(asked) or "none"),
            )
        found = {n: v for n in asked if (v := given.get(n, held.get(n))) is not None}
        missing = [n for n in asked if n not in found and way.params[n].default is None]
        found |= self._ask_params(missing, way, connection)
        return rendering.values_of(way, found, connection.service)

    def _ask_params(
        self, missing: Sequence[str], way: Method, connection: Connection
    ) -> dict[str, str]:
        if missing and self._person.reach == "desktop":
            fields = [of_param(name, way.params[name]) for name in missing]
            typed = self._on_page(fields, way, connection)
            return {name: value.reveal() for name, value in typed.items()}
        found = {}
        for name in missing:
            param = way.params[name]
            choice = f" ({', '.join(param.enum)})" if param.enum else ""
            if param.help:
                self._person.say(param.help)
            value = self._person.ask(f"{param.label or name}{choice}")
            if value is not None:
                found[name] = value
        return found

    def _secrets(
        self, way: Method, given: Mapping[str, str | Secret], connection: Connection
    ) -> dict[str, Secret]:
        wanted = way.required_secrets
        found = match_secrets(given, [s.key for s in wanted], connection.service)
        missing = [s for s in wanted if s.key not in found and not (given and s.optional)]
        if missing and self._person.reach == "desktop":
            found |= self._on_page([of_secret(s) for s in missing], way, connection)
        elif missing and not found and way.setup_url and self._person.reach:
            self._person.say(f"Create it at {way.setup_url}")
        for secret in wanted:
            if secret in missing and self._person.reach != "desktop":
                value = self._ask(secret, connection)
                if value is not None:
                    found[secret.key] = value
            if secret.key in found:
                self._check_value(secret, found[secret.key], connection)
        return found

    def _on_page(
        self, fields: Sequence[Field], way: Method, connection: Connection
    ) -> dict[str, Secret]:
        """Asked for in the browser of somebody who has no terminal, all of it on one page."""
        from arcrun_auth.keyform import ask_on_page

        settings = self._resolver.settings
        recipe, _ = self._resolver.way(connection)
        typed = ask_on_page(
            f"Connect {recipe.display_name or recipe.service}",
            fields,
            open_url=self._open_url,
            say=self._person.say,
            timeout=settings.login_timeout,
            service=connection.name,
            help_url=way.setup_url,
            port=self._port,
            environ=settings.environ,
        )
        if typed is None:
            raise LoginFailed(
                f"Connecting {connection.service} was cancelled. Nothing was saved.",
                service=connection.service,
                hint=f"arcrun setup {connection.name}",
            )
        return typed

    def _ask(self, secret: RequiredSecret, connection: Connection) -> Secret | None:
        label = secret.label or secret.key
        for line in (secret.help, secret.help_url and f"Found at {secret.help_url}"):
            if line:
                self._person.say(line)
        optional = " (optional, empty to leave out)" if secret.optional else ""
        typed = self._person.ask(f"{label}{optional}", hidden=True)
        value = (typed or "").strip()
        if typed is not None and value != typed:
            self._person.say("White space around it was removed.")
        if value:
            return Secret(value)
        if secret.optional:
            return None
        raise MissingSecret(
            f"{connection.service} needs its {label} ({secret.key}).",
            key=secret.key,
            service=connection.service,
            help_url=secret.help_url or None,
            hint=f"arcrun setup {connection.name}",
        )

    def _check_value(self, secret: RequiredSecret, value: Secret, connection: Connection) -> None:
        """What could never be sent is refused; what only looks odd is taken, with a word."""
        if secret.type in ("text", "password") and _BREAKS.search(value.reveal()):
            raise AuthError(
                f"The {secret.label or secret.key} holds a line break or a NUL. Nothing was saved.",
                service=connection.service,
                hint=f"arcrun setup {connection.name}",
            )
        if secret.pattern and re.search(secret.pattern, value.reveal()) is None:
            example = f" It usually looks like {secret.example}." if secret.example else ""
            label = secret.label or secret.key
            self._person.say(f"This does not look like what is wanted ({label}).{example}")


def _consents(connection: Connection) -> Mapping[str, Consent]:
    """What was agreed to before, for each service of the account."""
    return connection.record.consents if connection.record is not None else {}
