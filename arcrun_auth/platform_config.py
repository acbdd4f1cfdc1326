"""The platform's own `config.yaml`, where its first SDK keeps its keys in clear.

    api_key: ak_...
    encryption_key: 64 hex digits
    base_url: https://platform.example

It is read where nothing else names a key. `take` puts the keys into the vault, and `clear`
takes them out of the file; what else stands in it stays.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError, StoreConflict, printable
from arcrun_auth.stores.private import write_atomically
from arcrun_auth.tokens import Credential, Key, Secret

if TYPE_CHECKING:
    import yaml

    from arcrun_auth.stores.base import Store

    Span = tuple[int, int]

FILE = "config.yaml"
MAX_FILE = 1 << 16
"""How large may it be, in bytes?"""
SECRETS = ("api_key", "encryption_key")
KEY = Key("device", "sdk")
"""Under which name does the vault keep the key that the rows of the SDK are sealed with?"""
ENCRYPTION_KEY = "encryption_key"


class PlatformConfig:
    """What the file says. Its `repr` shows no key."""

    __slots__ = ("_spans", "_text", "base_url", "path", "secrets")

    def __init__(self, path: str, text: str, values: dict[str, tuple[str, Span | None]]) -> None:
        self.path = path
        self._text = text
        self.base_url = values.get("base_url", ("", None))[0]
        self.secrets = {name: Secret(values[name][0]) for name in SECRETS if name in values}
        self._spans = [values[name][1] for name in self.secrets]

    def __repr__(self) -> str:
        return f"PlatformConfig({self.path!r})"

    def rest(self) -> str | None:
        """The text without the lines of the keys; None where a key shares its line."""
        text = self._text
        for span in sorted(self._spans, key=lambda s: s or (-1, -1), reverse=True):
            if span is None:
                return None
            text = text[: span[0]] + text[span[1] :]
        return text


def read(home: str) -> PlatformConfig | None:
    """The file in `home`; None where there is none. AuthError for what is no such file."""
    path = os.path.join(home, FILE)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuthError(f"{path} cannot be read: {error.strerror}.") from None
    values = None
    if len(data) <= MAX_FILE:
        try:
            values = _values(data.decode())
        except UnicodeDecodeError:
            values = None
    if values is None:
        raise AuthError(f"{path} is no configuration of the platform.", hint=f"mend {path}")
    return PlatformConfig(path, data.decode(), values)


def _values(text: str) -> dict[str, tuple[str, Span | None]] | None:
    """The fields that are texts, and where their lines stand; None for what is no YAML.

    The nodes are looked at, and not the values they stand for: no alias is followed.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    if root is None:
        return {}
    if not isinstance(root, yaml.MappingNode):
        return None
    found: dict[str, tuple[str, Span | None]] = {}
    for key, value in root.value:
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode) and value.value:
            span = None if root.flow_style else _line(text, key, value)
            found[str(key.value)] = (str(value.value), span)
    return found


def _line(text: str, key: yaml.Node, value: yaml.Node) -> Span | None:
    """The line of a field that is one line; a block of text, or an anchor, is none."""
    if key.start_mark.line != value.end_mark.line or key.start_mark.column:
        return None
    start, end = key.start_mark.index, text.find("\n", value.end_mark.index)
    return start, len(text) if end < 0 else end + 1


def encryption_key(store: Store) -> Secret | None:
    """The key that the vault keeps for the rows of the SDK."""
    record = store.get(KEY)
    return record.secrets.get(ENCRYPTION_KEY) if record is not None else None


def take(store: Store, found: PlatformConfig) -> list[str]:
    """Puts the keys of the file into the vault, where it has none; the names of those it took.

    An API key is taken together with its address alone.
    """
    from arcrun_auth.sync import account

    taken = []
    key = found.secrets.get("api_key")
    if key is not None and found.base_url and store.get(account.KEY) is None:
        account.keep(store, found.base_url, key, account="", email="")
        taken.append("api_key")
    sealing = found.secrets.get(ENCRYPTION_KEY)
    if sealing is not None and store.get(KEY) is None:
        try:
            store.put(Credential(KEY, secrets={ENCRYPTION_KEY: sealing}), expect=0)
        except StoreConflict:  # another process took it at the same moment
            return taken
        taken.append(ENCRYPTION_KEY)
    return taken


def clear(store: Store, found: PlatformConfig) -> bool:
    """Takes the keys out of the file that the vault holds, each the same; False where it cannot.

    AuthError where the file cannot be written.
    """
    from arcrun_auth.sync import account

    login = store.get(account.KEY)
    held = {
        "api_key": login.secrets.get("api_key") if login is not None else None,
        ENCRYPTION_KEY: encryption_key(store),
    }
    rest = found.rest()
    if rest is None or any(held[name] != value for name, value in found.secrets.items()):
        return False
    write_atomically(found.path, rest.encode())
    return True


def where(found: PlatformConfig) -> str:
    """Its path, fit for a terminal."""
    return printable(found.path, 200)
