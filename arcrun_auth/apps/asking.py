"""Taking an app from a person: its id, what proves it, and a look at both at once.

A mix-up shows itself at the provider only, after a login, as an error that says little.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from arcrun_auth import browser
from arcrun_auth.apps import guide
from arcrun_auth.apps.kept import lacking, missing, proof_of
from arcrun_auth.errors import AuthError, MissingSecret, printable
from arcrun_auth.oauth.app import App
from arcrun_auth.oauth.client_file import check_certificate, check_key, read_client
from arcrun_auth.stores.apps import read_text
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from arcrun_auth.apps.guide import OpenUrl
    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import Method

    T = TypeVar("T")

TRIES = 3
"""How often may one answer be given before we give up?"""

_SECRET_SHAPE = re.compile(r"-----BEGIN |secret|[~!$%^&*]", re.IGNORECASE)
"""What is a secret rather than an id, whoever the provider is? Ids are letters, digits, `-_.`."""

_PATH_SHAPE = re.compile(r"[{~/.]|[A-Za-z]:[\\/]|.*\.json$", re.IGNORECASE)


def ask(
    service: str,
    display_name: str,
    way: Method,
    scopes: Sequence[str],
    person: Person,
    *,
    open_url: OpenUrl | None = None,
    given: App | None = None,
) -> App:
    """Walks a person through registering an app, and takes what the provider shows at the end.

    `open_url` shows the console's pages, where there is a browser. `given` is what is there
    of the app already; it is not asked for. Raises MissingSecret for
    what is not answered, AuthError for an answer that was of no use three times.
    """
    person.say(f"{display_name} wants an OAuth app of your own. It is registered once:")
    app = given or App("")
    guide.walk(way, scopes, person, _usable(open_url), own=app.redirect_uri)
    return fill(app, service, way, person)


def fill(app: App, service: str, way: Method, person: Person) -> App:
    """The app with all that this provider demands: looked at, and asked for where it lacks."""
    answers = _Answers(service, way, person)
    if not app.client_id:
        found = answers.client()
        app.client_id = found.client_id
        for name in ("client_secret", "private_key", "certificate"):
            setattr(app, name, getattr(app, name) or getattr(found, name))
        for name in ("key_id", "redirect_uri"):
            setattr(app, name, getattr(app, name) or getattr(found, name))
    else:
        app.client_id = answers.accepted_id(app.client_id)
    if app.private_key is not None:
        check_key(app.private_key.reveal(), service)
    if app.certificate is not None:
        check_certificate(app.certificate.reveal(), service)
    if proof_of(way) == "client_secret" and app.client_secret is None:
        return answers.with_secret(app)
    if lacking(app, way) == "certificate":
        app.certificate = answers.file("certificate", "Path of the certificate (PEM)")
    if lacking(app, way) == "private_key":
        app.private_key = answers.file("private_key", "Path of the private key (PEM or JWK)")
        if proof_of(way) == "private_key":
            asked = person.ask("Key ID (kid), empty if there is none")
            app.key_id = app.key_id or (asked or "").strip()
    return app


def from_file(text: str, service: str, way: Method, redirect_uri: str = "") -> App:
    """The app of a downloaded client file: its path, or its content. `redirect_uri` is what its
    owner wants used of those that are registered."""
    inside = text.lstrip().startswith("{")
    content = text if inside else read_text(text, "client file", service)
    app = read_client(content, service, guide.exact(way, redirect_uri))
    app.redirect_uri = redirect_uri or app.redirect_uri
    return app


class _Answers:
    """What one person answers about one app."""

    def __init__(self, service: str, way: Method, person: Person) -> None:
        assert way.oauth2 is not None
        self._service = service
        self._way = way
        self._client = way.oauth2.client
        self._person = person

    def client(self) -> App:
        """The id that is typed; or a whole app, from the file that is named instead."""
        return self._tried(
            "Client ID, or the path of the downloaded client file",
            self._client_of,
            missing(self._service, self._way),
        )

    def _client_of(self, typed: str) -> App:
        if not typed:
            raise missing(self._service, self._way)
        if len(typed) > 1 and typed[0] == typed[-1] and typed[0] in "'\"":
            typed = typed[1:-1]  # how terminals paste the path of a file that is dropped on them
        if _PATH_SHAPE.match(typed):
            return from_file(typed, self._service, self._way)
        return App(self.accepted_id(typed))

    def accepted_id(self, client_id: str) -> str:
        """The id, if it looks like one or the person stands by it. Never repeated: who knows."""
        pattern = self._client.id_pattern
        if pattern:
            odd = re.search(pattern, client_id) is None
        else:
            odd = _SECRET_SHAPE.search(client_id) is not None
        if not odd:
            return client_id
        example = self._client.id_example
        said = "This does not look like a client ID"
        said += f": those look like {example}." if example else "."
        if _SECRET_SHAPE.search(client_id):
            said = said.removesuffix(".") + ". It looks like a secret."
        if self._person.reach is not None:
            self._person.say(said)
            if self._person.confirm("Take it all the same?"):
                return client_id
            said = "It was not taken."
        hint = "copy what the provider's console calls the client ID"
        raise AuthError(said, service=self._service, hint=hint)

    def with_secret(self, app: App) -> App:
        """The app with its secret; both the other way round where they were mixed up."""
        required = self._client.secret_required
        optional = "" if required else " (empty if there is none)"

        def take(typed: str) -> App:
            if not typed:
                if required:
                    raise missing(self._service, self._way, "client_secret")
                return app
            if typed == app.client_id:
                raise AuthError("This is the client ID once more, not the secret.")
            return self._checked_secret(app, typed)

        absent = missing(self._service, self._way, "client_secret")
        if self._person.reach is None:
            return take("")
        return self._tried(f"Client secret{optional}", take, absent, hidden=True)

    def _checked_secret(self, app: App, typed: str) -> App:
        pattern = self._client.id_pattern
        if pattern and re.search(pattern, typed):
            if re.search(pattern, app.client_id) is None:
                if self._person.confirm("ID and secret look exchanged. Put them right?"):
                    app.client_id, typed = typed, app.client_id
            elif not self._person.confirm("This looks like a client ID. Take it as the secret?"):
                raise AuthError("It was not taken.")
        app.client_secret = Secret(typed)
        return app

    def file(self, part: str, question: str) -> Secret:
        """The content of a file whose path is typed: a key, or a certificate."""
        absent = missing(self._service, self._way, part)

        def take(typed: str) -> Secret:
            if not typed:
                raise absent
            return key_file(typed, part, self._service)

        return self._tried(question, take, absent)

    def _tried(
        self,
        question: str,
        take: Callable[[str], T],
        problem: AuthError,
        *,
        hidden: bool = False,
    ) -> T:
        """What `take` makes of the answer. What it raises is told, and asked again."""
        for _ in range(TRIES):
            typed = self._person.ask(question, hidden=hidden)
            if typed is None:
                break
            value = typed.strip()
            if value != typed:
                self._person.say("White space around it was removed.")
            try:
                return take(value)
            except AuthError as error:
                problem = error
                absent = isinstance(error, MissingSecret)
                self._person.say("Nothing was typed." if absent else str(error))
        raise problem


def check_redirect_uri(app: App, service: str) -> None:
    """AuthError where the redirect URI of an app's owner is none: the code is sent there.

    RFC 6749 §3.1.2 wants it absolute and without a fragment. It is https: a loopback address
    is the recipe's to choose, and anything else would show the code on the way.
    """
    url = app.redirect_uri
    fault = browser.why_unsafe(url) if url else None
    if url and not url.startswith("https://"):
        fault = "it is not https"
    elif "#" in url:
        fault = "it has a fragment"
    if fault:
        raise AuthError(
            f"The redirect URI {printable(url, 120)} cannot be used: {fault}.",
            service=service,
            hint="give the address as it stands at the provider: https://example.com/callback",
        )


def key_file(path: str, part: str, service: str) -> Secret:
    """The private key or the certificate in a file; AuthError where it holds neither."""
    text = read_text(path, part.replace("_", " "), service).strip()
    (check_certificate if part == "certificate" else check_key)(text, service)
    return Secret(text)


def _usable(open_url: OpenUrl | None) -> OpenUrl | None:
    """None where it is the machine's own browser, and there is none."""
    return None if open_url is browser.open_url and not browser.available() else open_url
