"""rclone: the logins in `rclone.conf`.

What it calls obscured is a password anybody can read, of services that take passwords: none of
those is taken in. An encrypted file stays closed; its password is not asked for.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from arcrun_auth.importers import aws, ini
from arcrun_auth.importers.logins import app_of, grant_of, rotating, without_app
from arcrun_auth.importers.model import Found, Importer, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.importers.ini import Section
    from arcrun_auth.importers.model import File, Where
    from arcrun_auth.importers.services import Services

_ENCRYPTED = "RCLONE_ENCRYPT_V"

SERVICES: dict[str, tuple[str, ...]] = {
    "box": ("box",),
    "drive": ("google_drive",),
    "dropbox": ("dropbox",),
    "google cloud storage": ("google_cloud_storage", "google_storage"),
    "google photos": ("google_photos",),
    "hidrive": ("hidrive",),
    "onedrive": ("onedrive", "microsoft_graph"),
    "pcloud": ("pcloud",),
    "putio": ("putio",),
    "sharefile": ("sharefile",),
    "yandex": ("yandex_disk",),
    "zoho": ("zoho_workdrive",),
}
"""For which of our services is a login of each type of remote? The first that there is."""

_SCOPE = "https://www.googleapis.com/auth/"
"""What stands before the names of scopes that a Drive remote has in its `scope`?"""


def _places(where: Where) -> list[str]:
    named = where.environ.get("RCLONE_CONFIG")
    if named:
        return [os.path.join(where.folder, named)]
    old = os.path.join(where.home, ".rclone.conf")
    return [os.path.join(where.config("rclone"), "rclone.conf"), old]


def _is_encrypted(file: File) -> bool:
    lines = (line.strip() for line in file.text.lstrip("\ufeff").split("\n"))
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return first.startswith(_ENCRYPTED)


def _fits(file: File) -> bool:
    return _is_encrypted(file) or any(s.get("type") for s in ini.sections(file.text))


def _read(file: File, services: Services, where: Where) -> Iterator[Found]:
    del where
    if _is_encrypted(file):
        yield Found(
            "rclone",
            file.path,
            "",
            "file",
            why_not="it is encrypted: its password is rclone's business",
            hint="log in anew: arcrun setup SERVICE; or rclone config encryption remove, first",
        )
        return
    for section in ini.sections(file.text):
        kind = section.get("type")
        if section.get("token") and kind:
            yield _login(file, section, kind, services)
        elif kind == "s3" and section.get("secret_access_key"):
            yield _key_pair(file, section, services)


def _login(file: File, section: Section, kind: str, services: Services) -> Found:
    at = f"[{section.name}] token"
    found = Found("rclone", file.path, at, "login", name=section.name)
    service = services.first(SERVICES.get(kind, ()))
    if not service:
        return _not(found, f"there is no recipe for {kind}")
    try:
        token = json.loads(section.get("token"))
    except (ValueError, RecursionError):
        token = None
    if not isinstance(token, dict):
        return _not(found, "its token is damaged", f"rclone config reconnect {section.name}:")
    app = app_of(section.values)
    if app is None:
        return without_app(found, service, "rclone")
    scopes = section.get("scope") if kind == "drive" else ""
    return Found(
        "rclone",
        file.path,
        at,
        "login",
        service=service,
        name=section.name,
        grant=grant_of(
            text_of(token, "access_token"),
            text_of(token, "refresh_token"),
            expires=token.get("expiry"),
            scopes=[_SCOPE + scope.strip() for scope in scopes.split(",") if scope.strip()],
        ),
        app=app,
        notices=rotating(services, service, "rclone"),
        cut=section.cut("token", "client_secret"),
        breaks=f"rclone cannot use {section.name}: until rclone config has set it up anew",
        file=file,
    )


def _key_pair(file: File, section: Section, services: Services) -> Found:
    found = Found("rclone", file.path, f"[{section.name}]", "key pair", name=section.name)
    provider = section.get("provider") or "AWS"
    # Without a provider, and with one, an endpoint of somebody else's says whose keys they are.
    is_aws = provider.lower() == "aws" and aws.is_own(section.get("endpoint"))
    service = services.account(aws.ACCOUNT) if is_aws else ""
    parts = {name: section.get(name) for name in ("access_key_id", "secret_access_key")}
    parts["session_token"] = section.get("session_token")
    method = services.keyed_way(service, "access_key_id") if service else ""
    secrets = services.secrets(service, method, parts) if method else None
    if secrets is None:
        kind = section.get("endpoint") if provider.lower() == "aws" and not is_aws else provider
        return _not(found, f"there is no recipe for {kind}")
    return Found(
        "rclone",
        file.path,
        found.at,
        "key pair",
        service=service,
        method=method,
        name=section.name,
        secrets=secrets,
        params=aws.params(services, service, method, section.get("region")),
        cut=section.cut(*parts),
        breaks=f"rclone cannot use {section.name}: until rclone config has set it up anew",
        file=file,
    )


def _not(found: Found, why: str, hint: str = "") -> Found:
    return replace(found, why_not=why, hint=hint)


IMPORTER = Importer("rclone", "rclone.conf", _places, _fits, _read)
