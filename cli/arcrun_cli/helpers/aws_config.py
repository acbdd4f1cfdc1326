"""The helper in AWS's configuration: the `credential_process` of a profile."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable
from arcrun_cli import programs
from arcrun_cli.helpers.edits import Edit, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SECTION = re.compile(r"\s*\[\s*(.*?)\s*\]")
_PROFILE_SECTION = re.compile(r"profile\s+(.*)")
_SETTING = re.compile(r"([A-Za-z0-9_]+)\s*[=:]\s*(.*?)\s*")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_OURS = re.compile(r"arcrun(?:-auth|_cli)?(?:\.exe)?\"? credential aws \S+")
# Which settings say that a profile gets its keys elsewhere?
_OTHERS = frozenset(
    {
        "aws_access_key_id", "credential_process", "credential_source", "login_session", "role_arn",
        "source_profile", "sso_session", "sso_start_url", "web_identity_token_file",
    }
)  # fmt: skip
# What a shell reads inside of double quotes. Some SDKs run the line by one, botocore by none.
_SPECIAL = re.compile(r'["$`]' if os.sep == "\\" else r'["$`\\]')
_PROFILE = re.compile(r"[A-Za-z0-9._@+-]{1,64}")


def file(environ: Mapping[str, str]) -> str:
    """The file that the SDKs read."""
    return os.path.expanduser(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")


def process(name: str) -> str:
    """The command for a connection, as the setting writes it down."""
    words = [*programs.executable(), "credential", "aws", name]
    programs.check_lines(words, "configuration")
    if any(map(_SPECIAL.search, words)):
        raise AuthError(
            f"The path {printable(words[0], 100)!r} has a character in it that shells read.",
            hint="install arcrun-auth in another folder",
        )
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def install(path: str, profile: str, command: str) -> Edit:
    """The file with `command` in a profile. AuthError where the profile has keys of its own."""
    if not _PROFILE.fullmatch(profile):
        raise AuthError("A profile's name is letters, digits and . _ @ + -, 64 at most.")
    before = read(path)
    text = _text(before)
    newline = "\r\n" if "\r\n" in text else "\n"
    header = "[default]" if profile == "default" else f"[profile {profile}]"
    line = f"credential_process = {command}"
    lines = _LINE.findall(text)
    found = [(at, key, value) for at, where, key, value in _settings(lines) if where == profile]
    ours = [at for at, _, value in found if _OURS.search(value)]
    for at, key, value in found:
        if key in _OTHERS and at not in ours:
            raise AuthError(
                f"The profile {profile!r} of {printable(path)} gets its keys by {key} already.",
                hint="choose another one: --profile NAME",
            )
        if at in ours and value == command:
            return Edit(path, before, before or b"", ())
    shown = [f"- {lines[at].strip()}" for at in ours]
    for at in reversed(ours):
        del lines[at]
    heads = [at for at, where in _heads(lines) if where == profile]
    if heads:
        at = heads[0]
        lines[at] = lines[at].rstrip("\r\n") + newline
        lines.insert(at + 1, line + newline)
        shown = [f"  {header}", *shown, f"+ {line}"]
    else:
        lines += [*_gap(lines, newline), header + newline, line + newline]
        shown = [f"+ {header}", f"+ {line}"]
    return Edit(path, before, _bytes("".join(lines)), tuple(shown))


def remove(path: str, profile: str | None = None) -> Edit:
    """The file without what we wrote, in one profile or in all; an empty profile goes too."""
    before = read(path)
    lines = _LINE.findall(_text(before))
    shown: list[str] = []
    for at, where, _, value in reversed(list(_settings(lines))):
        if _OURS.search(value) and profile in (None, where):
            shown = [f"  [{where}]", f"- {lines[at].strip()}", *shown]
            del lines[at]
            _drop_empty(lines, where)
    if not shown:
        return Edit(path, before, before or b"", ())
    return Edit(path, before, _bytes("".join(lines)), tuple(shown))


def _drop_empty(lines: list[str], profile: str) -> None:
    """The header of a profile in which nothing stands any more, and the line before it."""
    heads = list(_heads(lines))
    for number, (at, where) in enumerate(heads):
        end = heads[number + 1][0] if number + 1 < len(heads) else len(lines)
        if where == profile and not "".join(lines[at + 1 : end]).strip():
            start = at - 1 if at and not lines[at - 1].strip() else at
            del lines[start : at + 1]
            if not start and lines and not lines[0].strip():  # the gap before what is first now
                del lines[0]
            return


def _gap(lines: Sequence[str], newline: str) -> list[str]:
    """What keeps a new profile apart from what stands before it."""
    if not lines:
        return []
    return [newline] if lines[-1].endswith("\n") else [newline, newline]


def _heads(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Where each profile begins: the line, and its name."""
    for at, line in enumerate(lines):
        match = _SECTION.match(line)
        if match:
            named = _PROFILE_SECTION.fullmatch(match[1])
            yield at, (named[1] if named else match[1]).strip("\"'")


def _settings(lines: Sequence[str]) -> Iterator[tuple[int, str, str, str]]:
    """Every setting: its line, profile, name and value. An indented line belongs to the one
    above it, and is none of its own."""
    heads = dict(_heads(lines))
    profile = ""
    for at, line in enumerate(lines):
        profile = heads.get(at, profile)
        match = _SETTING.fullmatch(line.rstrip("\r\n"))
        if match:
            yield at, profile, match[1].lower(), match[2]


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
