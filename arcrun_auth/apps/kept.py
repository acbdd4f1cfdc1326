"""The app of a service, out of the store and back into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import MissingSecret, StoreConflict
from arcrun_auth.oauth.app import App
from arcrun_auth.tokens import DEFAULT_INSTANCE, Credential, Key

if TYPE_CHECKING:
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Secret


REGISTERED = "registration_endpoint"
"""By which of its endpoints is the server known that a client registered itself at?"""


def key_of(service: str, way: Method, instance: str = DEFAULT_INSTANCE) -> Key:
    """Under which name the app is kept: services of one family share it.

    An `instance` may have one of its own: a grant works only with the client that got it.
    """
    assert way.oauth2 is not None
    return Key("app", way.oauth2.client.app or service, instance)


def key_for(
    store: Store, service: str, way: Method, instance: str = DEFAULT_INSTANCE, server: str = ""
) -> Key:
    """Which record is the app of this instance: its own, else that of the family.

    Where clients register themselves, at `server`, neither may be of another one: what is left
    is the client that registered there, if there is one yet.
    """
    family = key_of(service, way)
    for key in (key_of(service, way, instance), family):
        record = store.get(key)
        if record is not None and (not server or _is_of(record, server)):
            return key
    return _key_at(family, server) if server else family


def _key_at(key: Key, server: str) -> Key:
    """Under which name a client is kept that registered itself at a second server."""
    from hashlib import sha256

    return Key("app", key.account, f"at-{sha256(server.encode()).hexdigest()[:16]}")


def _is_of(record: Credential | None, server: str) -> bool:
    """Whether an app may be shown to `server`: a registered one only to where it registered.

    RFC 7591 §5: its secret is shared with that server, and with no other. What a person gave
    is theirs to place.
    """
    return record is not None and record.endpoints.get(REGISTERED, server) == server


def stored(
    store: Store, service: str, way: Method, server: str = "", *, instance: str = DEFAULT_INSTANCE
) -> App | None:
    """The app out of store, config.toml or environment; None if there is none, or half of one.

    `server` is the registration endpoint, where clients register themselves.
    """
    record = store.get(key_for(store, service, way, instance, server))
    if record is None:
        return None
    app = app_of(record)
    return app if app.client_id and not lacking(app, way) else None


def registration(
    store: Store, service: str, way: Method, server: str, *, instance: str = DEFAULT_INSTANCE
) -> Credential | None:
    """The record of the client that registered itself at `server`; None where another is used:
    what a person gave is theirs to replace."""
    key = key_for(store, service, way, instance, server)
    primary: Store = getattr(store, "primary", store)
    used, own = store.get(key), primary.get(key)
    if used is None or own is None or own.endpoints.get(REGISTERED) != server:
        return None
    same = used.secrets.get("client_id") == own.secrets.get("client_id")
    return own if same else None


def app_of(record: Credential) -> App:
    """What a record holds of an app. Its client id is empty if that is not in it."""
    return App.of(record.secrets)


def proof_of(way: Method) -> str:
    """Which secret of the app proves it to this provider; empty for a public client."""
    assert way.oauth2 is not None
    return {"none": "", "private_key_jwt": "private_key", "tls_client_auth": "certificate"}.get(
        way.oauth2.client.auth, "client_secret"
    )


def lacking(app: App, way: Method) -> str:
    """The first secret that the provider demands and the app does not have; or nothing."""
    assert way.oauth2 is not None
    proof = proof_of(way)
    wanted = [proof] if proof else []
    if proof == "client_secret" and not way.oauth2.client.secret_required:
        wanted = []
    if proof == "certificate":
        wanted.append("private_key")
    return next((name for name in wanted if getattr(app, name) is None), "")


def keep(
    store: Store,
    service: str,
    way: Method,
    app: App,
    *,
    ends: float | None = None,
    manage: Secret | None = None,
    server: str = "",
    instance: str = DEFAULT_INSTANCE,
) -> Key:
    """Saves the app for every service of its family; the key that it has then.

    `ends`: when its secret does; `manage`: the token that manages a client which registered
    itself (RFC 7591 §3.2.1), `server`: where; `instance`: the only one that it is for, if it is
    not the default one.
    """
    # What it was given is kept, though the environment may stand over it today.
    primary: Store = getattr(store, "primary", store)
    key = key_of(service, way, instance)
    if server and primary.get(key) is not None and not _is_of(primary.get(key), server):
        key = _key_at(key, server)
    endpoints = {REGISTERED: server} if server else {}
    while True:
        held = primary.get(key)
        created, generation = (held.created, held.generation) if held else (0.0, 0)
        from arcrun_auth.stores.apps import secrets_of

        secrets = secrets_of(app)
        if manage is not None:
            secrets = {**secrets, "registration_access_token": manage}
        record = Credential(key, created=created, secrets=secrets, ends=ends, endpoints=endpoints)
        try:
            primary.put(record, expect=generation)
        except StoreConflict:  # somebody else keeps one at the same time: the later word counts
            continue
        return key


def forget(store: Store, key: Key) -> bool:
    """Deletes the app that was saved under `key`. Whether there was one."""
    from arcrun_auth.sync import removed

    primary: Store = getattr(store, "primary", store)
    while True:
        held = primary.get(key)
        if held is None:
            return False
        removed.note(primary, held)
        try:
            primary.delete(key, expect=held.generation)
        except StoreConflict:
            continue
        return True


def keys(store: Store, name: str, instance: str = DEFAULT_INSTANCE) -> list[Key]:
    """Where the app of that name is stored: of one that registers itself, for each server.

    What an instance has for itself is named by that instance alone.
    """
    wanted = Key("app", name, instance)
    return [
        key
        for key in store.keys()
        if key == wanted
        or (
            (key.kind, key.account, instance) == ("app", name, DEFAULT_INSTANCE)
            and (record := store.get(key)) is not None
            and REGISTERED in record.endpoints
        )
    ]


def missing(service: str, way: Method, part: str = "client_id") -> MissingSecret:
    """What to raise where there is no app, or where it lacks a part, and nobody is to be asked."""
    what = f"{service} needs an OAuth app of your own (client_id), and there is none."
    if part != "client_id":
        what = f"The provider of {service} demands the {part} of your OAuth app, and there is none."
    return MissingSecret(
        what,
        key=part,
        service=service,
        help_url=way.app_register_url or None,
        hint=f"arcrun app add {key_of(service, way).account}",
    )
