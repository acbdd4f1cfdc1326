"""Recipes of the community: `author/service`, signed by the author, at a commit that was named.

An author's key is trusted on first use, where it is shown, and pinned from then on. The
place is a folder of raw files whose address has a full commit in it: what a branch says
tomorrow is nobody's promise.

    URL/AUTHOR/SERVICE.yaml        the recipe; its service is AUTHOR/SERVICE
    URL/AUTHOR/SERVICE.yaml.sig    its Ed25519 signature, base64
    URL/AUTHOR/key.pub             the author's public key, PEM
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from arcrun_auth.errors import (
    AuthError,
    ConsentRequired,
    ProviderUnavailable,
    RecipeError,
    UnknownService,
    printable,
)
from arcrun_auth.locks import LOCK_WAIT
from arcrun_auth.remote.download import base, download, host_of
from arcrun_auth.remote.lockfile import Held, Pin
from arcrun_auth.remote.source import Fetched

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from arcrun_auth.catalog import Catalog
    from arcrun_auth.recipe import Recipe
    from arcrun_auth.remote.download import Budget
    from arcrun_auth.remote.source import Wish
    from arcrun_auth.settings import Settings

NAME = re.compile(r"([a-z0-9-]{1,39})/([a-z0-9][a-z0-9_]{0,63})")
PURPOSE = b"arcrun-auth recipe, version 1\0"
"""What is signed before the text, so that a signature made for something else fits none."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OK, _NOT_FOUND = 200, 404


@dataclass(frozen=True)
class Signed:
    """A recipe whose signature fits the key beside it. Whether that key is trusted comes next."""

    name: str
    text: str
    key: str
    """The author's public key, raw, base64."""
    source: str
    commit: str

    @property
    def author(self) -> str:
        return self.name.partition("/")[0]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)

    @property
    def file(self) -> str:
        return file_of(self.name)


def file_of(name: str) -> str:
    """What the lock calls the text of `author/service`: an id has no double underscore."""
    return name.replace("/", "__") + ".yaml"


def fingerprint(key: str) -> str:
    """How a key is told to people: `SHA256:…`, as OpenSSH spells it."""
    return "SHA256:" + b64encode(sha256(b64decode(key)).digest()).decode().rstrip("=")


def address(settings: Settings, url: str | None = None) -> tuple[str, str]:
    """The folder of the community's recipes, and the commit in its address.

    AuthError where none is named, or where it would follow a branch.
    """
    named = url or settings.get("community_url")
    if not named:
        raise AuthError(
            "No place of community recipes is named.",
            hint="arcrun recipes add AUTHOR/SERVICE --from URL, with a full commit in it",
        )
    found = base("community_url", named)
    commits = [part for part in found.split("/") if _COMMIT.fullmatch(part)]
    if len(commits) != 1:
        raise AuthError(
            f"{printable(found, 200)} names no commit in full: what lies there may change.",
            hint="put the commit's 40 digits in the place of the branch",
        )
    return found, commits[0]


def get(name: str, settings: Settings, budget: Budget, url: str | None = None) -> Signed:
    """One recipe and its author's key, the signature checked.

    Raises UnknownService where there is none, RecipeError where the signature does not fit,
    ProviderUnavailable.
    """
    place, commit = address(settings, url)
    author, _, service = name.partition("/")
    recipe = f"{place}{author}/{service}.yaml"
    text, signature, pem = (
        _file(path, name, settings, budget)
        for path in (recipe, f"{recipe}.sig", f"{place}{author}/key.pub")
    )
    key = _public_key(pem, name)
    _check_signature(key, signature, text, name)
    return Signed(
        name, _text(text, name), b64encode(key.public_bytes_raw()).decode(), place, commit
    )


def _file(url: str, name: str, settings: Settings, budget: Budget) -> bytes:
    answer = download(url, budget, allow=settings.allow_hosts)
    if answer.status == _NOT_FOUND:
        raise UnknownService(name, hint=f"look whether {printable(url, 200)} is there")
    if answer.status != _OK:
        raise ProviderUnavailable(
            f"{host_of(url)} did not give {name} (status {answer.status}).", status=answer.status
        )
    return answer.body


def _public_key(pem: bytes, name: str) -> Ed25519PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise RecipeError("The author's key.pub is no Ed25519 key.", service=name)
    return key


def _check_signature(key: Ed25519PublicKey, signature: bytes, text: bytes, name: str) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(b64decode(signature.strip(), validate=True), PURPOSE + text)
    except (InvalidSignature, ValueError):
        raise RecipeError(
            f"The signature of {name} does not fit its text and its author's key.",
            service=name,
            hint="tell the author: the recipe was changed after it was signed",
        ) from None


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RecipeError("A recipe is UTF-8.", service=name) from None


# -- trust -----------------------------------------------------------------------------


