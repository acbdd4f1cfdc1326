"""The AWS tools: the key pairs in `~/.aws/credentials` and `~/.aws/config`."""

from __future__ import annotations

import os
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from arcrun_auth.importers import ini
from arcrun_auth.importers.model import Found, Importer, Unreadable, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.importers.ini import Section
    from arcrun_auth.importers.model import File, Where
    from arcrun_auth.importers.services import Services

ACCOUNT = "aws"
_KEYS = {
    "access_key_id": ("aws_access_key_id",),
    "secret_access_key": ("aws_secret_access_key",),
    "session_token": ("aws_session_token", "aws_security_token"),
}
"""Each part of a key, and what it is called in these files."""

_TEMPORARY = "It is a temporary key: it ends by itself, within hours as a rule."
_GONE = (
    "the AWS tools have no key for this profile, until: "
    "arcrun credential install aws {name} --profile "
)

_DOMAINS = {
    "cn": "amazonaws.com.cn",
    "eusc": "amazonaws.eu",
    "us-iso": "c2s.ic.gov",
    "us-isob": "sc2s.sgov.gov",
    "eu-isoe": "cloud.adc-e.uk",
    "us-isof": "csp.hci.ic.gov",
}
"""By the beginning of a region's name, what stands behind it in the addresses if that is not
the usual domain."""
_ALL_DOMAINS = ("amazonaws.com", "api.aws", *_DOMAINS.values())


def _places(where: Where) -> list[str]:
    return [_path(where, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), _config(where)]


def _config(where: Where) -> str:
    return _path(where, "AWS_CONFIG_FILE", "config")


def _path(where: Where, variable: str, name: str) -> str:
    named = where.environ.get(variable, "")
    if named.startswith("~"):
        named = where.home + named[1:]
    return os.path.join(where.folder, named) if named else os.path.join(where.home, ".aws", name)


def _fits(file: File) -> bool:
    return any("aws_access_key_id" in section.values for section in ini.sections(file.text))


def _read(file: File, services: Services, where: Where) -> Iterator[Found]:
    configured = _profiles(where)
    for section in ini.sections(file.text):
        profile = _profile(section)
        if section.get("aws_access_key_id") and section.get("aws_secret_access_key"):
            more = configured.get(profile, section)
            endpoint = section.get("endpoint_url") or more.get("endpoint_url")
            if is_own(endpoint):
                region = section.get("region") or more.get("region")
                yield _found(file, section, profile, region, services)
            else:
                why = f"its keys are for {endpoint}, and there is no recipe for that"
                yield Found("aws", file.path, f"[{section.name}]", "key pair", why_not=why)


def _found(file: File, section: Section, profile: str, region: str, services: Services) -> Found:
    at = f"[{section.name}]"
    service = services.account(ACCOUNT)
    method = services.keyed_way(service, "access_key_id") if service else ""
    parts = {
        part: next((section.get(name) for name in names if section.get(name)), "")
        for part, names in _KEYS.items()
    }
    secrets = services.secrets(service, method, parts) if method else None
    if secrets is None:
        return Found("aws", file.path, at, "key pair", why_not="there is no recipe for AWS")
    return Found(
        "aws",
        file.path,
        at,
        "key pair",
        service=service,
        method=method,
        name=profile,
        secrets=secrets,
        params=params(services, service, method, region),
        notices=(_TEMPORARY,) if parts["session_token"] else (),
        cut=section.cut(*(name for names in _KEYS.values() for name in names)),
        breaks=_GONE + quote(profile),
        file=file,
    )


def params(services: Services, service: str, method: str, region: str) -> dict[str, str]:
    """What the recipe asks for of a region: its name, and the domain of its partition."""
    head, _, more = region.partition("-")
    domain = _DOMAINS.get(f"{head}-{more.partition('-')[0]}") or _DOMAINS.get(head, "")
    asked = services.way(service, method).params
    return {
        name: value
        for name, value in (("region", region), ("domain", domain))
        if value and name in asked and asked[name].source == "user"
    }


def is_own(endpoint: str) -> bool:
    """Whether keys for this endpoint are AWS's: many others speak its protocol.

    >>> is_own(""), is_own("https://s3.eu-west-1.amazonaws.com"), is_own("http://minio:9000")
    (True, True, False)
    """
    try:
        host = urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname or ""
    except ValueError:  # no address at all
        return False
    return not endpoint or f".{host}".endswith(tuple(f".{name}" for name in _ALL_DOMAINS))


def _profile(section: Section) -> str:
    return section.name.removeprefix("profile ").strip()


def _profiles(where: Where) -> dict[str, Section]:
    """What the configuration says of each profile."""
    try:
        file = read_file(_config(where))
    except Unreadable:
        return {}
    return {_profile(each): each for each in (ini.sections(file.text) if file is not None else ())}


IMPORTER = Importer("aws", "the AWS tools", _places, _fits, _read)
