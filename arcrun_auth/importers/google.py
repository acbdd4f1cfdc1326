"""Logins that Google's tools and libraries leave behind: gcloud's, and `token.json`.

A pickle is only recognised. To unpickle one runs whatever program its author put in.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from shlex import quote
from typing import TYPE_CHECKING, Any

from arcrun_auth.importers.logins import app_of, grant_of, rotating
from arcrun_auth.importers.model import Found, Importer, document, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from arcrun_auth.importers.model import File, Where
    from arcrun_auth.importers.services import Services

TOKEN_ENDPOINTS = (
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v3/token",
    "https://www.googleapis.com/oauth2/v4/token",
)
"""Where has the token endpoint stood? The first is where it stands."""

GCLOUD = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"
"""The app of gcloud's own that its application default credentials belong to."""

_PICKLE = re.compile(r"\A(?:[\x80\udc80][\x02-\x05]|c[\w.]+\n\w+\n|\((?:dp|lp|i))")
"""How does a pickle begin? By its protocol from 2 on; before, by the opcodes of an object."""
_NO_JSON = "it holds no login of a person"


def _gcloud_places(where: Where) -> list[str]:
    folder = where.environ.get("CLOUDSDK_CONFIG") or where.config("gcloud")
    named = where.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    usual = os.path.join(folder, "application_default_credentials.json")
    return [os.path.join(where.folder, named), usual] if named else [usual]


def _is_adc(file: File) -> bool:
    data = document(file)
    return data is not None and "type" in data and text_of(data, "type") != ""


def _read_adc(file: File, services: Services, where: Where) -> Iterator[Found]:
    del where
    data = document(file) or {}
    kind = text_of(data, "type")
    if kind == "authorized_user":
        yield from _logins("gcloud", file, data, services, breaks=_ADC_GONE)
        return
    reason = _MACHINES.get(kind, _NO_JSON)
    hint = f"arcrun setup SERVICE --service-account {quote(file.path)}" * (kind in _MACHINES)
    yield Found("gcloud", file.path, "", "login", why_not=reason, hint=hint)


_MACHINES = {
    "service_account": "it is the key of a service account, not a login",
    "external_account": "there is no secret in it: it only names where one comes from",
    "impersonated_service_account": "it is a login as a service account",
}
"""What a machine identifies itself by. For which service, only its owner can say."""


_ADC_GONE = (
    "Google's libraries find no default credentials, until: gcloud auth application-default login"
)


def _token_places(where: Where) -> list[str]:
    names = ("token.json", "token.pickle")
    shared = os.path.join(where.config("gspread"), "authorized_user.json")
    return [*(os.path.join(where.folder, name) for name in names), shared]


def _is_token(file: File) -> bool:
    data = document(file)
    named = data is not None and "refresh_token" in data and "client_id" in data
    return named or _is_pickle(file)


def _is_pickle(file: File) -> bool:
    if file.path.endswith((".pickle", ".pkl")):
        return True
    return _PICKLE.match(file.text[:200]) is not None and document(file) is None


def _read_token(file: File, services: Services, where: Where) -> Iterator[Found]:
    del where
    if _is_pickle(file):
        yield Found(
            "token",
            file.path,
            "",
            "login",
            why_not="it is a pickle, a program that runs when it is read: it was not read",
            hint="log in anew: arcrun setup SERVICE; then delete the file",
        )
        return
    yield from _logins("token", file, document(file) or {}, services, breaks=_SCRIPT)


_SCRIPT = "the script that wrote it asks for a login at its next run"


def _logins(
    source: str, file: File, data: Mapping[str, Any], services: Services, *, breaks: str
) -> Iterator[Found]:
    """The login, once for each service that its scopes are for."""
    app = app_of(data)
    refresh = text_of(data, "refresh_token")
    endpoint = text_of(data, "token_uri") or TOKEN_ENDPOINTS[0]
    endpoint = TOKEN_ENDPOINTS[0] if endpoint in TOKEN_ENDPOINTS else endpoint
    base = Found(source, file.path, "", "login", token_endpoint=endpoint)
    if app is None or not refresh:
        yield replace(base, why_not=_NO_JSON)
        return
    # oauth2client, which google-auth took the place of, called them otherwise.
    access = text_of(data, "token") or text_of(data, "access_token")
    scopes = tuple(_scopes(data))
    grant = grant_of(
        access, refresh, expires=data.get("expiry") or data.get("token_expiry"), scopes=scopes
    )
    known = replace(
        base,
        grant=grant,
        app=app,
        whole=True,
        file=file,
        breaks=breaks,
        name="gcloud" if app.client_id == GCLOUD else "",
        foreign_app="gcloud" if app.client_id == GCLOUD else "",
    )
    services_of = services.by_login(endpoint, scopes)
    if any(map(services.rotates, services_of)):
        services_of = services_of[:1]  # a second one would renew with what the first has used up
    if not services_of:
        told = f"none is for its scopes ({' '.join(map(_short, scopes))})" if scopes else _UNTOLD
        yield replace(known, why_not=f"which service it is for is not known: {told}", hint=_AS)
    for service in services_of:
        at = "" if len(services_of) == 1 else f"for {service}"
        notices = rotating(services, service, "the program that wrote it")
        yield replace(known, service=service, at=at, notices=notices)


_UNTOLD = "it does not say what it may be used for"
_AS = "name it: --as SERVICE@INSTANCE"


def _scopes(data: Mapping[str, Any]) -> Iterable[str]:
    listed = data.get("scopes")
    if isinstance(listed, str):
        return listed.split()
    return [scope for scope in listed if isinstance(scope, str)] if isinstance(listed, list) else []


def _short(scope: str) -> str:
    return scope.rpartition("/")[2] or scope


GCLOUD_IMPORTER = Importer(
    "gcloud", "gcloud's application default credentials", _gcloud_places, _is_adc, _read_adc
)
TOKEN_IMPORTER = Importer(
    "token", "token.json of Google's libraries", _token_places, _is_token, _read_token
)