def is_known(found: Signed, held: Held | None) -> bool:
    """Whether the author's key is the one of before; False for an author who is new.

    ConsentRequired for another key: whoever has it is not whom you trusted.
    """
    before = held.authors.get(found.author) if held is not None else None
    if before is None:
        return False
    if before != found.key:
        raise ConsentRequired(
            f"{found.author} signs with another key: {found.fingerprint}, and it was "
            f"{fingerprint(before)}. Nothing was taken.",
            service=found.name,
            changes=(f"{fingerprint(before)} → {found.fingerprint}: another author's key",),
            hint="ask the author by another way; to trust the new key, delete the old one from "
            "recipes.lock (community, authors) and add the recipe again",
        )
    return True


def check(found: Signed, catalog: Catalog) -> Recipe:
    """The recipe, as the linter and the catalogue take it. RecipeError says what is wrong."""
    from arcrun_auth import lint
    from arcrun_auth.recipe import read

    bases = catalog.bases()
    recipe = read(found.text, path=found.file, bases=bases)
    if recipe.service != found.name:
        raise RecipeError(
            f"It describes {printable(recipe.service, 80)!r}, and {found.name!r} was asked for.",
            service=found.name,
        )
    known = [catalog.recipe(entry.service) for entry in catalog.entries() if entry.trusted]
    findings = lint.lint({found.file: found.text}, tier="community", bases=bases, known=known)
    for finding in lint.errors(findings):
        raise RecipeError(
            finding.message, service=found.name, path=found.file, line=finding.line,
            field=finding.field, hint="tell the author",
        )  # fmt: skip
    return recipe


def joined(found: Signed, held: Held | None) -> Held:
    """What is held, with this recipe and its author's key."""
    before = held if held is not None else Held("", {})
    pin = Pin("", source=found.source, commit=found.commit, key=found.fingerprint)
    return Held(
        "",
        {**before.recipes, found.file: pin},
        authors={**before.authors, found.author: found.key},
    )


def fetch(wish: Wish) -> Fetched | None:
    """Each recipe that was taken from `community_url`, at the commit that stands there now; and
    each text that is damaged, from where it was taken.

    None where all are as they should be. One that cannot be had stays as it is, with its
    reason. Raises ProviderUnavailable where a place does not answer: then all stay.
    """
    place, commit = address(wish.settings)
    held, texts = wish.held, dict(wish.texts)
    unusable: dict[str, str] = {}
    strangers: list[ConsentRequired] = []
    for file, pin in held.recipes.items() if held is not None else ():
        url = place if _lies_at(pin, place, commit) else pin.source
        if url == pin.source and file in texts:
            continue
        name = file.removesuffix(".yaml").replace("__", "/", 1)
        try:
            found = _of_same_hand(name, url, pin, wish)
        except ConsentRequired as error:
            strangers.append(error)
        except (UnknownService, RecipeError) as error:
            unusable[name] = error.message
        else:
            held, texts[file] = joined(found, held), found.text
    if held is None or (texts == wish.texts and held == wish.held and not (unusable or strangers)):
        return None
    unusable |= {str(error.service): error.message for error in strangers[1:]}
    return Fetched(held, texts, mark="", unusable=unusable, error=next(iter(strangers), None))


def _lies_at(pin: Pin, place: str, commit: str) -> bool:
    """Whether it was taken from that place, at whichever commit."""
    return pin.source.replace(pin.commit, commit) == place


def _of_same_hand(name: str, url: str, pin: Pin, wish: Wish) -> Signed:
    """The recipe as it is there; ConsentRequired unless the key is the one that was agreed to
    with it."""
    found = get(name, wish.settings, wish.budget, url)
    if not is_known(found, wish.held) or found.fingerprint != pin.key:
        raise ConsentRequired(
            f"{name} is signed by {found.fingerprint}, and nobody here has agreed to that key "
            "for it. It stays as it was.",
            service=name,
            changes=(f"{pin.key} → {found.fingerprint}: another author's key",),
            hint=f"arcrun recipes add {name} shows the key, and asks",
        )
    check(found, wish.catalog)
    return found


def add(found: Signed, settings: Settings, catalog: Catalog) -> None:
    """Keep a recipe that somebody agreed to, and its author's key from now on.

    Raises ConsentRequired where the key has become another one meanwhile.
    """
    from arcrun_auth.remote import lockfile

    with lockfile.writing(settings.home, LOCK_WAIT):
        held = lockfile.read(catalog.folder).community
        is_known(found, held)
        texts = lockfile.texts(catalog.folder, "community", held) if held is not None else {}
        fresh = joined(found, held)
        lockfile.store(catalog.folder, "community", fresh, {**texts, found.file: found.text})
    catalog.reindex()


def remove(name: str, settings: Settings, catalog: Catalog) -> None:
    """Keep this recipe no longer, if it is kept. Its author's key stays pinned."""
    from arcrun_auth.remote import lockfile

    file = file_of(name)
    with lockfile.writing(settings.home, LOCK_WAIT):
        held = lockfile.read(catalog.folder).community
        if held is not None and file in held.recipes:
            rest = {other: pin for other, pin in held.recipes.items() if other != file}
            texts = lockfile.texts(catalog.folder, "community", held)
            texts.pop(file, None)
            kept = Held("", rest, authors=held.authors)
            lockfile.store(catalog.folder, "community", kept, texts)
    catalog.reindex()
