"""The helper in git's configuration: `credential.https://HOST.helper`, written by git itself.

Before our value stands an empty one, which takes out the helpers named before (gitcredentials(7)):
they would be asked first, and git would hand them every token of ours to keep.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, printable
from arcrun_auth.programs import without_ours
from arcrun_cli import programs
from arcrun_cli.helpers.edits import Edit, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_OURS = re.compile(
    r"git-credential-arcrun\b|\barcrun(?:-auth|_cli)?(?:\.exe)?['\"]? credential git\b"
)
# Words that a shell takes as they are: such a value needs no mark that it is for a shell.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,=-]+")

PATIENCE = 30
"""After how many seconds do we take git for hung?"""


def helper(instance: str | None = None) -> str:
    """What git runs, as its configuration writes it down."""
    script = programs.beside("git-credential-arcrun")
    words = [script] if script else [*programs.executable(), "credential", "git"]
    if instance is not None:
        words += ["--instance", instance]
    programs.check_lines(words, "configuration")
    words[0] = words[0].replace(os.sep, "/")
    if all(map(_PLAIN.fullmatch, words)):
        return " ".join(words)
    return "!" + shlex.join(words)


def key(host: str, path: str = "") -> str:
    """The key of a host, or of the repositories below a path of it."""
    return f"credential.https://{host}{'/' if path else ''}{path}.helper"


def file(environ: Mapping[str, str], *, local: bool) -> str:
    """The file that `git config --global`, or `--local`, writes to."""
    if local:
        found = _git(["rev-parse", "--git-path", "config"])
        if found is None:
            raise AuthError("This is no git repository.", hint="leave out --local, or cd to one")
        return os.path.abspath(found.strip("\n"))
    if environ.get("GIT_CONFIG_GLOBAL"):
        return environ["GIT_CONFIG_GLOBAL"]
    usual = os.path.expanduser("~/.gitconfig")
    base = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    other = os.path.join(base, "git", "config")
    return other if os.path.exists(other) and not os.path.exists(usual) else usual


def install(path: str, wanted: Mapping[str, str]) -> Edit:
    """The file with `wanted`: key -> helper. What is there of ours for a key is replaced."""
    return _edited(path, wanted)


def remove(path: str, keys: Sequence[str] = ()) -> Edit:
    """The file without what we wrote, for these keys or for all."""
    return _edited(path, dict.fromkeys(keys) if keys else None)


def _edited(path: str, wanted: Mapping[str, str | None] | None) -> Edit:
    """git edits a copy, and only its result is taken."""
    before = read(path)
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="arcrun-") as folder:
        copy = os.path.join(folder, "config")
        with open(copy, "wb", opener=_private) as file_:
            file_.write(before or b"")
        changes = _all_of_ours(copy) if wanted is None else wanted
        for name, value in changes.items():
            lines += _set(copy, name, value)
        after = _without_empty(read(copy) or b"", changes) if lines else before or b""
    return Edit(path, before, after, tuple(lines))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _set(copy: str, name: str, value: str | None) -> list[str]:
    """Puts our helper, or none, among the values of a key. What to show of it."""
    held = [text for _, text in _values(copy, ["--get-all", name])]
    others = _without_ours(held)
    if value in held or (value is None and others == held):
        return []
    if held != others:
        _drop(copy, name, held, others)
    if value is not None:
        _add(copy, name, ["", value])
    gone = [text for text in held if _OURS.search(text)]
    return [
        f'  [credential "{_section(name)}"]',
        *(f"-     helper = {text}" for each in gone for text in ("", each)),
        *(f"+     helper = {text}" for text in ([] if value is None else ["", value])),
    ]


def _without_empty(data: bytes, changes: Mapping[str, str | None]) -> bytes:
    """git leaves an empty section where it takes a comment before it for the section's own."""
    for name, value in changes.items():
        if value is None:
            header = re.escape(f'[credential "{_section(name)}"]').encode()
            data = re.sub(rb"(?m)^" + header + rb"\r?\n(?=\[|\Z)", b"", data)
    return data


def _section(name: str) -> str:
    return name.removeprefix("credential.").removesuffix(".helper")


def _without_ours(values: Iterable[str]) -> list[str]:
    """The values of others: without ours, and the empty one before each."""
    kept: list[str] = []
    for value in values:
        if not _OURS.search(value):
            kept.append(value)
        elif kept and not kept[-1]:
            kept.pop()
    return kept


def _drop(copy: str, name: str, held: Sequence[str], others: Sequence[str]) -> None:
    """Takes out what is ours of `held`. The lines of `others` stay, with the comments on them,
    but where an empty one of theirs looks like ours: then all are written anew."""
    ours = set(held) - set(others)
    if held.count("") != others.count("") and "" not in ours:
        _git(["config", "--file", copy, "--unset-all", name])
        _add(copy, name, others)
        return
    for value in sorted(ours):
        # git reads it as a POSIX extended regular expression.
        exact = "^" + re.sub(r"[][.\\()*+?{}|^$]", r"\\\g<0>", value) + "$"
        _git(["config", "--file", copy, "--unset-all", name, exact])


def _add(copy: str, name: str, values: Iterable[str]) -> None:
    for value in values:
        if _git(["config", "--file", copy, "--add", name, value]) is None:
            raise AuthError(f"git could not write {printable(name)}.")


def _all_of_ours(copy: str) -> dict[str, None]:
    found = _values(copy, ["--get-regexp", r"^credential\..*\.helper$"])
    return dict.fromkeys(name for name, value in found if _OURS.search(value))


def _values(copy: str, question: Sequence[str]) -> list[tuple[str, str]]:
    """What git finds: name and value, the name empty where only one was asked about."""
    found = _git(["config", "--file", copy, "--null", *question])
    entries = (found or "").split("\0")[:-1]
    if question[0] == "--get-all":
        return [("", entry) for entry in entries]
    return [(name, value) for name, _, value in (entry.partition("\n") for entry in entries)]


def _git(args: Sequence[str]) -> str | None:
    """What git prints; None where it fails: nothing found, no repository. AuthError without git."""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            ["git", *args],  # noqa: S607 - the user's own, by the PATH
            env=without_ours(os.environ),
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    except FileNotFoundError:
        raise AuthError("git is not installed here, or not on the PATH.") from None
    except subprocess.TimeoutExpired:
        raise AuthError(f"git did not answer within {PATIENCE} seconds.") from None
    if done.returncode > 1 and args[0] == "config":
        said = printable(done.stderr.decode("utf-8", "replace"))
        raise AuthError(f"git cannot read its configuration: {said}")
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else None
