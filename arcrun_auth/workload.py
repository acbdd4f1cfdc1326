"""The token by which a workload proves itself to a service: from a file, a URL, or a program.

Where it comes from says a document of the user's own (AIP-4117, "external account"). It is
read anew at each use: platforms replace it every few minutes.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from arcrun_auth import programs
from arcrun_auth.errors import (
    AuthError,
    HostNotAllowed,
    PolicyRefused,
    ProviderUnavailable,
    TokenRefused,
    printable,
)
from arcrun_auth.members import parsed
from arcrun_auth.primitives.documents import account_in
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_FILE = 64 * 1024
"""How many bytes may a file with a token have?"""
PROGRAM_SECONDS = 30.0
"""How long may a program take that says nothing of it?"""
PROGRAM_LIMITS = (5.0, 120.0)
"""How long may it take at least and at most, whatever it says?"""
VERSION = 1
"""Which version of a program's answer do we read?"""

_ID_TOKENS = ("urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:jwt")
_SAML = "urn:ietf:params:oauth:token-type:saml2"
_OTHERS = {
    "certificate": "by a client certificate",
    "environment_id": "by a signed request to another cloud",
}


class Place:
    """Where this runs, and what the user allows here.

    `allow` are the origins that may be private or plain http, `executables` is whether programs
    may be started; `prefix` begins the names of the variables that tell them what is wanted.
    """

    __slots__ = ("allow", "environ", "executables", "now", "prefix")

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        now: float,
        allow: Sequence[str] = (),
        executables: bool = False,
        prefix: str = "",
    ) -> None:
        self.environ = environ
        self.now = now
        self.allow = allow
        self.executables = executables
        self.prefix = prefix


def subject_token(document: Mapping[str, Any], place: Place) -> Secret:
    """The token that the document says how to get.

    AuthError where the document or what it points at is wrong, PolicyRefused for a program
    that nobody allowed, HostNotAllowed, ProviderUnavailable, and TokenRefused where a program
    says that there is none.
    """
    source = document.get("credential_source")
    if not isinstance(source, dict):
        raise AuthError("The document does not say where the workload's token is.")
    for name, how in _OTHERS.items():
        if name in source:
            raise AuthError(f"A workload that proves itself {how} is not supported.")
    ways = [name for name in ("file", "url", "executable") if name in source]
    if len(ways) != 1:
        raise AuthError("The document names none, or several, of: file, url, executable.")
    if ways == ["executable"]:
        return _printed(document, _table(source, "executable"), place)
    content = _in_file(source) if ways == ["file"] else _at_url(source, place)
    return _token(content, source)


# -- a file, a URL -----------------------------------------------------------------------


def _in_file(source: Mapping[str, Any]) -> str:
    path = _text(source, "file")
    found = read_small(path)
    if found is None:
        raise AuthError(
            f"The file with the workload's token is not there: {printable(path)}.",
            hint="look whether the platform mounts it here, and under which path",
        )
    return found


