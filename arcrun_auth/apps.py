"""One's own OAuth app: where its client id and secret come from, and how they are asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, MissingSecret, StoreConflict, printable
from arcrun_auth.oauth import redirect_uri
from arcrun_auth.oauth.app import App
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import GuideStep, Method
    from arcrun_auth.stores.base import Store

MAX_FILE = 64 * 1024
"""How large may a downloaded client file be? They have some hundred bytes."""


def key_of(service: str, way: Method) -> Key:
    """Under which name the app is kept: services of one family share it."""
    assert way.oauth2 is not None
    return Key("app", way.oauth2.client.app or service)


def stored(store: Store, service: str, way: Method) -> App | None:
    """The app out of the store or the environment; None if there is none, or half of one."""
    assert way.oauth2 is not None
    record = store.get(key_of(service, way))
    if record is None or "client_id" not in record.secrets:
        return None
    found = record.secrets
    secret = found.get("client_secret")
    if secret is None and way.oauth2.client.secret_required and proof_of(way) == "client_secret":
        return None
    key_id = found.get("key_id")
    return App(
        found["client_id"].reveal(),
        secret,
        private_key=found.get("private_key"),
        key_id=key_id.reveal() if key_id is not None else "",
        certificate=found.get("certificate"),
    )


def proof_of(way: Method) -> str:
    """Which secret of the app proves it to this provider; empty for a public client."""
    assert way.oauth2 is not None
    return {"none": "", "private_key_jwt": "private_key", "tls_client_auth": "certificate"}.get(
        way.oauth2.client.auth, "client_secret"
    )


def keep(
    store: Store,
    service: str,
    way: Method,
    app: App,
    *,
    ends: float | None = None,
    manage: Secret | None = None,
) -> None:
    """Saves the app for every service of its family: when its secret `ends`, and the token
    that manages a client which registered itself (RFC 7591 §3.2.1), where there is one."""
    key = key_of(service, way)
    secrets = {"client_id": Secret(app.client_id)}
    for name in ("client_secret", "private_key", "certificate"):
        if (value := getattr(app, name)) is not None:
            secrets[name] = value
    if app.key_id:
        secrets["key_id"] = Secret(app.key_id)
    if manage is not None:
        secrets["registration_access_token"] = manage
    while True:
        held = store.get(key)
        record = Credential(key, created=held.created if held else 0.0, secrets=secrets, ends=ends)
        try:
            store.put(record, expect=held.generation if held else 0)
        except StoreConflict:  # somebody else keeps one at the same time: the later word counts
            continue
        return


def missing(service: str, way: Method) -> MissingSecret:
    """What to raise where there is no app and nobody to ask."""
    return MissingSecret(
        f"{service} needs an OAuth app of your own (client_id), and there is none.",
        key="client_id",
        service=service,
        help_url=way.app_register_url or None,
        hint=f"arcrun setup {service}",
    )


def ask(service: str, display_name: str, way: Method, scopes: Sequence[str], person: Person) -> App:
    """Walks a person through registering an app, and takes what the provider shows at the end."""
    assert way.oauth2 is not None
    person.say(f"{display_name} wants an OAuth app of your own. It is registered once:")
    for number, step in enumerate(way.app_guide, 1):
        person.say(_step(number, step, way, scopes))
    if way.app_register_url and not way.app_guide:
        person.say(f"  {way.app_register_url}")
        person.say(f"  Redirect URI: {redirect_uri(way.oauth2.redirect)}")
    typed = (person.ask("Client ID, or the path of the downloaded client file") or "").strip()
    if not typed:
        raise missing(service, way)
    if typed.startswith(("{", "~", "/", ".")) or typed.lower().endswith(".json"):
        return read_client_file(typed, service)
    secret = None
    if way.oauth2.client.auth != "none":
        optional = "" if way.oauth2.client.secret_required else " (empty if there is none)"
        given = (person.ask(f"Client secret{optional}", hidden=True) or "").strip()
        if given:
            secret = Secret(given)
        elif way.oauth2.client.secret_required:
            raise missing(service, way)
    return App(typed, secret)


def _step(number: int, step: GuideStep, way: Method, scopes: Sequence[str]) -> str:
    assert way.oauth2 is not None
    redirect = way.oauth2.redirect
    ports = redirect.ports if redirect.policy == "fixed_port" else (None,)
    uris = " ".join(redirect_uri(redirect, port) for port in ports)
    value = step.value.replace("{{redirect_uri}}", uris).replace("{{scopes}}", " ".join(scopes))
    lines = [f"  {number}. {step.text}", step.url and f"     {step.url}", value and f"     {value}"]
    return "\n".join(line for line in lines if line)


def read_client_file(text: str, service: str) -> App:
    """A downloaded client file: its path, or its content. AuthError says what is wrong with it."""
    import json

    content = text if text.lstrip().startswith("{") else _content(text, service)
    try:
        data = json.loads(content)
    except ValueError:
        raise AuthError("The client file is no JSON.", service=service) from None
    if not isinstance(data, dict):
        raise AuthError("The client file holds no client.", service=service)
    return _client_of(data, service)


def _client_of(data: Mapping[str, object], service: str) -> App:
    """The layout that Google's console downloads, which others have taken over."""
    if data.get("type") == "service_account":
        raise AuthError(
            "This is the key of a service account, not an OAuth client.",
            service=service,
            hint="create an OAuth client of the type Desktop app",
        )
    if "web" in data and "installed" not in data:
        raise AuthError(
            "This is a Web client: it takes only the redirect URIs registered for a web site.",
            service=service,
            hint="create another OAuth client, of the type Desktop app, and download that file",
        )
    client = data.get("installed", data)
    client_id = client.get("client_id") if isinstance(client, dict) else None
    if not isinstance(client_id, str) or not client_id:
        raise AuthError("The client file holds no client_id.", service=service)
    assert isinstance(client, dict)
    secret = client.get("client_secret")
    return App(client_id, Secret(secret) if isinstance(secret, str) and secret else None)


def _content(path: str, service: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read(MAX_FILE)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise AuthError(
            f"The client file {printable(path, 200)} cannot be read: {why}.",
            service=service,
            hint=f"arcrun setup {service} --client-file FILE",
        ) from None
