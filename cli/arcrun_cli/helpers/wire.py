"""The formats of the credential helpers, to the letter. Pure: bytes in, values out, and back.

A line break in a value ends its line, and what follows is a field of its own: so a host of one
server got the password of another (CVE-2020-5260, CVE-2020-11008; with a carriage return
CVE-2024-50338). Here no value that is read or written has a CR, LF or NUL in it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.hosts import parse_origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.hosts import Origin
    from arcrun_auth.tokens import Token

MAX_BYTES = 1 << 16
"""How long may a request be? The longest of git carries some challenges of a server."""

_BREAK = re.compile(r"[\r\n\0]")
# As it stands in a URL, and nothing around it: what strips white space finds another host.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_SERVER = re.compile(r"(?:(https?)://)?([^/@?#\\]+)(?:/[^?#\\]*)?")

NOT_FOUND = "credentials not found in native keychain"
"""What Docker's client library takes for "go on without": it compares the text."""
NO_SERVER = "no credentials server URL"
OWN_NAMES = {"index.docker.io": "https://index.docker.io/v1/"}
"""Which registry goes by another name than its host there? docker's default one."""


def checked(name: str, value: str) -> str:
    """`value` if it can stand in an answer. AuthError, which does not repeat it, if not."""
    if not value or _BREAK.search(value):
        raise AuthError(
            f"The {name} is empty, or has a line break or a NUL in it: it was not handed out."
        )
    return value


def origin(scheme: str, host: str) -> Origin | None:
    """Scheme, host and port of what is asked for; None where it is no host of http or https.

    >>> origin("https", "Git.example:8443")
    ('https', 'git.example', 8443)
    >>> origin("https", "") is None
    True
    """
    if scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return None
    try:
        return parse_origin(f"{scheme}://{host}")
    except ValueError:
        return None


# -- git: gitcredentials(7), git-credential(1) ---------------------------------------------


def git_request(data: bytes) -> dict[str, str]:
    """The fields of a request. AuthError where a field could be mistaken for another one.

    >>> git_request(b"protocol=https\\nhost=git.example\\n")
    {'protocol': 'https', 'host': 'git.example'}
    """
    if len(data) > MAX_BYTES:
        raise AuthError("git has sent more than a request for a credential has.")
    if b"\r" in data or b"\0" in data:
        raise AuthError(
            "What git has sent has a carriage return or a NUL in it: it was not answered.",
            hint="look at the address of the repository: git remote -v; a submodule has one too",
        )
    fields: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").removesuffix("\n").split("\n"):
        if not line:
            break
        name, equals, value = line.partition("=")
        if not equals or not name:
            raise AuthError("What git has sent is no request for a credential: no name=value.")
        # `wwwauth[]` and its like may come several times; of anything else one value counts,
        # and which one is not for us to guess.
        if not name.endswith("[]") and fields.setdefault(name, value) != value:
            raise AuthError("What git has sent has a field twice: it was not answered.")
    return fields


def git_answer(username: str, password: str, expires: float | None) -> bytes:
    """User and password as git reads them: every git does. Times are epoch seconds."""
    lines = [
        f"username={checked('user', username)}",
        f"password={checked('token', password)}",
    ]
    if expires is not None:  # since git 2.41; older ones pass over it
        lines.append(f"password_expiry_utc={int(expires)}")
    return "".join(f"{line}\n" for line in lines).encode()


# -- docker: github.com/docker/docker-credential-helpers -----------------------------------


def docker_server(data: bytes) -> str:
    """The server that docker asks about, as it wrote it. AuthError where it is none.

    >>> docker_server(b"ghcr.io\\n")
    'ghcr.io'
    """
    if len(data) > MAX_BYTES:
        raise AuthError("docker has sent more than the address of a registry.")
    text = data.decode("utf-8", "replace").removesuffix("\n")
    if not text:
        raise AuthError(NO_SERVER)
    if _BREAK.search(text):
        raise AuthError("The address of the registry has a line break or a NUL in it.")
    return text


def docker_origin(server: str) -> Origin | None:
    """Its scheme, host and port: `ghcr.io`, or a whole URL, whose path does not count.

    >>> docker_origin("https://index.docker.io/v1/")
    ('https', 'index.docker.io', 443)
    """
    match = _SERVER.fullmatch(server)
    return origin(match[1] or "https", match[2]) if match else None


def docker_name(host: str) -> str:
    """What docker calls a registry where it asks for it: its host, but for the default one."""
    return OWN_NAMES.get(host, host)


def docker_answer(server: str, username: str, secret: str) -> str:
    """User and password as docker reads them."""
    return _json(
        {
            "ServerURL": checked("server", server),
            "Username": checked("user", username),
            "Secret": checked("token", secret),
        }
    )


def docker_list(users: Mapping[str, str]) -> str:
    """Which user each registry has."""
    return _json(users)


# -- AWS: the setting `credential_process` of its configuration files ----------------------


def aws_answer(name: str, token: Token) -> str:
    """The keys of a token as version 1 of that format. AuthError where it has none."""
    secrets = token.secrets
    answer: dict[str, str | int] = {"Version": 1}
    for field, key, needed in (
        ("AccessKeyId", "access_key_id", True),
        ("SecretAccessKey", "secret_access_key", True),
        ("SessionToken", "session_token", False),
    ):
        secret = secrets.get(key)
        if secret is not None:
            answer[field] = checked(key, secret.reveal())
        elif needed:
            raise AuthError(
                f"{name} has no {key}: it is no connection that signs for AWS.",
                hint="arcrun list",
            )
    if token.expires is not None:
        from datetime import UTC, datetime

        end = datetime.fromtimestamp(int(token.expires), UTC)
        answer["Expiration"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    return _json(answer)


def _json(data: Mapping[str, str | int]) -> str:
    return json.dumps(data)
