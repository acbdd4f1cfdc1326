"""Which store is synced, and which logins in it stay on this device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.protocol import portable
from arcrun_auth.sync import ring as rings

if TYPE_CHECKING:
    from arcrun_auth.catalog import Catalog
    from arcrun_auth.protocol.portable import Login
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential


def primary(store: Store) -> Store:
    """The store itself: what the environment gives is nobody's to send."""
    found: Store = getattr(store, "primary", store)
    return found


def syncs(store: Store) -> bool:
    """Whether this home belongs to a synced vault."""
    return primary(store).get(rings.KEY) is not None


class Logins:
    """What becomes of the grant of a record, by the recipes that are here."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._services: dict[str, list[str]] = {}
        for entry in catalog.entries():
            self._services.setdefault(entry.account, []).append(entry.service)

    def of(self, record: Credential) -> Login:
        """Where no recipe tells, it stays: a login that is used twice may end for both."""
        for service in self._services.get(record.key.account, ()):
            try:
                way = self._catalog.entry(service).method(record.method)
            except AuthError:  # another service of this account has that way in
                continue
            if way.unattended:
                return "anew"
            if way.refresh == "no" or (way.refresh == "yes" and way.rotates == "no"):
                return "travels"
            return "stays"
        return "stays"

    def stay(self, record: Credential) -> bool:
        """Whether each device has to log in for itself."""
        login = self.of(record) if record.key.kind == "credential" and record.method else "anew"
        if record.grant is None:
            return login == "stays" and not record.secrets
        return portable.own_login(record, login)
