"""`arcrun recipes publish` and `sign`: for whoever gives recipes to others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import click

from arcrun_auth.errors import AuthError
from arcrun_auth.people import ask_hidden
from arcrun_auth.tokens import Secret
from arcrun_cli import options, ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from arcrun_auth.publishing.repository import KeyName, Repository

# As in `publishing.repository`, which loads too much for a help text; a test compares.
KEY_NAMES = ("root-1", "root-2", "root-3", "release", "timestamp")

SHOWN = 12
"""How many digits of a key's id tell it from another one?"""


class Passphrase:
    """The one passphrase of all the keys of a run: from a file, or typed once (a new one twice)."""

    def __init__(self, file: str | None, *, new: bool) -> None:
        self._file = file
        self._new = new
        self._known: Secret | None = None

    def __call__(self, name: str = "") -> Secret:
        del name
        if self._known is None:
            self._known = self._read(self._file) if self._file else self._ask()
        return self._known

    @staticmethod
    def _read(file: str) -> Secret:
        try:
            with open(file, encoding="utf-8") as opened:
                return Secret(opened.read().strip())
        except (OSError, UnicodeDecodeError):
            raise AuthError(
                f"{file} cannot be read.", hint="name a file with a passphrase"
            ) from None

    def _ask(self) -> Secret:
        typed = ask_hidden(options.terminal(), "Passphrase of the keys", confirm=self._new)
        if not typed:
            raise UsageFault(
                "Nobody typed a passphrase.", "--passphrase-file FILE reads it from a file"
            )
        return Secret(typed)


passphrase_option = click.option(
    "--passphrase-file", metavar="FILE", help="Read the passphrase of the keys there."
)


@click.command(
    "publish",
    cls=Command,
    short_help="Sign a set of recipes, for others to fetch.",
    examples=(
        "arcrun recipes publish site --keys keys --init       once: keys, and a root",
        "arcrun recipes publish site --keys keys              a release of ./recipes",
        "arcrun recipes publish site --keys keys --timestamp  once a day",
        "arcrun recipes publish site --keys keys --rotate release",
    ),
)
@click.argument("site", metavar="FOLDER")
@click.option("--keys", required=True, metavar="FOLDER", help="Where the private keys are.")
@click.option(
    "--recipes", "source", default="recipes", show_default=True, metavar="FOLDER",
    help="The set, with its number in the file `version`.",
)  # fmt: skip
@click.option("--init", "what", flag_value="init", help="Make five keys and the first root.")
@click.option("--timestamp", "what", flag_value="timestamp", help="Sign the timestamp alone.")
@click.option(
    "--rotate", type=click.Choice(KEY_NAMES), metavar="KEY",
    help=f"Replace a key by a new one: {', '.join(KEY_NAMES)}.",
)  # fmt: skip
@passphrase_option
def publish(
    site: str,
    keys: str,
    source: str,
    what: str | None,
    *,
    rotate: str | None,
    passphrase_file: str | None,
) -> int:
    """Write a signed set of recipes into FOLDER, which any web server can give out.

    Two of three root keys say which other keys count: keep them apart, and offline. The key
    release signs a set, the key timestamp says that there is no newer one, for 7 days. Where
    release is replaced, the set is packed anew.
    """
    from arcrun_auth.publishing.keys import Keyring
    from arcrun_auth.publishing.repository import Repository

    if what and rotate:
        raise UsageFault("One thing at a time.", "arcrun recipes publish --help")
    new = what == "init" or rotate is not None
    repository = Repository(site, Keyring(keys, Passphrase(passphrase_file, new=new)))
    if what == "init":
        root = repository.init()
        _done(f"Five keys are in {keys}, and the first root in {root}.")
        ui.tell("  → clients need it from the start: ARCRUN_RECIPES_ROOT, or root.json among the")
        ui.tell("    recipes of a package. Then take root-1, root-2 and root-3 apart, and offline.")
    elif rotate:
        _rotate(repository, cast("KeyName", rotate), source)
    elif what == "timestamp":
        _done(f"The timestamp holds until {repository.refresh():%Y-%m-%d %H:%M} UTC.")
    else:
        _release(repository, site, source)
    return 0


def _release(repository: Repository, site: str, source: str) -> None:
    version = repository.release(source)
    _done(f"Version {version} is signed in {site}.")
    ui.tell("  → upload all files, timestamp.json as the last one")


def _rotate(repository: Repository, name: KeyName, source: str) -> None:
    before = repository.signers()
    version = repository.rotate(name, source)
    _done(f"{name} is a new key, by root {version}. The old one was set aside.")
    for role, ids in repository.signers().items():
        shown = [f"{'' if key in before[role] else 'new '}{key[:SHOWN]}" for key in ids]
        ui.tell(f"  {role:<10}{' '.join(shown)}")
    ui.tell("  → compare the list; upload all files, timestamp.json as the last one")


def _done(text: str) -> None:
    ui.tell(f"{ui.mark('ok', ui.err)} {text}")


@click.command(
    "sign",
    cls=Command,
    short_help="Sign a recipe that you give to the community.",
    examples=("arcrun recipes sign recipes/community/acme/shop.yaml --key ~/acme.pem",),
)
@click.argument("file", metavar="FILE")
@click.option("--key", "path", required=True, metavar="FILE", help="Your private key (Ed25519).")
@passphrase_option
def sign(file: str, path: str, *, passphrase_file: str | None) -> int:
    """Write the signature beside AUTHOR/SERVICE.yaml, and your public key as key.pub.

    Where there is no key yet, one is made if you want it. Whoever takes the recipe is shown
    the key's fingerprint: tell it where people know you.
    """
    from arcrun_auth.publishing import author, keys

    new = not os.path.lexists(path)
    passphrase = Passphrase(passphrase_file, new=new)
    if new and not options.terminal().confirm(f"There is no key {path}. Make one?"):
        raise UsageFault(f"There is no key {path}.", "run it at a terminal to make one")
    key = keys.make(path, passphrase()) if new else keys.load(path, passphrase)
    fingerprint = author.sign(file, key)
    _done(f"{file} is signed by {fingerprint}.")
    return 0
