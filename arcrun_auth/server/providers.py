"""Who signs people in here, and which OAuth apps are shared: `server.toml`, read by the server.

All of it is data. A secret stands in a file of its own, which the configuration names.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.hosts import parse_origin
from arcrun_auth.stores.apps import read_text
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "server.toml"
"""How is the file called in the server's data folder?"""
VARIABLE = "ARCRUN_SERVER_CONFIG"
"""Which variable names another place for it?"""

Url = Annotated[str, Meta(pattern=r"^https?://[^\s\"'<>\\^`{|}]+$", max_length=2000)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]


class SignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who says who a person is: an OpenID issuer, or an OAuth 2.0 server that tells at
    its userinfo endpoint."""

    title: Text
    client_id: Text
    client_secret_file: Text = ""
    auth: Literal["post", "basic", "none"] = "post"
    """How our client proves itself there: RFC 6749 §2.3.1."""
    issuer: Url | Literal[""] = ""
    """An OpenID issuer: its own document names the rest."""
    authorization_endpoint: Url | Literal[""] = ""
    token_endpoint: Url | Literal[""] = ""
    userinfo_endpoint: Url | Literal[""] = ""
    scopes: tuple[Text, ...] = ()
    subject: Text = "sub"
    """Where in the answer stands who it is: an id that is never given to somebody else."""
    name: Text = "name"
    email: Text = "email"
    picture: Text = "picture || avatar_url"

    @property
    def asked(self) -> tuple[str, ...]:
        """The scopes of a login; an issuer tells who it is only for `openid`."""
        return self.scopes or (("openid", "email", "profile") if self.issuer else ())


class SharedApp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OAuth app of the server's admin, for the people who log in to one service."""

    client_id: Text
    client_secret_file: Text = ""
    scopes: tuple[Text, ...] = ()
    """What a login may ask for; nothing else if none is named than a login without any."""
    without_account: bool = False
    """Whether somebody without an account here may use it."""
    method: str = ""
    """Which way in of the recipe, if not its first one by a login."""
    params: dict[str, str] = {}
    """What its addresses need."""


class Providers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of the file."""

    signin: dict[Name, SignIn] = {}
    apps: dict[Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,64}$")], SharedApp] = {}
    allow_hosts: tuple[str, ...] = ()
    """Exact origins that the server may talk to though they are private, or plain http."""


def find(folder: str, environ: Mapping[str, str] = os.environ) -> Providers:
    """What the admin has written; nothing where there is no file. AuthError for a bad one."""
    named = environ.get(VARIABLE, "")
    path = named or os.path.join(folder, FILE)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        if named:
            raise AuthError(f"{VARIABLE} names a file that is not there.") from None
        return Providers()
    except OSError as error:
        raise AuthError(f"{path} cannot be read: {error.strerror}.") from None
    return read(text, path)


def read(text: bytes, path: str) -> Providers:
    """The configuration in the text of a file. Nothing of its values is in an error."""
    try:
        data = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise AuthError(f"{path} is no TOML.", hint=f"mend {path}") from None
    _check_clear(data, path)
    try:
        found = msgspec.convert(data, Providers)
        for origin in found.allow_hosts:
            parse_origin(origin)
    except msgspec.ValidationError as error:
        raise AuthError(f"{path}: {printable(str(error), 300)}.", hint=f"mend {path}") from None
    except ValueError as error:
        raise AuthError(f"{path}: allow_hosts: {error}.", hint=f"mend {path}") from None
    for name, each in found.signin.items():
        _check_signin(each, f"{path}: signin.{name}")
    return found


def _check_clear(data: Mapping[str, object], path: str) -> None:
    for group in ("signin", "apps"):
        tables = data.get(group)
        for name, table in tables.items() if isinstance(tables, dict) else ():
            if isinstance(table, dict) and "client_secret" in table:
                raise AuthError(
                    f"{path}: {group}.{name} holds a client_secret in clear. It was not used.",
                    hint="write it into a file that only the server can read, name that file as "
                    "client_secret_file, and give the app a new secret",
                )


def _check_signin(each: SignIn, where: str) -> None:
    if each.issuer:
        return
    lacking = [
        name
        for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
        if not getattr(each, name)
    ]
    if lacking:
        raise AuthError(f"{where} names neither an issuer nor its {lacking[0]}.")


def secret_of(entry: SignIn | SharedApp, name: str) -> Secret | None:
    """The client secret of an entry, out of its file; None for a public client."""
    if not entry.client_secret_file:
        return None
    return Secret(read_text(entry.client_secret_file, "client secret", name).strip())