def read_small(path: str) -> str | None:
    """The text of a small file; None where there is none. AuthError where it cannot be read."""
    import stat

    try:
        # A pipe or a device could keep us waiting for good.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(file, "rb") as stream:
            regular = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            data = stream.read(MAX_FILE + 1) if regular else b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no path"
        raise AuthError(f"{printable(path)} cannot be read: {why}.") from None
    if not regular or len(data) > MAX_FILE:
        raise AuthError(f"{printable(path)} is no file of at most {MAX_FILE // 1024} KB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise AuthError(f"{printable(path)} is no text.") from None


def _at_url(source: Mapping[str, Any], place: Place) -> str:
    """What stands at the URL. Nothing of ours goes there: only what the document says itself."""
    from arcrun_auth._http import send_token
    from arcrun_auth.hosts import Fence
    from arcrun_auth.oauth.call import TokenCall

    url, headers = _text(source, "url"), source.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise AuthError("The headers in the document are no texts.")
    call = TokenCall(
        url,
        method="GET",
        headers=headers,
        content=None,
        secrets=tuple(Secret(value) for value in headers.values()),
    )
    try:
        guard = Fence([urlsplit(url).netloc], place.allow)
    except ValueError:
        raise AuthError("The URL of the workload's token is none.") from None
    host = printable(urlsplit(url).hostname or "", 253)
    try:
        answer = send_token(call, guard=guard)
    except HostNotAllowed as error:
        error.hint = error.hint or _allowing(url)
        raise
    if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004 - RFC 9110 §15, RFC 6585 §4
        raise ProviderUnavailable(f"{host} answered {answer.status}.", status=answer.status)
    if answer.status != 200:  # noqa: PLR2004
        raise AuthError(
            f"{host} gave no token for this workload: it answered {answer.status}.",
            hint="look at the address and the headers in the document",
        )
    return answer.body.decode(errors="replace")


def _allowing(url: str) -> str:
    """What lets a platform's own address be asked: many have theirs on a private one."""
    parts = urlsplit(url)
    origin = printable(f"{parts.scheme}://{parts.netloc}", 300)
    return f"if it is your platform's own address: export ARCRUN_ALLOW_HOSTS={origin}"


def _token(content: str, source: Mapping[str, Any]) -> Secret:
    """The token in what was read: all of it, or a member of a JSON object."""
    form = _table(source, "format") if source.get("format") else {}
    kind = form.get("type", "text")
    found: object = content.strip()
    if kind == "json":
        name = _text(form, "subject_token_field_name")
        data = parsed(content)
        if data is None:
            raise AuthError("Where the workload's token should be is no JSON object.")
        found = data.get(name)
    elif kind != "text":
        raise AuthError(f"The document names an unknown format: {printable(str(kind), 40)}.")
    if not isinstance(found, str) or not found:
        raise AuthError("Where the workload's token should be is none.")
    return Secret(found)


# -- a program ---------------------------------------------------------------------------


def _printed(document: Mapping[str, Any], table: Mapping[str, Any], place: Place) -> Secret:
    if not place.executables:
        raise PolicyRefused(
            "The document wants a program started for the workload's token, and you have not "
            "allowed that. Nothing was started.",
            rule="allow_executables",
            hint="if the program is yours: export ARCRUN_ALLOW_EXECUTABLES=1",
        )
    command, kept = _text(table, "command"), table.get("output_file")
    if kept is not None:
        earlier = _earlier(_text(table, "output_file"), place.now)
        if earlier is not None:
            return earlier
    try:
        argv = shlex.split(command, posix=os.name != "nt")
    except ValueError:
        argv = []
    if not argv:
        raise AuthError("The document names no program to start.")
    name = printable(os.path.basename(argv[0]), 80)
    try:
        output = programs.output_of(
            argv, environ=_told(document, table, place), seconds=_limit(table)
        )
    except programs.Failed as error:
        raise ProviderUnavailable(f"The program {name} {error}.") from None
    answer = parsed(output.decode(errors="replace"))
    if answer is None and kept is not None:
        answer = parsed(read_small(_text(table, "output_file")) or "")
    if answer is None:
        raise ProviderUnavailable(f"The program {name} printed no JSON object.")
    return _answered(answer, name, place.now)


def _limit(table: Mapping[str, Any]) -> float:
    given = table.get("timeout_millis")
    if given is None:
        return PROGRAM_SECONDS
    least, most = PROGRAM_LIMITS
    if (
        isinstance(given, bool)
        or not isinstance(given, int)
        or not least * 1000 <= given <= most * 1000
    ):
        raise AuthError(f"timeout_millis of the program is not from {least:g} to {most:g} seconds.")
    return given / 1000


def _told(document: Mapping[str, Any], table: Mapping[str, Any], place: Place) -> Mapping[str, str]:
    """What the program is told of what is wanted, by its environment."""
    told = {
        "AUDIENCE": document.get("audience"),
        "TOKEN_TYPE": document.get("subject_token_type"),
        "IMPERSONATED_EMAIL": account_in(document),
        "OUTPUT_FILE": table.get("output_file"),
        "INTERACTIVE": "0",
        "REVOKE": "0",
    }
    named = {place.prefix + name: str(value) for name, value in told.items() if value}
    return {**place.environ, **named}


def _earlier(path: str, now: float) -> Secret | None:
    """What the program left in its file the last time, where that holds on."""
    answer = parsed(read_small(path) or "")
    if answer is None or answer.get("success") is not True or "expiration_time" not in answer:
        return None
    return None if _over(answer, now) else _answered(answer, path, now)


def _over(answer: Mapping[str, Any], now: float) -> bool:
    end = answer.get("expiration_time")
    return end is not None and not (isinstance(end, int | float) and end > now)


def _answered(answer: Mapping[str, Any], name: str, now: float) -> Secret:
    version = answer.get("version")
    if not isinstance(version, int) or not 0 < version <= VERSION:
        raise AuthError(f"The answer of {name} has no version that is known here.")
    if answer.get("success") is not True:
        code, why = (printable(str(answer.get(k, "")), 200) for k in ("code", "message"))
        raise TokenRefused(
            f"{name} gave no token: {code or 'no code'} ({why or 'no reason'}).",
            error=code or "no_token",
            description=why,
        )
    if _over(answer, now):
        raise ProviderUnavailable(f"{name} gave a token that has ended already.")
    kind = answer.get("token_type")
    member = "saml_response" if kind == _SAML else "id_token" if kind in _ID_TOKENS else ""
    found = answer.get(member)
    if not isinstance(found, str) or not found:
        raise AuthError(f"The answer of {name} holds no token of a kind that is known here.")
    return Secret(found)


# -- pieces of a document ------------------------------------------------------------------


def _table(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data[name]
    if not isinstance(found, dict):
        raise AuthError(f"{name!r} in the document is no object.")
    return found


def _text(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name)
    if not isinstance(found, str) or not found:
        raise AuthError(f"{name!r} in the document is no text.")
    return found
