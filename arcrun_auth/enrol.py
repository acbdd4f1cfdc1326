"""Connecting a service: ask for what is needed, log in, try it, keep it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import agreement, apps, keyfile, references, rendering
from arcrun_auth import consent as rules
from arcrun_auth.completion import Completion
from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    LoginFailed,
    MissingSecret,
    printable,
)
from arcrun_auth.fields import of_param, of_secret
from arcrun_auth.primitives import load
from arcrun_auth.signin import SignIn
from arcrun_auth.template import in_words
from arcrun_auth.tokens import Credential, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arcrun_auth.adoption import Adoption
    from arcrun_auth.landing import Field
    from arcrun_auth.login.plan import Wish
    from arcrun_auth.oauth.app import App
    from arcrun_auth.people import Person
    from arcrun_auth.primitives.base import Primitive
    from arcrun_auth.recipe.model import Method, Param, Recipe, RequiredSecret
    from arcrun_auth.resolve import Connection, Resolver
    from arcrun_auth.surroundings import Surroundings

    OpenUrl = Callable[[str], object]


ATTEMPTS = 3
"""How often is a value asked for that does not fit?"""

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
    """Makes connections for one person. `verify` tries a new one before it is kept.

    With `adoption` a grant that is there already takes the place of a login.
    """

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
        ownership: str | None = None,
        adoption: Adoption | None = None,
    ) -> None:
        self._resolver = resolver
        self._person = person
        self._open_url = open_url
        self._verify = verify
        self._port = port
        self._sign_in = adoption or SignIn(
            resolver, person, open_url=open_url, here=here, port=port, wish=wish,
            ownership=ownership,
        )  # fmt: skip

    def connect(
        self,
        connection: Connection,
        *,
        secrets: Mapping[str, str | Secret] | None = None,
        params: Mapping[str, str] | None = None,
        scopes: Sequence[str] | None = None,
        widen: bool = False,
        app: App | None = None,
    ) -> Connection:
        """The connection, connected: asked for, agreed to, tried, stored.

        `scopes` are what the login asks for; with `widen`, beside what it asked for before.
        `app` is to be used for this login and later ones: it is kept once all is agreed to.

        Raises MissingSecret or LoginRequired where somebody would have to be asked and
        nobody is there, LoginFailed, TokenRefused where the service refuses a new key,
        ConsentRequired where the person does not agree. Nothing is stored then, but a login
        that has succeeded: where its service cannot tell the rest, the next call goes on there.
        """
        recipe, way = self._resolver.way(connection)
        own, record = self._params(way, params or {}, connection), _of_others(connection, way)
        record = record.replace(method=way.id, params={**record.params, **own})
        self._agree(connection, recipe, way, record)
        completion = Completion(self._resolver, self._person, connection, self._verify)
        if app is not None:
            self._keep_app(connection, way, app)
        elif not secrets:
            begun = completion.gone_on(own, scopes)
            if begun is not None:
                return begun
        if secrets or self._person.reach is not None:
            self._resolver.store.prepare()  # what is typed, sent or tried must not be in vain
        if way.required_secrets:
            found, primitive = self._secrets(way, secrets or {}, connection), load(way.primitive)
            _check(primitive, way, found, connection)
            record = record.replace(
                secrets={**record.secrets, **found}, ends=primitive.ends(way, found)
            )
        if connection.method.source == "grant":
            record = self._sign_in.grant(recipe, way, record, connection, asked=scopes, widen=widen)
        return completion.finished(record)

    def _keep_app(self, connection: Connection, way: Method, app: App) -> None:
        store, service = self._resolver.store, connection.service
        key = apps.key_for(store, service, way, connection.instance)  # its own, if it has one
        kept = apps.keep(store, service, way, app, instance=key.instance)
        self._resolver.audit.note("app add", kept)
        over = apps.stands_over(store, key)
        if over:
            self._person.say(f"What stands in {', '.join(over)} is used before the client file.")

    # -- what is asked ---------------------------------------------------------------

    def _agree(
        self, connection: Connection, recipe: Recipe, way: Method, record: Credential
    ) -> None:
        """A recipe that is not ours: shown, and agreed to by a person."""
        if connection.entry.trusted:
            return
        agreed = agreement.made(connection.entry, recipe, way, record, before_login=True)
        held = agreement.held(connection).get(connection.service)
        if held is not None and held.digest == agreed.digest and held.hosts == agreed.hosts:
            return
        self._person.say(
            f"The recipe of {connection.service} is {connection.entry.tier} "
            f"({connection.entry.path}). What you give it will be sent to: "
            + in_words(", ".join(agreed.hosts))
        )
        changes = agreement.changed(held, recipe, way) if held is not None else ()
        for change in changes:
            self._person.say(f"Changed since you agreed to it: {change}")
        if connection.method.source == "grant":
            self._tell_login(connection, way, record)
        if not self._person.confirm("Do you agree?"):
            raise ConsentRequired(
                f"Nobody has agreed to the {connection.entry.tier} recipe of {connection.service}.",
                service=connection.service,
                changes=tuple(map(str, changes))
                or tuple(f"new host {host}" for host in agreed.hosts),
                hint=f"arcrun setup {connection.name}",
            )

    def _tell_login(self, connection: Connection, way: Method, record: Credential) -> None:
        """Which page, which servers and which app a login of this recipe brings together."""
        servers = in_words(", ".join(rules.servers(way, record.params)))
        if way.oauth2 is None:
            self._person.say(f"To get a token, what you give it will be sent to: {servers}")
            return
        page = in_words(way.oauth2.login_at)
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
        try:
            return rendering.values_of(way, found, connection.name)
        except AuthError as error:
            rest = "".join(f" --param {name}=…" for name in missing if name not in found)
            error.hint = connection.setup + rest
            raise

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
            value = self._ask_until(f"{param.label or name}{choice}", name, param)
            if value is not None:
                found[name] = value
        return found

    def _ask_until(self, question: str, name: str, param: Param) -> str | None:
        """What is typed, asked for again while it does not fit; the last word after a few times."""
        value = None
        for _ in range(ATTEMPTS):
            value = self._person.ask(question)
            if value is None:
                break
            try:
                param.check(name, value)
            except ValueError:
                self._person.say(_unlike(param, name))
                continue
            break
        return value

    def _secrets(
        self, way: Method, given: Mapping[str, str | Secret], connection: Connection
    ) -> dict[str, Secret]:
        wanted = way.required_secrets
        found = match_secrets(given, [s.key for s in wanted], connection.service)
        missing = [
            s for s in wanted if s.key not in found and not s.ambient and not (given and s.optional)
        ]
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
            back=self._person.back,
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
        if secret.type in keyfile.TYPES:
            typed = self._ask_for_file(f"{label}, the path of its file{optional}", connection)
        else:
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
            hint=f"arcrun setup {connection.name}"
            + ("" if self._person.reach else ", at a terminal, or with --stdin"),
        )

    def _ask_for_file(self, question: str, connection: Connection) -> str | None:
        """What is in the file whose path is typed: of a text of many lines only the first would
        get here, and the others into the shell."""
        path = (self._person.ask(question) or "").strip()
        return keyfile.read(path, connection.service).reveal() if path else None

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


def _unlike(param: Param, name: str) -> str:
    if param.enum:
        return f"It is one of: {', '.join(param.enum)}."
    return f"This is no {param.label or name} as the service writes it: {param.shape}"


def _of_others(connection: Connection, way: Method) -> Credential:
    """What of the record belongs to other services of its account: they go on with it."""
    record = connection.record
    if record is None or not agreement.others(connection):
        return Credential(connection.key)
    own = {secret.key for secret in way.required_secrets}
    return Credential(
        connection.key,
        secrets={name: value for name, value in record.secrets.items() if name not in own},
        params={name: value for name, value in record.params.items() if name not in way.params},
    )


def _check(
    primitive: Primitive, way: Method, secrets: Mapping[str, Secret], connection: Connection
) -> None:
    """Lets the primitive look at them; it knows the way in, and not for which connection."""
    try:
        primitive.check(way, secrets)
    except AuthError as error:
        error.service = connection.service
        error.hint = error.hint or connection.setup
        raise
